// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the line as a receiver sees it.
 *
 * If transmitter and receiver have the same format, a character arrives as it was sent.
 * Otherwise, and around a break, the receiver samples its bits with its own clock, see
 * frame.c.
 */

#include <linux/bits.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/serial_core.h>
#include <linux/time64.h>

#include "frame.h"
#include "line.h"
#include "port.h"
#include "receive.h"
#include "rs485.h"
#include "wire.h"

/* More ticks of a receiver's clock than a character has */
#define EMU_LINE_TICKS		4096

/* Longest time that is counted in parts of a tick, so that the number fits */
#define EMU_LINE_TIME		(3600ULL * NSEC_PER_SEC)

/**
 * emu_line_reset - start to read a line
 * @ep: the port
 * @low: the line is at space
 * @time: the time
 */
void emu_line_reset(struct emu_port *ep, bool low, ktime_t time)
{
	struct emu_line *line = &ep->line;

	emu_sampler_init(&line->sampler, &ep->format, low);
	line->low = low;
	line->from = time;
	line->known = time;
	line->mark = true;
}

/* Either end may have been set to another format */
static void emu_line_sync_format(struct emu_port *ep, const struct emu_format *tx)
{
	struct emu_sampler *sampler = &ep->line.sampler;

	if (!emu_format_is_compatible(&sampler->format, &ep->format))
		emu_sampler_init(sampler, &ep->format, ep->line.low);
	if (sampler->tick != tx->rate)
		emu_sampler_retime(sampler, tx);
}

/* Is the receiver in the middle of a character or break? */
static bool emu_line_is_busy(const struct emu_line *line)
{
	return line->low || line->sampler.state != EMU_SAMPLER_IDLE;
}

static void emu_line_feed(struct emu_port *ep, bool level, u64 duration, ktime_t time)
{
	struct emu_frame frame;

	emu_sampler_feed(&ep->line.sampler, level, duration);
	while (emu_sampler_run(&ep->line.sampler, &frame))
		emu_rx_frame(ep, &frame, time);
}

/* Time after which a level that does not change has no further effect */
static u64 emu_line_limit(const struct emu_line *line, unsigned int pace)
{
	return emu_sampler_ticks_time(&line->sampler, EMU_LINE_TICKS, pace);
}

/* Sample the level that the line has had since the last call */
static void emu_line_feed_until(struct emu_port *ep, ktime_t time, unsigned int pace)
{
	struct emu_line *line = &ep->line;
	u64 ticks = EMU_LINE_TICKS, limit;

	if (time <= line->known)
		return;

	limit = emu_line_limit(line, pace);
	if (time - line->known < limit) {
		/* The rest of a tick is left for the next call */
		ticks = emu_sampler_ticks(&line->sampler, time - line->known, pace);
		limit = emu_sampler_ticks_time(&line->sampler, ticks, pace);
		line->known = ktime_add_ns(line->known, limit);
	} else {
		line->known = time;
	}
	emu_line_feed(ep, !line->low, ticks * line->sampler.tick, time);
}

/* Without a pace, the level lasts until the receiver has seen all of it */
static void emu_line_feed_pending(struct emu_port *ep, ktime_t time)
{
	struct emu_line *line = &ep->line;
	u64 ticks = emu_sampler_pending(&line->sampler, !line->low);

	emu_line_feed(ep, !line->low, ticks * line->sampler.tick, time);
}

/* Part of a character that was sent by a time, in emu_sampler_feed()'s unit, or U64_MAX */
static u64 emu_line_progress(struct emu_line *line, const struct emu_item *item,
			     ktime_t begun, ktime_t time, unsigned int pace)
{
	if (time <= begun)
		return 0;
	/* It has ended, perhaps so long ago that the number would not fit */
	if (time - begun >= emu_format_time(&item->format, pace))
		return U64_MAX;

	return emu_sampler_ticks(&line->sampler, time - begun, pace) * line->sampler.tick;
}

/* Sample the first character of an item, or a part of it */
static void emu_line_feed_char(struct emu_port *ep, const struct emu_item *item, u64 from,
			       u64 to, ktime_t time)
{
	u64 half_bit = emu_sampler_half_bit(&ep->line.sampler), begin = 0, end;
	unsigned int count, i;
	u32 bits;

	bits = emu_frame_bits(&item->format, emu_item_data(item, 0), &count);
	for (i = 0; i <= count; i++) {
		end = begin + (i < count ? 2 : item->format.half_stop_bits) * half_bit;
		if (max(begin, from) < min(end, to))
			emu_line_feed(ep, i == count || bits & BIT(i),
				      min(end, to) - max(begin, from), time);
		begin = end;
	}
}

