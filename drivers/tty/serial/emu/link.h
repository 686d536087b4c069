/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: a link, which joins two ends, or one end with itself.
 */

#ifndef _SERIAL_EMU_LINK_H
#define _SERIAL_EMU_LINK_H

#include <linux/container_of.h>
#include <linux/hrtimer_types.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>
#include <linux/workqueue_types.h>

#include "wire.h"

/* Ends of a link, and its wires: end i feeds wire i */
#define EMU_LINK_ENDS		2

/**
 * struct emu_link_dir - one direction of a link
 * @wire: the wire
 * @running: held during a pass
 * @timer: runs passes when something is due
 * @work: runs passes soon
 */
struct emu_link_dir {
	struct emu_wire wire;
	/* Port locks, and the wire's lock inside of them, nest inside it */
	spinlock_t running;
	struct hrtimer timer;
	struct work_struct work;
};

/**
 * struct emu_link - both directions
 * @dir: the directions
 */
struct emu_link {
	struct emu_link_dir dir[EMU_LINK_ENDS];
};

static inline struct emu_link_dir *to_emu_link_dir(struct emu_wire *wire)
{
	return container_of(wire, struct emu_link_dir, wire);
}

struct emu_link *emu_link_create(unsigned int pace, bool plugged);
void emu_link_destroy(struct emu_link *link);
struct emu_wire *emu_link_wire(struct emu_link *link, unsigned int i);
void emu_link_set_pace(struct emu_link *link, unsigned int pace);
void emu_link_set_plugged(struct emu_link *link, bool plugged);

#endif /* _SERIAL_EMU_LINK_H */
