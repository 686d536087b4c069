// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the UART as serial core sees it.
 */

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kdev_t.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/serial.h>
#include <linux/serial_core.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/termios.h>
#include <linux/timekeeping.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_port.h>
#include <linux/wait.h>

#include "console.h"
#include "line.h"
#include "port.h"
#include "receive.h"
#include "rs485.h"
#include "wire.h"
#include "wiring.h"

/* The defaults of serial core, for setserial(8) */
#define EMU_CLOSE_DELAY		(HZ / 2)
#define EMU_CLOSING_WAIT	(30 * HZ)

/* The transmitter */

/* XON and XOFF are sent first, even while the transmitter is stopped */
static bool emu_port_transmit_xchar(struct emu_port *ep, ktime_t time)
{
	struct uart_port *port = &ep->port;

	if (!port->x_char)
		return true;
	if (!emu_wire_room(ep->out))
		return false;

	emu_wire_put(ep->out, &port->x_char, 1, time);
	port->icount.tx++;
	port->x_char = 0;

	return true;
}

/* The contiguous characters at the head of serial core's buffer, up to a number */
static unsigned int emu_port_peek(struct emu_port *ep, u8 **chars, unsigned int max)
{
	struct tty_port *tport = &ep->port.state->port;
	unsigned int count, i;

	count = kfifo_out_linear_ptr(&tport->xmit_fifo, chars, max);
	if (ep->char_mask == U8_MAX)
		return count;
	for (i = 0; i < count; i++)
		(*chars)[i] &= ep->char_mask;

	return count;
}

/* Returns the number of characters the receiver took, -EAGAIN if they have to go on the wire */
static int emu_port_hand_over(struct emu_port *ep)
{
	unsigned int count;
	u8 *chars;
	int taken;

	count = emu_port_peek(ep, &chars, UART_XMIT_SIZE);
	taken = emu_wire_hand_over(ep->out, chars, count);
	if (taken > 0)
		uart_xmit_advance(&ep->port, taken);

	return taken;
}

/* Returns true if there may be room for more */
static bool emu_port_put(struct emu_port *ep, ktime_t time)
{
	unsigned int room = emu_wire_room(ep->out), count;
	u8 *chars;

	count = emu_port_peek(ep, &chars, room);
	emu_wire_put(ep->out, chars, count, time);
	uart_xmit_advance(&ep->port, count);

	return count < room;
}

static bool emu_port_has_tty_output(struct emu_port *ep)
{
	return ep->started && ep->tx_on && !uart_tx_stopped(&ep->port) &&
	       !kfifo_is_empty(&ep->port.state->port.xmit_fifo);
}

/* Returns false if the receiver has no room, and has to be asked again */
static bool emu_port_transmit_tty(struct emu_port *ep, ktime_t time)
{
	int count;

	while (emu_port_has_tty_output(ep)) {
		count = ep->pace ? -EAGAIN : emu_port_hand_over(ep);
		if (!count)
			return false;
		if (count < 0 && !emu_port_put(ep, time))
			break;
	}

	return true;
}

/* Is there something to send? */
static bool emu_port_has_output(struct emu_port *ep)
{
	return ep->port.x_char || emu_console_has_output(ep) || emu_port_has_tty_output(ep);
}

/* A line discipline may wait for its wakeup although the write took everything */
static void emu_port_wake_writer(struct emu_port *ep)
{
	if (ep->tx_waits && kfifo_len(&ep->port.state->port.xmit_fifo) < WAKEUP_CHARS)
		uart_write_wakeup(&ep->port);
	ep->tx_waits = !kfifo_is_empty(&ep->port.state->port.xmit_fifo);
}

/* Put characters on the wire, as far as there is room */
static ktime_t emu_port_send(struct emu_port *ep, ktime_t now)
{
	/* With a backlog the line was not idle since the last character */
	ktime_t time = ep->backlog ? 0 : now, due = KTIME_MAX;

	if (emu_port_transmit_xchar(ep, time) && emu_console_transmit(ep, time) &&
	    !emu_port_transmit_tty(ep, time))
		due = ktime_add(now, EMU_WIRE_RETRY);
	ep->backlog = emu_port_has_output(ep) && !emu_wire_room(ep->out);

	return due;
}

