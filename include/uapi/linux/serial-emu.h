/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What a program at the far end of an emulated serial cable reads and writes.
 */

#ifndef _UAPI_LINUX_SERIAL_EMU_H
#define _UAPI_LINUX_SERIAL_EMU_H

#include <linux/types.h>

/* The longest payload of a record that is written */
#define SERIAL_EMU_MAX_LENGTH	2048

/* Who reads so many bytes at a time gets one record at least */
#define SERIAL_EMU_READ_SIZE	256

/**
 * enum serial_emu_type - what a record is about
 * @SERIAL_EMU_DATA: characters, one for each byte of the payload
 * @SERIAL_EMU_ADDRESS: one character with its ninth bit set, the address bit of a
 *	multi-drop line; the payload is the rest of it, one byte
 * @SERIAL_EMU_BREAK: the break condition begins or ends; one byte, 1 or 0
 * @SERIAL_EMU_LINES: the modem control outputs that are active now, a __u32 made of
 *	TIOCM_DTR, TIOCM_RTS, TIOCM_OUT1 and TIOCM_OUT2
 * @SERIAL_EMU_FORMAT: what characters look like from now on, a struct
 *	serial_emu_format
 * @SERIAL_EMU_OPEN: the port is opened or closed; one byte, 1 or 0. It is only read.
 * @SERIAL_EMU_OVERRUN: so many characters were lost because nobody read, a __u32. It
 *	is only read.
 *
 * Who reads skips a type that it does not know, and the rest of a payload that is
 * longer than what it knows.
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
 * enum serial_emu_parity - what is sent in the place of the parity bit
 * @SERIAL_EMU_PARITY_NONE: there is no such bit
 * @SERIAL_EMU_PARITY_EVEN: what makes the number of ones even
 * @SERIAL_EMU_PARITY_ODD: what makes the number of ones odd
 * @SERIAL_EMU_PARITY_MARK: always one
 * @SERIAL_EMU_PARITY_SPACE: always zero
 */
enum serial_emu_parity {
	SERIAL_EMU_PARITY_NONE,
	SERIAL_EMU_PARITY_EVEN,
	SERIAL_EMU_PARITY_ODD,
	SERIAL_EMU_PARITY_MARK,
	SERIAL_EMU_PARITY_SPACE,
};

/**
 * struct serial_emu_record - the head of a record, which its payload follows
 * @length: of the payload, in bytes; the next record follows it at once, so that it
 *	may be anywhere: copy it before looking into it
 * @type: one of enum serial_emu_type
 * @time: when the last of it was over, in nanoseconds of CLOCK_MONOTONIC; zero in
 *	what is written
 */
struct serial_emu_record {
	__u32 length;
	__u32 type;
	__u64 time;
};

/**
 * struct serial_emu_format - what characters look like
 * @baud: bits per second, from 50 to 4000000
 * @data_bits: from 5 to 9, the address bit of a multi-drop line included
 * @half_stop_bits: length of the stop bit in halves of a bit: 2, 3 or 4
 * @parity: one of enum serial_emu_parity
 * @reserved: zero
 */
struct serial_emu_format {
	__u32 baud;
	__u8 data_bits;
	__u8 half_stop_bits;
	__u8 parity;
	__u8 reserved;
};

#endif /* _UAPI_LINUX_SERIAL_EMU_H */
