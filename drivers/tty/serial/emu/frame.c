// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: frames, their bits, and a receiver that samples them.
 *
 * Pure functions without locks or allocations. Time is counted in units in which both a
 * half bit of the transmitter and a tick of the receiver's clock are whole numbers, so that
 * nothing is rounded:
 *
 *	a tick of the receiver		1 / (16 * rx)	is tx units
 *	a half bit of the transmitter	1 / (2 * tx)	is 8 * rx units
 *
 * Context: Any context.
 */

#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include <kunit/visibility.h>

#include "frame.h"

/* The initial settings of a port in serial core */
const struct emu_format emu_format_default = {
	.rate		= 9600 * EMU_RATE_UNIT,
	.data_bits	= 8,
	.half_stop_bits	= 2,
	.parity		= EMU_PARITY_NONE,
};
EXPORT_SYMBOL_IF_KUNIT(emu_format_default);

/**
 * emu_format_is_compatible - does a receiver get every character as it was sent?
 * @tx: the transmitter's format
 * @rx: the receiver's format
 *
 * A receiver samples one stop bit, however many there are.
 *
 * Return: true if the bits need not be sampled.
 */
bool emu_format_is_compatible(const struct emu_format *tx, const struct emu_format *rx)
{
	return tx->rate == rx->rate && tx->data_bits == rx->data_bits && tx->parity == rx->parity;
}
EXPORT_SYMBOL_IF_KUNIT(emu_format_is_compatible);

/**
 * emu_format_is_equal - are two formats the same?
 * @a: a format
 * @b: another format
 *
 * Return: true if they are equal, including the stop bits.
 */
bool emu_format_is_equal(const struct emu_format *a, const struct emu_format *b)
{
	return emu_format_is_compatible(a, b) && a->half_stop_bits == b->half_stop_bits;
}

/* Without the stop bit */
static unsigned int emu_format_bits(const struct emu_format *format)
{
	return 1 + format->data_bits + (format->parity != EMU_PARITY_NONE);
}

/**
 * emu_format_half_bits - length of a character in halves of a bit
 * @format: the format
 *
 * Return: the number, with start bit and stop bits.
 */
unsigned int emu_format_half_bits(const struct emu_format *format)
{
	return 2 * emu_format_bits(format) + format->half_stop_bits;
}
EXPORT_SYMBOL_IF_KUNIT(emu_format_half_bits);

/**
 * emu_half_bits_time - time of a number of bits
 * @half_bits: number of halves of a bit
 * @speed: rate times percent of real time; 0 without a pace
 *
 * Return: nanoseconds.
 */
u64 emu_half_bits_time(u64 half_bits, u64 speed)
{
	return speed ? mul_u64_u64_div_u64(half_bits, EMU_HALF_BIT_NS, speed) : 0;
}
EXPORT_SYMBOL_IF_KUNIT(emu_half_bits_time);

/**
 * emu_format_time - time of a character
 * @format: the format
 * @pace: percent of real time; 0 without a pace
 *
 * Return: nanoseconds.
 */
u64 emu_format_time(const struct emu_format *format, unsigned int pace)
{
	return emu_half_bits_time(emu_format_half_bits(format), format->rate * pace);
}
EXPORT_SYMBOL_IF_KUNIT(emu_format_time);

static bool emu_parity_bit(enum emu_parity parity, u16 data)
{
	switch (parity) {
	case EMU_PARITY_EVEN:
		return hweight16(data) & 1;
	case EMU_PARITY_ODD:
		return !(hweight16(data) & 1);
	case EMU_PARITY_MARK:
		return true;
	default:
		return false;
	}
}

/**
 * emu_frame_bits - lay a character out as bits
 * @format: the format
 * @data: the character; bits beyond the data bits are ignored
 * @count: set to the number of bits before the stop bit
 *
 * Return: the bits, 1 is mark; the start bit is bit 0.
 */
u32 emu_frame_bits(const struct emu_format *format, u16 data, unsigned int *count)
{
	u32 bits;

	data &= GENMASK(format->data_bits - 1, 0);
	bits = data << 1;
	if (emu_parity_bit(format->parity, data))
		bits |= BIT(1 + format->data_bits);
	*count = emu_format_bits(format);

	return bits;
}
EXPORT_SYMBOL_IF_KUNIT(emu_frame_bits);