/* The driver of the line is enabled before the first character, and disabled after the last */
static ktime_t emu_port_send_rs485(struct emu_port *ep, ktime_t now)
{
	ktime_t due;

	if (!emu_port_has_output(ep)) {
		ep->backlog = false;
		return emu_rs485_end(ep, now);
	}
	if (!emu_rs485_begin(ep, now)) {
		ep->backlog = false;
		return ep->send_begin;
	}
	/* Nothing may overtake the address, for which there is no room until the next pass */
	if (ep->address_due)
		return KTIME_MAX;
	due = emu_port_send(ep, now);

	return emu_port_has_output(ep) ? due : min(due, emu_rs485_end(ep, now));
}

/* Returns the time at which there is more to send, KTIME_MAX if that depends on room */
static ktime_t emu_port_transmit(struct emu_port *ep, ktime_t now)
{
	ktime_t due = KTIME_MAX;

	lockdep_assert_held(&ep->port.lock);

	if (emu_console_is_stalled(ep))
		ep->backlog = false;
	else if (emu_rs485_is_on(&ep->port.rs485))
		due = emu_port_send_rs485(ep, now);
	else
		due = emu_port_send(ep, now);
	emu_port_wake_writer(ep);

	return due;
}

/* The modem status inputs */

static unsigned int emu_port_inputs(struct emu_port *ep)
{
	if (ep->looped)
		return emu_wiring_inputs(&emu_loopback, ep->outputs, 0);
	/* A plug that is pulled out disconnects all pins */
	if (ep->unplugged)
		return 0;

	return emu_wiring_inputs(ep->wiring, ep->outputs, ep->peer);
}

static void emu_port_count_edges(struct emu_port *ep, unsigned int changed)
{
	struct uart_port *port = &ep->port;

	/* The trailing edge of the ring indicator counts, as on a 16550 */
	if (changed & TIOCM_RNG && !(ep->inputs & TIOCM_RNG))
		port->icount.rng++;
	if (changed & TIOCM_DSR)
		port->icount.dsr++;
	if (changed & TIOCM_CAR)
		uart_handle_dcd_change(port, ep->inputs & TIOCM_CAR);
	if (changed & TIOCM_CTS)
		uart_handle_cts_change(port, ep->inputs & TIOCM_CTS);

	wake_up_interruptible(&port->state->port.delta_msr_wait);
}

/* Report changes of the modem status inputs */
static void emu_port_update_inputs(struct emu_port *ep)
{
	unsigned int changed = ep->inputs;

	ep->inputs = emu_port_inputs(ep);
	changed ^= ep->inputs;
	if (!changed)
		return;

	/* Characters that were received before the edge are reported before it */
	if (ep->started) {
		emu_rx_drain(ep);
		emu_port_count_edges(ep, changed);
	}
	/* A console waits for CTS also while the tty is closed */
	if (changed & ep->inputs & TIOCM_CTS && emu_console_has_output(ep))
		emu_wire_kick(ep->out);
}

/* Operations of an end of a wire */

static struct emu_port *emu_end_to_port(struct emu_end *end)
{
	return container_of(end, struct emu_port, end);
}

/* Serial core's timeouts follow the time of a character at this pace */
static void emu_port_set_frame_time(struct emu_port *ep)
{
	if (ep->pace)
		WRITE_ONCE(ep->port.frame_time,
			   min(emu_format_time(&ep->format, ep->pace), UINT_MAX));
}

static void emu_port_set_pace(struct emu_port *ep, unsigned int pace)
{
	if (ep->pace == pace)
		return;

	ep->pace = pace;
	emu_port_set_frame_time(ep);
}

static void emu_end_transmit(struct emu_end *end, struct emu_wire *wire, struct emu_pass *pass)
{
	struct emu_port *ep = emu_end_to_port(end);

	guard(uart_port_lock_check_sysrq_irqsave)(&ep->port);

	emu_port_set_pace(ep, pass->pace);
	/* The outputs may drive inputs of the same port */
	if (ep->driven != ep->outputs) {
		ep->driven = ep->outputs;
		emu_port_update_inputs(ep);
	}
	emu_pass_due(pass, emu_port_transmit(ep, pass->now));
	emu_rx_push(ep);
}

