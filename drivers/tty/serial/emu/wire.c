// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the wire, as its transmitter sees it.
 *
 * One queue per direction holds all that travels: characters, breaks and edges
 * of the modem control lines. They come out in the order in which they went in,
 * so that no edge can overtake a character that was sent before it. On a bus RTS is
 * what a driver goes by that does not wait for characters, so there its edges have a
 * queue of their own.
 *
 * The transmitter's FIFO and its shift register are in that queue. On a wire
 * with a pace it has room for as many characters as they hold, and what is sent
 * does not depend on whether anybody receives it.
 *
 * Nothing is lost on a wire without a pace. While the receiver's reader is slow
 * and has no flow control with which to say so, characters wait on the wire, and
 * all that follows them waits as well. The queue fills, the transmitter's buffer
 * fills, and in the end the writer sleeps.
 */

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/hrtimer.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/serial_core.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include <kunit/visibility.h>

#include "emu.h"

/**
 * emu_clock_ahead - when that many more halves of a bit will have been sent
 * @clock: the clock of a wire
 * @half_bits: their number
 *
 * Context: the wire's lock is held.
 * Return: the time.
 */
ktime_t emu_clock_ahead(const struct emu_clock *clock, u64 half_bits)
{
	return ktime_add_ns(clock->base,
			    emu_half_bits_time(clock->half_bits + half_bits, clock->speed));
}

/**
 * emu_clock_now - when what was sent so far is over
 * @clock: the clock of a wire
 *
 * Context: the wire's lock is held.
 * Return: the time.
 */
ktime_t emu_clock_now(const struct emu_clock *clock)
{
	return emu_clock_ahead(clock, 0);
}

/**
 * emu_clock_restart - have the line be free from a time on
 * @clock: the clock of a wire
 * @time: the time
 * @speed: rate of the transmitter times pace
 *
 * Context: the wire's lock is held.
 */
void emu_clock_restart(struct emu_clock *clock, ktime_t time, u64 speed)
{
	clock->base = time;
	clock->half_bits = 0;
	clock->speed = speed;
}

static struct emu_event emu_event(enum emu_event_type type, unsigned int value, ktime_t time)
{
	return (struct emu_event) {
		.time	= time,
		.type	= type,
		.value	= value,
	};
}

static bool emu_wire_put(struct emu_wire *wire, enum emu_event_type type, unsigned int value,
			 ktime_t time)
{
	return kfifo_put(&wire->events, emu_event(type, value, time));
}

/* On a bus RTS enables a driver, whatever that is about to send */
static bool emu_wire_put_lines(struct emu_wire *wire, ktime_t time)
{
	if (wire->bus)
		return kfifo_put(&wire->edges, emu_event(EMU_EV_LINES, wire->lines, time));

	return emu_wire_put(wire, EMU_EV_LINES, wire->lines, time);
}

static void emu_wire_queue_changes_at(struct emu_wire *wire, ktime_t time)
{
	lockdep_assert_held(&wire->lock);

	if (wire->brk != wire->brk_sent && emu_wire_put(wire, EMU_EV_BREAK, wire->brk, time))
		wire->brk_sent = wire->brk;

	if (wire->lines != wire->lines_sent && emu_wire_put_lines(wire, time))
		wire->lines_sent = wire->lines;
}

/**
 * emu_wire_queue_changes - queue the changes for which there was no room before
 * @wire: the wire
 *
 * What was changed back meanwhile is gone, as is a pulse that is too short to
 * see, but the last state always arrives, and never before what was sent first, but
 * for RTS on a bus.
 *
 * Context: the wire's lock is held.
 */
void emu_wire_queue_changes(struct emu_wire *wire)
{
	emu_wire_queue_changes_at(wire, ktime_get());
}

static bool emu_wire_has_changes(struct emu_wire *wire)
{
	return wire->brk != wire->brk_sent || wire->lines != wire->lines_sent;
}

/**
 * emu_wire_kick - have the wire's work look at it
 * @wire: the wire
 *
 * Context: any but NMI.
 */
void emu_wire_kick(struct emu_wire *wire)
{
	if (wire->bus)
		emu_bus_kick(wire->bus);
	else
		queue_work(system_dfl_wq, &wire->work);
}

/* What a FIFO and a shift register have room for */
static unsigned int emu_wire_fifo_room(struct emu_wire *wire)
{
	const unsigned int depth = EMU_TX_FIFO + 1;

	return depth - min(wire->chars, depth);
}

/**
 * emu_wire_room - number of characters that the wire can take
 * @wire: the wire
 *
 * Context: the transmitter's port lock is held, or else the answer is stale.
 * Return: the number of characters for the next emu_wire_send().
 */
