/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Records that a program at the far end of an emulated serial port reads and writes.
 *
 * When fsync() returns, all written records are sent. close() waits for that as well, but
 * for at most 30 seconds; then the modem control outputs of the program fall.
 */

#ifndef _UAPI_LINUX_SERIAL_EMU_H
#define _UAPI_LINUX_SERIAL_EMU_H

#include <linux/types.h>

/* Longest payload of a written record */
#define SERIAL_EMU_MAX_LENGTH	2048

/* Size of a buffer for read() that holds any record */
#define SERIAL_EMU_READ_SIZE	256

/**
 * enum serial_emu_type - type of a record
 * @SERIAL_EMU_DATA: characters, one for each byte of the payload
 * @SERIAL_EMU_ADDRESS: one character with its ninth bit set, the address bit of a
 *	multi-drop line; the payload is one byte, the other eight bits
 * @SERIAL_EMU_BREAK: begin or end of a break condition; one byte, 1 or 0
 * @SERIAL_EMU_LINES: active modem control outputs, a __u32 made of TIOCM_DTR, TIOCM_RTS,
 *	TIOCM_OUT1 and TIOCM_OUT2
 * @SERIAL_EMU_FORMAT: format of the characters that follow, a struct serial_emu_format;
 *	when written, a format of zeros stands for that of the port, with all its changes,
 *	which is also the format after open()
 * @SERIAL_EMU_OPEN: the port is opened or closed; one byte, 1 or 0. Only read.
 * @SERIAL_EMU_OVERRUN: loss at this place, because the program did not read in time; a
 *	struct serial_emu_overrun. Only read.
 *
 * A program must skip records of types that it does not know, and the end of payloads that
 * are longer than it knows.
 */
enum serial_emu_type {
	SERIAL_EMU_DATA,
	SERIAL_EMU_ADDRESS,
	SERIAL_EMU_BREAK,
	SERIAL_EMU_LINES,
	SERIAL_EMU_FORMAT,
	SERIAL_EMU_OPEN,
	SERIAL_EMU_OVERRUN,
};

/**
 * enum serial_emu_parity - the parity bit
 * @SERIAL_EMU_PARITY_NONE: no parity bit
 * @SERIAL_EMU_PARITY_EVEN: even number of ones, with the parity bit
 * @SERIAL_EMU_PARITY_ODD: odd number of ones, with the parity bit
 * @SERIAL_EMU_PARITY_MARK: parity bit is one
 * @SERIAL_EMU_PARITY_SPACE: parity bit is zero
 */
enum serial_emu_parity {
	SERIAL_EMU_PARITY_NONE,
	SERIAL_EMU_PARITY_EVEN,
	SERIAL_EMU_PARITY_ODD,
	SERIAL_EMU_PARITY_MARK,
	SERIAL_EMU_PARITY_SPACE,
};

/**
 * struct serial_emu_record - head of a record, followed by the payload
 * @length: length of the payload in bytes; the next record follows without padding, so a
 *	head may be unaligned: copy it before its fields are accessed
 * @type: an enum serial_emu_type
 * @flags: zero when written; none is defined yet, a program must ignore those that it
 *	does not know
 * @time: time of the control event, or end of the last character, in nanoseconds of
 *	CLOCK_MONOTONIC; zero when written
 */
struct serial_emu_record {
	__u32 length;
	__u16 type;
	__u16 flags;
	__u64 time;
};

/**
 * struct serial_emu_format - format of characters
 * @baud: bits per second, from 50 to 4000000
 * @data_bits: from 5 to 9, the address bit of a multi-drop line included
 * @half_stop_bits: length of the stop bit in halves of a bit: 2, 3 or 4
 * @parity: an enum serial_emu_parity
 * @reserved: zero
 */
struct serial_emu_format {
	__u32 baud;
	__u8 data_bits;
	__u8 half_stop_bits;
	__u8 parity;
	__u8 reserved;
};

/**
 * struct serial_emu_overrun - loss
 * @characters: number of lost characters
 * @changes: number of lost changes of the break, the modem control outputs, the format, or
 *	the open port; the last state is always reported
 */
struct serial_emu_overrun {
	__u32 characters;
	__u32 changes;
};

#endif /* _UAPI_LINUX_SERIAL_EMU_H */