/* Does the receiver read this wire? */
static bool emu_port_listens(struct emu_port *ep, struct emu_wire *wire)
{
	return ep->started && wire == emu_port_in(ep);
}

/* Returns how much of the item was taken, 0 if it has to wait */
static unsigned int emu_port_take(struct emu_port *ep, struct emu_wire *wire,
				  struct emu_pass *pass, struct emu_item *item)
{
	switch (item->type) {
	case EMU_ITEM_LINES:
		if (wire == ep->in) {
			ep->peer = item->value;
			emu_port_update_inputs(ep);
		}
		return 1;
	case EMU_ITEM_BREAK:
		if (emu_port_listens(ep, wire))
			emu_line_break(ep, wire, pass, item);
		return 1;
	default:
		if (!emu_port_listens(ep, wire) || pass->cut)
			return item->count;
		return emu_line_chars(ep, pass, item);
	}
}

/* Returns false if an item has to wait for the receiver */
static bool emu_port_take_all(struct emu_port *ep, struct emu_wire *wire, struct emu_pass *pass)
{
	unsigned int room = EMU_ITEM_CHARS, count;
	struct emu_item item;

	for (;;) {
		if (emu_port_listens(ep, wire) && !pass->cut)
			room = emu_rx_room(ep, pass->pace);
		if (!room && ep->port.sysrq_ch)
			return true;
		if (!emu_wire_peek(wire, pass, room, &item))
			return room;
		count = emu_port_take(ep, wire, pass, &item);
		if (!count)
			return false;
		emu_wire_skip(wire, &item, count);
		if (item.last && count == item.count)
			return true;
	}
}

static void emu_port_sync(struct emu_port *ep, struct emu_wire *wire, struct emu_pass *pass)
{
	if (wire == ep->in && (ep->unplugged != pass->unplugged || ep->peer != pass->lines)) {
		ep->unplugged = pass->unplugged;
		ep->peer = pass->lines;
		emu_port_update_inputs(ep);
	}
	if (emu_port_listens(ep, wire)) {
		if (ep->rx.pace != pass->pace)
			emu_rx_set_pace(ep, pass->pace);
		emu_line_set_plugged(ep, wire, pass);
	}
}

static void emu_port_receive_wire(struct emu_port *ep, struct emu_wire *wire,
				  struct emu_pass *pass)
{
	emu_port_sync(ep, wire, pass);
	/* A wire in loopback mode is read by the port that feeds it */
	if (pass->looped && (wire != ep->out || !ep->looped))
		return;
	pass->held = !emu_port_take_all(ep, wire, pass);
	pass->retry = ktime_add(pass->now, EMU_WIRE_RETRY);
	if (emu_port_listens(ep, wire)) {
		emu_line_idle(ep, wire, pass);
		emu_pass_due(pass, emu_rx_service(ep, pass->now));
		pass->wanted = emu_rx_wanted(ep);
	}
}

static void emu_port_receive_levels(struct emu_port *ep, struct emu_pass *pass)
{
	struct emu_bus_levels *levels = pass->levels;

	ep->unplugged = pass->unplugged;
	emu_port_update_inputs(ep);
	if (!ep->started) {
		levels->next = levels->count;
		return;
	}
	if (ep->rx.pace != pass->pace)
		emu_rx_set_pace(ep, pass->pace);
	emu_line_levels(ep, pass);
	emu_pass_due(pass, emu_rx_service(ep, levels->done));
	pass->wanted = min(pass->wanted, emu_rx_wanted(ep));
}