unsigned int emu_wire_room(struct emu_wire *wire)
{
	unsigned int avail;

	guard(spinlock_irqsave)(&wire->lock);

	avail = kfifo_avail(&wire->events);
	if (emu_wire_has_changes(wire) || avail <= EMU_WIRE_RESERVE)
		return 0;
	avail -= EMU_WIRE_RESERVE;

	return wire->pace ? min(avail, emu_wire_fifo_room(wire)) : avail;
}

/* Make ready for characters that follow; false if nobody could see them */
static bool emu_wire_begin_send(struct emu_wire *wire, unsigned int count)
{
	if (wire->brk || !count)
		return false;

	/* The work goes on by itself until it finds the wire empty, or waits for the reader */
	if (kfifo_is_empty(&wire->events))
		emu_wire_kick(wire);
	wire->chars += count;

	return true;
}

/**
 * emu_wire_send - put characters on the wire
 * @wire: the wire
 * @type: EMU_EV_DATA or EMU_EV_CHAR
 * @chars: the characters
 * @count: their number, not more than emu_wire_room() said
 * @time: not before then they begin
 *
 * During a break they are shifted out as on a 16550, where nobody can see them.
 *
 * Context: the transmitter's port lock is held.
 */
void emu_wire_send(struct emu_wire *wire, enum emu_event_type type, const u8 *chars,
		   unsigned int count, ktime_t time)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (!emu_wire_begin_send(wire, count))
		return;
	while (count--)
		emu_wire_put(wire, type, *chars++, time);
}

/**
 * emu_wire_send_one - put a character on the wire that may have nine bits
 * @wire: the wire
 * @type: EMU_EV_DATA or EMU_EV_CHAR
 * @data: the character; emu_wire_room() is not 0
 * @time: not before then it begins
 *
 * Context: the transmitter's port lock is held.
 */
void emu_wire_send_one(struct emu_wire *wire, enum emu_event_type type, u16 data, ktime_t time)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (emu_wire_begin_send(wire, 1))
		emu_wire_put(wire, type, data, time);
}

/**
 * emu_wire_set_lines - drive the modem control outputs
 * @wire: the wire
 * @lines: the active outputs, made of the EMU_OUTPUTS bits
 *
 * Context: any but NMI.
 */
void emu_wire_set_lines(struct emu_wire *wire, unsigned int lines)
{
	emu_wire_set_lines_at(wire, lines, ktime_get());
}

/**
 * emu_wire_set_lines_at - drive the modem control outputs from a time on
 * @wire: the wire
 * @lines: the active outputs, made of the EMU_OUTPUTS bits
 * @time: not before then they change; what is sent afterwards waits as well, but not
 *	on a bus
 *
 * Context: any but NMI.
 */
void emu_wire_set_lines_at(struct emu_wire *wire, unsigned int lines, ktime_t time)
{
	guard(spinlock_irqsave)(&wire->lock);

	wire->lines = lines;
	emu_wire_queue_changes_at(wire, time);
	emu_wire_kick(wire);
}

/**
 * emu_wire_set_break - begin or end a break
 * @wire: the wire
 * @on: whether it begins
 *
 * Context: any but NMI.
 */
void emu_wire_set_break(struct emu_wire *wire, bool on)
{
	guard(spinlock_irqsave)(&wire->lock);

	wire->brk = on;
	emu_wire_queue_changes(wire);
	emu_wire_kick(wire);
}

/**
 * emu_wire_lines - the modem control outputs as the far end sees them
 * @wire: the wire
 *
 * Context: any but NMI.
 * Return: the active outputs, made of the EMU_OUTPUTS bits, and EMU_PORT_IS_OPEN.
 */
unsigned int emu_wire_lines(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	/* Whether the port is open is no matter of the plug */
	return wire->lines_far & (wire->unplugged ? EMU_PORT_IS_OPEN : ~0U);
}

/**
 * emu_wire_set_format - set what the transmitter's characters look like
 * @wire: the wire
 * @format: the format, of the next character that begins
 *
 * Context: any but NMI.
 */
void emu_wire_set_format(struct emu_wire *wire, const struct emu_format *format)
{
	guard(spinlock_irqsave)(&wire->lock);

	wire->format = *format;
	/* A program wants to know, even if nothing is ever sent */
	if (wire->rx_far)
		emu_wire_kick(wire);
}

/**
 * emu_wire_format - what the transmitter's characters look like
 * @wire: the wire
 *
 * Context: any but NMI.
 * Return: the format of the next character that begins.
 */
struct emu_format emu_wire_format(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return wire->format;
}