/**
 * emu_sampler_init - initialise a receiver that waits for a start bit
 * @sampler: the receiver
 * @rx: its format
 * @low: the line is at space: the receiver waits for mark first
 *
 * Must be followed by emu_sampler_retime() or emu_sampler_divide().
 */
void emu_sampler_init(struct emu_sampler *sampler, const struct emu_format *rx, bool low)
{
	*sampler = (struct emu_sampler) {
		.format = *rx,
		.state = low ? EMU_SAMPLER_LOW : EMU_SAMPLER_IDLE,
	};
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_init);

/**
 * emu_sampler_retime - set the units of time for a transmitter's rate
 * @sampler: the receiver
 * @tx: the transmitter's format
 */
void emu_sampler_retime(struct emu_sampler *sampler, const struct emu_format *tx)
{
	sampler->tick = tx->rate;
	sampler->phase = 0;
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_retime);

/**
 * emu_sampler_divide - set the units of time to parts of a tick
 * @sampler: the receiver
 *
 * For a line with several transmitters. Durations are those of emu_sampler_parts().
 */
void emu_sampler_divide(struct emu_sampler *sampler)
{
	sampler->tick = EMU_TICK_PARTS;
	sampler->phase = 0;
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_divide);

/**
 * emu_sampler_is_divided - are the units of time parts of a tick?
 * @sampler: the receiver
 *
 * Return: true after emu_sampler_divide(); no transmitter has such a low rate.
 */
bool emu_sampler_is_divided(const struct emu_sampler *sampler)
{
	return sampler->tick == EMU_TICK_PARTS;
}

/**
 * emu_sampler_is_settled - does a constant level have no effect on a receiver?
 * @sampler: the receiver; emu_sampler_run() has returned false
 * @level: level of the line; true is mark
 *
 * Return: true if the receiver need not be fed with the level.
 */
bool emu_sampler_is_settled(const struct emu_sampler *sampler, bool level)
{
	return sampler->state == (level ? EMU_SAMPLER_IDLE : EMU_SAMPLER_LOW);
}

/**
 * emu_sampler_half_bit - half of a bit of the transmitter
 * @sampler: the receiver
 *
 * Return: the duration in the receiver's units.
 */
u64 emu_sampler_half_bit(const struct emu_sampler *sampler)
{
	return EMU_OVERSAMPLING / 2 * sampler->format.rate;
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_half_bit);

/**
 * emu_sampler_feed - feed a receiver with a level of the line
 * @sampler: the receiver; emu_sampler_run() has returned false
 * @level: true is mark
 * @duration: duration in the receiver's units: a multiple of emu_sampler_half_bit() or of
 *	&emu_sampler.tick, or a result of emu_sampler_parts()
 *
 * Must be followed by emu_sampler_run() until that returns false.
 */
void emu_sampler_feed(struct emu_sampler *sampler, bool level, u64 duration)
{
	sampler->level = level;
	sampler->ticks = 0;
	if (sampler->phase < duration)
		sampler->ticks = 1 + div64_u64(duration - 1 - sampler->phase, sampler->tick);
	sampler->phase += sampler->ticks * sampler->tick - duration;
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_feed);

static void emu_sampler_start(struct emu_sampler *sampler)
{
	sampler->state = EMU_SAMPLER_FRAME;
	sampler->bit = 0;
	sampler->bits = 0;
	sampler->left = EMU_OVERSAMPLING / 2;
}

/* The stop bit was at space: a break, or a framing error */
static void emu_sampler_resume(struct emu_sampler *sampler, bool brk)
{
	if (brk || sampler->edge_start) {
		sampler->state = EMU_SAMPLER_LOW;
		return;
	}

	/* As in a 16550A, the sample is the middle of the next start bit */
	emu_sampler_start(sampler);
	sampler->bit = 1;
	sampler->left = EMU_OVERSAMPLING;
}

static void emu_sampler_end(struct emu_sampler *sampler, struct emu_frame *frame)
{
	const struct emu_format *format = &sampler->format;
	bool parity = sampler->bits & BIT(1 + format->data_bits);

	frame->data = (sampler->bits >> 1) & GENMASK(format->data_bits - 1, 0);
	frame->parity_error = format->parity != EMU_PARITY_NONE &&
			      parity != emu_parity_bit(format->parity, frame->data);
	frame->frame_error = !sampler->level;
	frame->brk = !sampler->level && !sampler->bits;

	if (sampler->level)
		sampler->state = EMU_SAMPLER_IDLE;
	else
		emu_sampler_resume(sampler, frame->brk);
}

