/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: a line that many ports share, as RS-485 has it.
 */

#ifndef _SERIAL_EMU_BUS_H
#define _SERIAL_EMU_BUS_H

#include <linux/types.h>

struct emu_bus;
struct emu_wire;

/* As many as one driver of an RS-485 line can drive */
#define EMU_BUS_ENDS		32

bool emu_bus_is_mark(unsigned int marks, unsigned int spaces);
struct emu_bus *emu_bus_create(unsigned int nr_nodes, unsigned int pace, bool plugged);
void emu_bus_destroy(struct emu_bus *bus);
struct emu_wire *emu_bus_wire(struct emu_bus *bus, unsigned int i);
void emu_bus_set_pace(struct emu_bus *bus, unsigned int pace);
void emu_bus_set_plugged(struct emu_bus *bus, bool plugged);

#endif /* _SERIAL_EMU_BUS_H */
