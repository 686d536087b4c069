#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
python3-serial (pySerial) on both ends of the cable.

KTAP on standard output; exit status 0, 1 if a case failed, 4 if all were skipped.
"""

import errno
import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import traceback

TIOCSRS485 = 0x542f
NEAR = "/dev/ttyEMU0"
FAR = "/dev/ttyEMU1"

# Generous: for debug kernels on a busy host.
PATIENCE = 20
LIMIT = int(os.environ.get("TEST_TIMEOUT", "280"))


class Skip(Exception):
    """The case cannot be run here, for a reason."""


def wait_until(condition, what):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "not so after a while: " + what
        time.sleep(0.02)


def opened(port, **settings):
    settings.setdefault("timeout", PATIENCE)
    settings.setdefault("write_timeout", PATIENCE)
    return serial.Serial(port, **settings)


def both(**settings):
    return opened(NEAR, **settings), opened(FAR, **settings)


def exchange(near, far, data):
    for sender, receiver in ((near, far), (far, near)):
        assert sender.write(data) == len(data)
        got = receiver.read(len(data))
        assert got == data, f"sent {data[:40]!r}, received {got[:40]!r}"


def needs_time(took, needed):
    """A real line needs time. An emulated one may be as fast as the machine."""
    if took < needed / 3:
        raise Skip("the rate does not slow this port down")
    assert took > 0.9 * needed, f"took {took} s and should take {needed}"


def data_with(**settings):
    bits = settings.get("bytesize", 8)
    data = bytes(range(1 << bits)) if bits < 8 else bytes(range(256))
    near, far = both(**settings)
    with near, far:
        exchange(near, far, data)


def rates():
    """any rate, of a list or not"""
    for baud in (300, 9600, 12345, 115200, 250000, 1000000, 4000000):
        near, far = both(baudrate=baud)
        with near, far:
            assert near.baudrate == baud
            exchange(near, far, b"rate")


def rate_is_set():
    """an odd rate reaches the line"""
    # 1000 characters of 10 bits: 810 ms
    near, far = both(baudrate=12345)
    with near, far:
        start = time.monotonic()
        near.write(bytes(1000))
        near.flush()
        took = time.monotonic() - start
        assert len(far.read(1000)) == 1000
    needs_time(took, 0.81)


def formats():
    """5 to 8 bits, all parities, 1 and 2 stop bits"""
    for bits, parity, stop in (
        (8, "N", 1), (7, "E", 1), (7, "O", 2), (8, "E", 2), (6, "N", 2),
        (5, "N", 1), (7, "M", 1), (8, "S", 1),
    ):
        try:
            data_with(baudrate=115200, bytesize=bits, parity=parity,
                      stopbits=stop)
        except AssertionError as error:
            raise AssertionError(f"{bits}{parity}{stop}: {error}") from error


def reconfigured():
    """settings changed while open"""
    near, far = both(baudrate=9600)
    with near, far:
        for port in near, far:
            port.baudrate = 57600
            port.bytesize = 7
            port.parity = "E"
        exchange(near, far, b"other settings")


def wrong_parity():
    """a parity error is not seen without INPCK"""
    with opened(NEAR, parity="E") as near, opened(FAR, parity="O") as far:
        near.write(b"parity")
        assert far.read(6) == b"parity"


def hardware_flow():
    """rtscts: held as long as CTS is off, goes on then"""
    with opened(NEAR, rtscts=True, baudrate=115200) as near, \
            opened(FAR, baudrate=115200) as far:
        wait_until(lambda: near.cts, "CTS on")
        far.rts = False
        wait_until(lambda: not near.cts, "CTS off")
        near.write(b"x" * 100)
        far.timeout = 0.3
        got = far.read(100)
        assert got == b"", got
        far.timeout = PATIENCE
        far.rts = True
        assert far.read(100) == b"x" * 100


def software_flow():
    """xonxoff: XOFF holds, XON lets go, neither is data"""
    with opened(NEAR, xonxoff=True, baudrate=115200) as near, \
            opened(FAR, baudrate=115200) as far:
        far.write(serial.XOFF)
        # until it has arrived, which nothing tells
        time.sleep(0.3)
        near.write(b"x" * 100)
        far.timeout = 0.3
        assert far.read(100) == b""
        far.timeout = PATIENCE
        far.write(serial.XON)
        assert far.read(100) == b"x" * 100
        assert near.in_waiting == 0


def flow_under_load():
    """rtscts: nothing is lost if the reader is slow"""
    data = os.urandom(40000)
    near, far = both(rtscts=True, baudrate=1000000)
    with near, far:
        near.write_timeout = 2 * PATIENCE
        writer = threading.Thread(target=near.write, args=(data,))
        writer.start()
        got = b""
        while len(got) < len(data):
            time.sleep(0.01)
            chunk = far.read(1500 if len(got) + 1500 < len(data) else
                             len(data) - len(got))
            if not chunk:
                break
            got += chunk
        writer.join(2 * PATIENCE)
        assert got == data, f"{len(got)} of {len(data)} bytes"


def timeouts():
    """timeouts of reads and writes"""
    with opened(NEAR, timeout=0.5, rtscts=True, write_timeout=0.5) as near:
        start = time.monotonic()
        assert near.read(1) == b""
        took = time.monotonic() - start
        assert 0.4 < took < 10, f"read took {took} s"
        near.timeout = 0
        assert near.read(1) == b""
        # the far end is closed: CTS is off
        try:
            near.write(bytes(100000))
            raise AssertionError("no SerialTimeoutException")
        except serial.SerialTimeoutException:
            pass
        near.reset_output_buffer()


def exclusive():
    """exclusive: the second one fails"""
    with opened(NEAR, exclusive=True) as near:
        try:
            opened(NEAR, exclusive=True).close()
            raise AssertionError("opened twice")
        except serial.SerialException as error:
            assert error.errno in (errno.EAGAIN, errno.EBUSY), error
        assert near.is_open
    opened(NEAR, exclusive=True).close()


def modem_lines():
    """rts is cts, dtr is dsr and cd of the other end; ri is off"""
    near, far = both()
    with near, far:
        for one, other in ((near, far), (far, near)):
            for rts, dtr in ((1, 0), (0, 1), (0, 0), (1, 1)):
                one.rts, one.dtr = bool(rts), bool(dtr)
                want = (bool(rts), bool(dtr), bool(dtr), False)
                wait_until(lambda uart=other, lines=want:
                           (uart.cts, uart.dsr, uart.cd, uart.ri) == lines,
                           f"rts {rts} dtr {dtr}: cts, dsr, cd, ri {want}")
    with opened(FAR) as far:
        wait_until(lambda: not (far.cts or far.dsr or far.cd), "all off")


def lines_at_open():
    """dtr and rts as chosen before the open"""
    with opened(FAR) as far:
        near = serial.Serial()
        near.port = NEAR
        near.dtr = near.rts = False
        near.open()
        with near:
            wait_until(lambda: not (far.cts or far.dsr), "both off")
        near.dtr = near.rts = True
        with near:
            wait_until(lambda: (far.cts, far.dsr) == (True, True), "both on")


def breaks():
    """break_condition and send_break: one NUL each"""
    near, far = both(baudrate=115200)
    with near, far:
        before = counter("brk")
        near.break_condition = True
        # pySerial clears IGNBRK, and BRKINT was not set: a break is a NUL
        assert far.read(1) == b"\0"
        far.timeout = 0.3
        assert far.read(1) == b""
        near.break_condition = False
        near.write(b"x")
        far.timeout = PATIENCE
        assert far.read(1) == b"x"
        near.send_break(0.1)
        near.write(b"y")
        assert far.read(2) == b"\0y"
        assert counter("brk") - before == 2, "breaks were counted wrongly"


def counter(name):
    """of the far end, there is none of errors if nothing was wrong so far"""
    with open("/proc/tty/driver/serial_emu", encoding="ascii") as listing:
        for line in listing:
            number, _, rest = line.partition(": ")
            if number == FAR[-1]:
                for word in rest.split():
                    if word.startswith(name + ":"):
                        return int(word[len(name) + 1:])
    return 0


def queues():
    """in_waiting, out_waiting, both buffers reset"""
    with opened(NEAR, rtscts=True) as near, opened(FAR) as far:
        near.write(b"0123456789")
        wait_until(lambda: far.in_waiting == 10, "10 bytes to read")
        far.reset_input_buffer()
        assert far.in_waiting == 0
        far.rts = False
        wait_until(lambda: not near.cts, "CTS off")
        # with 256 or more the port is not ready for more, and write waits
        near.write(b"x" * 250)
        waiting = near.out_waiting
        # some may be in the FIFO
        assert 250 - 64 <= waiting <= 250, f"{waiting} of 250 to send"
        near.reset_output_buffer()
        assert near.out_waiting == 0
        far.rts = True
        near.write(b"end")
        # what was in the shift register may be before it
        assert far.read_until(b"end").lstrip(b"x") == b"end"
        assert far.in_waiting == 0


def flush_waits():
    """flush waits for the line"""
    # 96 characters of 10 bits at 1200: 800 ms
    near, far = both(baudrate=1200)
    with near, far:
        start = time.monotonic()
        near.write(bytes(96))
        near.flush()
        took = time.monotonic() - start
        # the receiver's interrupt may come later than the end of the last stop bit
        wait_until(lambda: far.in_waiting == 96, "all of it to arrive")
    needs_time(took, 0.8)


def cancel():
    """cancel_read from another thread"""
    with opened(NEAR) as near:
        threading.Timer(0.3, near.cancel_read).start()
        start = time.monotonic()
        assert near.read(1) == b""
        assert time.monotonic() - start < PATIENCE / 2


def lines_of_text():
    """readline, read_until, io.TextIOWrapper"""
    import io

    near, far = both(baudrate=115200)
    with near, far:
        near.write(b"first\nsecond\r\nrest>")
        assert far.readline() == b"first\n"
        assert far.read_until(b"\r\n") == b"second\r\n"
        assert far.read_until(b">") == b"rest>"
        text = io.TextIOWrapper(io.BufferedRWPair(near, near))
        text.write("größer\n")
        text.flush()
        assert far.readline() == "größer\n".encode()
        text.detach()


def in_a_thread():
    """serial.threaded"""
    import serial.threaded

    class Reverse(serial.threaded.LineReader):
        TERMINATOR = b"\n"

        def handle_line(self, line):
            self.write_line(line[::-1])

    near, far = both(baudrate=115200)
    near.timeout = 1
    with far, serial.threaded.ReaderThread(near, Reverse):
        far.write(b"stressed\n")
        assert far.readline() == b"desserts\n"


def rs485():
    """rs485_mode: RTS is the driver's direction line"""
    import serial.rs485

    with opened(NEAR, baudrate=9600) as near, opened(FAR, baudrate=9600) as far:
        try:
            near.rs485_mode = serial.rs485.RS485Settings(
                rts_level_for_tx=True, rts_level_for_rx=False)
        except (OSError, ValueError) as error:
            raise Skip(f"no RS-485 mode: {error}") from error
        wait_until(lambda: not far.cts, "RTS off while not sending")
        near.write(bytes(100))
        seen = False
        until = time.monotonic() + 1
        while not seen and time.monotonic() < until:
            seen = far.cts
        assert seen, "RTS was never on while sending"
        assert len(far.read(100)) == 100
        wait_until(lambda: not far.cts, "RTS off after sending")
        # pySerial has no way to switch it off: None is "leave it as it is"
        fcntl.ioctl(near.fileno(), TIOCSRS485, bytes(32))


