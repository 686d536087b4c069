#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
libmodbus on a bus: a master and three slaves, each with a port of its own.

KTAP on standard output; exit status 0, 1 if a case failed, 4 if it cannot be run here.
"""

import ctypes
import ctypes.util
import errno
import fcntl
import os
import signal
import struct
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "lib"))
import farend  # pylint: disable=wrong-import-position

SLAVES = (1, 2, 3)
NOBODY = 9
REGISTERS = 20
MAX_QUERY = 256

RS485 = 1  # MODBUS_RTU_RS485

NAME = ctypes.util.find_library("modbus")
LIB = ctypes.CDLL(NAME, use_errno=True) if NAME else None


class Mapping(ctypes.Structure):
    """modbus_mapping_t"""
    _fields_ = [(name, ctypes.c_int) for name in (
        "nb_bits", "start_bits", "nb_input_bits", "start_input_bits",
        "nb_input_registers", "start_input_registers", "nb_registers",
        "start_registers")] + [
            ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
            ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
            ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
            ("tab_registers", ctypes.POINTER(ctypes.c_uint16))]


class Modbus:
    """A modbus_t on a port, in RS-485 mode."""

    def __init__(self, tty, slave=None):
        LIB.modbus_new_rtu.restype = ctypes.c_void_p
        LIB.modbus_new_rtu.argtypes = (ctypes.c_char_p, ctypes.c_int, ctypes.c_char,
                                       ctypes.c_int, ctypes.c_int)
        self.context = ctypes.c_void_p(
            LIB.modbus_new_rtu(tty.encode(), 19200, b"E", 8, 1))
        if slave is not None:
            self.call("set_slave", slave)
        self.call("connect")
        self.call("rtu_set_serial_mode", RS485)
        self.call("set_response_timeout", 2, 0)

    def call(self, name, *arguments):
        result = getattr(LIB, "modbus_" + name)(self.context, *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), name)
        return result

    def read(self, slave, count=REGISTERS):
        values = (ctypes.c_uint16 * count)()
        self.call("set_slave", slave)
        assert self.call("read_registers", 0, count, values) == count
        return list(values)

    def write(self, slave, first, values):
        self.call("set_slave", slave)
        return self.call("write_registers", first, len(values),
                         (ctypes.c_uint16 * len(values))(*values))


def serve(tty, slave, ready):
    """Be a slave until somebody ends it; says when it has its port."""
    modbus = Modbus(tty, slave)
    os.close(ready)
    LIB.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    mapping = LIB.modbus_mapping_new(0, 0, REGISTERS, 0)
    for i in range(REGISTERS):
        mapping.contents.tab_registers[i] = 100 * slave + i
    query = (ctypes.c_uint8 * MAX_QUERY)()
    while True:
        try:
            count = modbus.call("receive", query)
            if count > 0:
                modbus.call("reply", query, count, mapping)
        except OSError:
            # what was said to nobody, or by two at once
            modbus.call("flush")


class Bus:
    """The line, the slaves at it, and one port more."""

    def __init__(self, name):
        self.path = os.path.join(farend.CABLES, name)
        self.ends = ["master", "other"] + [f"slave{i}" for i in SLAVES]
        os.mkdir(self.path)
        farend.write(self.path + "/topology", "bus")
        for end in self.ends:
            os.mkdir(f"{self.path}/{end}")
        farend.write(self.path + "/live", "1")
        self.slaves = [self.start(i) for i in SLAVES]
        self.master = Modbus(self.tty("master"))

    def tty(self, end):
        return farend.tty(f"{self.path}/{end}")

    def start(self, slave):
        ready, told = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(ready)
            try:
                serve(self.tty(f"slave{slave}"), slave, told)
            finally:
                os._exit(1)
        os.close(told)
        os.read(ready, 1)
        os.close(ready)
        return pid

    def end(self):
        self.master.call("close")
        for pid in self.slaves:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        farend.write(self.path + "/live", "0")
        for end in self.ends:
            os.rmdir(f"{self.path}/{end}")
        os.rmdir(self.path)


def each_answers(bus):
    """each of three slaves answers for itself"""
    for _ in range(5):
        for slave in SLAVES:
            assert bus.master.read(slave) == [100 * slave + i for i in range(REGISTERS)]


def written(bus):
    """what is written to one is written to none of the others"""
    assert bus.master.write(2, 5, [7, 8, 9]) == 3
    assert bus.master.read(2)[4:9] == [204, 7, 8, 9, 208]
    assert bus.master.read(1)[4:9] == [104, 105, 106, 107, 108]
    assert bus.master.read(3)[4:9] == [304, 305, 306, 307, 308]


def nobody(bus):
    """a slave that is not there does not answer"""
    try:
        bus.master.read(NOBODY)
        raise AssertionError("somebody did")
    except OSError as error:
        assert error.errno == errno.ETIMEDOUT, error
    # libmodbus' slaves take what comes next for the answer that they expect
    try:
        bus.master.read(1)
    except OSError as error:
        assert error.errno == errno.ETIMEDOUT, error
    assert bus.master.read(1)[0] == 100


def jammed(bus):
    """a driver that is left on jams the line, until it is off"""
    other = os.open(bus.tty("other"), os.O_RDWR | os.O_NOCTTY)
    try:
        bus.master.read(3)
        raise AssertionError("it was understood")
    except OSError as error:
        assert error.errno == errno.ETIMEDOUT, error
    fcntl.ioctl(other, termios.TIOCMBIC, struct.pack("i", termios.TIOCM_RTS))
    assert bus.master.read(3)[0] == 300
    os.close(other)


if __name__ == "__main__":
    if not LIB:
        farend.skip("no libmodbus")
    BUS = Bus("modbus")
    try:
        STATUS = farend.run((each_answers, written, nobody, jammed), BUS)
    finally:
        BUS.end()
    sys.exit(STATUS)
