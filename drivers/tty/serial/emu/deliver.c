// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the wire, as its receiver sees it.
 *
 * A character is on the wire from its start bit to its stop bit, and the next
 * one follows at once or when it is sent. All times are computed from when the
 * line was free last, so that the mean rate is exact however late the work
 * comes to it: it then does all that is due, and the transmitter goes on as if
 * its FIFO had been filled in time.
 *
 * Where the transmitter and the receiver are set to the same format, a character
 * arrives as it was sent. Otherwise, and during a break, its bits are laid out
 * for the receiver to look at with its own clock, see frame.c.
 */

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/hrtimer.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/serial_core.h>
#include <linux/spinlock.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "emu.h"

/* How many characters go from hand to hand at a time */
#define EMU_WIRE_CHUNK		32

/* Rounds after which the work lets others have the CPU */
#define EMU_WIRE_ROUNDS		64

/* After so many ticks of a line that does not change nothing new is seen any more */
#define EMU_WIRE_TICKS		4096

/* When to look again whether the flip buffer has room */
#define EMU_WIRE_FULL_DELAY	ms_to_ktime(10)

/* The first event is a character: it goes from the FIFO to the shift register */
static void emu_wire_begin(struct emu_wire *wire, ktime_t time)
{
	u64 speed = wire->format.rate * wire->pace;

	wire->begun = max(emu_clock_now(&wire->clock), time);
	if (wire->begun != emu_clock_now(&wire->clock) || speed != wire->clock.speed)
		emu_clock_restart(&wire->clock, wire->begun, speed);

	wire->frame = wire->format;
	wire->clock.half_bits += emu_format_half_bits(&wire->frame);
	wire->shifting = true;
}

/* When the receiver wants to be told: it need not be for each character */
static ktime_t emu_wire_group_end(struct emu_wire *wire, unsigned int wanted)
{
	unsigned int count = min(wanted, wire->chars);

	/* Something else is between them */
	if (wire->chars != kfifo_len(&wire->events))
		count = 1;

	return emu_clock_ahead(&wire->clock,
			       (count - 1) * emu_format_half_bits(&wire->frame));
}

/**
 * emu_wire_take_char - take a character from the head of the queue whose time has come
 * @wire: the wire
 * @round: the round of deliveries, which is due when the next one has come to its end
 * @wanted: ... or so many of them, if nothing is between them
 * @event: set to the character, and when it was over
 *
 * Context: the wire's @running is held.
 * Return: true if there was one.
 */
bool emu_wire_take_char(struct emu_wire *wire, struct emu_round *round, unsigned int wanted,
			struct emu_event *event)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (!kfifo_peek(&wire->events, event) || !emu_event_is_char(event))
		return false;

	if (!wire->shifting)
		emu_wire_begin(wire, max(event->time, round->from));
	event->time = emu_clock_now(&wire->clock);
	if (wire->pace && event->time > round->now) {
		emu_round_due(round, emu_wire_group_end(wire, wanted));
		return false;
	}

	kfifo_skip(&wire->events);
	wire->chars--;
	wire->shifting = false;
	emu_wire_queue_changes(wire);

	return true;
}

/**
 * emu_wire_take_mark - take an event that is not a character from the head of the queue
 * @wire: the wire
 * @round: the round of deliveries, which is due when its time has come
 * @mark: set to the event, and when it was
 *
 * Context: the wire's @running is held.
 * Return: true if there was one.
 */
bool emu_wire_take_mark(struct emu_wire *wire, struct emu_round *round, struct emu_event *mark)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (!kfifo_peek(&wire->events, mark) || emu_event_is_char(mark))
		return false;

	mark->time = max(mark->time, emu_clock_now(&wire->clock));
	if (wire->pace && mark->time > round->now) {
		emu_round_due(round, mark->time);
		return false;
	}

	kfifo_skip(&wire->events);
	wire->frame = wire->format;
	if (mark->type == EMU_EV_LINES)
		wire->lines_far = mark->value;
	if (wire->pace)
		emu_clock_restart(&wire->clock, mark->time, wire->format.rate * wire->pace);
	/* A break ends with mark for a bit at least, or nobody could see the next start bit */
	if (mark->type == EMU_EV_BREAK && !mark->value)
		wire->clock.half_bits = 2;
	emu_wire_queue_changes(wire);

	return true;
}

