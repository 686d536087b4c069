// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the receiver of a port.
 *
 * The receiver has a FIFO, as a 16550A has. When the FIFO reaches its trigger, or after a
 * time-out, the characters go to the flip buffer with their errors. Without a pace the
 * FIFO is not used.
 */

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/gfp.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/serial.h>
#include <linux/serial_core.h>
#include <linux/termios.h>
#include <linux/tty.h>
#include <linux/tty_flip.h>

#include "pm.h"
#include "port.h"
#include "receive.h"
#include "rs485.h"
#include "wire.h"

/* Line status of a character, for read_status_mask and ignore_status_mask */
#define EMU_STATUS_DATA		BIT(0)
#define EMU_STATUS_OVERRUN	BIT(1)
#define EMU_STATUS_PARITY	BIT(2)
#define EMU_STATUS_FRAME	BIT(3)
#define EMU_STATUS_BREAK	BIT(4)

/* Below this rate the trigger is 1, as in the 8250 driver */
#define EMU_RX_TRIGGER_RATE	(2400 * EMU_RATE_UNIT)

/**
 * emu_rx_alloc - allocate the FIFO of a receiver
 * @ep: the port
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOMEM.
 */
int emu_rx_alloc(struct emu_port *ep)
{
	struct emu_receiver *rx = &ep->rx;

	rx->depth = ep->settings->rx_fifo;
	rx->due = KTIME_MAX;

	return kfifo_alloc(&rx->fifo, max(rx->depth, 2), GFP_KERNEL);
}

/**
 * emu_rx_free - undo emu_rx_alloc()
 * @ep: the port, with its receiver off
 *
 * Context: Process context. May sleep.
 */
void emu_rx_free(struct emu_port *ep)
{
	kfifo_free(&ep->rx.fifo);
}

/**
 * emu_rx_reset - drop the content of the FIFO
 * @ep: the port
 */
void emu_rx_reset(struct emu_port *ep)
{
	kfifo_reset(&ep->rx.fifo);
	ep->rx.overrun = false;
	ep->rx.due = KTIME_MAX;
}

/**
 * emu_rx_set_pace - adapt the receiver to a pace, or to a new format
 * @ep: the port
 * @pace: pace of the wire that it reads
 */
void emu_rx_set_pace(struct emu_port *ep, unsigned int pace)
{
	struct emu_receiver *rx = &ep->rx;

	rx->pace = pace;
	rx->frame_time = emu_format_time(&ep->format, pace);
	/* A FIFO that is full is due */
	rx->trigger = min(ep->settings->rx_trigger, ep->settings->rx_fifo);
	if (!pace || ep->format.rate < EMU_RX_TRIGGER_RATE)
		rx->trigger = 1;
}

/**
 * emu_rx_set_termios - select the errors that are reported
 * @ep: the port
 * @termios: the settings
 */
void emu_rx_set_termios(struct emu_port *ep, const struct ktermios *termios)
{
	struct uart_port *port = &ep->port;

	port->read_status_mask = EMU_STATUS_DATA | EMU_STATUS_OVERRUN;
	if (termios->c_iflag & INPCK)
		port->read_status_mask |= EMU_STATUS_PARITY | EMU_STATUS_FRAME;
	if (termios->c_iflag & (IGNBRK | BRKINT | PARMRK))
		port->read_status_mask |= EMU_STATUS_BREAK;

	port->ignore_status_mask = 0;
	if (termios->c_iflag & IGNPAR)
		port->ignore_status_mask |= EMU_STATUS_PARITY | EMU_STATUS_FRAME;
	if (termios->c_iflag & IGNBRK) {
		port->ignore_status_mask |= EMU_STATUS_BREAK;
		if (termios->c_iflag & IGNPAR)
			port->ignore_status_mask |= EMU_STATUS_OVERRUN;
	}
	if (!(termios->c_cflag & CREAD))
		port->ignore_status_mask |= EMU_STATUS_DATA;
}

static bool emu_rx_is_stalled(struct emu_port *ep)
{
	return READ_ONCE(ep->settings->rx_stall);
}

/*
 * Can characters go to the line discipline as they are? What a console's port receives
 * while it is closed must not reach the next process that opens it.
 */
static bool emu_rx_is_plain(struct emu_port *ep)
{
	struct uart_port *port = &ep->port;

	return !port->sysrq && !(port->ignore_status_mask & EMU_STATUS_DATA) &&
	       !(port->rs485.flags & SER_RS485_ADDRB) && emu_port_is_open(ep);
}

