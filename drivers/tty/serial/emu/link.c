// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a link, which joins two ends, or one end with itself.
 *
 * In a pass over a wire the receiver takes the items that are due, and the transmitter
 * refills the wire. With a pace the timer runs the passes, so that a group of characters
 * costs one interrupt, as with a UART. A work runs the passes that follow a kick, and
 * continues those that take long.
 */

#include <linux/cleanup.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

#include "link.h"
#include "wire.h"

/* Passes under the lock, and how often the work reschedules before it queues itself again */
#define EMU_LINK_PASSES		8
#define EMU_LINK_ROUNDS		16

/* The transmitter's own receiver reads the wire; the far end sees an idle line */
static void emu_link_receive_looped(struct emu_wire *wire, struct emu_pass *pass)
{
	/* The loop is inside the port: the plug does not matter */
	pass->cut = false;
	if (pass->tx)
		pass->tx->ops->receive(pass->tx, wire, pass);
	else
		emu_wire_discard(wire, pass);
	if (!pass->rx || pass->rx == pass->tx)
		return;
	pass->lines = emu_wire_lines(wire);
	pass->cut = true;
	pass->rx->ops->receive(pass->rx, wire, pass);
}

static void emu_link_receive(struct emu_wire *wire, struct emu_pass *pass)
{
	if (pass->looped)
		emu_link_receive_looped(wire, pass);
	else if (pass->rx)
		pass->rx->ops->receive(pass->rx, wire, pass);
	else
		emu_wire_discard(wire, pass);
}

/* Returns true if another pass is due now */
static bool emu_link_pass(struct emu_wire *wire)
{
	struct emu_pass pass;

	emu_wire_begin_pass(wire, &pass);
	emu_link_receive(wire, &pass);
	if (pass.tx)
		pass.tx->ops->transmit(pass.tx, wire, &pass);

	return emu_wire_end_pass(wire, &pass);
}

/* Returns true if another pass is due now */
static bool emu_link_passes(struct emu_link_dir *dir)
{
	unsigned int passes = EMU_LINK_PASSES;
	bool more;

	guard(spinlock_bh)(&dir->running);

	do {
		more = emu_link_pass(&dir->wire);
	} while (more && --passes);

	return more;
}

static void emu_link_kick(struct emu_wire *wire)
{
	queue_work(system_dfl_wq, &to_emu_link_dir(wire)->work);
}

static void emu_link_arm(struct emu_wire *wire, ktime_t time)
{
	hrtimer_start_range_ns(&to_emu_link_dir(wire)->timer, time, wire->slack,
			       HRTIMER_MODE_ABS_SOFT);
}

static void emu_link_run(struct emu_wire *wire)
{
	struct emu_link_dir *dir = to_emu_link_dir(wire);
	unsigned int rounds = EMU_LINK_ROUNDS;

	while (emu_link_passes(dir)) {
		if (!--rounds) {
			emu_link_kick(wire);
			return;
		}
		cond_resched();
	}
}

static const struct emu_medium_ops emu_link_ops = {
	.kick	= emu_link_kick,
	.arm	= emu_link_arm,
	.run	= emu_link_run,
};

static void emu_link_work(struct work_struct *work)
{
	emu_link_run(&container_of(work, struct emu_link_dir, work)->wire);
}

static enum hrtimer_restart emu_link_timer(struct hrtimer *timer)
{
	struct emu_link_dir *dir = container_of(timer, struct emu_link_dir, timer);

	if (emu_link_passes(dir))
		emu_link_kick(&dir->wire);

	return HRTIMER_NORESTART;
}

static void emu_link_init_dir(struct emu_link_dir *dir, unsigned int pace, bool plugged)
{
	spin_lock_init(&dir->running);
	hrtimer_setup(&dir->timer, emu_link_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	INIT_WORK(&dir->work, emu_link_work);
	emu_wire_init(&dir->wire, &emu_link_ops, pace);
	if (!plugged)
		emu_wire_set_plugged(&dir->wire, false, ktime_get());
}

/**
 * emu_link_create - make a link
 * @pace: percent of real time, 0 is as fast as the machine can
 * @plugged: whether the wires are connected to their receivers
 *
 * Context: Process context. May sleep.
 * Return: the link, NULL without memory.
 */
struct emu_link *emu_link_create(unsigned int pace, bool plugged)
{
	struct emu_link *link;
	unsigned int i;

	link = kzalloc_obj(*link);
	if (!link)
		return NULL;
	for (i = 0; i < EMU_LINK_ENDS; i++)
		emu_link_init_dir(&link->dir[i], pace, plugged);

	return link;
}

/**
 * emu_link_destroy - undo emu_link_create()
 * @link: the link, to which no end is connected
 *
 * Context: Process context. May sleep.
 */
void emu_link_destroy(struct emu_link *link)
{
	unsigned int i;

	/* Work and timer start each other */
	for (i = 0; i < EMU_LINK_ENDS; i++) {
		disable_work_sync(&link->dir[i].work);
		hrtimer_cancel(&link->dir[i].timer);
	}
	kfree(link);
}

/**
 * emu_link_wire - a wire of a link
 * @link: the link
 * @i: the number of the end that feeds it
 *
 * Return: the wire.
 */
struct emu_wire *emu_link_wire(struct emu_link *link, unsigned int i)
{
	return &link->dir[i].wire;
}

/**
 * emu_link_set_pace - set the pace of a link
 * @link: the link
 * @pace: percent of real time, 0 is as fast as the machine can
 *
 * Context: Process context. May sleep.
 */
void emu_link_set_pace(struct emu_link *link, unsigned int pace)
{
	unsigned int i;

	for (i = 0; i < EMU_LINK_ENDS; i++) {
		/* Characters that have ended by now are not affected */
		emu_wire_run(&link->dir[i].wire);
		emu_wire_set_pace(&link->dir[i].wire, pace, ktime_get());
	}
}

/**
 * emu_link_set_plugged - connect the wires to their receivers, or pull them out
 * @link: the link
 * @plugged: whether they are connected
 *
 * Context: Process context. May sleep.
 */
void emu_link_set_plugged(struct emu_link *link, bool plugged)
{
	emu_wire_set_both_plugged(&link->dir[0].wire, &link->dir[1].wire, plugged);
}