def low_latency():
    """set_low_latency_mode"""
    with opened(NEAR) as near:
        near.set_low_latency_mode(True)
        near.set_low_latency_mode(False)


def found():
    """list_ports finds the port"""
    import serial.tools.list_ports as list_ports

    if NEAR not in [p.device for p in list_ports.comports()]:
        raise Skip("pySerial looks only for ttyS*, ttyUSB*, ttyACM*, ttyAMA* and "
                   "so on in /dev: ttyEMU0 needs a link of such a name, "
                   "which a udev rule can make; the next case does")


def found_by_link():
    """list_ports finds a link, and describes it"""
    import serial.tools.list_ports as list_ports

    link = "/dev/ttySEMU0"
    if os.path.lexists(link):
        raise Skip(link + " exists")
    os.symlink(os.path.basename(NEAR), link)
    try:
        ports = {p.device: p for p in list_ports.comports()}
        assert link in ports, list(ports)
        assert NEAR in ports[link].hwid, ports[link].hwid
        assert serial.Serial(link).is_open
    finally:
        os.unlink(link)


def described():
    """sysfs has what list_ports asks for"""
    from serial.tools.list_ports_linux import SysFS

    info = SysFS(NEAR)
    assert info.name == "ttyEMU0", info.name
    # ports whose device is on this bus are hidden: 8250s that do not exist
    assert info.subsystem not in (None, "platform"), info.subsystem


