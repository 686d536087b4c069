// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a line that many ports share, as RS-485 has it.
 *
 * RTS of a port enables its driver, and there is one pair of wires. What all of
 * them receive depends on all who drive it at the time, bit by bit, whatever
 * their rates are. So the line has a level from one moment to the next, and each
 * receiver looks at that with its own clock, see frame.c.
 *
 * Each port feeds a wire of its own, which is its transmitter's FIFO and shift
 * register. It reads one from which nothing ever comes but what the bus puts into
 * its receiver. One work looks at all of them. If that takes longer than what it
 * looks at, the line falls behind, and nothing else does.
 */

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/hrtimer.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/serial_core.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/termios.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include <kunit/visibility.h>

#include "emu.h"

/* How many changes of the line are handed over at a time */
#define EMU_BUS_LEVELS		64

/* How many changes are looked for before others get the CPU, or a port that goes away */
#define EMU_BUS_STEPS		1024

/**
 * struct emu_bus_level - what the line is like from one moment to the next
 * @until: the end of it
 * @drivers: who drives it, a bit for each port
 * @mark: what receivers make of it
 */
struct emu_bus_level {
	ktime_t until;
	u32 drivers;
	bool mark;
};

static_assert(sizeof_field(struct emu_bus_level, drivers) * BITS_PER_BYTE >= EMU_BUS_ENDS);

/**
 * struct emu_bus_node - where a port is joined to the line
 * @up: the wire that the port feeds
 * @down: the wire that the port reads
 * @base: a moment from which its receiver counts
 * @fed: how much of the time since then its receiver knows, in parts of its ticks
 * @pace: of that time
 * @mark: what it saw of the line last
 *
 * All but the wires is protected by the bus' @running.
 */
struct emu_bus_node {
	struct emu_wire up;
	struct emu_wire down;
	ktime_t base;
	u64 fed;
	unsigned int pace;
	bool mark;
};

/**
 * struct emu_bus - the line
 * @running: whoever finds out what is on the line holds this; protects what is
 *	below, but for the timer and the work
 * @timer: starts @work when something is due
 * @work: finds it out
 * @unplugged: whether no port is joined to the line
 * @begun: from when on @levels describe the line
 * @done: up to when it is known
 * @wanted: how many characters make the first of the receivers due
 * @nr_levels: how many of @levels are in use
 * @levels: the line, as far as the receivers do not know it yet
 * @nr_nodes: how many ports can be joined to it; does not change
 * @node: where they are
 */
struct emu_bus {
	/* Nests inside the tty_port's mutex; port locks nest inside it */
	struct mutex running;
	struct hrtimer timer;
	struct work_struct work;
	bool unplugged;
	ktime_t begun;
	ktime_t done;
	unsigned int wanted;
	unsigned int nr_levels;
	struct emu_bus_level levels[EMU_BUS_LEVELS];
	unsigned int nr_nodes;
	struct emu_bus_node node[] __counted_by(nr_nodes);
};

/**
 * emu_bus_is_mark - what receivers make of a line that several drivers drive
 * @marks: how many of them drive it to mark
 * @spaces: how many of them drive it to space
 *
 * As many drivers for mark as for space leave no voltage between the two wires, and
 * so does a line that nobody drives. Receivers that are made for it take that for
 * mark. Otherwise those who are more have their way.
 *
 * Context: any.
 * Return: true for mark.
 */
bool emu_bus_is_mark(unsigned int marks, unsigned int spaces)
{
	return spaces <= marks;
}
EXPORT_SYMBOL_IF_KUNIT(emu_bus_is_mark);

/*
 * What the transmitter's FIFO has room for, as if it had been filled in time; returns
 * when there is more to send
 */
static ktime_t emu_bus_transmit(struct emu_bus_node *node)
{
	struct emu_port *tx;
	unsigned int pace;

	scoped_guard(spinlock_irqsave, &node->up.lock) {
		tx = node->up.tx;
		pace = node->up.pace;
	}
	if (!tx)
		return KTIME_MAX;

	return emu_port_feed(tx, &node->up, pace);
}