/* Count errors as the 8250 driver does */
static void emu_rx_count(struct uart_icount *icount, unsigned int status)
{
	icount->rx++;
	if (status & EMU_STATUS_BREAK)
		icount->brk++;
	else if (status & EMU_STATUS_PARITY)
		icount->parity++;
	else if (status & EMU_STATUS_FRAME)
		icount->frame++;
	if (status & EMU_STATUS_OVERRUN)
		icount->overrun++;
}

static u8 emu_rx_flag(unsigned int status)
{
	if (status & EMU_STATUS_BREAK)
		return TTY_BREAK;
	if (status & EMU_STATUS_PARITY)
		return TTY_PARITY;
	if (status & EMU_STATUS_FRAME)
		return TTY_FRAME;

	return TTY_NORMAL;
}

/* Pass a character to sysrq, or to the line discipline */
static void emu_rx_take(struct emu_port *ep, const struct emu_char *c)
{
	struct uart_port *port = &ep->port;
	unsigned int status = c->status | EMU_STATUS_DATA;

	if (ep->rx.overrun)
		status |= EMU_STATUS_OVERRUN;
	ep->rx.overrun = false;
	emu_rx_count(&port->icount, status);
	if (status & EMU_STATUS_BREAK && uart_handle_break(port))
		return;
	if (uart_prepare_sysrq_char(port, c->data) || !emu_port_is_open(ep))
		return;

	ep->rx.filled = true;
	status &= port->read_status_mask;
	uart_insert_char(port, status, EMU_STATUS_OVERRUN, c->data, emu_rx_flag(status));
}

/* Returns the number of characters for which the flip buffer had room */
static unsigned int emu_rx_insert(struct emu_port *ep, const u8 *chars, unsigned int count)
{
	struct uart_port *port = &ep->port;

	count = tty_insert_flip_string(&port->state->port, chars, count);
	port->icount.rx += count;
	ep->rx.filled = true;

	return count;
}

/**
 * emu_rx_drain - empty the FIFO into the flip buffer
 * @ep: the port
 *
 * Stops at a sysrq character, which is handled without the port lock.
 */
void emu_rx_drain(struct emu_port *ep)
{
	struct emu_receiver *rx = &ep->rx;
	struct emu_char c;

	if (emu_rx_is_stalled(ep))
		return;
	while (!ep->port.sysrq_ch && kfifo_get(&rx->fifo, &c))
		emu_rx_take(ep, &c);
	rx->due = kfifo_is_empty(&rx->fifo) ? KTIME_MAX : 0;
}

static void emu_rx_put(struct emu_port *ep, const struct emu_char *c)
{
	struct emu_receiver *rx = &ep->rx;

	if (kfifo_len(&rx->fifo) < rx->depth)
		kfifo_put(&rx->fifo, *c);
	else
		rx->overrun = true;
}

/* A character was added at a time */
static void emu_rx_check_trigger(struct emu_port *ep, ktime_t time)
{
	struct emu_receiver *rx = &ep->rx;

	if (kfifo_len(&rx->fifo) >= rx->trigger)
		emu_rx_drain(ep);
	else
		rx->due = ktime_add_ns(time, ep->settings->rx_timeout * rx->frame_time);
}

/**
 * emu_rx_frame - receive a character with its errors
 * @ep: the port
 * @frame: the character and its errors
 * @time: when it was received
 */
void emu_rx_frame(struct emu_port *ep, const struct emu_frame *frame, ktime_t time)
{
	u16 data = frame->data;
	struct emu_char c = { };

	lockdep_assert_held(&ep->port.lock);

	if (!emu_rs485_rx(ep, &data))
		return;

	c.data = data;
	if (frame->brk)
		c.status = EMU_STATUS_BREAK;
	else if (frame->parity_error)
		c.status = EMU_STATUS_PARITY;
	else if (frame->frame_error)
		c.status = EMU_STATUS_FRAME;
	emu_port_wake(ep);
	emu_rx_put(ep, &c);
	emu_rx_check_trigger(ep, time);
}

/* Characters that are dropped, without CREAD, need no space */
static bool emu_rx_has_space(struct emu_port *ep)
{
	return ep->port.ignore_status_mask & EMU_STATUS_DATA ||
	       tty_buffer_space_avail(&ep->port.state->port);
}

/**
 * emu_rx_room - number of characters that the receiver can take at once
 * @ep: the port
 * @pace: pace of the wire
 *
 * Return: the number. 0 if the sender has to wait: without a pace, or for a sysrq
 *	character.
 */