def miniterm():
    """serial.tools.miniterm on a pseudo-terminal"""
    child, master = pty.fork()
    if not child:
        os.execv(sys.executable, [
            sys.executable, "-m", "serial.tools.miniterm", "--raw", NEAR, "115200"])
    try:
        seen = b""

        def shows(text):
            nonlocal seen
            until = time.monotonic() + 2 * PATIENCE
            while text not in seen:
                left = until - time.monotonic()
                if left <= 0 or not select.select([master], [], [], left)[0]:
                    raise AssertionError(f"{text!r} not in {seen!r}")
                seen += os.read(master, 1000)

        shows(b"Miniterm on " + NEAR.encode())
        shows(b"--- Quit: ")
        with opened(FAR, baudrate=115200) as far:
            far.write(b"from the far end")
            shows(b"from the far end")
            os.write(master, b"typed")
            assert far.read(5) == b"typed"
            # Ctrl-T Ctrl-D: DTR
            os.write(master, b"\x14\x04")
            wait_until(lambda: not far.dsr, "DTR toggled")
            # Ctrl-]: quit
            os.write(master, b"\x1d")
            shows(b"--- exit ---")
        _, status = os.waitpid(child, 0)
        child = 0
        assert status == 0, f"exit status {status}"
    finally:
        os.close(master)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


