// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a line that many ports share, as RS-485 has it.
 *
 * RTS of a port enables its driver, and all drivers share one pair of conductors. The level
 * of the line depends on all drivers that are enabled at a time, bit by bit, whatever their
 * rates are. So the bus computes the level from one change to the next, and each receiver
 * samples it with its own clock, see frame.c. While a single driver is enabled, its
 * characters are handed to the receivers in the place of levels.
 *
 * Each port feeds a wire of its own, which is its transmitter's FIFO and shift register.
 * One work processes the wires that are not empty. If that takes longer than the
 * characters do, the line falls behind real time, and nothing else does.
 */

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/export.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/termios.h>
#include <linux/timekeeping.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include <kunit/visibility.h>

#include "bus.h"
#include "frame.h"
#include "line.h"
#include "wire.h"

/* Changes of the line, and runs, that are handed to the receivers at a time */
#define EMU_BUS_LEVELS		64
#define EMU_BUS_RUNS		8

/* Changes that are computed before the mutex is released, for a port that is removed */
#define EMU_BUS_STEPS		1024

static_assert(sizeof_field(struct emu_bus_level, drivers) * BITS_PER_BYTE >= EMU_BUS_ENDS);

/**
 * struct emu_bus_node - connection of a port to the line
 * @wire: the wire that the port feeds
 * @bus: the line; does not change
 * @due: time at which the port has more to send, or KTIME_MAX; emu_bus::running
 */
struct emu_bus_node {
	struct emu_wire wire;
	struct emu_bus *bus;
	ktime_t due;
};

/**
 * struct emu_bus - the line
 * @running: held during a run; protects all that follows but @timer, @work and @kicked
 * @timer: queues @work when something is due
 * @work: computes the level of the line up to now
 * @kicked: bit mask of the nodes that were kicked since the last run; atomic
 * @busy: bit mask of the nodes with a wire that may not be empty
 * @drivers: bit mask of the nodes that drive the line
 * @low: bit mask of the nodes that send a break
 * @looped: bit mask of the nodes in loopback mode
 * @pace: percent of real time
 * @unplugged: no port is connected to the line
 * @begun: begin of the first of @levels
 * @done: time up to which the level is known
 * @wanted: fewest characters that reach the trigger of a receiver
 * @rx_due: earliest time-out of a receiver, or KTIME_MAX
 * @nr_levels: number of @levels in use
 * @levels: changes of the line that the receivers have not seen
 * @nr_runs: number of @runs in use
 * @runs: characters of a single driver
 * @nr_nodes: number of ports; does not change
 * @node: the ports
 */
struct emu_bus {
	/* Nests inside the tty_port's mutex; port locks nest inside it */
	struct mutex running;
	struct hrtimer timer;
	struct work_struct work;
	unsigned long kicked;
	unsigned long busy;
	unsigned long drivers;
	unsigned long low;
	unsigned long looped;
	unsigned int pace;
	bool unplugged;
	ktime_t begun;
	ktime_t done;
	unsigned int wanted;
	ktime_t rx_due;
	unsigned int nr_levels;
	struct emu_bus_level levels[EMU_BUS_LEVELS];
	unsigned int nr_runs;
	struct emu_item runs[EMU_BUS_RUNS];
	unsigned int nr_nodes;
	struct emu_bus_node node[] __counted_by(nr_nodes);
};

/**
 * emu_bus_is_mark - level of a line with several drivers
 * @marks: number of drivers that drive it to mark
 * @spaces: number of drivers that drive it to space
 *
 * The majority wins. As many drivers for mark as for space leave no voltage between the
 * two conductors, and so does a line without a driver: fail-safe receivers read mark.
 *
 * Return: true for mark.
 */
bool emu_bus_is_mark(unsigned int marks, unsigned int spaces)
{
	return spaces <= marks;
}
EXPORT_SYMBOL_IF_KUNIT(emu_bus_is_mark);

