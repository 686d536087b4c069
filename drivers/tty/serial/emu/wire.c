// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the wire.
 *
 * One queue per direction holds all that travels: characters, breaks and edges
 * of the modem control lines. They come out in the order in which they went in,
 * so that no edge can overtake a character that was sent before it.
 *
 * Nothing is lost on a wire. While the receiver's reader is slow and has no
 * flow control with which to say so, characters wait on the wire, and all that
 * follows them waits as well. The queue fills, the transmitter's buffer fills,
 * and in the end the writer sleeps.
 */

#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/jiffies.h>
#include <linux/kfifo.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/serial_core.h>
#include <linux/spinlock.h>
#include <linux/tty_flip.h>
#include <linux/workqueue.h>

#include "emu.h"

#define EMU_EVENT_TYPE		GENMASK(31, 24)
#define EMU_EVENT_VALUE		GENMASK(23, 0)

/* How many characters go from hand to hand at a time */
#define EMU_WIRE_CHUNK		64

/* Rounds after which the work lets others have the CPU */
#define EMU_WIRE_ROUNDS		64

/* When to look again whether the flip buffer has room */
#define EMU_WIRE_FULL_DELAY	msecs_to_jiffies(10)

/*
 * When to look again whether a slow reader is still there. It says so itself
 * when it goes on, and when it closes the port, but not when it closes a port
 * that is a console: tty_port_shutdown() leaves such a port running.
 */
#define EMU_WIRE_HOLD_DELAY	msecs_to_jiffies(500)

static u32 emu_event(enum emu_event type, unsigned int value)
{
	return FIELD_PREP(EMU_EVENT_TYPE, type) | FIELD_PREP(EMU_EVENT_VALUE, value);
}

static enum emu_event emu_event_type(u32 event)
{
	return FIELD_GET(EMU_EVENT_TYPE, event);
}

static unsigned int emu_event_value(u32 event)
{
	return FIELD_GET(EMU_EVENT_VALUE, event);
}

static bool emu_event_is_char(u32 event)
{
	return emu_event_type(event) <= EMU_EV_CHAR;
}

/*
 * Queue the changes that the queue had no room for when they were made. What
 * was changed back meanwhile is gone, as is a pulse that is too short to see,
 * but the last state always arrives, and never before what was sent first.
 */
static void emu_wire_queue_changes(struct emu_wire *wire)
{
	lockdep_assert_held(&wire->lock);

	if (wire->brk != wire->brk_sent &&
	    kfifo_put(&wire->events, emu_event(EMU_EV_BREAK, wire->brk)))
		wire->brk_sent = wire->brk;

	if (wire->lines != wire->lines_sent &&
	    kfifo_put(&wire->events, emu_event(EMU_EV_LINES, wire->lines)))
		wire->lines_sent = wire->lines;
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
	mod_delayed_work(system_dfl_wq, &wire->work, 0);
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

	return avail - EMU_WIRE_RESERVE;
}

/**
 * emu_wire_send - put characters on the wire
 * @wire: the wire
 * @type: EMU_EV_DATA or EMU_EV_CHAR
 * @chars: the characters
 * @count: their number, not more than emu_wire_room() said
 *
 * During a break they are shifted out as on a 16550, where nobody can see them.
 *
 * Context: the transmitter's port lock is held.
 */
void emu_wire_send(struct emu_wire *wire, enum emu_event type, const u8 *chars, unsigned int count)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (wire->brk || !count)
		return;

	/* The work goes on by itself until it finds the wire empty, or waits for the reader */
	if (kfifo_is_empty(&wire->events))
		emu_wire_kick(wire);

	while (count--)
		kfifo_put(&wire->events, emu_event(type, *chars++));
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
	guard(spinlock_irqsave)(&wire->lock);

	wire->lines = lines;
	emu_wire_queue_changes(wire);
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
 * Return: the active outputs, made of the EMU_OUTPUTS bits.
 */
unsigned int emu_wire_lines(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return wire->lines_far;
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

	kfifo_reset(&wire->events);
	wire->lines = lines;
	wire->lines_sent = lines;
	wire->lines_far = lines;
	wire->brk = false;
	wire->brk_sent = false;
}

/**
 * emu_wire_is_idle - has all that was sent been received?
 * @wire: the wire
 *
 * Context: any but NMI.
 * Return: true if nothing is on the wire.
 */
bool emu_wire_is_idle(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return kfifo_is_empty(&wire->events);
}

/* Remove the events up to a type and keep the order of the rest */
static void emu_wire_remove(struct emu_wire *wire, enum emu_event last)
{
	unsigned int count;
	u32 event;

	guard(spinlock_irqsave)(&wire->lock);

	for (count = kfifo_len(&wire->events); count; count--) {
		if (!kfifo_get(&wire->events, &event))
			break;
		if (emu_event_type(event) > last)
			kfifo_put(&wire->events, event);
	}

	emu_wire_queue_changes(wire);
	emu_wire_kick(wire);
}

/**
 * emu_wire_flush - take back what the tty sent and nobody has received yet
 * @wire: the wire
 *
 * The rest stays: edges, breaks, XON and XOFF, the console's output.
 *
 * Context: the transmitter's port lock is held.
 */
void emu_wire_flush(struct emu_wire *wire)
{
	emu_wire_remove(wire, EMU_EV_DATA);
}

/**
 * emu_wire_swallow - let the characters on the wire vanish
 * @wire: the wire
 *
 * Context: the receiver's port lock is held.
 */
void emu_wire_swallow(struct emu_wire *wire)
{
	emu_wire_remove(wire, EMU_EV_CHAR);
}