static void emu_end_receive(struct emu_end *end, struct emu_wire *wire, struct emu_pass *pass)
{
	struct emu_port *ep = emu_end_to_port(end);

	guard(uart_port_lock_check_sysrq_irqsave)(&ep->port);

	/* An answer may begin right after the last character */
	if (ep->driving && !emu_port_has_output(ep))
		emu_rs485_end(ep, pass->now);
	if (pass->levels)
		emu_port_receive_levels(ep, pass);
	else
		emu_port_receive_wire(ep, wire, pass);
	/* The unlock handles the captured character: another pass takes the rest */
	if (ep->port.sysrq_ch)
		emu_pass_due(pass, 0);
	emu_rx_push(ep);
}

static int emu_end_accept(struct emu_end *end, struct emu_wire *wire, const u8 *chars,
			  unsigned int count)
{
	struct emu_port *ep = emu_end_to_port(end);
	int ret = -EAGAIN;

	/* The sender's port lock is held, waiting for a second one could deadlock */
	if (!uart_port_trylock(&ep->port))
		return ret;
	if (!ep->line.low && ep->line.sampler.state == EMU_SAMPLER_IDLE &&
	    emu_format_is_compatible(&wire->tx_format, &ep->format))
		ret = emu_rx_accept(ep, chars, count);
	uart_port_unlock(&ep->port);

	return ret;
}

static const struct emu_end_ops emu_port_end_ops = {
	.transmit	= emu_end_transmit,
	.receive	= emu_end_receive,
	.accept		= emu_end_accept,
};

/* Operations of the UART */

static unsigned int emu_tx_empty(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);

	guard(uart_port_lock_irqsave)(port);

	return !port->x_char && emu_wire_is_idle(ep->out) ? TIOCSER_TEMT : 0;
}

/* In loopback mode the outputs of the connector are inactive */
static void emu_port_drive(struct emu_port *ep, unsigned int outputs)
{
	unsigned int old = ep->outputs;

	ep->outputs = emu_rs485_outputs(ep, outputs);
	emu_wire_set_lines(ep->out, emu_port_lines(ep, ep->looped ? 0 : ep->outputs));
	emu_wire_set_break(ep->out, ep->brk);
	/* The outputs drive the inputs of the same port */
	if (ep->looped && ep->outputs != old)
		emu_wire_kick(ep->out);
}

/*
 * The receiver is about to read another wire. What is over on this one was received, and
 * no pass over it empties the FIFO any more.
 */
static void emu_port_leave_wire(struct emu_port *ep)
{
	struct emu_wire *in = emu_port_in(ep);
	struct emu_pass pass;

	if (!ep->started)
		return;
	if (in) {
		emu_wire_begin_pass(in, &pass);
		pass.cut &= !ep->looped;
		/* Unless the far end is in loopback mode, and reads it */
		if (pass.looped == ep->looped)
			emu_port_take_all(ep, in, &pass);
		/* The next pass arms the timer again */
		emu_wire_kick(in);
	}
	emu_rx_drain(ep);
}

static void emu_port_set_looped(struct emu_port *ep, bool looped)
{
	if (ep->looped == looped)
		return;

	emu_port_leave_wire(ep);
	ep->looped = looped;
	/* Other outputs drive the inputs now */
	ep->driven = ~0U;
	emu_wire_set_looped(ep->out, looped);
	emu_line_reset(ep, emu_port_in(ep) && emu_wire_is_low(emu_port_in(ep)), ktime_get());
}

static void emu_set_mctrl(struct uart_port *port, unsigned int mctrl)
{
	struct emu_port *ep = to_emu_port(port);

	emu_port_set_looped(ep, mctrl & TIOCM_LOOP);
	emu_port_drive(ep, mctrl & EMU_OUTPUTS);
}

static unsigned int emu_get_mctrl(struct uart_port *port)
{
	return to_emu_port(port)->inputs;
}

static void emu_stop_tx(struct uart_port *port)
{
	to_emu_port(port)->tx_on = false;
}

/* Without a pace nothing but the driver of an RS-485 line needs the time */
static ktime_t emu_port_now(struct emu_port *ep)
{
	return ep->pace || emu_rs485_is_on(&ep->port.rs485) ? ktime_get() : 0;
}