/* Edges of RTS wait for nothing */
static void emu_bus_take_edges(struct emu_wire *up, struct emu_round *round)
{
	struct emu_event edge;

	guard(spinlock_irqsave)(&up->lock);

	while (kfifo_peek(&up->edges, &edge) && edge.time <= round->now) {
		kfifo_skip(&up->edges);
		up->lines_far = edge.value;
		round->moved = true;
		emu_wire_queue_changes(up);
	}
	if (!kfifo_is_empty(&up->edges))
		emu_round_due(round, edge.time);
}

/* Take what is over by now from the wire that a port feeds */
static void emu_bus_take(struct emu_bus *bus, struct emu_bus_node *node, struct emu_round *round)
{
	struct emu_wire *up = &node->up;
	struct emu_event event;

	for (;;) {
		if (emu_wire_take_mark(up, round, &event)) {
			up->low = event.value;
			round->moved = true;
		} else if (emu_wire_take_char(up, round, bus->wanted, &event)) {
			if (emu_wire_is_idle(up))
				emu_bus_transmit(node);
		} else {
			break;
		}
	}
	emu_bus_take_edges(up, round);
}

static bool emu_bus_is_one(u32 bits, unsigned int count, unsigned int i)
{
	return i >= count || bits & BIT(i);
}

/* The bit of a character that is on the line, and when another one follows */
static bool emu_bus_bit(struct emu_wire *up, u16 data, ktime_t now, ktime_t *until)
{
	u64 speed = up->frame.rate * up->pace;
	unsigned int count, i;
	bool mark;
	u32 bits;

	*until = up->begun;
	if (now < up->begun)
		return true;

	bits = emu_frame_bits(&up->frame, data, &count);
	/* Or the one before, which is to be over soon */
	i = mul_u64_u64_div_u64(now - up->begun, speed, 2 * EMU_HALF_BIT_NS);
	do {
		mark = emu_bus_is_one(bits, count, i);
		while (i <= count && emu_bus_is_one(bits, count, i) == mark)
			i++;
		*until = emu_clock_now(&up->clock);
		if (i <= count)
			*until = ktime_add_ns(up->begun, emu_half_bits_time(2 * i, speed));
	} while (i <= count && *until <= now);

	return mark;
}

/*
 * What a transmitter puts on the line, and until when that does not change unless
 * something is due
 */
static bool emu_bus_level_of(struct emu_wire *up, ktime_t now, ktime_t *until)
{
	struct emu_event event;

	lockdep_assert_held(&up->lock);

	*until = KTIME_MAX;
	if (up->low || !up->shifting || !kfifo_peek(&up->events, &event))
		return !up->low;

	return emu_bus_bit(up, event.value, now, until);
}

/* The line as it is now; round->due becomes when it may be another one */
static struct emu_bus_level emu_bus_look(struct emu_bus *bus, struct emu_round *round)
{
	unsigned int driving[2] = { };
	struct emu_bus_level level = { };
	unsigned int i;
	ktime_t until;
	bool mark;

	for (i = 0; i < bus->nr_nodes; i++) {
		struct emu_wire *up = &bus->node[i].up;

		emu_bus_take(bus, &bus->node[i], round);

		guard(spinlock_irqsave)(&up->lock);
		mark = emu_bus_level_of(up, round->now, &until);
		emu_round_due(round, until);
		if (up->lines_far & TIOCM_RTS) {
			driving[mark]++;
			level.drivers |= BIT(i);
		}
	}
	level.mark = bus->unplugged || emu_bus_is_mark(driving[true], driving[false]);

	return level;
}

/* Whoever listens next begins anew */
static void emu_bus_forget(struct emu_bus_node *node)
{
	emu_sampler_init(&node->down.sampler, &emu_format_default, false);
	node->mark = true;
}

