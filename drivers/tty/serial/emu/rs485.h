/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: a port on an RS-485 line. All of it is under the port lock.
 */

#ifndef _SERIAL_EMU_RS485_H
#define _SERIAL_EMU_RS485_H

#include <linux/ktime.h>
#include <linux/serial.h>
#include <linux/termios.h>
#include <linux/types.h>

struct emu_port;

static inline bool emu_rs485_is_on(const struct serial_rs485 *rs485)
{
	return rs485->flags & SER_RS485_ENABLED;
}

void emu_rs485_init(struct emu_port *ep);
void emu_rs485_set_cflag(const struct serial_rs485 *rs485, tcflag_t *cflag);
unsigned int emu_rs485_outputs(struct emu_port *ep, unsigned int outputs);
bool emu_rs485_has_no_echo(struct emu_port *ep);
bool emu_rs485_hears(struct emu_port *ep, ktime_t begin, ktime_t end);
bool emu_rs485_begin(struct emu_port *ep, ktime_t now);
ktime_t emu_rs485_end(struct emu_port *ep, ktime_t now);
bool emu_rs485_rx(struct emu_port *ep, u16 *data);

#endif /* _SERIAL_EMU_RS485_H */
