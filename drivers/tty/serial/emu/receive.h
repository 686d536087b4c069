/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: the receiver of a port. All of it is under the port lock.
 */

#ifndef _SERIAL_EMU_RECEIVE_H
#define _SERIAL_EMU_RECEIVE_H

#include <linux/ktime.h>
#include <linux/types.h>

struct emu_frame;
struct emu_port;
struct ktermios;

int emu_rx_alloc(struct emu_port *ep);
void emu_rx_free(struct emu_port *ep);
void emu_rx_reset(struct emu_port *ep);
void emu_rx_set_termios(struct emu_port *ep, const struct ktermios *termios);
void emu_rx_set_pace(struct emu_port *ep, unsigned int pace);
unsigned int emu_rx_room(struct emu_port *ep, unsigned int pace);
unsigned int emu_rx_chars(struct emu_port *ep, const u8 *chars, unsigned int count,
			  ktime_t time);
void emu_rx_frame(struct emu_port *ep, const struct emu_frame *frame, ktime_t time);
int emu_rx_accept(struct emu_port *ep, const u8 *chars, unsigned int count);
void emu_rx_drain(struct emu_port *ep);
ktime_t emu_rx_service(struct emu_port *ep, ktime_t now);
unsigned int emu_rx_wanted(struct emu_port *ep);
void emu_rx_push(struct emu_port *ep);

#endif /* _SERIAL_EMU_RECEIVE_H */