/* Another port, or one that is set to something else */
static void emu_bus_tune(struct emu_bus *bus, struct emu_bus_node *node, struct emu_port *rx,
			 unsigned int pace)
{
	struct emu_sampler *sampler = &node->down.sampler;

	if (!emu_format_is_same(&sampler->format, &rx->format) ||
	    !emu_sampler_is_divided(sampler)) {
		emu_sampler_init(sampler, &rx->format, !node->mark);
		emu_sampler_divide(sampler);
		node->pace = 0;
	}
	/* Its time is counted in other parts now */
	if (node->pace != pace) {
		node->base = bus->begun;
		node->fed = 0;
		node->pace = pace;
	}
}

/* Let the receiver of a port look at the line up to a moment */
static void emu_bus_feed(struct emu_bus_node *node, struct emu_port *rx, ktime_t until)
{
	struct emu_sampler *sampler = &node->down.sampler;
	struct emu_frame frame;
	u64 fed;

	/* Nothing changes for it, however long it takes */
	if (emu_sampler_is_settled(sampler, node->mark)) {
		node->base = until;
		node->fed = 0;
		return;
	}

	fed = emu_sampler_parts(sampler, ktime_to_ns(ktime_sub(until, node->base)), node->pace);
	emu_sampler_feed(sampler, node->mark, fed - node->fed);
	node->fed = fed;
	while (emu_sampler_run(sampler, &frame))
		emu_rx_frame(rx, &node->down, &frame, until);
}

/* When a receiver will have a character, if the line does not change any more */
static ktime_t emu_bus_pending(struct emu_bus *bus, struct emu_bus_node *node)
{
	struct emu_sampler *sampler = &node->down.sampler;
	u64 ticks = emu_sampler_pending(sampler, node->mark);

	if (!ticks)
		return KTIME_MAX;

	return ktime_add_ns(bus->done, emu_sampler_ticks_time(sampler, ticks, node->pace));
}

/* One captured sysrq character fits, it is handled when the lock is released */
static unsigned int emu_bus_feed_levels(struct emu_bus *bus, unsigned int i, unsigned int first,
					struct emu_port *rx)
{
	struct emu_bus_node *node = &bus->node[i];
	bool deaf = emu_rs485_has_no_echo(rx);
	unsigned int j;

	for (j = first; j < bus->nr_levels && !rx->port.sysrq_ch; j++) {
		node->mark = bus->levels[j].mark || (deaf && bus->levels[j].drivers & BIT(i));
		emu_bus_feed(node, rx, bus->levels[j].until);
	}

	return j;
}

/* Let the receiver of a port know of the line what it does not know yet, from @first on */
static unsigned int emu_bus_receive_from(struct emu_bus *bus, unsigned int i, unsigned int first,
					 struct emu_port *rx, struct emu_round *round)
{
	struct emu_bus_node *node = &bus->node[i];

	guard(uart_port_lock_check_sysrq_irqsave)(&rx->port);

	emu_port_rx_lines(rx);
	if (!rx->started) {
		emu_bus_forget(node);
		return bus->nr_levels;
	}

	emu_rx_set_pace(rx, round->pace);
	emu_bus_tune(bus, node, rx, round->pace);
	first = emu_bus_feed_levels(bus, i, first, rx);
	emu_round_due(round, emu_bus_pending(bus, node));
	emu_round_due(round, emu_rx_service(rx, &node->down, bus->done));
	/* There may be more behind what was captured */
	if (rx->port.sysrq_ch)
		emu_round_due(round, 0);
	bus->wanted = min(bus->wanted, emu_rx_wanted(rx));
	emu_rx_push(rx);

	return first;
}

static void emu_bus_receive(struct emu_bus *bus, unsigned int i, struct emu_round *round)
{
	struct emu_bus_node *node = &bus->node[i];
	unsigned int first = 0;
	struct emu_port *rx;

	scoped_guard(spinlock_irqsave, &node->down.lock)
		rx = node->down.rx;
	if (!rx) {
		emu_bus_forget(node);
		return;
	}

	do {
		first = emu_bus_receive_from(bus, i, first, rx, round);
	} while (first < bus->nr_levels);
}

