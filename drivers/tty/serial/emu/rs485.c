// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a port on an RS-485 line.
 *
 * RTS enables the driver of the line. On a cable between two ports it is an event
 * on the wire like any other: it comes before the first character, by the delay
 * that was asked for, and after the last one. On a bus it does what it is there
 * for. In the address mode each character has one more bit, which tells addresses
 * from data.
 */

#include <linux/bits.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/serial.h>
#include <linux/serial_core.h>
#include <linux/termios.h>
#include <linux/timekeeping.h>
#include <linux/tty.h>

#include "emu.h"

static bool emu_rs485_is_on(const struct serial_rs485 *rs485)
{
	return rs485->flags & SER_RS485_ENABLED;
}

static unsigned int emu_rs485_rts(const struct serial_rs485 *rs485, bool driving)
{
	u32 flag = driving ? SER_RS485_RTS_ON_SEND : SER_RS485_RTS_AFTER_SEND;

	return rs485->flags & flag ? TIOCM_RTS : 0;
}

/**
 * emu_rs485_outputs - the modem control outputs with RTS as the driver's enable
 * @ep: the port
 * @outputs: what they are without RS-485, made of the EMU_OUTPUTS bits
 *
 * Context: the port lock is held.
 * Return: what they are.
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
 * Context: the port lock is held.
 * Return: true if it is.
 */
bool emu_rs485_has_no_echo(struct emu_port *ep)
{
	const struct serial_rs485 *rs485 = &ep->port.rs485;

	return emu_rs485_is_on(rs485) && !(rs485->flags & SER_RS485_RX_DURING_TX);
}

/**
 * emu_rs485_is_deaf - does the receiver ignore the line at present?
 * @ep: the port
 *
 * Context: the port lock is held.
 * Return: true while the port drives the line and is not to hear itself.
 */
bool emu_rs485_is_deaf(struct emu_port *ep)
{
	return ep->driving && emu_rs485_has_no_echo(ep);
}

/* The address of whom the following is for, once */
static void emu_rs485_send_address(struct emu_port *ep, struct emu_wire *out, ktime_t time)
{
	if (!ep->address_due || !emu_wire_room(out))
		return;

	ep->address_due = false;
	emu_wire_send_one(out, EMU_EV_CHAR,
			  ep->port.rs485.addr_dest | BIT(ep->format.data_bits - 1), time);
	ep->port.icount.tx++;
}

static void emu_rs485_drive(struct emu_port *ep, struct emu_wire *out, ktime_t time)
{
	unsigned int outputs = emu_rs485_outputs(ep, ep->port.mctrl & EMU_OUTPUTS);

	emu_wire_set_lines_at(out, emu_port_lines(ep, outputs), time);
}

/* It may still be driven, for the delay after what was sent before */
static void emu_rs485_begin_driving(struct emu_port *ep, struct emu_wire *out, ktime_t now)
{
	ktime_t start = max(now, ep->released);

	ep->driving = true;
	emu_rs485_drive(ep, out, start);
	/* Without a pace nothing takes time */
	ep->begins = 0;
	if (emu_wire_pace(out))
		ep->begins = ktime_add_ms(start, ep->port.rs485.delay_rts_before_send);
}

/**
 * emu_rs485_begin - drive the line, there is something to send
 * @ep: the port
 * @out: the wire that its transmitter feeds
 * @now: the time
 *
 * During the delay between RTS and the first character, what is to be sent stays
 * where it is, and whoever waits for it to be sent, or to be closed, waits.
 *
 * Context: the port lock is held.
 * Return: whether it may be sent now, or only at @ep->begins.
 */
bool emu_rs485_begin(struct emu_port *ep, struct emu_wire *out, ktime_t now)
{
	lockdep_assert_held(&ep->port.lock);

	if (!emu_rs485_is_on(&ep->port.rs485))
		return true;

	if (!ep->driving)
		emu_rs485_begin_driving(ep, out, now);
	if (now < ep->begins)
		return false;

	emu_rs485_send_address(ep, out, now);

	return true;
}

/**
 * emu_rs485_end - stop driving the line if all was sent
 * @ep: the port
 * @out: the wire that its transmitter feeds
 *
 * Context: the port lock is held.
 */
void emu_rs485_end(struct emu_port *ep, struct emu_wire *out)
{
	const struct serial_rs485 *rs485 = &ep->port.rs485;

	lockdep_assert_held(&ep->port.lock);

	if (!ep->driving || !emu_wire_is_idle(out))
		return;

	ep->driving = false;
	ep->released = ktime_add_ms(emu_wire_free(out), rs485->delay_rts_after_send);
	emu_rs485_drive(ep, out, ep->released);
}

/**
 * emu_rs485_rx - what an address filter lets through
 * @ep: the port
 * @data: the character with its address bit; without that on return
 *
 * Context: the port lock is held.
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
 * emu_rs485_set_cflag - say whether characters have an address bit
 * @rs485: the port's settings
 * @cflag: where to say it
 *
 * Context: any.
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
	struct emu_wire *out = ep->looped ? &ep->loop : ep->out;
	bool had = port->rs485.flags & SER_RS485_ADDRB, has = rs485->flags & SER_RS485_ADDRB;

	ep->driving = false;
	ep->addressed = false;
	ep->address_due = rs485->flags & SER_RS485_ADDR_DEST;
	if (termios)
		emu_rs485_set_cflag(rs485, &termios->c_cflag);

	/* The caller may pass the port's own settings, which are new already then */
	if (rs485 != &port->rs485 && had != has) {
		ep->format.data_bits += has - had;
		emu_wire_set_format(ep->out, &ep->format);
		emu_wire_set_format(&ep->loop, &ep->format);
	}

	/* Serial core restores the outputs when RS-485 is switched off */
	if (emu_rs485_is_on(rs485))
		emu_wire_set_lines(out, emu_port_lines(ep, (port->mctrl & EMU_OUTPUTS &
							    ~TIOCM_RTS) |
						       emu_rs485_rts(rs485, false)));

	return 0;
}

/**
 * emu_rs485_init - let a port be on an RS-485 line
 * @ep: the port
 *
 * Context: any.
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