static void emu_start_tx(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);

	ep->tx_on = true;
	ep->tx_waits = true;
	/* A character on a bus must not begin before the time up to which its level is known */
	if (ep->in && emu_port_transmit(ep, emu_port_now(ep)) == KTIME_MAX)
		return;
	/* Only a pass has a timer */
	emu_wire_kick(ep->out);
}

/* With a pace the receiver never stops; without one the flip buffer's limit stops the sender */
static void emu_throttle(struct uart_port *port)
{
}

static void emu_unthrottle(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);

	guard(uart_port_lock_irqsave)(port);

	if (ep->in)
		emu_wire_retry(ep->in);
	if (ep->looped)
		emu_wire_retry(ep->out);
}

static void emu_stop_rx(struct uart_port *port)
{
	to_emu_port(port)->started = false;
}

static void emu_break_ctl(struct uart_port *port, int ctl)
{
	struct emu_port *ep = to_emu_port(port);

	guard(uart_port_lock_irqsave)(port);
	ep->brk = ctl;
	emu_wire_set_break(ep->out, ep->brk);
}

static void emu_port_start(struct emu_port *ep)
{
	struct emu_wire *in = emu_port_in(ep);
	struct uart_port *port = &ep->port;

	guard(uart_port_lock_irqsave)(port);

	if (ep->in) {
		ep->unplugged = !emu_wire_is_plugged(ep->in);
		ep->peer = emu_wire_lines(ep->in);
	}
	ep->inputs = emu_port_inputs(ep);
	emu_rx_reset(ep);
	emu_rx_set_pace(ep, ep->rx.pace);
	emu_line_reset(ep, in && emu_wire_is_low(in), ktime_get());
	ep->line.cut = ep->unplugged;
	ep->started = true;
	emu_port_drive(ep, port->mctrl & EMU_OUTPUTS);
	/* The trigger of a receiver is lower than the length of the wire */
	if (ep->in)
		emu_wire_kick(ep->in);
}

/* Run the wire that the receiver reads, which drops what comes while it is off */
static void emu_port_run_in(struct emu_port *ep)
{
	struct emu_wire *in;

	scoped_guard(uart_port_lock_irqsave, &ep->port)
		in = emu_port_in(ep);
	if (in)
		emu_wire_run(in);
}

static int emu_startup(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);
	int ret;

	ret = emu_rx_alloc(ep);
	if (ret)
		return ret;
	/* What was sent before the open, and edges before it, are not for this process */
	emu_port_run_in(ep);
	/* A debugger that gets an open port does not say so */
	emu_console_show(ep);
	emu_port_start(ep);

	return 0;
}

static void emu_shutdown(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);

	scoped_guard(uart_port_lock_irqsave, port) {
		ep->started = false;
		ep->tx_on = false;
		ep->brk = false;
		port->x_char = 0;
		/* Characters received before a suspend can be read after it */
		if (port->suspended)
			emu_rx_drain(ep);
		emu_rx_push(ep);
		emu_rx_reset(ep);
		emu_port_drive(ep, port->mctrl & EMU_OUTPUTS);
	}

	/*
	 * The far end's writer may be blocked, with characters on the wire. Drop these, or
	 * they would reach the next process that opens this port.
	 */
	emu_port_run_in(ep);
	emu_rx_free(ep);
}

/*
 * The rate is not derived from a divisor, unless the user sets one with spd_cust: termios
 * then keeps 38400.
 */
static unsigned int emu_set_baud(struct uart_port *port, struct ktermios *new,
				 const struct ktermios *old)
{
	unsigned int baud = uart_get_baud_rate(port, new, old, EMU_BAUD_MIN, EMU_BAUD_MAX);

	if (baud == 38400 && (port->flags & UPF_SPD_MASK) == UPF_SPD_CUST) {
		baud = port->uartclk / 16 / max(port->custom_divisor, 1);
		return clamp(baud, EMU_BAUD_MIN, EMU_BAUD_MAX);
	}
	/* B0 hangs up, and must read back as B0 */
	if (new->c_cflag & CBAUD)
		tty_termios_encode_baud_rate(new, baud, baud);

	return baud;
}

