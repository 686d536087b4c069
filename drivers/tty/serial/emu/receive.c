// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the receiver of a port.
 *
 * It has a FIFO, as a 16550A has. When there is as much in it as its trigger
 * says, or nothing came for a while, its content goes to the tty, with what was
 * wrong about each character. While the line discipline asks for less, nobody
 * empties the FIFO, and what does not fit in it is lost: an overrun.
 */

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/serial.h>
#include <linux/serial_core.h>
#include <linux/termios.h>
#include <linux/time64.h>
#include <linux/tty.h>
#include <linux/tty_flip.h>

#include "emu.h"

/* The receiver's status, for read_status_mask and ignore_status_mask */
#define EMU_ST_DATA		BIT(0)
#define EMU_ST_OVERRUN		BIT(1)
#define EMU_ST_PARITY		BIT(2)
#define EMU_ST_FRAME		BIT(3)
#define EMU_ST_BREAK		BIT(4)

/* No group of characters takes longer to arrive than that */
#define EMU_RX_GROUP_TIME	NSEC_PER_MSEC

static void emu_rx_reset(struct emu_receiver *rx)
{
	kfifo_reset(&rx->fifo);
	rx->overrun = false;
	rx->due = KTIME_MAX;
}

/**
 * emu_rx_init - make the receiver of a port
 * @ep: the port
 *
 * Context: any.
 */
void emu_rx_init(struct emu_port *ep)
{
	INIT_KFIFO(ep->rx.fifo);
	emu_rx_reset(&ep->rx);
}

/**
 * emu_rx_start - begin with an empty FIFO, as the port's settings say
 * @ep: the port
 *
 * Context: the port lock is held.
 */
void emu_rx_start(struct emu_port *ep)
{
	struct emu_receiver *rx = &ep->rx;

	emu_rx_reset(rx);
	rx->depth = ep->settings->rx_fifo;
	/* A FIFO that is full is due */
	rx->trigger = min_t(unsigned int, ep->settings->rx_trigger, rx->depth);
	rx->timeout = ep->settings->rx_timeout;
	rx->limit = 1;
}

/**
 * emu_rx_stop - forget what is in the FIFO
 * @ep: the port
 *
 * Context: the port lock is held.
 */
void emu_rx_stop(struct emu_port *ep)
{
	emu_rx_reset(&ep->rx);
}

/**
 * emu_rx_set_pace - tell the receiver how time goes by
 * @ep: the port
 * @pace: of the wire that it reads
 *
 * Context: the port lock is held.
 */
void emu_rx_set_pace(struct emu_port *ep, unsigned int pace)
{
	struct emu_receiver *rx = &ep->rx;

	rx->frame_time = emu_format_time(&ep->format, pace);
	if (rx->frame_time)
		rx->limit = clamp(div64_u64(EMU_RX_GROUP_TIME, rx->frame_time), 1, rx->trigger);
	else
		rx->limit = 1;
}

/**
 * emu_rx_set_termios - what errors the line discipline wants to know of
 * @ep: the port
 * @termios: the settings
 *
 * Context: the port lock is held.
 */
void emu_rx_set_termios(struct emu_port *ep, const struct ktermios *termios)
{
	struct uart_port *port = &ep->port;

	port->read_status_mask = EMU_ST_DATA | EMU_ST_OVERRUN;
	if (termios->c_iflag & INPCK)
		port->read_status_mask |= EMU_ST_PARITY | EMU_ST_FRAME;
	if (termios->c_iflag & (IGNBRK | BRKINT | PARMRK))
		port->read_status_mask |= EMU_ST_BREAK;

	port->ignore_status_mask = 0;
	if (termios->c_iflag & IGNPAR)
		port->ignore_status_mask |= EMU_ST_PARITY | EMU_ST_FRAME;
	if (termios->c_iflag & IGNBRK) {
		port->ignore_status_mask |= EMU_ST_BREAK;
		if (termios->c_iflag & IGNPAR)
			port->ignore_status_mask |= EMU_ST_OVERRUN;
	}
	if (!(termios->c_cflag & CREAD))
		port->ignore_status_mask |= EMU_ST_DATA;
}

/*
 * Does the line discipline ask for less without having told the sender?
 *
 * With flow control the sender is told, and what comes until it stops goes into
 * the flip buffer, where the line discipline looks ahead for XON and XOFF. Then
 * the wire must not wait as well, or an XON could never get past a slow reader.
 *
 * The tty's flag is the truth: it goes away with the tty, a copy would stay.
 */
static bool emu_tty_is_held(struct tty_struct *tty)
{
	return tty_throttled(tty) && !I_IXOFF(tty) && !C_CRTSCTS(tty);
}