/* A port in loopback mode is not on the line */
static void emu_bus_set_looped(struct emu_bus *bus, unsigned int i, const struct emu_pass *pass)
{
	__assign_bit(i, &bus->looped, pass->looped);
	__assign_bit(i, &bus->drivers, !pass->looped && pass->lines & TIOCM_RTS);
	__assign_bit(i, &bus->low, !pass->looped && pass->low);
}

/* Fill the transmitter's FIFO */
static void emu_bus_transmit(struct emu_bus_node *node)
{
	struct emu_bus *bus = node->bus;
	unsigned int i = node - bus->node;
	struct emu_pass pass;

	emu_wire_begin_pass(&node->wire, &pass);
	if (pass.looped != !!(bus->looped & BIT(i)))
		emu_bus_set_looped(bus, i, &pass);
	if (pass.tx)
		pass.tx->ops->transmit(pass.tx, &node->wire, &pass);
	node->due = pass.due;
}

/* A control event of a port takes effect, or a character has ended */
static void emu_bus_take(struct emu_bus *bus, unsigned int i, const struct emu_item *item)
{
	struct emu_bus_node *node = &bus->node[i];

	if (item->type == EMU_ITEM_LINES)
		__assign_bit(i, &bus->drivers, item->value & TIOCM_RTS);
	else if (item->type == EMU_ITEM_BREAK)
		__assign_bit(i, &bus->low, item->value);
	emu_wire_skip(&node->wire, item, item->count);
	if (emu_wire_due(&node->wire, 1) == KTIME_MAX)
		emu_bus_transmit(node);
}

/* Take the items of a wire that are due at the time up to which the level is known */
static void emu_bus_take_due(struct emu_bus *bus, unsigned int i, struct emu_pass *pass)
{
	struct emu_wire *wire = &bus->node[i].wire;
	struct emu_item item;
	ktime_t due;

	while (emu_wire_peek(wire, pass, 1, &item))
		emu_bus_take(bus, i, &item);
	due = emu_wire_due(wire, 1);
	__assign_bit(i, &bus->busy, due != KTIME_MAX);
	emu_pass_due(pass, due);
}

static bool emu_bus_is_one(u32 bits, unsigned int count, unsigned int i)
{
	return i >= count || bits & BIT(i);
}

/* Level of the bit that is on the line, and the end of that bit */
static bool emu_bus_bit(const struct emu_item *item, ktime_t now, ktime_t *until)
{
	ktime_t begun = emu_clock_now(&item->clock);
	u64 speed = item->clock.speed;
	unsigned int count, i;
	bool mark;
	u32 bits;

	*until = begun;
	if (now < begun)
		return true;

	bits = emu_frame_bits(&item->format, emu_item_data(item, 0), &count);
	/* Rounded down: perhaps the bit before, which ends soon */
	i = mul_u64_u64_div_u64(now - begun, speed, 2 * EMU_HALF_BIT_NS);
	do {
		mark = emu_bus_is_one(bits, count, i);
		while (i <= count && emu_bus_is_one(bits, count, i) == mark)
			i++;
		*until = item->time;
		if (i <= count)
			*until = ktime_add_ns(begun, emu_half_bits_time(2 * i, speed));
	} while (i <= count && *until <= now);

	return mark;
}

/* Level of a transmitter, and the time of its next change */
static bool emu_bus_level_of(struct emu_bus *bus, unsigned int i, ktime_t *until)
{
	struct emu_item item;

	*until = KTIME_MAX;
	if (bus->low & BIT(i) || !(bus->busy & BIT(i)) ||
	    !emu_wire_next(&bus->node[i].wire, &item))
		return !(bus->low & BIT(i));

	return emu_bus_bit(&item, bus->done, until);
}

static void emu_bus_add_level(struct emu_bus *bus, const struct emu_bus_level *level)
{
	struct emu_bus_level *last;

	last = bus->nr_levels ? &bus->levels[bus->nr_levels - 1] : NULL;
	if (last && !last->run && !level->run && last->mark == level->mark &&
	    last->drivers == level->drivers)
		last->until = level->until;
	else
		bus->levels[bus->nr_levels++] = *level;
	bus->done = level->until;
}