/* Look at the characters at the head of the queue without taking them */
static unsigned int emu_wire_peek_chars(struct emu_wire *wire, u8 *chars)
{
	u32 events[EMU_WIRE_CHUNK];
	unsigned int count, i;

	count = kfifo_out_peek(&wire->events, events, ARRAY_SIZE(events));
	for (i = 0; i < count && emu_event_is_char(events[i]); i++)
		chars[i] = emu_event_value(events[i]);

	return i;
}

/* Hand characters over; the lock is held throughout so that no flush comes between */
static unsigned int emu_wire_deliver_chars(struct emu_wire *wire, struct emu_port *rx,
					   enum emu_rx state)
{
	u8 chars[EMU_WIRE_CHUNK];
	unsigned int count;

	guard(spinlock_irqsave)(&wire->lock);

	count = emu_wire_peek_chars(wire, chars);
	if (state == EMU_RX_TAKE)
		count = emu_port_rx_chars(rx, chars, count);
	kfifo_skip_count(&wire->events, count);
	emu_wire_queue_changes(wire);

	return count;
}

/* Take an event that is not a character from the head of the queue */
static bool emu_wire_take_mark(struct emu_wire *wire, u32 *mark)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (!kfifo_peek(&wire->events, mark) || emu_event_is_char(*mark))
		return false;

	kfifo_skip(&wire->events);
	if (emu_event_type(*mark) == EMU_EV_LINES)
		wire->lines_far = emu_event_value(*mark);
	emu_wire_queue_changes(wire);

	return true;
}

static void emu_wire_deliver_mark(struct emu_wire *wire, struct emu_port *rx, u32 mark)
{
	if (emu_event_type(mark) == EMU_EV_LINES)
		emu_port_rx_lines(rx);
	else if (emu_event_value(mark))
		emu_port_rx_break(rx, wire);
}

/**
 * struct emu_progress - how far a round of deliveries came
 * @moved: whether anything came off the wire
 * @state: how the receiver answered last
 */
struct emu_progress {
	bool moved;
	enum emu_rx state;
};

/* One round: at most what the queue can hold, so that the port lock is not kept for long */
static struct emu_progress emu_wire_deliver(struct emu_wire *wire, struct emu_port *rx)
{
	struct emu_progress progress = { };
	unsigned int budget = EMU_WIRE_EVENTS;
	unsigned int count;
	u32 mark;

	guard(uart_port_lock_check_sysrq_irqsave)(&rx->port);

	/* The loopback mode may have been entered or left */
	emu_port_rx_lines(rx);

	/* One captured sysrq character fits, it is handled when the lock is released */
	while (budget && !rx->port.sysrq_ch && !emu_wire_is_idle(wire)) {
		if (emu_wire_take_mark(wire, &mark)) {
			emu_wire_deliver_mark(wire, rx, mark);
			progress.moved = true;
			budget--;
			continue;
		}

		progress.state = emu_port_rx_state(rx, wire);
		if (progress.state > EMU_RX_SWALLOW)
			break;

		count = emu_wire_deliver_chars(wire, rx, progress.state);
		if (!count) {
			progress.state = EMU_RX_FULL;
			break;
		}
		progress.moved = true;
		budget -= min(budget, count);
	}

	if (progress.moved)
		tty_flip_buffer_push(&rx->port.state->port);

	return progress;
}

/* The same for a wire that ends in the air */
static struct emu_progress emu_wire_discard(struct emu_wire *wire)
{
	struct emu_progress progress = { .state = EMU_RX_SWALLOW };
	unsigned int budget = EMU_WIRE_EVENTS;
	unsigned int count;
	u32 mark;

	while (budget) {
		count = emu_wire_take_mark(wire, &mark);
		if (!count)
			count = emu_wire_deliver_chars(wire, NULL, EMU_RX_SWALLOW);
		if (!count)
			break;
		progress.moved = true;
		budget -= min(budget, count);
	}

	return progress;
}

static struct emu_progress emu_wire_round(struct emu_wire *wire)
{
	struct emu_port *tx, *rx;

	/* Whoever unplugs a port comes through emu_wire_run() afterwards */
	scoped_guard(spinlock_irqsave, &wire->lock) {
		tx = wire->tx;
		rx = wire->rx;
	}

	if (tx) {
		guard(uart_port_lock_irqsave)(&tx->port);
		emu_port_transmit(tx);
	}

	return rx ? emu_wire_deliver(wire, rx) : emu_wire_discard(wire);
}

static unsigned long emu_wire_delay(const struct emu_progress *progress)
{
	if (progress->moved)
		return 0;

	return progress->state == EMU_RX_FULL ? EMU_WIRE_FULL_DELAY : EMU_WIRE_HOLD_DELAY;
}

/**
 * emu_wire_run - take off the wire what is on it
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
	struct emu_progress progress;
	unsigned int rounds = EMU_WIRE_ROUNDS;

	guard(mutex)(&wire->running);

	do {
		progress = emu_wire_round(wire);
		cond_resched();
	} while (progress.moved && --rounds);

	if (progress.moved || progress.state > EMU_RX_SWALLOW)
		queue_delayed_work(system_dfl_wq, &wire->work, emu_wire_delay(&progress));
}

static void emu_wire_work(struct work_struct *work)
{
	emu_wire_run(container_of(to_delayed_work(work), struct emu_wire, work));
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
	INIT_DELAYED_WORK(&wire->work, emu_wire_work);
}

/**
 * emu_wire_exit - end a wire that nothing is plugged into any more
 * @wire: the wire
 *
 * Context: process; may sleep.
 */
void emu_wire_exit(struct emu_wire *wire)
{
	cancel_delayed_work_sync(&wire->work);
}
