// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a port on an RS-485 line.
 *
 * RTS enables the driver of the line, with the configured delays before the first and after
 * the last character. On a bus it connects the transmitter to the line; on a link it is an
 * ordinary edge. In address mode a ninth bit distinguishes addresses from data.
 */

#include <linux/bits.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/serial.h>
#include <linux/serial_core.h>
#include <linux/termios.h>
#include <linux/timekeeping.h>
#include <linux/tty.h>

#include "port.h"
#include "rs485.h"
#include "wire.h"

static unsigned int emu_rs485_rts(const struct serial_rs485 *rs485, bool driving)
{
	u32 flag = driving ? SER_RS485_RTS_ON_SEND : SER_RS485_RTS_AFTER_SEND;

	return rs485->flags & flag ? TIOCM_RTS : 0;
}

/**
 * emu_rs485_outputs - modem control outputs with RTS as the driver's enable
 * @ep: the port
 * @outputs: outputs without RS-485, made of the EMU_OUTPUTS bits
 *
 * Context: Caller must hold the port lock.
 * Return: the outputs.
 */
unsigned int emu_rs485_outputs(struct emu_port *ep, unsigned int outputs)
{
	const struct serial_rs485 *rs485 = &ep->port.rs485;

	if (!emu_rs485_is_on(rs485))
		return outputs;

	return (outputs & ~TIOCM_RTS) | emu_rs485_rts(rs485, ep->driving);
}

/**
 * emu_rs485_has_no_echo - is the receiver off whenever the driver is on?
 * @ep: the port
 *
 * Context: Caller must hold the port lock.
 * Return: true if it is.
 */
bool emu_rs485_has_no_echo(struct emu_port *ep)
{
	const struct serial_rs485 *rs485 = &ep->port.rs485;

	return emu_rs485_is_on(rs485) && !(rs485->flags & SER_RS485_RX_DURING_TX);
}

/**
 * emu_rs485_hears - is the receiver on during a character?
 * @ep: the port
 * @begin: begin of the character
 * @end: end of the character
 *
 * Context: Caller must hold the port lock.
 * Return: false if the driver was on, and the receiver therefore off.
 */
bool emu_rs485_hears(struct emu_port *ep, ktime_t begin, ktime_t end)
{
	if (!emu_rs485_has_no_echo(ep) || end <= ep->drive_begin)
		return true;

	return !ep->driving && begin >= ep->drive_end;
}

/* Send the destination address once, before the data */
static void emu_rs485_send_address(struct emu_port *ep, ktime_t time)
{
	u8 address = ep->port.rs485.addr_dest;

	if (!ep->address_due || !emu_wire_room(ep->out))
		return;

	ep->address_due = false;
	ep->port.icount.tx++;
	if (ep->format.data_bits > 8) {
		emu_wire_put_address(ep->out, address, time);
		return;
	}
	address |= BIT(ep->format.data_bits - 1);
	emu_wire_put(ep->out, &address, 1, time);
}

static void emu_rs485_drive(struct emu_port *ep, ktime_t time)
{
	ep->outputs = emu_rs485_outputs(ep, ep->port.mctrl & EMU_OUTPUTS);
	if (!ep->looped)
		emu_wire_set_lines_at(ep->out, emu_port_lines(ep, ep->outputs), time);
}

static void emu_rs485_begin_driving(struct emu_port *ep, ktime_t now)
{
	ep->drive_begin = now;
	ep->driving = true;
	emu_rs485_drive(ep, now);
	/* Without a pace there are no delays */
	ep->send_begin = 0;
	if (ep->pace)
		ep->send_begin = ktime_add_ms(now, ep->port.rs485.delay_rts_before_send);
}

/**
 * emu_rs485_begin - enable the driver before a transmission
 * @ep: the port, with RS-485 enabled
 * @now: the time
 *
 * During the delay between RTS and the first character, the characters stay in serial
 * core's buffer, so that a close or a drain of the port waits for them.
 *
 * Context: Caller must hold the port lock.
 * Return: true if characters can be sent now, false if not before emu_port::send_begin.
 */
