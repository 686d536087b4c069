/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: what the user can make, see and set, in configfs.
 */

#ifndef _SERIAL_EMU_CONFIGFS_H
#define _SERIAL_EMU_CONFIGFS_H

struct emu_cable;

void emu_configfs_init(void);
int emu_configfs_register(void);
void emu_configfs_unregister(void);
struct emu_cable *emu_configfs_add_cable(unsigned int number);
void emu_configfs_remove_cable(struct emu_cable *cable);

#endif /* _SERIAL_EMU_CONFIGFS_H */