unsigned int emu_rx_room(struct emu_port *ep, unsigned int pace)
{
	/* There is room for one sysrq character, which is handled when the lock is released */
	if (ep->port.sysrq_ch)
		return 0;
	if (!pace && (emu_rx_is_stalled(ep) || !emu_rx_has_space(ep)))
		return 0;

	return emu_rx_is_plain(ep) ? EMU_ITEM_CHARS : 1;
}

/*
 * The content of the FIFO goes first. With a break in it the next character may be for
 * sysrq, and with a sysrq character the next one has to wait.
 */
static bool emu_rx_is_drained(struct emu_port *ep)
{
	emu_rx_drain(ep);

	return kfifo_is_empty(&ep->rx.fifo) && emu_rx_is_plain(ep);
}

static unsigned int emu_rx_put_chars(struct emu_port *ep, const u8 *chars, unsigned int count,
				     ktime_t time)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		emu_rx_put(ep, &(struct emu_char) { .data = chars[i] });
	emu_rx_check_trigger(ep, time);

	return count;
}

/* Without a pace nothing is lost, and the FIFO is not used */
static unsigned int emu_rx_chars_unpaced(struct emu_port *ep, const u8 *chars,
					 unsigned int count)
{
	return emu_rx_is_drained(ep) ? emu_rx_insert(ep, chars, count) : 0;
}

static unsigned int emu_rx_chars_paced(struct emu_port *ep, const u8 *chars, unsigned int count,
				       ktime_t time)
{
	struct emu_receiver *rx = &ep->rx;

	if (emu_rx_is_stalled(ep) || kfifo_len(&rx->fifo) + count < rx->trigger)
		return emu_rx_put_chars(ep, chars, count, time);
	if (!emu_rx_is_drained(ep))
		return emu_rx_put_chars(ep, chars, 1, time);
	ep->port.icount.buf_overrun += count - emu_rx_insert(ep, chars, count);

	return count;
}

/**
 * emu_rx_chars - receive characters that have no errors
 * @ep: the port
 * @chars: the characters
 * @count: their number, at most emu_rx_room()
 * @time: when the last of them was received
 *
 * Return: the number of characters that were taken, with a pace at least one.
 */
unsigned int emu_rx_chars(struct emu_port *ep, const u8 *chars, unsigned int count,
			  ktime_t time)
{
	struct emu_frame frame = { .data = *chars };

	lockdep_assert_held(&ep->port.lock);

	if (!emu_rx_is_plain(ep)) {
		emu_rx_frame(ep, &frame, time);
		return 1;
	}

	emu_port_wake(ep);
	if (!ep->rx.pace)
		return emu_rx_chars_unpaced(ep, chars, count);

	return emu_rx_chars_paced(ep, chars, count, time);
}

/**
 * emu_rx_accept - receive characters directly from the sender
 * @ep: the port
 * @chars: the characters
 * @count: their number
 *
 * Return: the number of characters that were taken, 0 if there is no room, -EAGAIN if
 *	they have to go on the wire.
 */
int emu_rx_accept(struct emu_port *ep, const u8 *chars, unsigned int count)
{
	/* A closed port drops characters, as at the end of a wire */
	if (!ep->started)
		return count;
	if (ep->looped || emu_rs485_is_on(&ep->port.rs485) || emu_rx_is_stalled(ep) ||
	    !emu_rx_is_plain(ep) || !kfifo_is_empty(&ep->rx.fifo))
		return -EAGAIN;

	emu_port_wake(ep);
	count = emu_rx_insert(ep, chars, count);
	emu_rx_push(ep);

	return count;
}

/**
 * emu_rx_wanted - number of characters that reach the trigger
 * @ep: the port
 *
 * Return: the number, at least 1.
 */
unsigned int emu_rx_wanted(struct emu_port *ep)
{
	unsigned int len = kfifo_len(&ep->rx.fifo);

	return len < ep->rx.trigger ? ep->rx.trigger - len : 1;
}

/**
 * emu_rx_service - empty the FIFO if it is due
 * @ep: the port
 * @now: the time
 *
 * Return: the time of the next call, KTIME_MAX if another character has to come first.
 */
ktime_t emu_rx_service(struct emu_port *ep, ktime_t now)
{
	if (emu_rx_is_stalled(ep))
		return KTIME_MAX;
	/* The FIFO may have become due during a stall */
	if (ep->rx.due <= now || kfifo_len(&ep->rx.fifo) >= ep->rx.trigger)
		emu_rx_drain(ep);

	return ep->rx.due;
}

/**
 * emu_rx_push - push the flip buffer to the line discipline
 * @ep: the port
 */
void emu_rx_push(struct emu_port *ep)
{
	if (ep->rx.filled)
		tty_flip_buffer_push(&ep->port.state->port);
	ep->rx.filled = false;
}