CASES = (rates, rate_is_set, formats, reconfigured, wrong_parity, hardware_flow,
         software_flow, flow_under_load, timeouts, exclusive,
         modem_lines, lines_at_open, breaks, queues, flush_waits, cancel,
         lines_of_text, in_a_thread, rs485, low_latency, found, found_by_link,
         described, miniterm)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(4)


def need_ports():
    if not os.path.exists(NEAR):
        subprocess.run(["modprobe", "-q", "serial-emu"], check=False)
    for _ in range(50):
        if os.path.exists(NEAR) and os.path.exists(FAR):
            return
        time.sleep(0.1)
    skip_all(f"no {NEAR} and {FAR}: not in this kernel, and no module serial-emu")


def time_is_up(_signal, _frame):
    raise TimeoutError("time is up")


def sane():
    for port in NEAR, FAR:
        subprocess.run(["stty", "-F", port, "sane", "-brkint", "-imaxbel",
                        "9600", "clocal", "hupcl", "-crtscts", "cs8", "-parenb", "-cstopb"],
                       check=False, timeout=30)


def run():
    failed = skipped = 0
    for number, case in enumerate(CASES, 1):
        name = case.__doc__
        try:
            case()
            print(f"ok {number} {name}", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"ok {number} {name} # SKIP {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} {name}")
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            sys.stdout.flush()
    if failed:
        return 1
    return 4 if skipped == len(CASES) else 0


def main():
    print("KTAP version 1", flush=True)
    if os.geteuid():
        skip_all("not root")
    if not serial:
        skip_all("python3-serial is not installed")
    need_ports()
    signal.signal(signal.SIGALRM, time_is_up)
    # again and again, for what catches the exception
    signal.setitimer(signal.ITIMER_REAL, LIMIT, 5)
    sane()
    print(f"1..{len(CASES)}", flush=True)
    try:
        return run()
    finally:
        sane()


try:
    import serial
except ImportError:
    serial = None

if __name__ == "__main__":
    sys.exit(main())