/* What is left, in order, of what the receiver was fed */
static void emu_wire_receive(struct emu_wire *wire, struct emu_port *rx, ktime_t time)
{
	struct emu_frame frame;

	while (emu_sampler_run(&wire->sampler, &frame))
		emu_rx_frame(rx, wire, &frame, time);
}

static void emu_wire_feed(struct emu_wire *wire, struct emu_port *rx, bool level, u64 duration,
			  ktime_t time)
{
	emu_sampler_feed(&wire->sampler, level, duration);
	emu_wire_receive(wire, rx, time);
}

/* Let the receiver see the line as it has been */
static void emu_wire_feed_until(struct emu_wire *wire, struct emu_port *rx, ktime_t time,
				unsigned int pace)
{
	u64 ticks;

	if (time <= wire->fed)
		return;

	ticks = emu_sampler_ticks(&wire->sampler, time - wire->fed, pace);
	/* What is left of a tick counts the next time */
	wire->fed = pace ? ktime_add_ns(wire->fed,
					emu_sampler_ticks_time(&wire->sampler, ticks, pace)) : time;
	ticks = min(ticks, EMU_WIRE_TICKS);
	emu_wire_feed(wire, rx, !wire->low, ticks * wire->sampler.tick, time);
}

/* Without a pace, the line stays as it is for as long as it takes */
static void emu_wire_feed_pending(struct emu_wire *wire, struct emu_port *rx, ktime_t time)
{
	u64 ticks = emu_sampler_pending(&wire->sampler, !wire->low);

	emu_wire_feed(wire, rx, !wire->low, ticks * wire->sampler.tick, time);
}

/* How far a character had got at a time, as emu_sampler_feed() wants it, or U64_MAX */
static u64 emu_wire_progress(struct emu_wire *wire, ktime_t begun, ktime_t time,
			     unsigned int pace)
{
	if (time <= begun)
		return 0;
	/* It is over, perhaps for so long that the number would not fit */
	if (time - begun >= emu_format_time(&wire->frame, pace))
		return U64_MAX;

	return emu_sampler_ticks(&wire->sampler, time - begun, pace) * wire->sampler.tick;
}

/* Let the receiver see a character, or a part of it */
static void emu_wire_feed_char(struct emu_wire *wire, struct emu_port *rx, u16 data, u64 from,
			       u64 to, ktime_t time)
{
	u64 half_bit = emu_sampler_half_bit(&wire->sampler), begin = 0, end;
	unsigned int count, i;
	u32 bits;

	bits = emu_frame_bits(&wire->frame, data, &count);
	for (i = 0; i <= count; i++) {
		end = begin + (i < count ? 2 : wire->frame.half_stop_bits) * half_bit;
		if (max(begin, from) < min(end, to))
			emu_wire_feed(wire, rx, i == count || bits & BIT(i),
				      min(end, to) - max(begin, from), time);
		begin = end;
	}
}

/* Does the receiver see something else than what was sent in this format? */
static bool emu_wire_is_sampled(struct emu_wire *wire, struct emu_port *rx,
				const struct emu_format *format)
{
	return wire->low || wire->sampler.state != EMU_SAMPLER_IDLE ||
	       !emu_format_is_same(format, &rx->format);
}

/* Either end may have been set to another format */
static void emu_wire_tune(struct emu_wire *wire, struct emu_port *rx)
{
	struct emu_sampler *sampler = &wire->sampler;

	if (!emu_format_is_same(&sampler->format, &rx->format))
		emu_sampler_init(sampler, &rx->format, wire->low);
	if (sampler->tick != wire->frame.rate)
		emu_sampler_retime(sampler, &wire->frame);
}