/* Let the receivers know of the line what they do not know yet */
static void emu_bus_flush(struct emu_bus *bus, struct emu_round *round)
{
	unsigned int i;

	bus->wanted = EMU_RX_FIFO_MAX;
	for (i = 0; i < bus->nr_nodes; i++)
		emu_bus_receive(bus, i, round);
	bus->begun = bus->done;
	bus->nr_levels = 0;
}

static void emu_bus_add_level(struct emu_bus *bus, const struct emu_bus_level *level)
{
	struct emu_bus_level *last;

	last = bus->nr_levels ? &bus->levels[bus->nr_levels - 1] : NULL;
	if (last && last->mark == level->mark && last->drivers == level->drivers)
		last->until = level->until;
	else
		bus->levels[bus->nr_levels++] = *level;
	bus->done = level->until;
}

/* Go on to the next change of the line, but not beyond a moment */
static void emu_bus_step(struct emu_bus *bus, struct emu_round *round, ktime_t now)
{
	struct emu_bus_level level;

	round->now = bus->done;
	round->from = bus->done;
	round->due = KTIME_MAX;
	level = emu_bus_look(bus, round);
	level.until = min(round->due, now);
	emu_bus_add_level(bus, &level);
}

/*
 * Find out what was on the line, up to now if that does not take too long; otherwise
 * there is more to be found out
 */
static bool emu_bus_advance(struct emu_bus *bus, struct emu_round *round)
{
	unsigned int steps = EMU_BUS_STEPS;
	ktime_t now = ktime_get();

	lockdep_assert_held(&bus->running);

	round->pace = emu_wire_pace(&bus->node[0].up);
	while (bus->done < now && steps--) {
		emu_bus_step(bus, round, now);
		/* No step makes more than one level, and many make none */
		if (!(steps % EMU_BUS_LEVELS)) {
			emu_bus_flush(bus, round);
			cond_resched();
		}
	}
	round->now = bus->done;
	round->from = bus->done;
	round->due = KTIME_MAX;
	emu_bus_flush(bus, round);

	return bus->done < now;
}

/* When a character is over matters, and not when each of its bits is */
static void emu_bus_wait(struct emu_bus *bus, struct emu_round *round)
{
	unsigned int i;

	round->moved = false;
	for (i = 0; i < bus->nr_nodes; i++)
		emu_bus_take(bus, &bus->node[i], round);
	/* Nobody has looked at that yet */
	if (round->moved)
		emu_round_due(round, 0);
}

/**
 * emu_bus_run - find out what is on the line, and let the ports receive it
 * @bus: the line
 *
 * On return nobody uses the ports any more that were joined to it when this was
 * called and are not joined to it now.
 *
 * Context: process; may sleep. No port lock is held.
 */
void emu_bus_run(struct emu_bus *bus)
{
	struct emu_round round = { };
	ktime_t due = KTIME_MAX;
	unsigned int i;

	guard(mutex)(&bus->running);

	for (i = 0; i < bus->nr_nodes; i++)
		due = min(due, emu_bus_transmit(&bus->node[i]));
	if (emu_bus_advance(bus, &round)) {
		emu_bus_kick(bus);
		return;
	}
	emu_bus_wait(bus, &round);
	emu_round_due(&round, due);
	if (round.due != KTIME_MAX)
		hrtimer_start(&bus->timer, round.due, HRTIMER_MODE_ABS);
}

/**
 * emu_bus_kick - have the bus' work look at it
 * @bus: the line
 *
 * Context: any but NMI.
 */
void emu_bus_kick(struct emu_bus *bus)
{
	queue_work(system_dfl_wq, &bus->work);
}

/**
 * emu_bus_set_pace - set how the time of the line goes by
 * @bus: the line
 * @pace: percent of real time, 1 to EMU_PACE_MAX
 *
 * Context: process; may sleep.
 */
void emu_bus_set_pace(struct emu_bus *bus, unsigned int pace)
{
	struct emu_round round = { };
	unsigned int i;

	guard(mutex)(&bus->running);

	emu_bus_advance(bus, &round);
	for (i = 0; i < bus->nr_nodes; i++) {
		emu_wire_set_pace_at(&bus->node[i].up, pace, bus->done);
		emu_wire_set_pace_at(&bus->node[i].down, pace, bus->done);
	}
}

