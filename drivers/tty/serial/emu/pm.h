/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: suspend and resume.
 */

#ifndef _SERIAL_EMU_PM_H
#define _SERIAL_EMU_PM_H

struct emu_port;

void emu_port_prepare(struct emu_port *ep);
void emu_port_complete(struct emu_port *ep);
int emu_port_suspend(struct emu_port *ep);
int emu_port_resume(struct emu_port *ep);
void emu_port_wake(struct emu_port *ep);

#endif /* _SERIAL_EMU_PM_H */