static enum emu_parity emu_parity(tcflag_t cflag)
{
	if (!(cflag & PARENB))
		return EMU_PARITY_NONE;
	if (cflag & CMSPAR)
		return cflag & PARODD ? EMU_PARITY_MARK : EMU_PARITY_SPACE;

	return cflag & PARODD ? EMU_PARITY_ODD : EMU_PARITY_EVEN;
}

static u8 emu_half_stop_bits(tcflag_t cflag)
{
	if (!(cflag & CSTOPB))
		return 2;

	return (cflag & CSIZE) == CS5 ? 3 : 4;
}

static void emu_set_termios(struct uart_port *port, struct ktermios *new,
			    const struct ktermios *old)
{
	struct emu_port *ep = to_emu_port(port);
	unsigned int baud = emu_set_baud(port, new, old);
	int ppm = ep->settings->clock_ppm;

	guard(uart_port_lock_irqsave)(port);
	emu_rs485_set_cflag(&port->rs485, &new->c_cflag);
	ep->char_mask = GENMASK(tty_get_char_size(new->c_cflag) - 1, 0);
	ep->format = (struct emu_format) {
		.rate		= (u64)baud * (EMU_RATE_UNIT + ppm),
		.data_bits	= tty_get_char_size(new->c_cflag) + !!(new->c_cflag & ADDRB),
		.half_stop_bits	= emu_half_stop_bits(new->c_cflag),
		.parity		= emu_parity(new->c_cflag),
	};
	uart_update_timeout(port, new->c_cflag, baud);
	emu_port_set_frame_time(ep);
	emu_wire_set_format(ep->out, &ep->format);
	emu_rx_set_pace(ep, ep->rx.pace);
	emu_rx_set_termios(ep, new);
	/* The receiver's trigger depends on the rate */
	if (ep->in)
		emu_wire_kick(ep->in);
}

static const char *emu_type(struct uart_port *port)
{
	return port->type == PORT_GENERIC ? "UART emulation" : NULL;
}

static void emu_port_connect(struct emu_port *ep, bool connect)
{
	struct emu_end *end = connect ? &ep->end : NULL;

	if (ep->in)
		emu_wire_set_rx(ep->in, end);
	emu_wire_set_tx(ep->out, end);
}

/*
 * Called when the port's lock is initialised and before its tty is announced: nothing that
 * the first process is sent is lost. Also called by TIOCSERCONFIG, for a port that is open.
 */
static void emu_config_port(struct uart_port *port, int flags)
{
	if (!(flags & UART_CONFIG_TYPE))
		return;

	port->type = PORT_GENERIC;
	emu_port_connect(to_emu_port(port), true);
}

static int emu_verify_port(struct uart_port *port, struct serial_struct *ser)
{
	if (ser->type != PORT_UNKNOWN && ser->type != PORT_GENERIC)
		return -EINVAL;
	if (ser->irq != port->irq || ser->io_type != port->iotype)
		return -EINVAL;
	/* The port has no address that could be changed */
	if (ser->port || ser->port_high || ser->hub6 || ser->iomem_base || ser->iomem_reg_shift)
		return -EINVAL;
	if (ser->baud_base != port->uartclk / 16)
		return -EINVAL;

	return 0;
}

static const struct uart_ops emu_uart_ops = {
	.tx_empty	= emu_tx_empty,
	.set_mctrl	= emu_set_mctrl,
	.get_mctrl	= emu_get_mctrl,
	.stop_tx	= emu_stop_tx,
	.start_tx	= emu_start_tx,
	.throttle	= emu_throttle,
	.unthrottle	= emu_unthrottle,
	.stop_rx	= emu_stop_rx,
	.break_ctl	= emu_break_ctl,
	.startup	= emu_startup,
	.shutdown	= emu_shutdown,
	.set_termios	= emu_set_termios,
	.type		= emu_type,
	.config_port	= emu_config_port,
	.verify_port	= emu_verify_port,
#if defined(CONFIG_SERIAL_EMU_CONSOLE) && defined(CONFIG_CONSOLE_POLL)
	.poll_init	= emu_poll_init,
	.poll_get_char	= emu_poll_get_char,
	.poll_put_char	= emu_poll_put_char,
#endif
};