/* Sample the middle of a bit; returns true after the last one */
static bool emu_sampler_take_bit(struct emu_sampler *sampler, struct emu_frame *frame)
{
	unsigned int bit = sampler->bit++;

	sampler->left = EMU_OVERSAMPLING;
	if (bit == emu_format_bits(&sampler->format)) {
		emu_sampler_end(sampler, frame);
		return true;
	}

	/* A pulse shorter than half a start bit is ignored */
	if (!bit && sampler->level)
		sampler->state = EMU_SAMPLER_IDLE;
	else if (sampler->level)
		sampler->bits |= BIT(bit);

	return false;
}

/**
 * emu_sampler_run - receive a character from the level that was fed
 * @sampler: the receiver
 * @frame: set to the next character
 *
 * Return: true if a character was received; there may be more.
 */
bool emu_sampler_run(struct emu_sampler *sampler, struct emu_frame *frame)
{
	unsigned int ticks;

	while (sampler->ticks) {
		if (sampler->state != EMU_SAMPLER_FRAME) {
			if (sampler->level) {
				sampler->state = EMU_SAMPLER_IDLE;
				sampler->ticks = 0;
			} else if (sampler->state == EMU_SAMPLER_LOW) {
				sampler->ticks = 0;
			} else {
				emu_sampler_start(sampler);
				sampler->ticks--;
			}
			continue;
		}

		ticks = min(sampler->ticks, sampler->left);
		sampler->ticks -= ticks;
		sampler->left -= ticks;
		if (!sampler->left && emu_sampler_take_bit(sampler, frame))
			return true;
	}

	return false;
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_run);

/**
 * emu_sampler_pending - ticks until the next character
 * @sampler: the receiver; emu_sampler_run() has returned false
 * @level: level of the line; true is mark
 *
 * Return: ticks until a character is received if the level does not change; 0 if there
 *	will be none.
 */
unsigned int emu_sampler_pending(const struct emu_sampler *sampler, bool level)
{
	unsigned int bits = emu_format_bits(&sampler->format);

	switch (sampler->state) {
	case EMU_SAMPLER_FRAME:
		return sampler->left + (bits - sampler->bit) * EMU_OVERSAMPLING;
	case EMU_SAMPLER_IDLE:
		return level ? 0 : 1 + EMU_OVERSAMPLING / 2 + bits * EMU_OVERSAMPLING;
	default:
		return 0;
	}
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_pending);

static u64 emu_sampler_speed(const struct emu_sampler *sampler, unsigned int pace)
{
	return EMU_OVERSAMPLING / 2 * sampler->format.rate * pace;
}

/**
 * emu_sampler_ticks - ticks of the receiver's clock in a time
 * @sampler: the receiver
 * @ns: nanoseconds
 * @pace: percent of real time
 *
 * Return: the number of ticks that have ended.
 */
u64 emu_sampler_ticks(const struct emu_sampler *sampler, u64 ns, unsigned int pace)
{
	return mul_u64_u64_div_u64(ns, emu_sampler_speed(sampler, pace), EMU_HALF_BIT_NS);
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_ticks);

/**
 * emu_sampler_parts - parts of a tick in a time
 * @sampler: the receiver, after emu_sampler_divide()
 * @ns: nanoseconds, at most some hours
 * @pace: percent of real time
 *
 * Return: the duration in the receiver's units.
 */
u64 emu_sampler_parts(const struct emu_sampler *sampler, u64 ns, unsigned int pace)
{
	return mul_u64_u64_div_u64(ns, emu_sampler_speed(sampler, pace),
				   EMU_HALF_BIT_NS / EMU_TICK_PARTS);
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_parts);

/**
 * emu_sampler_ticks_time - time of a number of ticks
 * @sampler: the receiver
 * @ticks: number of ticks
 * @pace: percent of real time, not 0
 *
 * Return: nanoseconds, for which emu_sampler_ticks() gives at least as many ticks.
 */
u64 emu_sampler_ticks_time(const struct emu_sampler *sampler, u64 ticks, unsigned int pace)
{
	return mul_u64_u64_div_u64_roundup(ticks, EMU_HALF_BIT_NS,
					   emu_sampler_speed(sampler, pace));
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_ticks_time);