/**
 * emu_bus_set_plugged - join the ports to the line, or pull all of them out
 * @bus: the line
 * @plugged: whether they are joined to it
 *
 * Context: process; may sleep.
 */
void emu_bus_set_plugged(struct emu_bus *bus, bool plugged)
{
	struct emu_round round = { };
	unsigned int i;

	guard(mutex)(&bus->running);

	emu_bus_advance(bus, &round);
	bus->unplugged = !plugged;
	for (i = 0; i < bus->nr_nodes; i++) {
		emu_wire_set_plugged(&bus->node[i].up, plugged, bus->done);
		emu_wire_set_plugged(&bus->node[i].down, plugged, bus->done);
	}
}

/**
 * emu_bus_up - the wire that a port feeds
 * @bus: the line
 * @i: the number of the port on it
 *
 * Context: any.
 * Return: the wire.
 */
struct emu_wire *emu_bus_up(struct emu_bus *bus, unsigned int i)
{
	return &bus->node[i].up;
}

/**
 * emu_bus_down - the wire that a port reads
 * @bus: the line
 * @i: the number of the port on it
 *
 * Context: any.
 * Return: the wire.
 */
struct emu_wire *emu_bus_down(struct emu_bus *bus, unsigned int i)
{
	return &bus->node[i].down;
}

static void emu_bus_work(struct work_struct *work)
{
	emu_bus_run(container_of(work, struct emu_bus, work));
}

static enum hrtimer_restart emu_bus_timer(struct hrtimer *timer)
{
	emu_bus_kick(container_of(timer, struct emu_bus, timer));

	return HRTIMER_NORESTART;
}

static void emu_bus_init_wire(struct emu_bus *bus, struct emu_wire *wire, unsigned int pace)
{
	emu_wire_init(wire);
	wire->bus = bus;
	emu_wire_set_pace(wire, pace);
}

/**
 * emu_bus_create - make a line that nobody drives
 * @nr_nodes: how many ports can be joined to it, at most EMU_BUS_ENDS
 * @pace: percent of real time, 1 to EMU_PACE_MAX
 * @plugged: whether the ports are joined to it
 *
 * Context: process; may sleep.
 * Return: the line, NULL without memory.
 */
struct emu_bus *emu_bus_create(unsigned int nr_nodes, unsigned int pace, bool plugged)
{
	struct emu_bus *bus;
	unsigned int i;

	bus = kvzalloc_flex(*bus, node, nr_nodes);
	if (!bus)
		return NULL;

	bus->nr_nodes = nr_nodes;
	mutex_init(&bus->running);
	hrtimer_setup(&bus->timer, emu_bus_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	INIT_WORK(&bus->work, emu_bus_work);
	bus->done = ktime_get();
	bus->begun = bus->done;
	bus->wanted = 1;
	/* The first of them that is set up has the work look at all */
	scoped_guard(mutex, &bus->running) {
		for (i = 0; i < nr_nodes; i++) {
			emu_bus_init_wire(bus, &bus->node[i].up, pace);
			emu_bus_init_wire(bus, &bus->node[i].down, pace);
			bus->node[i].mark = true;
		}
	}
	emu_bus_set_plugged(bus, plugged);

	return bus;
}

/**
 * emu_bus_destroy - undo emu_bus_create()
 * @bus: the line, which no port is joined to any more
 *
 * Context: process; may sleep.
 */
void emu_bus_destroy(struct emu_bus *bus)
{
	unsigned int i;

	for (i = 0; i < bus->nr_nodes; i++) {
		emu_wire_exit(&bus->node[i].up);
		emu_wire_exit(&bus->node[i].down);
	}
	/* Each of them starts the other */
	disable_work_sync(&bus->work);
	hrtimer_cancel(&bus->timer);
	mutex_destroy(&bus->running);
	kvfree(bus);
}
