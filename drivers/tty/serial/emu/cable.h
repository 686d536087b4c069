/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: cables, and how their ports come and go.
 */

#ifndef _SERIAL_EMU_CABLE_H
#define _SERIAL_EMU_CABLE_H

#include <linux/configfs.h>
#include <linux/list.h>
#include <linux/mutex_types.h>
#include <linux/types.h>

#include "bus.h"
#include "link.h"
#include "port.h"
#include "wiring.h"

struct emu_chardev;
struct emu_serdev;
struct platform_device;

/* As much as a device tree's usually have */
#define EMU_COMPATIBLE_SIZE	64

/**
 * enum emu_kind - what is at the end of a cable
 * @EMU_TTY: a port
 * @EMU_CHARDEV: a program, by way of a character device
 */
enum emu_kind {
	EMU_TTY,
	EMU_CHARDEV,
};

/**
 * struct emu_cable_end - one end of a cable, whether a port is there or not
 * @group: the directory in configfs
 * @cable: the cable; does not change
 * @kind: what is there while the cable is live; the cable's lock, not changed while
 *	it is live
 * @pdev: the device of the port while the cable is live; the cable's lock
 * @chardev: the character device while the cable is live; the cable's lock
 * @line: the number in ttyEMU<number> while the cable is live; the cable's lock
 * @settings: what the port shall be; the cable's lock. All but rx_stall is not changed
 *	while the cable is live.
 * @wiring: what drives its inputs; the cable's lock, not changed while it is live
 * @compatible: compatible string of a serial device on the port, NULL if there
 *	is none but a tty; the cable's lock, not changed while it is live
 * @serdev: the description of that device while the cable is live; the cable's lock
 */
struct emu_cable_end {
	struct config_group group;
	struct emu_cable *cable;
	enum emu_kind kind;
	struct platform_device *pdev;
	struct emu_chardev *chardev;
	unsigned int line;
	struct emu_settings settings;
	struct emu_wiring wiring;
	char *compatible;
	struct emu_serdev *serdev;
};

/**
 * enum emu_topology - what a cable joins
 * @EMU_NULL_MODEM: two ports
 * @EMU_LOOPBACK: a port with itself
 * @EMU_BUS: many ports, by a line that all of them share
 */
enum emu_topology {
	EMU_NULL_MODEM,
	EMU_LOOPBACK,
	EMU_BUS,
};

/**
 * struct emu_cable - a link or a bus, and the ports at its ends
 * @group: the directory in configfs
 * @node: in the list of the default cables
 * @lock: protects what follows; nests inside configfs' locks, and serial core's
 *	nest inside it
 * @topology: what it joins; not changed while it is live
 * @pace: percent of real time, 0 is as fast as the machine can
 * @plugged: whether it is joined to its ports
 * @live: whether its ports exist
 * @permanent: a default cable, whose directories cannot be removed; does not change
 * @nr_ends: how many ends there are
 * @end: the ends; not changed while the cable is live
 * @link: the wires of a null-modem or loopback cable; they exist while it is live. End i
 *	of a null-modem cable feeds wire i and reads the other one, that of a loopback
 *	feeds and reads wire 0.
 * @bus: the line that the ports of a bus share; it exists while the cable is live
 */
struct emu_cable {
	struct config_group group;
	struct list_head node;
	/* Serial core's locks nest inside it */
	struct mutex lock;
	enum emu_topology topology;
	unsigned int pace;
	bool plugged;
	bool live;
	bool permanent;
	unsigned int nr_ends;
	struct emu_cable_end *end[EMU_BUS_ENDS];
	struct emu_link *link;
	struct emu_bus *bus;
};

extern const char *const emu_topology_names[];
extern const char *const emu_kind_names[];

struct emu_cable *emu_cable_alloc(void);
void emu_cable_free(struct emu_cable *cable);
struct emu_cable_end *emu_cable_add_end(struct emu_cable *cable);
void emu_cable_remove_end(struct emu_cable_end *end);
int emu_cable_activate(struct emu_cable *cable);
void emu_cable_deactivate(struct emu_cable *cable);
void emu_cable_set_plugged(struct emu_cable *cable);
void emu_cable_set_pace(struct emu_cable *cable);
void emu_cable_set_stall(struct emu_cable_end *end, bool stall);
bool emu_cable_end_has_tty(struct emu_cable_end *end);

#endif /* _SERIAL_EMU_CABLE_H */