/* Does the receiver look at this wire at all? */
static bool emu_rx_listens(struct emu_port *ep, struct emu_wire *wire)
{
	if (!ep->started || wire != emu_port_in(ep))
		return false;

	/* What it hears of itself on a bus is known from one moment to the next there */
	return wire->bus || !emu_rs485_is_deaf(ep);
}

/* Whether the port is open; one that is a console is not shut down by its last close */
static bool emu_rx_is_open(struct emu_port *ep)
{
	return READ_ONCE(ep->port.state->port.tty);
}

static enum emu_rx emu_rx_tty_state(struct emu_port *ep)
{
	struct tty_port *tport = &ep->port.state->port;
	struct tty_struct *tty;
	bool held;

	/* A sysrq sequence must not depend on the reader */
	if (ep->port.sysrq)
		return EMU_RX_TAKE;

	/*
	 * A console's port stays on when it is closed. What arrives meanwhile
	 * must not reach the next who opens it.
	 */
	tty = tty_port_tty_get(tport);
	if (!tty)
		return EMU_RX_SWALLOW;

	held = emu_tty_is_held(tty);
	tty_kref_put(tty);
	if (held)
		return EMU_RX_HOLD;

	return tty_buffer_space_avail(tport) ? EMU_RX_TAKE : EMU_RX_FULL;
}

/**
 * emu_rx_state - can the receiver take a character from this wire?
 * @ep: the port
 * @wire: the wire, the cable's or the one of the loopback mode
 *
 * Context: the port lock is held.
 * Return: what to do with the characters on the wire.
 */
enum emu_rx emu_rx_state(struct emu_port *ep, struct emu_wire *wire)
{
	return emu_rx_listens(ep, wire) ? emu_rx_tty_state(ep) : EMU_RX_SWALLOW;
}

/**
 * emu_rx_takes_all - does everything that was sent go to the tty as it was sent?
 * @ep: the port
 * @wire: the wire, the cable's or the one of the loopback mode
 *
 * Context: the port lock is held.
 * Return: true if emu_rx_chars() will do.
 */
bool emu_rx_takes_all(struct emu_port *ep, struct emu_wire *wire)
{
	return !(ep->port.rs485.flags & SER_RS485_ADDRB) && emu_rx_state(ep, wire) == EMU_RX_TAKE;
}

/* Count what is wrong, as a driver does that looks at a 16550's status */
static unsigned int emu_rx_status(struct emu_port *ep, const struct emu_frame *frame)
{
	struct uart_icount *icount = &ep->port.icount;
	unsigned int status = EMU_ST_DATA;

	if (frame->brk) {
		icount->brk++;
		status |= EMU_ST_BREAK;
	} else if (frame->parity_error) {
		icount->parity++;
		status |= EMU_ST_PARITY;
	} else if (frame->frame_error) {
		icount->frame++;
		status |= EMU_ST_FRAME;
	}

	if (ep->rx.overrun) {
		icount->overrun++;
		ep->rx.overrun = false;
		status |= EMU_ST_OVERRUN;
	}

	return status;
}

static u8 emu_rx_flag(unsigned int status)
{
	if (status & EMU_ST_BREAK)
		return TTY_BREAK;
	if (status & EMU_ST_PARITY)
		return TTY_PARITY;
	if (status & EMU_ST_FRAME)
		return TTY_FRAME;

	return TTY_NORMAL;
}

/* Give a character to whom it is for: sysrq, or the line discipline */
static void emu_rx_take(struct emu_port *ep, const struct emu_frame *frame)
{
	struct uart_port *port = &ep->port;
	unsigned int status;

	port->icount.rx++;
	status = emu_rx_status(ep, frame);
	if (frame->brk && uart_handle_break(port))
		return;
	if (uart_prepare_sysrq_char(port, frame->data) || !emu_rx_is_open(ep))
		return;

	ep->rx.filled = true;
	status &= port->read_status_mask;
	uart_insert_char(port, status, EMU_ST_OVERRUN, frame->data, emu_rx_flag(status));
}

/**
 * emu_rx_drain - empty the FIFO into the tty's buffer, due or not
 * @ep: the port
 *
 * This gets as far as a sysrq character, which is handled without the port lock.
 *
 * Context: the port lock is held.
 */
void emu_rx_drain(struct emu_port *ep)
{
	struct emu_receiver *rx = &ep->rx;
	struct emu_frame frame;

	while (!ep->port.sysrq_ch && kfifo_get(&rx->fifo, &frame))
		emu_rx_take(ep, &frame);
	rx->due = kfifo_is_empty(&rx->fifo) ? KTIME_MAX : 0;
}

