// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: frames, their bits and what a receiver makes of them.
 *
 * Pure: no device, no locks, no memory, nothing but integers. Time is counted in
 * units in which both a half bit of the transmitter and a tick of the receiver's
 * clock are whole numbers, so that nothing is ever rounded:
 *
 *	a tick of the receiver		1 / (16 * rx)	is tx units
 *	a half bit of the transmitter	1 / (2 * tx)	is 8 * rx units
 */

#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include <kunit/visibility.h>

#include "frame.h"

/* What serial core sets a port to that nobody has set to anything */
const struct emu_format emu_format_default = {
	.rate		= 9600 * EMU_RATE_UNIT,
	.data_bits	= 8,
	.half_stop_bits	= 2,
	.parity		= EMU_PARITY_NONE,
};
EXPORT_SYMBOL_IF_KUNIT(emu_format_default);

/**
 * emu_format_is_same - does a receiver get every character as it was sent?
 * @tx: the transmitter's format
 * @rx: the receiver's format
 *
 * A receiver looks at one stop bit only, however many there are.
 *
 * Context: any.
 * Return: true if nothing has to be sampled.
 */
bool emu_format_is_same(const struct emu_format *tx, const struct emu_format *rx)
{
	return tx->rate == rx->rate && tx->data_bits == rx->data_bits && tx->parity == rx->parity;
}
EXPORT_SYMBOL_IF_KUNIT(emu_format_is_same);

/* Without the stop bit */
static unsigned int emu_format_bits(const struct emu_format *format)
{
	return 1 + format->data_bits + (format->parity != EMU_PARITY_NONE);
}

/**
 * emu_format_half_bits - how long a character takes
 * @format: the format
 *
 * Context: any.
 * Return: from the beginning of the start bit to the end of the stop bit, in
 *	halves of a bit.
 */
unsigned int emu_format_half_bits(const struct emu_format *format)
{
	return 2 * emu_format_bits(format) + format->half_stop_bits;
}
EXPORT_SYMBOL_IF_KUNIT(emu_format_half_bits);

/**
 * emu_half_bits_time - how long bits take
 * @half_bits: their number, in halves
 * @speed: rate times percent of real time; 0 if they take no time
 *
 * Context: any.
 * Return: nanoseconds.
 */
u64 emu_half_bits_time(u64 half_bits, u64 speed)
{
	return speed ? mul_u64_u64_div_u64(half_bits, EMU_HALF_BIT_NS, speed) : 0;
}
EXPORT_SYMBOL_IF_KUNIT(emu_half_bits_time);

/**
 * emu_format_time - how long a character takes
 * @format: the format
 * @pace: percent of real time; 0 if it takes no time
 *
 * Context: any.
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
 * @data: the character; what does not fit in the data bits is ignored
 * @count: set to the number of bits before the stop bit
 *
 * Context: any.
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
 * emu_sampler_init - have a receiver wait for a start bit
 * @sampler: the receiver
 * @rx: its format
 * @low: whether the line is at space at present: the receiver waits for mark then
 *
 * emu_sampler_retime() or emu_sampler_divide() is to follow.
 *
 * Context: any.
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
 * emu_sampler_retime - tell a receiver at what rate the transmitter sends
 * @sampler: the receiver
 * @tx: the transmitter's format
 *
 * Context: any.
 */
void emu_sampler_retime(struct emu_sampler *sampler, const struct emu_format *tx)
{
	sampler->tick = tx->rate;
	sampler->phase = 0;
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_retime);

/**
 * emu_sampler_divide - have a receiver's time not depend on any transmitter
 * @sampler: the receiver
 *
 * It is to be fed durations of emu_sampler_parts(), instead of
 * emu_sampler_retime().
 *
 * Context: any.
 */
void emu_sampler_divide(struct emu_sampler *sampler)
{
	sampler->tick = EMU_TICK_PARTS;
	sampler->phase = 0;
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_divide);

/**
 * emu_sampler_is_divided - was emu_sampler_divide() the last to set its time?
 * @sampler: the receiver
 *
 * Context: any.
 * Return: true if so; no transmitter has a rate that low.
 */
bool emu_sampler_is_divided(const struct emu_sampler *sampler)
{
	return sampler->tick == EMU_TICK_PARTS;
}

