#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
The modem of tools/serial-emu/ at the far end of a port, and python3-serial in front of it.

KTAP on standard output; exit status 0, 1 if a case failed, 4 if it cannot be run here.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))
import farend  # pylint: disable=wrong-import-position
from farend import PATIENCE, wait  # pylint: disable=wrong-import-position

try:
    import serial
except ImportError:
    farend.skip("no python3-serial")


class Line:
    """The port, and the modem's end of it."""

    def __init__(self, cable, program):
        self.cable = cable
        self.program = program
        self.modem = None
        self.start()
        self.port = serial.Serial(cable.tty(), 9600, timeout=PATIENCE)
        wait(lambda: self.port.dsr and self.port.cts, "DSR and CTS")

    def start(self):
        # pylint: disable-next=consider-using-with
        self.modem = subprocess.Popen([self.program, self.cable.device])

    def end(self):
        self.port.close()
        self.modem.kill()
        self.modem.wait()

    def ask(self, command, answer):
        self.port.write(command + b"\r")
        self.hear(answer)

    def hear(self, answer):
        got = self.port.read_until(b"\r\n" + answer + b"\r\n")
        assert got.endswith(b"\r\n" + answer + b"\r\n"), f"{got!r} instead of {answer!r}"


def commands(line):
    """commands are answered"""
    line.ask(b"AT", b"OK")
    line.ask(b"ati", b"emulated modem")
    line.hear(b"OK")
    line.ask(b"ATX", b"ERROR")
    line.ask(b"hello", b"ERROR")
    line.ask(b"ATO", b"NO CARRIER")


def echo(line):
    """echo can be switched off"""
    line.port.write(b"ATE0\r")
    assert line.port.read(5) == b"ATE0\r"
    line.hear(b"OK")
    line.port.write(b"AT\r")
    assert line.port.read(6) == b"\r\nOK\r\n"
    line.ask(b"ATZ", b"OK")


def dial(line):
    """a connection has a carrier, and sends data back"""
    assert not line.port.cd
    line.ask(b"ATDT 555 1234", b"CONNECT 9600")
    wait(lambda: line.port.cd, "carrier")
    data = bytes(range(256))
    data = data.replace(b"+", b"-")
    line.port.write(data)
    assert line.port.read(256) == data


def back_to_commands(line):
    """+++ leads back to the commands, ATO to the line, ATH ends it"""
    line.port.write(b"+++")
    assert line.port.read(3) == b"+++"
    line.hear(b"OK")
    assert line.port.cd
    line.ask(b"ATO", b"CONNECT 9600")
    line.port.write(b"+++")
    line.hear(b"OK")
    line.ask(b"ATH", b"OK")
    wait(lambda: not line.port.cd, "no carrier")


def speed(line):
    """the modem knows the speed of the port"""
    line.port.baudrate = 38400
    line.ask(b"ATA", b"CONNECT 38400")
    wait(lambda: line.port.cd, "carrier")


def dtr(line):
    """dropping DTR hangs up"""
    line.port.dtr = False
    line.hear(b"NO CARRIER")
    wait(lambda: not line.port.cd, "no carrier")
    line.port.dtr = True


def death(line):
    """a modem that dies is a plug that is pulled out, and another one can be plugged in"""
    line.ask(b"ATA", b"CONNECT 38400")
    line.modem.kill()
    line.modem.wait()
    wait(lambda: not (line.port.cd or line.port.dsr or line.port.cts), "all lines inactive")
    line.port.reset_input_buffer()
    line.start()
    wait(lambda: line.port.dsr and line.port.cts, "DSR and CTS")
    line.ask(b"AT", b"OK")


def end_of_the_cable(line):
    """the modem ends well when the cable does"""
    line.port.close()
    line.cable.live(False)
    assert line.modem.wait(PATIENCE) == 0


CASES = (commands, echo, dial, back_to_commands, speed, dtr, death, end_of_the_cable)


if __name__ == "__main__":
    sys.exit(farend.main("modem", "peer-out2", CASES, Line))