bool emu_rs485_begin(struct emu_port *ep, ktime_t now)
{
	lockdep_assert_held(&ep->port.lock);

	if (!ep->driving)
		emu_rs485_begin_driving(ep, now);
	if (now < ep->send_begin)
		return false;

	emu_rs485_send_address(ep, now);

	return true;
}

/**
 * emu_rs485_end - disable the driver after the last character and the delay
 * @ep: the port
 * @now: the time
 *
 * What is sent during the delay needs no new delay before it.
 *
 * Context: Caller must hold the port lock.
 * Return: the time at which the driver is to be disabled, KTIME_MAX if it is already, or if
 *	a character has not ended.
 */
ktime_t emu_rs485_end(struct emu_port *ep, ktime_t now)
{
	ktime_t time;

	lockdep_assert_held(&ep->port.lock);

	/* Without a pace the position behind the last character decides */
	if (!ep->driving || (!emu_wire_idle_since(ep->out, &time) && ep->pace))
		return KTIME_MAX;

	if (ep->pace) {
		/* Nothing may have been sent, after a flush */
		time = ktime_add_ms(max(time, ep->send_begin),
				    ep->port.rs485.delay_rts_after_send);
		if (time > now)
			return time;
	}
	ep->driving = false;
	ep->drive_end = time;
	emu_rs485_drive(ep, time);

	return KTIME_MAX;
}

/**
 * emu_rs485_rx - filter received characters by address
 * @ep: the port
 * @data: the character with its address bit, which is cleared
 *
 * Context: Caller must hold the port lock.
 * Return: true if the character is for this port.
 */
bool emu_rs485_rx(struct emu_port *ep, u16 *data)
{
	const struct serial_rs485 *rs485 = &ep->port.rs485;
	u16 bit = BIT(ep->format.data_bits - 1);
	bool address = *data & bit;

	if (!(rs485->flags & SER_RS485_ADDRB))
		return true;

	*data &= ~bit;
	if (!(rs485->flags & SER_RS485_ADDR_RECV))
		return true;

	if (address)
		ep->addressed = *data == rs485->addr_recv;

	return ep->addressed && !address;
}

/**
 * emu_rs485_set_cflag - set or clear ADDRB, the address bit
 * @rs485: the port's settings
 * @cflag: the flags to change
 *
 * Context: Any context.
 */
void emu_rs485_set_cflag(const struct serial_rs485 *rs485, tcflag_t *cflag)
{
	if (rs485->flags & SER_RS485_ADDRB)
		*cflag |= ADDRB;
	else
		*cflag &= ~ADDRB;
}

static int emu_rs485_config(struct uart_port *port, struct ktermios *termios,
			    struct serial_rs485 *rs485)
{
	struct emu_port *ep = to_emu_port(port);
	bool had = port->rs485.flags & SER_RS485_ADDRB, has = rs485->flags & SER_RS485_ADDRB;

	ep->driving = false;
	ep->addressed = false;
	ep->address_due = rs485->flags & SER_RS485_ADDR_DEST;
	if (termios)
		emu_rs485_set_cflag(rs485, &termios->c_cflag);

	/* The caller may pass the port's own settings, after changing them */
	if (rs485 != &port->rs485 && had != has) {
		ep->format.data_bits += has - had;
		emu_wire_set_format(ep->out, &ep->format);
	}

	/* Serial core restores the outputs when RS-485 is switched off */
	if (!emu_rs485_is_on(rs485))
		return 0;
	ep->outputs = (port->mctrl & EMU_OUTPUTS & ~TIOCM_RTS) | emu_rs485_rts(rs485, false);
	if (!ep->looped)
		emu_wire_set_lines(ep->out, emu_port_lines(ep, ep->outputs));

	return 0;
}

/**
 * emu_rs485_init - support RS-485 on a port
 * @ep: the port
 *
 * Context: Any context.
 */
void emu_rs485_init(struct emu_port *ep)
{
	ep->port.rs485_config = emu_rs485_config;
	ep->port.rs485_supported = (struct serial_rs485) {
		.flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND | SER_RS485_RTS_AFTER_SEND |
			 SER_RS485_RX_DURING_TX | SER_RS485_ADDRB | SER_RS485_ADDR_RECV |
			 SER_RS485_ADDR_DEST,
		.delay_rts_before_send = 1,
		.delay_rts_after_send = 1,
	};
}