/**
 * emu_sampler_is_settled - does nothing change for a receiver if the line does not?
 * @sampler: the receiver, which is done with what it was fed
 * @level: the line; true is mark
 *
 * Context: any.
 * Return: true if it need not be fed with it.
 */
bool emu_sampler_is_settled(const struct emu_sampler *sampler, bool level)
{
	return sampler->state == (level ? EMU_SAMPLER_IDLE : EMU_SAMPLER_LOW);
}

/**
 * emu_sampler_half_bit - half of a bit of the transmitter
 * @sampler: the receiver
 *
 * Context: any.
 * Return: the duration, as emu_sampler_feed() wants it.
 */
u64 emu_sampler_half_bit(const struct emu_sampler *sampler)
{
	return EMU_OVERSAMPLING / 2 * sampler->format.rate;
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_half_bit);

/**
 * emu_sampler_feed - let the line be at a level for a time
 * @sampler: the receiver, which is done with what it was fed before
 * @level: true is mark
 * @duration: for how long; a multiple of emu_sampler_half_bit() or of
 *	&emu_sampler.tick, or what emu_sampler_parts() makes of a time
 *
 * emu_sampler_run() is to follow, until it returns false.
 *
 * Context: any.
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

/* What follows a space where the stop bit should be */
static void emu_sampler_resume(struct emu_sampler *sampler, bool brk)
{
	if (brk || sampler->edge_start) {
		sampler->state = EMU_SAMPLER_LOW;
		return;
	}

	/* It is taken for the middle of the next start bit */
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

/* In the middle of a bit; true if it was the last one */
static bool emu_sampler_take_bit(struct emu_sampler *sampler, struct emu_frame *frame)
{
	unsigned int bit = sampler->bit++;

	sampler->left = EMU_OVERSAMPLING;
	if (bit == emu_format_bits(&sampler->format)) {
		emu_sampler_end(sampler, frame);
		return true;
	}

	/* What was shorter than half of a start bit is none */
	if (!bit && sampler->level)
		sampler->state = EMU_SAMPLER_IDLE;
	else if (sampler->level)
		sampler->bits |= BIT(bit);

	return false;
}

/**
 * emu_sampler_run - receive from what the receiver was fed
 * @sampler: the receiver
 * @frame: set to the next character
 *
 * Context: any.
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
 * emu_sampler_pending - how long a character still takes
 * @sampler: the receiver, which is done with what it was fed
 * @level: the line; true is mark
 *
 * Context: any.
 * Return: ticks until a character is received, if the line stays at that level; 0
 *	if none will be.
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
 * emu_sampler_ticks - how often the receiver looks at the line in a time
 * @sampler: the receiver
 * @ns: nanoseconds
 * @pace: percent of real time
 *
 * Context: any.
 * Return: ticks of its clock that are over.
 */
u64 emu_sampler_ticks(const struct emu_sampler *sampler, u64 ns, unsigned int pace)
{
	return mul_u64_u64_div_u64(ns, emu_sampler_speed(sampler, pace), EMU_HALF_BIT_NS);
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_ticks);

/**
 * emu_sampler_parts - parts of its ticks that are over in a time
 * @sampler: the receiver, after emu_sampler_divide()
 * @ns: nanoseconds, at most some hours
 * @pace: percent of real time
 *
 * Context: any.
 * Return: the duration, as emu_sampler_feed() wants it.
 */
u64 emu_sampler_parts(const struct emu_sampler *sampler, u64 ns, unsigned int pace)
{
	return mul_u64_u64_div_u64(ns, emu_sampler_speed(sampler, pace),
				   EMU_HALF_BIT_NS / EMU_TICK_PARTS);
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_parts);

/**
 * emu_sampler_ticks_time - how long it takes until that many ticks are over
 * @sampler: the receiver
 * @ticks: their number
 * @pace: percent of real time, not 0
 *
 * Context: any.
 * Return: nanoseconds, for which emu_sampler_ticks() gives at least as many ticks.
 */
u64 emu_sampler_ticks_time(const struct emu_sampler *sampler, u64 ticks, unsigned int pace)
{
	return mul_u64_u64_div_u64_roundup(ticks, EMU_HALF_BIT_NS,
					   emu_sampler_speed(sampler, pace));
}
EXPORT_SYMBOL_IF_KUNIT(emu_sampler_ticks_time);