/* Sample the first character of an item, up to a time */
static void emu_line_sample(struct emu_port *ep, const struct emu_item *item,
			    const struct emu_pass *pass, ktime_t until)
{
	ktime_t begun = emu_clock_now(&item->clock), time = until;
	struct emu_line *line = &ep->line;
	u64 from = 0, to = U64_MAX;

	emu_line_sync_format(ep, &item->format);
	if (pass->pace) {
		from = emu_line_progress(line, item, begun, line->from, pass->pace);
		to = emu_line_progress(line, item, begun, until, pass->pace);
		emu_line_feed_until(ep, max(begun, line->from), pass->pace);
	} else {
		time = pass->now;
	}
	emu_line_feed_char(ep, item, from, to, time);
	line->known = time;
}

/* Do the characters arrive as they were sent? */
static bool emu_line_is_plain(struct emu_port *ep, const struct emu_pass *pass,
			      const struct emu_item *item)
{
	struct emu_line *line = &ep->line;

	if (emu_line_is_busy(line) || !emu_format_is_compatible(&item->format, &ep->format))
		return false;

	/* No character begins before the base of the clock */
	return !pass->pace || line->from <= item->clock.base ||
	       line->from <= emu_clock_now(&item->clock);
}

static bool emu_line_hears(struct emu_port *ep, const struct emu_pass *pass,
			   const struct emu_item *item, ktime_t over)
{
	/* Nothing but the port's own characters is known to be sent with the driver on */
	if (!pass->pace)
		return !emu_rs485_has_no_echo(ep) || emu_port_in(ep) != ep->out;

	return emu_rs485_hears(ep, emu_clock_now(&item->clock), over);
}

/* A character that has to be sampled, has an address bit, or comes while the receiver is off */
static void emu_line_char(struct emu_port *ep, const struct emu_pass *pass,
			  const struct emu_item *item, bool plain, ktime_t over)
{
	struct emu_frame frame = { .data = emu_item_data(item, 0) };

	if (!emu_line_hears(ep, pass, item, over))
		emu_line_reset(ep, false, over);
	else if (plain)
		emu_rx_frame(ep, &frame, over);
	else
		emu_line_sample(ep, item, pass, over);
}

/**
 * emu_line_chars - receive characters from the wire
 * @ep: the port
 * @pass: the pass
 * @item: the characters
 *
 * Return: the number of characters that were received, 0 if there is no room.
 */
unsigned int emu_line_chars(struct emu_port *ep, const struct emu_pass *pass,
			    struct emu_item *item)
{
	bool plain = emu_line_is_plain(ep, pass, item);
	ktime_t over = item->time;

	/* A break hides characters */
	if (ep->line.low)
		return item->count;

	if (plain && !item->address && !emu_rs485_is_on(&ep->port.rs485)) {
		ep->line.known = over;
		return emu_rx_chars(ep, item->chars, item->count, over);
	}

	if (pass->pace)
		over = emu_clock_ahead(&item->clock, item->half_bits);
	emu_line_char(ep, pass, item, plain, over);
	ep->line.known = over;

	return 1;
}

/* Sample the part of the character in progress that was sent by a time */
static void emu_line_sample_shifting(struct emu_port *ep, struct emu_wire *wire,
				     const struct emu_pass *pass, ktime_t time)
{
	struct emu_item item;

	if (emu_wire_shifting(wire, time, &item))
		emu_line_sample(ep, &item, pass, time);
	else if (emu_line_is_busy(&ep->line))
		emu_line_feed_until(ep, time, pass->pace);
}

/**
 * emu_line_break - a break begins or ends
 * @ep: the port
 * @wire: the wire
 * @pass: the pass
 * @item: the break
 */