static void emu_port_init(struct emu_port *ep, struct device *dev, unsigned int line,
			  const struct emu_port_data *data)
{
	struct uart_port *port = &ep->port;

	ep->end.ops = &emu_port_end_ops;
	ep->out = data->out;
	ep->in = data->in;
	ep->settings = data->settings;
	ep->wiring = data->wiring;
	ep->format = emu_format_default;
	ep->char_mask = U8_MAX;
	ep->pace = emu_wire_pace(ep->out);
	ep->rx.pace = ep->pace;
	emu_rs485_init(ep);

	/* Serial core keeps these when a port is removed */
	emu_uart_driver.state[line].port.close_delay = EMU_CLOSE_DELAY;
	emu_uart_driver.state[line].port.closing_wait = EMU_CLOSING_WAIT;

	port->dev = dev;
	port->line = line;
	port->ops = &emu_uart_ops;
	port->type = PORT_GENERIC;
	port->iotype = UPIO_BUS;
	port->flags = UPF_BOOT_AUTOCONF;
	port->uartclk = EMU_UARTCLK;
	port->fifosize = EMU_TX_FIFO;
	/* Have unthrottle() called without flow control, too */
	port->status = UPSTAT_SYNC_FIFO;
	/*
	 * Serial core initialises the lock when it adds the port. It must not
	 * do so again when the console is set up while the port is in use.
	 */
	port->console_reinit = 1;
}

/**
 * emu_port_reset_tty - reset the settings of a removed port
 * @line: the number in ttyEMU<number>
 *
 * The tty layer keeps the settings for the next port of that number. It keeps the tty as
 * long as a process has it open, which would then use the next port.
 *
 * Context: Process context. May sleep. There is no port of that number.
 * Return: 0, -EBUSY if a process has the tty open, or the error of tty_kopen_exclusive().
 */
int emu_port_reset_tty(unsigned int line)
{
	struct tty_driver *driver = emu_uart_driver.tty_driver;
	struct tty_struct *tty;

	/* As serial core does when it adds the first port of that number */
	tty_port_link_device(&emu_uart_driver.state[line].port, driver, line);
	tty = tty_kopen_exclusive(MKDEV(driver->major, driver->minor_start + line));
	if (IS_ERR(tty))
		return PTR_ERR(tty);

	tty->termios = driver->init_termios;
	tty_unlock(tty);
	tty_kclose(tty);

	return 0;
}

/**
 * emu_port_add - make a port and plug the cable in
 * @ep: zeroed memory, which stays valid until emu_port_remove()
 * @dev: the port's device
 * @line: the number in ttyEMU<number>
 * @data: the wires of this end of the cable, and the settings of the port
 *
 * Context: Process context. May sleep.
 * Return: 0, -ENOMEM, or another error of uart_add_one_port().
 */
int emu_port_add(struct emu_port *ep, struct device *dev, unsigned int line,
		 const struct emu_port_data *data)
{
	int ret;

	ret = emu_console_create(ep);
	if (ret)
		return ret;

	emu_port_init(ep, dev, line, data);
	emu_debugfs_add(ep->console);
	emu_poll_add_debugfs(ep->console);
	ret = uart_add_one_port(&emu_uart_driver, &ep->port);
	if (ret) {
		emu_port_connect(ep, false);
		emu_debugfs_remove(ep->console);
		emu_console_destroy(ep);
	}

	return ret;
}

/**
 * emu_port_remove - pull the cable out and remove a port
 * @ep: the port
 *
 * Processes that sleep on the port wake up. The far end sees the modem control lines fall.
 *
 * Context: Process context. May sleep.
 */
void emu_port_remove(struct emu_port *ep)
{
	uart_remove_one_port(&emu_uart_driver, &ep->port);
	/* A console that is set up adds files */
	emu_debugfs_remove(ep->console);
	/* Not before: a serial device's driver may listen to the device in its remove() */
	emu_port_connect(ep, false);
	emu_wire_set_looped(ep->out, false);
	emu_wire_set_lines(ep->out, 0);
	emu_console_destroy(ep);
}