static void emu_rx_interrupt(struct emu_port *ep, ktime_t now)
{
	/* Nobody would look at the FIFO of a port whose reader is slow */
	if (emu_rx_tty_state(ep) == EMU_RX_HOLD)
		ep->rx.due = ktime_add(now, EMU_HOLD_DELAY);
	else
		emu_rx_drain(ep);
}

/**
 * emu_rx_frame - receive a character
 * @ep: the port
 * @wire: the wire that it comes from
 * @frame: the character and its errors
 * @time: when it was received
 *
 * Context: the port lock is held.
 */
void emu_rx_frame(struct emu_port *ep, struct emu_wire *wire, const struct emu_frame *frame,
		  ktime_t time)
{
	struct emu_receiver *rx = &ep->rx;
	struct emu_frame received = *frame;

	lockdep_assert_held(&ep->port.lock);

	if (!emu_rx_listens(ep, wire) || !emu_rs485_rx(ep, &received.data))
		return;

	emu_port_wake(ep);
	if (kfifo_len(&rx->fifo) >= rx->depth) {
		rx->overrun = true;
		return;
	}

	kfifo_put(&rx->fifo, received);
	if (kfifo_len(&rx->fifo) >= rx->limit)
		emu_rx_interrupt(ep, time);
	else
		rx->due = ktime_add_ns(time, rx->timeout * rx->frame_time);
}

/**
 * emu_rx_resume - have the FIFO emptied that a slow reader kept from it
 * @ep: the port
 *
 * The work of the wire does it.
 *
 * Context: the port lock is held.
 */
void emu_rx_resume(struct emu_port *ep)
{
	if (!kfifo_is_empty(&ep->rx.fifo))
		ep->rx.due = 0;
}

/**
 * emu_rx_wanted - how many more characters make the FIFO due
 * @ep: the port
 *
 * Context: the port lock is held.
 * Return: their number, at least 1.
 */
unsigned int emu_rx_wanted(struct emu_port *ep)
{
	unsigned int len = kfifo_len(&ep->rx.fifo);

	return len < ep->rx.limit ? ep->rx.limit - len : 1;
}

/**
 * emu_rx_service - empty the FIFO if it is due
 * @ep: the port
 * @wire: the wire that the receiver looks at
 * @now: the time
 *
 * Context: the port lock is held.
 * Return: when this is to be called again, KTIME_MAX if not before more comes.
 */
ktime_t emu_rx_service(struct emu_port *ep, struct emu_wire *wire, ktime_t now)
{
	/* What was received before the port began to drive an RS-485 line stays due */
	if (!ep->started || wire != emu_port_in(ep))
		return KTIME_MAX;

	if (ep->rx.due <= now)
		emu_rx_interrupt(ep, now);

	return ep->rx.due;
}

/* One by one, while a sysrq sequence is under way, or with CREAD off */
static unsigned int emu_rx_chars_slowly(struct emu_port *ep, const u8 *chars, unsigned int count)
{
	struct emu_frame frame = { };
	unsigned int i;

	for (i = 0; i < count && !ep->port.sysrq_ch; i++) {
		frame.data = chars[i];
		emu_rx_take(ep, &frame);
	}

	return i;
}

/**
 * emu_rx_chars - receive characters that take no time and have no errors
 * @ep: the port
 * @chars: the characters, within the data bits of the format
 * @count: their number
 *
 * Context: the port lock is held.
 * Return: the number of characters that were taken, or -ENOMEM.
 */
int emu_rx_chars(struct emu_port *ep, const u8 *chars, unsigned int count)
{
	struct uart_port *port = &ep->port;
	int taken;

	if (!count)
		return 0;

	emu_port_wake(ep);
	/* What came before goes first */
	emu_rx_drain(ep);
	if (!kfifo_is_empty(&ep->rx.fifo))
		return 0;

	if (port->sysrq || port->ignore_status_mask & EMU_ST_DATA)
		return emu_rx_chars_slowly(ep, chars, count);

	taken = tty_insert_flip_string(&port->state->port, chars, count);
	if (!taken)
		return -ENOMEM;

	port->icount.rx += taken;
	ep->rx.filled = true;

	return taken;
}

/**
 * emu_rx_push - have the line discipline look at what was received
 * @ep: the port
 *
 * Context: the port lock is held.
 */
void emu_rx_push(struct emu_port *ep)
{
	if (ep->rx.filled)
		tty_flip_buffer_push(&ep->port.state->port);
	ep->rx.filled = false;
}