/* The character that is under way is as far as it was, as if it had begun at another time */
static void emu_wire_rescale(struct emu_wire *wire, unsigned int pace, ktime_t now)
{
	if (wire->begun < now)
		wire->begun = now - div64_u64((now - wire->begun) * wire->pace, pace);
	emu_clock_restart(&wire->clock, wire->begun, wire->frame.rate * pace);
	wire->clock.half_bits = emu_format_half_bits(&wire->frame);
}

/**
 * emu_wire_set_pace - set how the wire's time goes by
 * @wire: the wire
 * @pace: percent of real time, at most EMU_PACE_MAX; 0 is as fast as the machine
 *	can, and without loss
 *
 * A character that is under way goes on at the new pace, or begins anew if it took, or
 * takes, no time.
 *
 * Context: any but NMI.
 */
void emu_wire_set_pace(struct emu_wire *wire, unsigned int pace)
{
	emu_wire_set_pace_at(wire, pace, ktime_get());
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_set_pace);

/**
 * emu_wire_set_pace_at - set how the wire's time goes by from a time on
 * @wire: the wire
 * @pace: percent of real time, as for emu_wire_set_pace()
 * @time: the time, which is the same for all wires of a bus
 *
 * Context: any but NMI.
 */
void emu_wire_set_pace_at(struct emu_wire *wire, unsigned int pace, ktime_t time)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (pace && wire->pace && wire->shifting) {
		emu_wire_rescale(wire, pace, time);
	} else {
		wire->shifting = false;
		emu_clock_restart(&wire->clock, time, 0);
	}
	wire->pace = pace;
	emu_wire_kick(wire);
}

/**
 * emu_wire_pace - how the wire's time goes by
 * @wire: the wire
 *
 * Context: any but NMI.
 * Return: percent of real time, 0 is as fast as the machine can.
 */
unsigned int emu_wire_pace(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return wire->pace;
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_pace);

/**
 * emu_wire_set_plugged - join the wire to its receiver, or pull it out
 * @wire: the wire
 * @plugged: whether it is joined; while it is not, the receiver sees a line at
 *	rest and inactive inputs
 * @time: when that happens, which is the same for all wires of a cable: what one
 *	lets through makes the other end send, and none of that is to be missed
 *
 * Context: any but NMI.
 */
void emu_wire_set_plugged(struct emu_wire *wire, bool plugged, ktime_t time)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (plugged && wire->unplugged)
		wire->joined = time;
	wire->unplugged = !plugged;
	emu_wire_kick(wire);
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_set_plugged);

/**
 * emu_wire_is_plugged - is the wire joined to its receiver?
 * @wire: the wire
 *
 * Context: any but NMI.
 * Return: true if it is.
 */
bool emu_wire_is_plugged(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return !wire->unplugged;
}

/* Remove the events of some types and keep the order of the rest */
static void emu_wire_remove(struct emu_wire *wire, unsigned long types)
{
	/* What has left the FIFO cannot be taken back */
	bool keep = wire->shifting;
	struct emu_event event;
	unsigned int count;

	lockdep_assert_held(&wire->lock);

	for (count = kfifo_len(&wire->events); count; count--) {
		if (!kfifo_get(&wire->events, &event))
			break;
		if (keep || !(types & BIT(event.type)))
			kfifo_put(&wire->events, event);
		else if (emu_event_is_char(&event))
			wire->chars--;
		keep = false;
	}

	emu_wire_queue_changes(wire);
	emu_wire_kick(wire);
}

/**
 * emu_wire_reset - make a wire as if it always had been at rest
 * @wire: the wire
 * @lines: the active outputs, which the far end sees without an edge
 *
 * Context: any but NMI.
 */
void emu_wire_reset(struct emu_wire *wire, unsigned int lines)
{
	guard(spinlock_irqsave)(&wire->lock);

	wire->lines = lines;
	wire->lines_sent = lines;
	wire->lines_far = lines;
	/* A break that is on its way needs its end */
	wire->brk = false;
	wire->shifting = false;
	emu_wire_remove(wire, ~BIT(EMU_EV_BREAK));
}

/**
 * emu_wire_is_idle - have all characters that were sent been received?
 * @wire: the wire
 *
 * Context: any but NMI.
 * Return: true if the transmitter's FIFO and its shift register are empty.
 */
bool emu_wire_is_idle(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return !wire->chars;
}

/**
 * emu_wire_free - when was the last character over?
 * @wire: the wire, which is idle
 *
 * Context: any but NMI.
 * Return: the time.
 */
ktime_t emu_wire_free(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return wire->pace ? emu_clock_now(&wire->clock) : ktime_get();
}

/**
 * emu_wire_flush - take back what the tty sent and nobody has received yet
 * @wire: the wire
 *
 * The rest stays: edges, breaks, XON and XOFF, the console's output, and the
 * character that is being shifted out.
 *
 * Context: the transmitter's port lock is held.
 */
