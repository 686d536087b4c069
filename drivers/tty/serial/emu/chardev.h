/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: a program as the end of a cable.
 */

#ifndef _SERIAL_EMU_CHARDEV_H
#define _SERIAL_EMU_CHARDEV_H

#include <linux/types.h>

struct emu_chardev;
struct emu_wire;

int emu_chardev_init(void);
void emu_chardev_exit(void);
struct emu_chardev *emu_chardev_create(const char *cable, const char *port,
				       struct emu_wire *out, struct emu_wire *in,
				       bool plugged);
void emu_chardev_destroy(struct emu_chardev *cd);
void emu_chardev_set_plugged(struct emu_chardev *cd, bool plugged);

#endif /* _SERIAL_EMU_CHARDEV_H */