static void emu_wire_deliver_char(struct emu_wire *wire, struct emu_port *rx,
				  const struct emu_round *round, const struct emu_event *event)
{
	struct emu_frame frame = { .data = event->value };
	/* Nobody changes it after the character was taken, but who begins the next one */
	ktime_t begun = wire->begun;
	u64 from = 0;

	if (round->far)
		emu_far_char(round->far, &wire->frame, event->value,
			     round->pace ? event->time : round->now);
	if (!rx)
		return;

	emu_wire_tune(wire, rx);
	/* The plug may have been put in when it had begun */
	if (round->pace)
		from = emu_wire_progress(wire, begun, round->joined, round->pace);
	if (from || emu_wire_is_sampled(wire, rx, &wire->frame)) {
		emu_wire_feed_until(wire, rx, max(begun, round->joined), round->pace);
		emu_wire_feed_char(wire, rx, event->value, from, U64_MAX, event->time);
	} else {
		frame.data &= GENMASK(rx->format.data_bits - 1, 0);
		emu_rx_frame(rx, wire, &frame, event->time);
	}
	wire->fed = event->time;
}

static void emu_wire_deliver_break(struct emu_wire *wire, struct emu_port *rx,
				   const struct emu_round *round, const struct emu_event *mark)
{
	if (!rx) {
		wire->low = mark->value;
		return;
	}

	emu_wire_tune(wire, rx);
	if (emu_wire_is_sampled(wire, rx, &wire->frame))
		emu_wire_feed_until(wire, rx, mark->time, round->pace);
	wire->low = mark->value;
	wire->fed = mark->time;
	if (!round->pace) {
		emu_wire_feed_pending(wire, rx, mark->time);
		/* It takes note of the mark that ends a break */
		emu_wire_feed(wire, rx, !wire->low, wire->sampler.tick, mark->time);
	}
}

static void emu_wire_deliver_mark(struct emu_wire *wire, struct emu_port *rx,
				  const struct emu_round *round, const struct emu_event *mark)
{
	if (round->far)
		emu_far_mark(round->far, mark, round->pace ? mark->time : round->now);
	if (mark->type == EMU_EV_BREAK)
		emu_wire_deliver_break(wire, rx, round, mark);
	else if (rx)
		emu_port_rx_lines(rx);
}

/* Look at the characters at the head of the queue without taking them */
static unsigned int emu_wire_peek_chars(struct emu_wire *wire, u8 *chars, u8 mask)
{
	struct emu_event events[EMU_WIRE_CHUNK];
	unsigned int count, i;

	count = kfifo_out_peek(&wire->events, events, ARRAY_SIZE(events));
	for (i = 0; i < count && emu_event_is_char(&events[i]); i++)
		chars[i] = events[i].value & mask;

	return i;
}

/*
 * Hand over as many characters as there are, to where they all arrive as they
 * were sent. The lock is held throughout so that no flush comes between. Returns
 * -ENOMEM if there is no memory for them now.
 */
static int emu_wire_deliver_chars(struct emu_wire *wire, struct emu_port *rx)
{
	u8 chars[EMU_WIRE_CHUNK];
	int count;

	guard(spinlock_irqsave)(&wire->lock);

	if (emu_wire_is_sampled(wire, rx, &wire->format))
		return 0;

	count = emu_wire_peek_chars(wire, chars, GENMASK(wire->format.data_bits - 1, 0));
	count = emu_rx_chars(rx, chars, count);
	if (count <= 0)
		return count;

	kfifo_skip_count(&wire->events, count);
	wire->chars -= count;
	wire->shifting = false;
	emu_wire_queue_changes(wire);

	return count;
}

/* Is there something that a slow reader has to wait for? Edges do not need it. */
static bool emu_wire_needs_reader(struct emu_wire *wire)
{
	struct emu_event event;

	guard(spinlock_irqsave)(&wire->lock);

	return kfifo_peek(&wire->events, &event) && event.type != EMU_EV_LINES;
}