void emu_line_break(struct emu_port *ep, struct emu_wire *wire, const struct emu_pass *pass,
		    const struct emu_item *item)
{
	struct emu_line *line = &ep->line;

	if (pass->cut)
		return;

	emu_line_sync_format(ep, &item->format);
	if (pass->pace && !line->low)
		emu_line_sample_shifting(ep, wire, pass, item->time);
	else if (pass->pace)
		emu_line_feed_until(ep, item->time, pass->pace);
	line->low = item->value;
	line->known = item->time;
	line->from = item->time;
	if (!pass->pace) {
		emu_line_feed_pending(ep, item->time);
		/* The receiver has to see the mark after a break */
		emu_line_feed(ep, !line->low, line->sampler.tick, item->time);
	}
}

/**
 * emu_line_set_plugged - follow the state of the plug
 * @ep: the port
 * @wire: the wire
 * @pass: the pass
 */
void emu_line_set_plugged(struct emu_port *ep, struct emu_wire *wire,
			  const struct emu_pass *pass)
{
	struct emu_line *line = &ep->line;

	if (pass->cut == line->cut)
		return;

	line->cut = pass->cut;
	if (!line->cut) {
		emu_line_reset(ep, emu_wire_is_low(wire), pass->joined);
		return;
	}
	/* The rest of the character in progress reads as mark */
	if (pass->pace && !line->low) {
		emu_line_sample_shifting(ep, wire, pass, pass->now);
		emu_line_feed_pending(ep, pass->now);
	}
	emu_line_reset(ep, false, pass->now);
}

static void emu_line_idle_paced(struct emu_port *ep, struct emu_wire *wire,
				struct emu_pass *pass)
{
	struct emu_line *line = &ep->line;
	ktime_t until = pass->now;
	struct emu_item item;
	bool shifting;
	u64 ticks;

	shifting = !line->low && emu_wire_shifting(wire, pass->now, &item);
	if (shifting)
		until = emu_clock_now(&item.clock);
	emu_line_feed_until(ep, until, pass->pace);
	ticks = emu_sampler_pending(&line->sampler, !line->low);
	if (!ticks || shifting)
		return;

	ticks = emu_sampler_ticks_time(&line->sampler, ticks, pass->pace);
	emu_pass_due(pass, ktime_add_ns(line->known, ticks));
}

/**
 * emu_line_idle - sample a line on which no character has ended
 * @ep: the port
 * @wire: the wire
 * @pass: the pass
 */
void emu_line_idle(struct emu_port *ep, struct emu_wire *wire, struct emu_pass *pass)
{
	struct emu_format tx;

	if (!emu_line_is_busy(&ep->line) || pass->cut)
		return;

	tx = emu_wire_format(wire);
	emu_line_sync_format(ep, &tx);
	if (pass->pace)
		emu_line_idle_paced(ep, wire, pass);
	else if (emu_wire_is_idle(wire))
		emu_line_feed_pending(ep, pass->now);
}

/* A bus: levels */

static void emu_line_sync_bus(struct emu_port *ep, const struct emu_pass *pass)
{
	struct emu_line *line = &ep->line;

	if (!emu_format_is_compatible(&line->sampler.format, &ep->format) ||
	    !emu_sampler_is_divided(&line->sampler)) {
		emu_sampler_init(&line->sampler, &ep->format, !line->mark);
		emu_sampler_divide(&line->sampler);
		line->pace = 0;
	}
	/* The parts of a tick have another length now */
	if (line->pace != pass->pace) {
		line->known = max(pass->levels->begun, line->from);
		line->parts = 0;
		line->pace = pass->pace;
	}
}

static void emu_line_feed_level(struct emu_port *ep, ktime_t until)
{
	u64 time = ktime_to_ns(ktime_sub(until, ep->line.known)), parts;
	struct emu_line *line = &ep->line;

	/* A settled receiver ignores a level that does not change */
	if (emu_sampler_is_settled(&line->sampler, line->mark) || until < line->known) {
		line->known = until;
		line->parts = 0;
		return;
	}

	parts = emu_sampler_parts(&line->sampler, min(time, EMU_LINE_TIME), line->pace);
	emu_line_feed(ep, line->mark, parts - line->parts, until);
	line->parts = parts;
	/* The receiver has long been settled: start to count anew */
	if (time >= EMU_LINE_TIME) {
		line->known = until;
		line->parts = 0;
	}
}

static void emu_line_feed_bit(struct emu_port *ep, bool mark, ktime_t until)
{
	ep->line.mark = mark;
	emu_line_feed_level(ep, until);
}