/* Advance to the next change of the line, up to @now */
static void emu_bus_step(struct emu_bus *bus, struct emu_pass *pass, ktime_t now)
{
	struct emu_bus_level level = { .drivers = bus->drivers };
	unsigned int driving[2] = { }, i;
	ktime_t until;
	bool mark;

	for_each_set_bit(i, &bus->drivers, bus->nr_nodes) {
		mark = emu_bus_level_of(bus, i, &until);
		emu_pass_due(pass, until);
		driving[mark]++;
	}
	level.mark = bus->unplugged || emu_bus_is_mark(driving[true], driving[false]);
	level.until = min(pass->due, now);
	emu_bus_add_level(bus, &level);
}

/* The line is at mark up to a time */
static void emu_bus_rest(struct emu_bus *bus, ktime_t until)
{
	struct emu_bus_level level = { .until = until, .drivers = bus->drivers, .mark = true };

	if (until > bus->done)
		emu_bus_add_level(bus, &level);
}

/* Characters of a single driver that have ended are handed over without their bits */
static bool emu_bus_step_run(struct emu_bus *bus, unsigned int i, ktime_t now)
{
	struct emu_pass pass = { .now = now, .pace = bus->pace };
	struct emu_item *run = &bus->runs[bus->nr_runs];
	struct emu_bus_level level = { .drivers = bus->drivers, .run = run };

	if (!emu_wire_peek(&bus->node[i].wire, &pass, EMU_ITEM_CHARS, run) ||
	    run->type != EMU_ITEM_CHARACTERS)
		return false;

	bus->nr_runs++;
	level.until = run->time;
	emu_bus_add_level(bus, &level);
	emu_bus_take(bus, i, run);

	return true;
}

/*
 * Advance on a line with a single driver. Returns false if the bits have to be looked at;
 * *wait is set if the character in progress is left for a later run.
 */
static bool emu_bus_step_single(struct emu_bus *bus, struct emu_pass *pass, ktime_t now,
				bool *wait)
{
	unsigned int i = __ffs(bus->drivers);
	struct emu_item item;
	ktime_t begun;

	if (!emu_wire_next(&bus->node[i].wire, &item))
		return false;
	begun = emu_clock_now(&item.clock);
	if (begun < bus->done)
		return false;
	if (begun > bus->done) {
		emu_bus_rest(bus, min3(begun, now, pass->due));
		return true;
	}
	/* An event or a receiver that is due before the end needs the bits */
	*wait = item.time > now && pass->due > now && bus->rx_due > now;

	return *wait || emu_bus_step_run(bus, i, now);
}

/* Is a single driver enabled, and is no other wire busy? */
static bool emu_bus_is_single(const struct emu_bus *bus)
{
	return hweight_long(bus->drivers) == 1 && (bus->busy & ~bus->looped) == bus->drivers &&
	       !(bus->low & bus->drivers) && !bus->unplugged;
}

/* Hand the new levels to the receiver of a port */
static void emu_bus_receive(struct emu_bus *bus, unsigned int i)
{
	struct emu_bus_levels levels = {
		.level	= bus->levels,
		.count	= bus->nr_levels,
		.begun	= bus->begun,
		.done	= bus->done,
		.self	= BIT(i),
	};
	bool looped = bus->looped & BIT(i);
	struct emu_pass own;

	emu_wire_begin_pass(&bus->node[i].wire, &own);
	if (!own.tx)
		return;

	own.levels = looped ? NULL : &levels;
	own.cut &= !looped;
	own.wanted = bus->wanted;
	do {
		own.tx->ops->receive(own.tx, &bus->node[i].wire, &own);
	} while (!looped && levels.next < levels.count);
	bus->wanted = min(bus->wanted, own.wanted);
	bus->rx_due = min(bus->rx_due, own.due);
	/* The receiver has emptied the port's own wire */
	if (looped && emu_wire_due(&bus->node[i].wire, 1) == KTIME_MAX)
		emu_bus_transmit(&bus->node[i]);
}