/* Without a pace the wire waits for a slow reader, as long as it takes */
static bool emu_wire_waits(struct emu_wire *wire, struct emu_port *rx, struct emu_round *round)
{
	ktime_t delay;

	if (round->pace || !emu_wire_needs_reader(wire))
		return false;
	/* It says so when it has read */
	if (round->far && emu_far_is_full(round->far))
		return true;
	if (!rx)
		return false;

	switch (emu_rx_state(rx, wire)) {
	case EMU_RX_HOLD:
		delay = EMU_HOLD_DELAY;
		break;
	case EMU_RX_FULL:
		delay = EMU_WIRE_FULL_DELAY;
		break;
	default:
		return false;
	}
	emu_round_due(round, ktime_add(round->now, delay));

	return true;
}

/* How many characters a program wants to be told of at a time */
static unsigned int emu_wire_wanted(struct emu_wire *wire, struct emu_port *rx,
				    const struct emu_round *round)
{
	u64 frame_time;

	if (rx)
		return emu_rx_wanted(rx);
	if (!round->far || !round->pace)
		return 1;
	frame_time = emu_format_time(&wire->frame, round->pace);

	return clamp(div64_u64(NSEC_PER_MSEC, max(frame_time, 1ULL)), 1, EMU_WIRE_CHUNK);
}

/* Take what is first on the wire; returns how many events that were */
static unsigned int emu_wire_step(struct emu_wire *wire, struct emu_port *rx,
				  struct emu_round *round)
{
	struct emu_event event;
	int count;

	/* One captured sysrq character fits, it is handled when the lock is released */
	if ((rx && rx->port.sysrq_ch) || emu_wire_waits(wire, rx, round))
		return 0;

	if (emu_wire_take_mark(wire, round, &event)) {
		emu_wire_deliver_mark(wire, rx, round, &event);
		return 1;
	}

	if (!round->pace && rx && emu_rx_takes_all(rx, wire)) {
		count = emu_wire_deliver_chars(wire, rx);
		if (count > 0)
			return count;
		if (count < 0) {
			emu_round_due(round, ktime_add(round->now, EMU_WIRE_FULL_DELAY));
			return 0;
		}
	}

	if (emu_wire_take_char(wire, round, emu_wire_wanted(wire, rx, round), &event)) {
		emu_wire_deliver_char(wire, rx, round, &event);
		return 1;
	}

	return 0;
}

/* The character that is being shifted out, and when it began; nothing if there is none */
static bool emu_wire_peek_shifting(struct emu_wire *wire, struct emu_event *event)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (!wire->shifting || !kfifo_peek(&wire->events, event))
		return false;
	event->time = wire->begun;

	return true;
}

/* What the receiver sees of a line on which nothing is sent at present */
static void emu_wire_settle_paced(struct emu_wire *wire, struct emu_port *rx,
				  struct emu_round *round)
{
	struct emu_event event = { .time = round->now };
	bool shifting = emu_wire_peek_shifting(wire, &event);
	u64 ticks;

	emu_wire_feed_until(wire, rx, event.time, round->pace);
	ticks = emu_sampler_pending(&wire->sampler, !wire->low);
	if (!ticks || shifting)
		return;

	ticks = emu_sampler_ticks_time(&wire->sampler, ticks, round->pace);
	emu_round_due(round, ktime_add_ns(wire->fed, ticks));
}

static void emu_wire_settle(struct emu_wire *wire, struct emu_port *rx, struct emu_round *round)
{
	emu_wire_tune(wire, rx);
	if (round->pace)
		emu_wire_settle_paced(wire, rx, round);
	else if (emu_wire_is_idle(wire))
		emu_wire_feed_pending(wire, rx, round->now);
}

/* The plug is pulled out: the rest of a character that is under way looks like mark */
static void emu_wire_cut(struct emu_wire *wire, struct emu_port *rx, struct emu_round *round)
{
	struct emu_event event;

	if (!round->pace || !emu_wire_peek_shifting(wire, &event) || event.time > round->now)
		return;

	emu_wire_tune(wire, rx);
	emu_wire_feed_until(wire, rx, event.time, round->pace);
	emu_wire_feed_char(wire, rx, event.value, 0,
			   emu_wire_progress(wire, event.time, round->now, round->pace),
			   round->now);
	emu_wire_feed_pending(wire, rx, round->now);
}

