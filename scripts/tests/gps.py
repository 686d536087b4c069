#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
The GPS receiver of tools/serial-emu/ at the far end of a port, and gpsd in front of it.

KTAP on standard output; exit status 0, 1 if a case failed, 4 if it cannot be run here.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))
import farend  # pylint: disable=wrong-import-position
from farend import PATIENCE  # pylint: disable=wrong-import-position

PLACE = (52.5163, 13.3777)
SENTENCE = re.compile(rb"\$(GP\w{3},[^*]*)\*([0-9A-F]{2})\r\n")


class Receiver:
    """The receiver, and where it is read."""

    def __init__(self, cable, program):
        self.cable = cable
        # pylint: disable-next=consider-using-with
        self.gps = subprocess.Popen([program, cable.device, str(PLACE[0]), str(PLACE[1])])

    def end(self):
        self.gps.kill()
        self.gps.wait()


def sentences(receiver):
    """sentences come once a second, and their sums are right"""
    tty = receiver.cable.tty()
    subprocess.run(["stty", "-F", tty, "raw", "-echo", "9600"], check=True)
    with open(tty, "rb", buffering=0) as port:
        begin = time.monotonic()
        data = b""
        while data.count(b"GPRMC") < 4 and time.monotonic() < begin + PATIENCE:
            data += port.read(4096)
        seconds = time.monotonic() - begin
    found = SENTENCE.findall(data)
    assert 2 < seconds < 8, f"{seconds} s for four"
    assert {text[:5] for text, _ in found} == {b"GPRMC", b"GPGGA", b"GPGSA"}, data
    for text, total in found:
        number = 0
        for byte in text:
            number ^= byte
        assert number == int(total, 16), text


def listens():
    try:
        socket.create_connection(("localhost", 2948)).close()
        return True
    except OSError:
        return False


def gpsd(receiver):
    """gpsd has a position from it"""
    daemon = shutil.which("gpsd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen([daemon, "-N", "-n", "-S", "2948", receiver.cable.tty()])
    try:
        farend.wait(listens, "gpsd listens")
        with subprocess.Popen(["gpspipe", "-w", "-x", "60", "localhost:2948"],
                              stdout=subprocess.PIPE, text=True) as pipe:
            for line in pipe.stdout:
                report = json.loads(line)
                if report.get("class") == "TPV" and report.get("mode", 0) >= 2:
                    break
            else:
                raise AssertionError("gpsd reports no position")
            pipe.kill()
    finally:
        process.kill()
        process.wait()
    assert abs(report["lat"] - PLACE[0]) < 0.0001, report
    assert abs(report["lon"] - PLACE[1]) < 0.0001, report


def network():
    """gpsd is reached over the network, of which this machine has only itself"""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


if __name__ == "__main__":
    if not shutil.which("gpspipe"):
        farend.skip("no gpsd")
    network()
    sys.exit(farend.main("gps", "peer-dtr", (sentences, gpsd), Receiver))