/* Hand the new levels to all receivers */
static void emu_bus_flush(struct emu_bus *bus, struct emu_pass *pass)
{
	unsigned int i;

	bus->wanted = EMU_ITEM_CHARS;
	bus->rx_due = KTIME_MAX;
	for (i = 0; i < bus->nr_nodes; i++)
		emu_bus_receive(bus, i);
	emu_pass_due(pass, bus->rx_due);
	bus->begun = bus->done;
	bus->nr_levels = 0;
	bus->nr_runs = 0;
}

/* A step adds two levels at most */
static bool emu_bus_is_full(const struct emu_bus *bus)
{
	return bus->nr_levels + 2 > EMU_BUS_LEVELS || bus->nr_runs == EMU_BUS_RUNS;
}

/* Take all items that are due at the time up to which the level is known */
static void emu_bus_take_all(struct emu_bus *bus, struct emu_pass *pass)
{
	unsigned long busy;
	unsigned int i;

	/* Ports that were kicked during this run transmit in the next one */
	bus->busy |= READ_ONCE(bus->kicked);
	busy = bus->busy & ~bus->looped;
	pass->now = bus->done;
	pass->pace = bus->pace;
	pass->due = KTIME_MAX;
	for_each_set_bit(i, &busy, bus->nr_nodes)
		emu_bus_take_due(bus, i, pass);
}

/*
 * Compute the level of the line up to now, or for EMU_BUS_STEPS changes; returns true if
 * there is more to compute. Unless @all is set, the character of a single driver that is in
 * progress is left for a later run.
 */
static bool emu_bus_advance(struct emu_bus *bus, struct emu_pass *pass, ktime_t now, bool all)
{
	unsigned int steps = EMU_BUS_STEPS;
	bool wait = false;

	lockdep_assert_held(&bus->running);

	while (bus->done < now && steps--) {
		emu_bus_take_all(bus, pass);
		if (all || !emu_bus_is_single(bus) ||
		    !emu_bus_step_single(bus, pass, now, &wait))
			emu_bus_step(bus, pass, now);
		if (wait)
			break;
		if (emu_bus_is_full(bus)) {
			emu_bus_flush(bus, pass);
			cond_resched();
		}
	}
	emu_bus_take_all(bus, pass);
	pass->due = KTIME_MAX;
	emu_bus_flush(bus, pass);

	return bus->done < now && !wait;
}

/* Wait for the end of a group of characters, not for each bit */
static void emu_bus_wait(struct emu_bus *bus, struct emu_pass *pass)
{
	unsigned int i;

	for_each_set_bit(i, &bus->busy, bus->nr_nodes)
		emu_pass_due(pass, emu_wire_due(&bus->node[i].wire, bus->wanted));
	for (i = 0; i < bus->nr_nodes; i++)
		emu_pass_due(pass, bus->node[i].due);
	if (pass->due != KTIME_MAX)
		hrtimer_start(&bus->timer, pass->due, HRTIMER_MODE_ABS);
}

static void emu_bus_queue(struct emu_bus *bus)
{
	queue_work(system_dfl_wq, &bus->work);
}

/* Have the ports transmit that were kicked, or that are due */
static void emu_bus_transmit_due(struct emu_bus *bus, ktime_t now)
{
	unsigned int i;

	bus->busy |= xchg(&bus->kicked, 0);
	for (i = 0; i < bus->nr_nodes; i++)
		if (bus->busy & BIT(i) || bus->node[i].due <= now)
			emu_bus_transmit(&bus->node[i]);
}

static void emu_bus_run_all(struct emu_bus *bus)
{
	struct emu_pass pass = { };
	ktime_t now;

	guard(mutex)(&bus->running);

	/* The same for both: no level is known beyond the time at which a port is to transmit */
	now = ktime_get();
	emu_bus_transmit_due(bus, now);
	if (emu_bus_advance(bus, &pass, now, false))
		emu_bus_queue(bus);
	else
		emu_bus_wait(bus, &pass);
}

static struct emu_bus_node *to_emu_bus_node(struct emu_wire *wire)
{
	return container_of(wire, struct emu_bus_node, wire);
}