/* A receiver whose plug is pulled out sees a line at rest */
static void emu_wire_rest(struct emu_wire *wire, struct emu_port *rx, struct emu_round *round)
{
	emu_sampler_init(&wire->sampler, &rx->format, false);
	wire->fed = round->now;
}

/* Has the plug been pulled out, or put in? */
static void emu_wire_plug(struct emu_wire *wire, struct emu_port *rx, struct emu_round *round)
{
	if (round->unplugged == wire->cut)
		return;

	wire->cut = round->unplugged;
	if (wire->cut)
		emu_wire_cut(wire, rx, round);
}

/* One round: at most what the queue can hold, so that the port lock is not kept for long */
static void emu_wire_deliver(struct emu_wire *wire, struct emu_port *rx, struct emu_round *round)
{
	unsigned int budget = EMU_WIRE_EVENTS;
	unsigned int count;

	do {
		count = emu_wire_step(wire, rx, round);
		if (count)
			round->moved = true;
		budget -= min(budget, count);
	} while (count && budget);
}

static void emu_wire_deliver_to(struct emu_wire *wire, struct emu_port *rx,
				struct emu_round *round)
{
	guard(uart_port_lock_check_sysrq_irqsave)(&rx->port);

	/* The loopback mode may have been entered or left, the pace or format changed */
	emu_port_rx_lines(rx);
	emu_rx_set_pace(rx, round->pace);
	emu_wire_plug(wire, rx, round);
	emu_wire_deliver(wire, round->unplugged ? NULL : rx, round);
	if (round->unplugged)
		emu_wire_rest(wire, rx, round);
	else if (emu_wire_is_sampled(wire, rx, &wire->frame))
		emu_wire_settle(wire, rx, round);
	emu_round_due(round, emu_rx_service(rx, wire, round->now));
	/* What was captured is handled now, there may be more */
	if (rx->port.sysrq_ch)
		round->moved = true;
	emu_rx_push(rx);
}

static struct emu_round emu_wire_round(struct emu_wire *wire)
{
	struct emu_round round = { .due = KTIME_MAX };
	struct emu_port *tx, *rx;
	struct emu_far *tx_far, *rx_far;

	/* Whoever unplugs a port comes through emu_wire_run() afterwards */
	scoped_guard(spinlock_irqsave, &wire->lock) {
		tx = wire->tx;
		rx = wire->rx;
		tx_far = wire->tx_far;
		rx_far = wire->rx_far;
		round.pace = wire->pace;
	}

	if (tx)
		round.due = emu_port_feed(tx, wire, round.pace);
	if (tx_far)
		emu_far_transmit(tx_far);

	/* What is sent because it is plugged in begins after that */
	scoped_guard(spinlock_irqsave, &wire->lock) {
		round.now = ktime_get();
		round.unplugged = wire->unplugged;
		round.joined = wire->joined;
	}
	if (!round.unplugged)
		round.far = rx_far;

	if (rx)
		emu_wire_deliver_to(wire, rx, &round);
	else
		emu_wire_deliver(wire, NULL, &round);
	if (rx_far)
		emu_far_flush(rx_far, round.now);

	return round;
}

/**
 * emu_wire_run - take off the wire what has come to its end
 * @wire: the wire
 *
 * This is what the wire's work does. On return nobody uses the ports any more
 * that were plugged in when this was called and are not plugged in now, and
 * nobody acts on what the receiver answered before.
 *
 * Context: process; may sleep. No port lock is held.
 */
void emu_wire_run(struct emu_wire *wire)
{
	unsigned int rounds = EMU_WIRE_ROUNDS;
	struct emu_round round;

	if (wire->bus) {
		emu_bus_run(wire->bus);
		return;
	}

	guard(mutex)(&wire->running);

	do {
		round = emu_wire_round(wire);
		cond_resched();
	} while (round.moved && --rounds);

	if (round.moved)
		emu_wire_kick(wire);
	else if (round.due != KTIME_MAX)
		hrtimer_start(&wire->timer, round.due, HRTIMER_MODE_ABS);
}
