#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
The RFC 2217 bridge of tools/serial-emu/ makes a port of this machine out of one in
the network: there ser2net has it, and python3-serial after that.

KTAP on standard output; exit status 0, 1 if a case failed, 4 if it cannot be run here.
"""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))
import farend  # pylint: disable=wrong-import-position
from farend import PATIENCE, wait  # pylint: disable=wrong-import-position

try:
    import serial
    import serial.rfc2217
except ImportError:
    farend.skip("no python3-serial")

# What the server has, and who is at the other end of its cable
SERVED = "/dev/ttyEMU0"
BEYOND = "/dev/ttyEMU1"

EVERY_BYTE = bytes(range(256))


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def ser2net(port):
    """Start it, in the foreground."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as config:
        config.write(f"connection: &con\n"
                     f"  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n"
                     f"  connector: serialdev,{SERVED},9600n81,local\n")
    program = shutil.which("ser2net", path="/usr/sbin:/usr/bin")
    # pylint: disable-next=consider-using-with
    return subprocess.Popen([program, "-n", "-c", config.name]).pid


def serve_one(port):
    """What python3-serial's example of a server does, for one client."""
    with serial.Serial(SERVED, timeout=0) as uart, \
            socket.create_server(("127.0.0.1", port)) as listener:
        client, _ = listener.accept()
        with client:
            # a manager writes to what it is given
            file = client.makefile("wb", buffering=0)
            manager = serial.rfc2217.PortManager(uart, file)
            while True:
                ready = select.select([client, uart], [], [], 0.02)[0]
                if client in ready:
                    data = client.recv(4096)
                    if not data:
                        return
                    uart.write(b"".join(manager.filter(data)))
                if uart in ready:
                    client.sendall(b"".join(manager.escape(uart.read(4096))))
                manager.check_modem_lines()


def python_serial(port):
    pid = os.fork()
    if pid:
        return pid
    try:
        serve_one(port)
    finally:
        os._exit(0)


class Port:
    """A cable with the bridge at its far end, and the server that it is connected to."""

    def __init__(self, cable, program, server):
        port = free_port()
        self.server = server(port)
        wait(lambda: self.listens(port), "the server listens")
        # pylint: disable-next=consider-using-with
        self.bridge = subprocess.Popen([program, cable.device, "127.0.0.1", str(port)])
        self.beyond = serial.Serial(BEYOND, timeout=PATIENCE)
        self.near = serial.Serial(cable.tty(), timeout=PATIENCE)
        wait(lambda: self.near.dsr, "the server says what it sees")

    @staticmethod
    def listens(port):
        """Without connecting, since a server may take one only."""
        with open("/proc/net/tcp", encoding="ascii") as table:
            return any(f":{port:04X} " in line and " 0A " in line for line in table)

    def end(self):
        self.near.close()
        self.beyond.close()
        self.bridge.kill()
        self.bridge.wait()
        os.kill(self.server, signal.SIGKILL)
        os.waitpid(self.server, 0)


def data(port):
    """every byte gets through, both ways"""
    for one, other in ((port.near, port.beyond), (port.beyond, port.near)):
        one.write(EVERY_BYTE)
        got = other.read(len(EVERY_BYTE))
        assert got == EVERY_BYTE, got


def much(port):
    """so does much, at a speed that the bridge has to tell"""
    text = EVERY_BYTE * 64
    for baud in (57600, 115200):
        port.near.baudrate = port.beyond.baudrate = baud
        time.sleep(0.5)
        for one, other in ((port.near, port.beyond), (port.beyond, port.near)):
            writer = threading.Thread(target=one.write, args=(text,))
            writer.start()
            got = other.read(len(text))
            writer.join()
            assert got == text, f"{len(got)} of {len(text)} from {one.name} at {baud}"


def formats(port):
    """data bits, parity and stop bits are set there"""
    for bits, parity, stop in ((7, "E", 2), (8, "O", 1), (8, "N", 1)):
        for uart in (port.near, port.beyond):
            uart.bytesize, uart.parity, uart.stopbits = bits, parity, stop
        time.sleep(0.5)
        settings = subprocess.run(["stty", "-a", "-F", SERVED], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.split()
        assert f"cs{bits}" in settings, settings
        assert ("-parenb" in settings) == (parity == "N"), settings
        assert ("cstopb" in settings) == (stop == 2), settings
        port.near.write(b"format")
        assert port.beyond.read(6) == b"format"


def lines(port):
    """DTR and RTS are set there"""
    wait(lambda: port.beyond.cts and port.beyond.dsr and port.beyond.cd, "all are on")
    port.near.rts = False
    wait(lambda: not port.beyond.cts and port.beyond.dsr, "RTS off")
    port.near.dtr = False
    wait(lambda: not port.beyond.dsr, "DTR off")
    port.near.rts = port.near.dtr = True
    wait(lambda: port.beyond.cts and port.beyond.dsr, "both on again")


def status(port):
    """the modem status comes from there"""
    wait(lambda: port.near.cts and port.near.dsr and port.near.cd, "all are on")
    port.beyond.rts = False
    wait(lambda: not port.near.cts and port.near.dsr, "CTS off")
    port.beyond.dtr = False
    wait(lambda: not port.near.dsr and not port.near.cd, "DSR and DCD off")
    port.beyond.rts = port.beyond.dtr = True
    wait(lambda: port.near.cts and port.near.dsr and port.near.cd, "all are on again")


def breaks(port):
    """a break is sent there"""
    port.beyond.reset_input_buffer()
    port.beyond.timeout = 3
    # how long it is there nobody guarantees: with a server that comes late it is none
    for _ in range(3):
        port.near.send_break(0.5)
        got = port.beyond.read(1)
        if got:
            break
    assert got == b"\0", got


CASES = (data, much, formats, lines, status, breaks)


def with_server(case, program, server):
    """A case of its own cable, connection and server."""
    def run(*_):
        cable = farend.Cable("rfc2217", "peer-out2")
        try:
            port = Port(cable, program, server)
            try:
                case(port)
            finally:
                port.end()
        finally:
            cable.remove()
    run.__doc__ = f"{server.__name__}: {case.__doc__}"
    return run


def main():
    if not shutil.which("ser2net", path="/usr/sbin:/usr/bin"):
        farend.skip("no ser2net")
    # ser2net looks no name up, and no number, as long as there is only the loopback
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", "192.0.2.1/32", "dev", "lo"], check=True)
    with tempfile.TemporaryDirectory() as directory:
        program = farend.build(directory, "rfc2217")
        return farend.run([with_server(case, program, server)
                           for server in (ser2net, python_serial) for case in CASES])


if __name__ == "__main__":
    sys.exit(main())