static void emu_bus_kick(struct emu_wire *wire)
{
	struct emu_bus_node *node = to_emu_bus_node(wire);

	set_bit(node - node->bus->node, &node->bus->kicked);
	emu_bus_queue(node->bus);
}

/* A run looks at all wires, and starts the timer for the first one that is due */
static void emu_bus_arm(struct emu_wire *wire, ktime_t time)
{
	emu_bus_kick(wire);
}

static void emu_bus_run(struct emu_wire *wire)
{
	emu_bus_run_all(to_emu_bus_node(wire)->bus);
}

static const struct emu_medium_ops emu_bus_ops = {
	.kick	= emu_bus_kick,
	.arm	= emu_bus_arm,
	.run	= emu_bus_run,
};

static void emu_bus_work(struct work_struct *work)
{
	emu_bus_run_all(container_of(work, struct emu_bus, work));
}

static enum hrtimer_restart emu_bus_timer(struct hrtimer *timer)
{
	emu_bus_queue(container_of(timer, struct emu_bus, timer));

	return HRTIMER_NORESTART;
}

/**
 * emu_bus_set_pace - set the pace of the line
 * @bus: the line
 * @pace: percent of real time, 1 to EMU_PACE_MAX
 *
 * Context: Process context. May sleep.
 */
void emu_bus_set_pace(struct emu_bus *bus, unsigned int pace)
{
	struct emu_pass pass = { };
	unsigned int i;

	guard(mutex)(&bus->running);

	emu_bus_advance(bus, &pass, ktime_get(), true);
	bus->pace = pace;
	for (i = 0; i < bus->nr_nodes; i++)
		emu_wire_set_pace(&bus->node[i].wire, pace, bus->done);
}

/**
 * emu_bus_set_plugged - connect the ports to the line, or pull all of them out
 * @bus: the line
 * @plugged: whether they are connected to it
 *
 * Context: Process context. May sleep.
 */
void emu_bus_set_plugged(struct emu_bus *bus, bool plugged)
{
	struct emu_pass pass = { };
	unsigned int i;

	guard(mutex)(&bus->running);

	emu_bus_advance(bus, &pass, ktime_get(), true);
	bus->unplugged = !plugged;
	for (i = 0; i < bus->nr_nodes; i++)
		emu_wire_set_plugged(&bus->node[i].wire, plugged, bus->done);
	/* The inputs have changed */
	emu_bus_flush(bus, &pass);
}

/**
 * emu_bus_wire - the wire that a port feeds
 * @bus: the line
 * @i: the number of the port on it
 *
 * Return: the wire.
 */
struct emu_wire *emu_bus_wire(struct emu_bus *bus, unsigned int i)
{
	return &bus->node[i].wire;
}
EXPORT_SYMBOL_IF_KUNIT(emu_bus_wire);

/**
 * emu_bus_create - make a line without a driver
 * @nr_nodes: how many ports can be connected to it, at most EMU_BUS_ENDS
 * @pace: percent of real time, 1 to EMU_PACE_MAX
 * @plugged: whether the ports are connected to it
 *
 * Context: Process context. May sleep.
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
	bus->rx_due = KTIME_MAX;
	bus->pace = pace;
	for (i = 0; i < nr_nodes; i++) {
		bus->node[i].bus = bus;
		bus->node[i].due = KTIME_MAX;
		emu_wire_init(&bus->node[i].wire, &emu_bus_ops, pace);
	}
	emu_bus_set_plugged(bus, plugged);

	return bus;
}
EXPORT_SYMBOL_IF_KUNIT(emu_bus_create);

/**
 * emu_bus_destroy - undo emu_bus_create()
 * @bus: the line, to which no port is connected
 *
 * Context: Process context. May sleep.
 */
void emu_bus_destroy(struct emu_bus *bus)
{
	/* Work and timer start each other */
	disable_work_sync(&bus->work);
	hrtimer_cancel(&bus->timer);
	mutex_destroy(&bus->running);
	kvfree(bus);
}
EXPORT_SYMBOL_IF_KUNIT(emu_bus_destroy);
