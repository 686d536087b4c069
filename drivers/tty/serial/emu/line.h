/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: the line as a receiver sees it. All of it is under the port
 * lock.
 */

#ifndef _SERIAL_EMU_LINE_H
#define _SERIAL_EMU_LINE_H

#include <linux/ktime.h>
#include <linux/types.h>

struct emu_item;
struct emu_pass;
struct emu_port;
struct emu_wire;

/**
 * struct emu_bus_level - what a bus is like from one moment to the next
 * @until: the end of it
 * @drivers: bit mask of the ports that drive it
 * @mark: what receivers make of it
 * @run: characters of the only driver that are there in the place of a level, or NULL
 */
struct emu_bus_level {
	ktime_t until;
	u32 drivers;
	bool mark;
	struct emu_item *run;
};

/**
 * struct emu_bus_levels - what a receiver does not know yet of a bus
 * @level: the levels
 * @count: their number
 * @next: the first that the receiver does not know
 * @next_char: the first character of it that the receiver does not know
 * @begun: when the first of them begins
 * @done: when the last of them ends
 * @self: the bit of the receiver's own driver
 */
struct emu_bus_levels {
	const struct emu_bus_level *level;
	unsigned int count;
	unsigned int next;
	unsigned int next_char;
	ktime_t begun;
	ktime_t done;
	u32 self;
};

void emu_line_reset(struct emu_port *ep, bool low, ktime_t time);
void emu_line_set_plugged(struct emu_port *ep, struct emu_wire *wire,
			  const struct emu_pass *pass);
unsigned int emu_line_chars(struct emu_port *ep, const struct emu_pass *pass,
			    struct emu_item *item);
void emu_line_break(struct emu_port *ep, struct emu_wire *wire, const struct emu_pass *pass,
		    const struct emu_item *item);
void emu_line_idle(struct emu_port *ep, struct emu_wire *wire, struct emu_pass *pass);
void emu_line_levels(struct emu_port *ep, struct emu_pass *pass);

#endif /* _SERIAL_EMU_LINE_H */
