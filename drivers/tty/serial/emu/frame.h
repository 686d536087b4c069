/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: frames, their bits and what a receiver makes of them.
 */

#ifndef _SERIAL_EMU_FRAME_H
#define _SERIAL_EMU_FRAME_H

#include <linux/types.h>

/* Half of a bit at a rate of 1 and one percent of real time, in nanoseconds */
#define EMU_HALF_BIT_NS		50000000000000000ULL

/* The rates of formats are in bits per a million seconds */
#define EMU_RATE_UNIT		1000000ULL

/* How often a receiver looks at the line in the time of a bit, as a 16550 does */
#define EMU_OVERSAMPLING	16

/* Where many transmit a tick of a receiver is divided into so many parts */
#define EMU_TICK_PARTS		1024

/**
 * enum emu_parity - what is sent in the place of the parity bit
 * @EMU_PARITY_NONE: there is no such bit
 * @EMU_PARITY_EVEN: what makes the number of ones even
 * @EMU_PARITY_ODD: what makes the number of ones odd
 * @EMU_PARITY_MARK: always one
 * @EMU_PARITY_SPACE: always zero
 */
enum emu_parity {
	EMU_PARITY_NONE,
	EMU_PARITY_EVEN,
	EMU_PARITY_ODD,
	EMU_PARITY_MARK,
	EMU_PARITY_SPACE,
};

/**
 * struct emu_format - how characters look on the wire
 * @rate: bits in a million seconds, which has room for a clock that is off by
 *	parts per million; not zero
 * @data_bits: 5 to 9, the address bit of a multi-drop line included
 * @half_stop_bits: length of the stop bit, in halves of a bit: 2, 3 or 4
 * @parity: what follows the data bits
 */
struct emu_format {
	u64 rate;
	u8 data_bits;
	u8 half_stop_bits;
	enum emu_parity parity;
};

/**
 * struct emu_frame - what a receiver took from the line
 * @data: the data bits
 * @parity_error: the parity bit was not the expected one
 * @frame_error: the line was at space when the stop bit was due
 * @brk: the line was at space all the time
 */
struct emu_frame {
	u16 data;
	bool parity_error;
	bool frame_error;
	bool brk;
};

enum emu_sampler_state {
	EMU_SAMPLER_IDLE,
	EMU_SAMPLER_FRAME,
	EMU_SAMPLER_LOW,
};

/**
 * struct emu_sampler - a receiver that looks at the line with its own clock
 * @format: what it expects
 * @tick: length of a tick of its clock, in the units of emu_sampler_feed()
 * @phase: from now to the next tick, in the same units
 * @edge_start: whether a start bit has to begin with an edge; a 16550 takes the
 *	space that it found instead of a stop bit for the next start bit
 * @state: what it is waiting for
 * @level: the line, until @ticks are over
 * @ticks: how often it is still to look at the line at that level
 * @left: ticks until the next bit is taken
 * @bit: number of the next bit, the start bit is 0
 * @bits: the bits that were taken
 */
struct emu_sampler {
	struct emu_format format;
	u64 tick;
	u64 phase;
	bool edge_start;
	enum emu_sampler_state state;
	bool level;
	u64 ticks;
	unsigned int left;
	unsigned int bit;
	u32 bits;
};

extern const struct emu_format emu_format_default;

bool emu_format_is_compatible(const struct emu_format *tx, const struct emu_format *rx);
bool emu_format_is_equal(const struct emu_format *a, const struct emu_format *b);
unsigned int emu_format_half_bits(const struct emu_format *format);
u64 emu_half_bits_time(u64 half_bits, u64 speed);
u64 emu_format_time(const struct emu_format *format, unsigned int pace);
u32 emu_frame_bits(const struct emu_format *format, u16 data, unsigned int *count);

void emu_sampler_init(struct emu_sampler *sampler, const struct emu_format *rx, bool low);
void emu_sampler_retime(struct emu_sampler *sampler, const struct emu_format *tx);
void emu_sampler_divide(struct emu_sampler *sampler);
bool emu_sampler_is_divided(const struct emu_sampler *sampler);
bool emu_sampler_is_settled(const struct emu_sampler *sampler, bool level);
void emu_sampler_feed(struct emu_sampler *sampler, bool level, u64 duration);
bool emu_sampler_run(struct emu_sampler *sampler, struct emu_frame *frame);
unsigned int emu_sampler_pending(const struct emu_sampler *sampler, bool level);
u64 emu_sampler_ticks(const struct emu_sampler *sampler, u64 ns, unsigned int pace);
u64 emu_sampler_ticks_time(const struct emu_sampler *sampler, u64 ticks, unsigned int pace);
u64 emu_sampler_parts(const struct emu_sampler *sampler, u64 ns, unsigned int pace);
u64 emu_sampler_half_bit(const struct emu_sampler *sampler);

#endif /* _SERIAL_EMU_FRAME_H */