void emu_wire_flush(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	emu_wire_remove(wire, BIT(EMU_EV_DATA));
}

/**
 * emu_wire_swallow - let the characters vanish that wait for a slow reader
 * @wire: the wire
 *
 * Where characters take their time nothing waits, and what is on its way then
 * arrives when it does.
 *
 * Context: the receiver's port lock is held.
 */
void emu_wire_swallow(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (!wire->pace)
		emu_wire_remove(wire, BIT(EMU_EV_DATA) | BIT(EMU_EV_CHAR));
}

/**
 * emu_wire_set_tx - plug the transmitter's end in or pull it out
 * @wire: the wire
 * @tx: the transmitter, NULL to pull it out
 *
 * On return nobody uses the port any more that was there before.
 *
 * Context: process; may sleep.
 */
void emu_wire_set_tx(struct emu_wire *wire, struct emu_port *tx)
{
	scoped_guard(spinlock_irqsave, &wire->lock)
		wire->tx = tx;

	emu_wire_run(wire);
}

/**
 * emu_wire_set_rx - plug the receiver's end in or pull it out
 * @wire: the wire
 * @rx: the receiver, NULL to pull it out
 *
 * On return nobody uses the port any more that was there before.
 *
 * Context: process; may sleep.
 */
void emu_wire_set_rx(struct emu_wire *wire, struct emu_port *rx)
{
	scoped_guard(spinlock_irqsave, &wire->lock)
		wire->rx = rx;

	emu_wire_run(wire);
}

/**
 * emu_wire_set_far_tx - have a program feed the wire, or not any more
 * @wire: the wire
 * @far: the program's end, NULL for none
 *
 * On return nobody uses the one any more that was there before.
 *
 * Context: process; may sleep.
 */
void emu_wire_set_far_tx(struct emu_wire *wire, struct emu_far *far)
{
	scoped_guard(spinlock_irqsave, &wire->lock)
		wire->tx_far = far;

	emu_wire_run(wire);
}

/**
 * emu_wire_set_far_rx - have a program read the wire, or not any more
 * @wire: the wire
 * @far: the program's end, NULL for none
 *
 * On return nobody uses the one any more that was there before.
 *
 * Context: process; may sleep.
 */
void emu_wire_set_far_rx(struct emu_wire *wire, struct emu_far *far)
{
	scoped_guard(spinlock_irqsave, &wire->lock)
		wire->rx_far = far;

	emu_wire_run(wire);
}

static void emu_wire_work(struct work_struct *work)
{
	emu_wire_run(container_of(work, struct emu_wire, work));
}

static enum hrtimer_restart emu_wire_timer(struct hrtimer *timer)
{
	emu_wire_kick(container_of(timer, struct emu_wire, timer));

	return HRTIMER_NORESTART;
}

/**
 * emu_wire_init - make a wire
 * @wire: zeroed memory
 *
 * Context: any.
 */
void emu_wire_init(struct emu_wire *wire)
{
	spin_lock_init(&wire->lock);
	mutex_init(&wire->running);
	INIT_KFIFO(wire->events);
	INIT_KFIFO(wire->edges);
	wire->pace = EMU_PACE_DEFAULT;
	wire->format = emu_format_default;
	wire->frame = emu_format_default;
	hrtimer_setup(&wire->timer, emu_wire_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	INIT_WORK(&wire->work, emu_wire_work);
}

/**
 * emu_wire_exit - end a wire that nothing is plugged into any more
 * @wire: the wire
 *
 * Context: process; may sleep.
 */
void emu_wire_exit(struct emu_wire *wire)
{
	/* Each of them starts the other */
	disable_work_sync(&wire->work);
	hrtimer_cancel(&wire->timer);
}

#ifdef CONFIG_CONSOLE_POLL
/**
 * emu_wire_poll - take a character off the wire for a debugger
 * @wire: the wire
 *
 * What was not a character when the machine was stopped, and all behind that,
 * stays for who is there when it goes on.
 *
 * Context: any; the machine stands still. There is SMP, and no PREEMPT_RT.
 * Return: the character, or NO_POLL_CHAR.
 */
int emu_wire_poll(struct emu_wire *wire)
{
	struct emu_event event;
	int c = NO_POLL_CHAR;

	/* A bus looks at bits, not at characters; and the lock may be held for good */
	if (wire->bus || !spin_trylock(&wire->lock))
		return c;

	if (kfifo_peek(&wire->events, &event) && emu_event_is_char(&event)) {
		kfifo_skip(&wire->events);
		wire->chars--;
		wire->shifting = false;
		c = event.value;
	}
	spin_unlock(&wire->lock);

	return c;
}
#endif
