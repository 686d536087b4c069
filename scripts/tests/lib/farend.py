# SPDX-License-Identifier: GPL-2.0-only
"""
For the tests of programs that are the far end of a port: the cable, the program,
and the cases, whose results are KTAP on standard output.
"""

import os
import subprocess
import sys
import tempfile
import time
import traceback

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
CABLES = "/sys/kernel/config/serial-emu"
PATIENCE = 20


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def wait(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "not so after a while: " + what
        time.sleep(0.02)


def tty(end):
    """The device of the port whose directory is given."""
    with open(end + "/tty", encoding="ascii") as file:
        return "/dev/" + file.read().strip()


class Cable:
    """One between a port and a program; DCD is wired as given."""

    def __init__(self, name, dcd="peer-dtr"):
        self.path = os.path.join(CABLES, name)
        self.device = f"/dev/serial-emu/{name}/line"
        for part in ("", "/port", "/line"):
            os.mkdir(self.path + part)
        write(self.path + "/line/kind", "chardev")
        write(self.path + "/port/dcd", dcd)
        self.live(True)

    def live(self, on):
        write(self.path + "/live", "1" if on else "0")

    def tty(self):
        return tty(self.path + "/port")

    def remove(self):
        self.live(False)
        for part in ("/port", "/line", ""):
            os.rmdir(self.path + part)


def build(directory, name):
    """Compile one of tools/serial-emu/."""
    program = os.path.join(directory, name)
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-I", os.path.join(TOP, "include/uapi"),
                    "-o", program, os.path.join(TOP, f"tools/serial-emu/{name}.c"), "-lm"],
                   check=True)
    return program


def skip(reason):
    print("1..0 # SKIP", reason)
    sys.exit(4)


def run(cases, *arguments):
    """Run them in order; returns the exit status."""
    failed = 0
    print("TAP version 13")
    print(f"1..{len(cases)}")
    for number, case in enumerate(cases, 1):
        try:
            case(*arguments)
            print("ok", number, case.__doc__, flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            for text in traceback.format_exc().splitlines():
                print("#", text)
            print("not ok", number, case.__doc__, flush=True)
    return 1 if failed else 0


def main(name, dcd, cases, make):
    """Make the cable and what make() makes of it and the program, and run the cases."""
    if not os.path.isdir(CABLES):
        skip("no " + CABLES)
    cable = Cable(name, dcd)
    with tempfile.TemporaryDirectory() as directory:
        subject = make(cable, build(directory, name))
        try:
            return run(cases, subject)
        finally:
            subject.end()
            cable.remove()
