/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: a serial device on a port.
 */

#ifndef _SERIAL_EMU_SERDEV_H
#define _SERIAL_EMU_SERDEV_H

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/types.h>

struct emu_serdev;
struct fwnode_handle;

#ifdef CONFIG_SERIAL_EMU_SERDEV
struct emu_serdev *emu_serdev_create(unsigned int line, const char *compatible);
void emu_serdev_destroy(struct emu_serdev *serdev);
struct fwnode_handle *emu_serdev_fwnode(struct emu_serdev *serdev);
#else
static inline struct emu_serdev *emu_serdev_create(unsigned int line, const char *compatible)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void emu_serdev_destroy(struct emu_serdev *serdev) { }

static inline struct fwnode_handle *emu_serdev_fwnode(struct emu_serdev *serdev)
{
	return NULL;
}
#endif

#endif /* _SERIAL_EMU_SERDEV_H */