/* Sample a character of another format */
static void emu_line_feed_bus_char(struct emu_port *ep, const struct emu_item *run,
				   unsigned int i)
{
	u64 half_bits = (u64)i * run->half_bits;
	unsigned int count, j;
	u32 bits;

	bits = emu_frame_bits(&run->format, emu_item_data(run, i), &count);
	for (j = 0; j < count; j++)
		emu_line_feed_bit(ep, bits & BIT(j),
				  emu_clock_ahead(&run->clock, half_bits + 2 * (j + 1)));
	emu_line_feed_bit(ep, true, emu_clock_ahead(&run->clock, half_bits + run->half_bits));
}

/* Do the characters of a run arrive as they were sent? */
static bool emu_line_run_is_plain(struct emu_port *ep, const struct emu_item *run)
{
	return emu_sampler_is_settled(&ep->line.sampler, true) &&
	       emu_format_is_compatible(&run->format, &ep->format);
}

/* Begin of a character of a run, which is the end of the one before */
static ktime_t emu_line_begin(const struct emu_item *run, unsigned int i)
{
	return emu_clock_ahead(&run->clock, (u64)i * run->half_bits);
}

/* Returns the number of characters that were received, from @first on */
static unsigned int emu_line_take_run(struct emu_port *ep, const struct emu_item *run,
				      unsigned int first, unsigned int pace)
{
	unsigned int count = min(run->count - first, emu_rx_room(ep, pace));
	struct emu_frame frame = { .data = emu_item_data(run, first) };
	ktime_t over;

	if (!count)
		return 0;

	over = emu_line_begin(run, first + count);
	if (!emu_line_run_is_plain(ep, run)) {
		emu_line_feed_bus_char(ep, run, first);
		return 1;
	}
	ep->line.known = over;
	ep->line.parts = 0;
	if (!run->address)
		return emu_rx_chars(ep, run->chars + first, count, over);
	emu_rx_frame(ep, &frame, over);

	return 1;
}

/* Number of characters that began before the port started to read: they are not received */
static unsigned int emu_line_count_old(struct emu_port *ep, const struct emu_item *run)
{
	unsigned int i = 0;

	while (i < run->count && emu_line_begin(run, i) < ep->line.from)
		i++;

	return i;
}

static void emu_line_run(struct emu_port *ep, const struct emu_bus_level *level,
			 struct emu_pass *pass)
{
	struct emu_bus_levels *levels = pass->levels;
	unsigned int count;

	/* The line is at mark up to the begin of the run */
	if (!levels->next_char) {
		levels->next_char = emu_line_count_old(ep, level->run);
		emu_line_feed_bit(ep, true, emu_line_begin(level->run, levels->next_char));
	}
	while (levels->next_char < level->run->count) {
		count = emu_line_take_run(ep, level->run, levels->next_char, pass->pace);
		if (!count)
			return;
		levels->next_char += count;
	}
	levels->next_char = 0;
	levels->next++;
}

static void emu_line_level(struct emu_port *ep, const struct emu_bus_level *level,
			   struct emu_pass *pass)
{
	bool own = level->drivers & pass->levels->self && emu_rs485_has_no_echo(ep);

	if (level->until <= ep->line.from) {
		pass->levels->next++;
		return;
	}
	if (level->run && !own) {
		emu_line_run(ep, level, pass);
		return;
	}
	emu_line_feed_bit(ep, level->run || level->mark || own, level->until);
	pass->levels->next++;
}

/**
 * emu_line_levels - sample the levels of a bus
 * @ep: the port
 * @pass: the pass; its levels are sampled up to the first sysrq character
 */
void emu_line_levels(struct emu_port *ep, struct emu_pass *pass)
{
	struct emu_bus_levels *levels = pass->levels;
	struct emu_line *line = &ep->line;
	u64 ticks;

	emu_line_sync_bus(ep, pass);
	while (levels->next < levels->count && !ep->port.sysrq_ch)
		emu_line_level(ep, &levels->level[levels->next], pass);
	/* Time of the next character if the level does not change */
	ticks = emu_sampler_pending(&line->sampler, line->mark);
	if (ticks)
		emu_pass_due(pass, ktime_add_ns(levels->done,
						emu_sampler_ticks_time(&line->sampler, ticks,
								       line->pace)));
}
