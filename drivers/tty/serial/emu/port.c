// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the UART as serial core sees it.
 */

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
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
#include <linux/tty_flip.h>
#include <linux/wait.h>

#include "emu.h"

/* How many characters go from hand to hand at a time */
#define EMU_PORT_CHUNK		64

/* A slow reader is to be noticed before there is much more than this in its buffer */
#define EMU_PORT_BUFFER		65536

/* What setserial(8) finds, as on every port */
#define EMU_CLOSE_DELAY		(HZ / 2)
#define EMU_CLOSING_WAIT	(30 * HZ)

/* The wire that the transmitter feeds */
static struct emu_wire *emu_port_out(struct emu_port *ep)
{
	return ep->looped ? &ep->loop : ep->out;
}

/**
 * emu_port_in - the wire that the receiver reads
 * @ep: the port
 *
 * Context: the port lock is held.
 * Return: the cable's wire, or the one of the loopback mode.
 */
struct emu_wire *emu_port_in(struct emu_port *ep)
{
	return ep->looped ? &ep->loop : ep->in;
}

static unsigned int emu_port_inputs(struct emu_port *ep)
{
	if (ep->looped)
		return emu_wiring_inputs(&emu_loopback, emu_wire_lines(&ep->loop), 0);
	/* A plug that is pulled out takes all of its pins with it */
	if (!emu_wire_is_plugged(ep->in))
		return 0;

	return emu_wiring_inputs(ep->wiring, emu_wire_lines(ep->out), emu_wire_lines(ep->in));
}

/* XON and XOFF go first, even while the rest is stopped */
static bool emu_port_transmit_xchar(struct emu_port *ep, struct emu_wire *out, ktime_t time)
{
	struct uart_port *port = &ep->port;

	if (!port->x_char)
		return true;
	if (!emu_wire_room(out))
		return false;

	emu_wire_send(out, EMU_EV_CHAR, &port->x_char, 1, time);
	port->icount.tx++;
	port->x_char = 0;

	return true;
}

static unsigned int emu_port_transmit_chunk(struct emu_port *ep, struct emu_wire *out,
					    ktime_t time)
{
	u8 chars[EMU_PORT_CHUNK];
	unsigned int count, i;

	count = min(emu_wire_room(out), sizeof(chars));
	count = uart_fifo_out(&ep->port, chars, count);
	for (i = 0; i < count; i++)
		chars[i] &= ep->char_mask;
	emu_wire_send(out, EMU_EV_DATA, chars, count, time);

	return count;
}

static void emu_port_transmit_tty(struct emu_port *ep, struct emu_wire *out, ktime_t time)
{
	struct uart_port *port = &ep->port;
	bool sent = false;

	while (ep->tx_on && !uart_tx_stopped(port) && emu_port_transmit_chunk(ep, out, time))
		sent = true;

	if (sent && kfifo_len(&port->state->port.xmit_fifo) < WAKEUP_CHARS)
		uart_write_wakeup(port);
}

/* Tell serial core how long a character takes on a wire that the port may feed */
static void emu_port_set_pace(struct emu_port *ep, struct emu_wire *wire, unsigned int pace)
{
	u64 frame_time = emu_format_time(&ep->format, pace);

	if (pace && wire == emu_port_out(ep))
		WRITE_ONCE(ep->port.frame_time, min(frame_time, UINT_MAX));
	/* Nobody else tells the loop that the cable has another pace */
	if (ep->looped && wire == ep->out && emu_wire_pace(&ep->loop) != pace)
		emu_wire_set_pace(&ep->loop, pace);
}

/* Is there something that could be sent? */
static bool emu_port_has_output(struct emu_port *ep)
{
	struct uart_port *port = &ep->port;

	if (port->x_char || emu_console_has_output(ep))
		return true;

	return ep->started && ep->tx_on && !uart_tx_stopped(port) &&
	       !kfifo_is_empty(&port->state->port.xmit_fifo);
}

/*
 * Put on the wire what waits for it, as far as there is room; returns when more may be
 * put there, if that is a matter of time
 */
static ktime_t emu_port_transmit(struct emu_port *ep)
{
	struct emu_wire *out = emu_port_out(ep);
	ktime_t now = ktime_get(), time;
	bool sends;

	lockdep_assert_held(&ep->port.lock);

	if (emu_console_is_stuck(ep)) {
		ep->backlog = false;
		return KTIME_MAX;
	}
	/* What the console prints from now on has to wait: nobody drives the line for it */
	sends = emu_port_has_output(ep);
	if (sends && !emu_rs485_begin(ep, out, now)) {
		ep->backlog = false;
		return ep->begins;
	}

	/* The line did not rest if there was more to send all the time */
	time = ep->backlog ? 0 : now;
	if (sends && emu_port_transmit_xchar(ep, out, time) &&
	    emu_console_transmit(ep, out, time) && ep->started)
		emu_port_transmit_tty(ep, out, time);
	ep->backlog = !emu_wire_room(out);
	if (!emu_port_has_output(ep))
		emu_rs485_end(ep, out);

	return KTIME_MAX;
}

static void emu_port_rx_edges(struct emu_port *ep, unsigned int changed)
{
	struct uart_port *port = &ep->port;

	/* The ring indicator counts when the ringing ends, as on a 16550 */
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

/**
 * emu_port_rx_lines - look at the modem status inputs
 * @ep: the port
 *
 * Context: the port lock is held.
 */
void emu_port_rx_lines(struct emu_port *ep)
{
	unsigned int changed = ep->inputs;

	ep->inputs = emu_port_inputs(ep);
	changed ^= ep->inputs;
	if (!changed)
		return;

	/* What was received before the edge is not to come after it */
	if (ep->started) {
		emu_rx_drain(ep);
		emu_port_rx_edges(ep, changed);
	}

	/* The console may have waited for CTS while the tty is closed */
	emu_port_transmit(ep);
}

/* Hand over what an edge had taken out of the FIFO before its time */
static void emu_port_push(struct emu_port *ep)
{
	emu_rx_push(ep);
	/* The rest, behind a sysrq character, waits until that is handled */
	if (!ep->rx.due)
		emu_wire_kick(emu_port_in(ep));
}

/**
 * emu_port_feed - have a port put on its wire what waits for it
 * @ep: the port
 * @wire: a wire that it may feed
 * @pace: of that wire
 *
 * Context: process; may sleep. No port lock is held.
 * Return: when there is more to put on it, if that is a matter of time, or KTIME_MAX.
 */
ktime_t emu_port_feed(struct emu_port *ep, struct emu_wire *wire, unsigned int pace)
{
	ktime_t due;

	guard(uart_port_lock_check_sysrq_irqsave)(&ep->port);

	emu_port_set_pace(ep, wire, pace);
	/* Its outputs may drive its own inputs */
	emu_port_rx_lines(ep);
	due = emu_port_transmit(ep);
	emu_port_push(ep);

	return wire == emu_port_out(ep) ? due : KTIME_MAX;
}

static unsigned int emu_tx_empty(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);

	guard(uart_port_lock_irqsave)(port);

	return !port->x_char && emu_wire_is_idle(emu_port_out(ep)) ? TIOCSER_TEMT : 0;
}

/**
 * emu_port_lines - what goes with the modem control outputs on the wire
 * @ep: the port
 * @outputs: the active outputs, made of the EMU_OUTPUTS bits
 *
 * Context: the port lock is held.
 * Return: the outputs, and EMU_PORT_IS_OPEN if it is.
 */
unsigned int emu_port_lines(struct emu_port *ep, unsigned int outputs)
{
	return outputs | (ep->started ? EMU_PORT_IS_OPEN : 0);
}

/* In loopback mode the pins of the connector are at rest */
static void emu_port_drive(struct emu_port *ep, unsigned int outputs)
{
	outputs = emu_rs485_outputs(ep, outputs);
	emu_wire_set_lines(ep->out, emu_port_lines(ep, ep->looped ? 0 : outputs));
	emu_wire_set_lines(&ep->loop, outputs);
	emu_wire_set_break(ep->out, ep->brk && !ep->looped);
	emu_wire_set_break(&ep->loop, ep->brk && ep->looped);
}

static void emu_set_mctrl(struct uart_port *port, unsigned int mctrl)
{
	struct emu_port *ep = to_emu_port(port);

	/* An input that is active on both sides of the switch must not show an edge */
	if (mctrl & TIOCM_LOOP && !ep->looped) {
		emu_wire_reset(&ep->loop, mctrl & EMU_OUTPUTS);
		emu_wire_set_pace(&ep->loop, emu_wire_pace(ep->out));
	}
	ep->looped = mctrl & TIOCM_LOOP;
	emu_port_drive(ep, mctrl & EMU_OUTPUTS);
	/* The receiver may look at another wire now */
	emu_wire_kick(ep->in);
}

static unsigned int emu_get_mctrl(struct uart_port *port)
{
	return to_emu_port(port)->inputs;
}

static void emu_stop_tx(struct uart_port *port)
{
	to_emu_port(port)->tx_on = false;
}

static void emu_start_tx(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);

	ep->tx_on = true;
	emu_port_transmit(ep);
}

/* The receiver looks at the tty itself, see emu_rx_state() */
static void emu_throttle(struct uart_port *port)
{
}

static void emu_unthrottle(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);

	scoped_guard(uart_port_lock_irqsave, port)
		emu_rx_resume(ep);
	emu_wire_kick(ep->in);
	emu_wire_kick(&ep->loop);
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
	emu_port_drive(ep, port->mctrl & EMU_OUTPUTS);
}

static int emu_startup(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);

	guard(uart_port_lock_irqsave)(port);
	ep->inputs = emu_port_inputs(ep);
	emu_rx_start(ep);
	ep->started = true;
	emu_port_drive(ep, port->mctrl & EMU_OUTPUTS);

	return 0;
}

static void emu_shutdown(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);

	scoped_guard(uart_port_lock_irqsave, port) {
		ep->started = false;
		ep->tx_on = false;
		port->x_char = 0;
		ep->driving = false;
		ep->brk = false;
		emu_rx_stop(ep);
		emu_port_drive(ep, port->mctrl & EMU_OUTPUTS);
		emu_wire_swallow(ep->in);
		emu_wire_swallow(&ep->loop);
	}

	/*
	 * A writer at the far end may have been held back with its buffer full.
	 * None of that may reach whoever opens this port next.
	 */
	emu_wire_run(ep->in);
}

static void emu_flush_buffer(struct uart_port *port)
{
	emu_wire_flush(emu_port_out(to_emu_port(port)));
}

/*
 * There is no divisor in the way of a rate, but for spd_cust, by which the user asks for one:
 * termios says 38400 then, and goes on saying so.
 */
static unsigned int emu_set_baud(struct uart_port *port, struct ktermios *new,
				 const struct ktermios *old)
{
	unsigned int baud = uart_get_baud_rate(port, new, old, EMU_BAUD_MIN, EMU_BAUD_MAX);

	if (baud == 38400 && (port->flags & UPF_SPD_MASK) == UPF_SPD_CUST) {
		baud = port->uartclk / 16 / max(port->custom_divisor, 1);
		return clamp(baud, EMU_BAUD_MIN, EMU_BAUD_MAX);
	}
	/* B0 hangs up, and is to be read back */
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
	emu_port_set_pace(ep, emu_port_out(ep), emu_wire_pace(emu_port_out(ep)));
	emu_wire_set_format(ep->out, &ep->format);
	emu_wire_set_format(&ep->loop, &ep->format);
	emu_rx_set_termios(ep, new);
}

static const char *emu_type(struct uart_port *port)
{
	return port->type == PORT_GENERIC ? "UART emulation" : NULL;
}

static void emu_config_port(struct uart_port *port, int flags)
{
	if (flags & UART_CONFIG_TYPE)
		port->type = PORT_GENERIC;
}

static int emu_verify_port(struct uart_port *port, struct serial_struct *ser)
{
	if (ser->type != PORT_UNKNOWN && ser->type != PORT_GENERIC)
		return -EINVAL;
	if (ser->irq != port->irq || ser->io_type != port->iotype)
		return -EINVAL;
	/* There is nowhere to move the port to */
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
	.flush_buffer	= emu_flush_buffer,
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
			  const struct emu_end *end)
{
	struct uart_port *port = &ep->port;

	ep->out = end->out;
	ep->in = end->in;
	ep->settings = end->settings;
	ep->wiring = end->wiring;
	ep->format = emu_format_default;
	ep->char_mask = U8_MAX;
	emu_rx_init(ep);
	emu_rs485_init(ep);
	emu_wire_init(&ep->loop);

	port->dev = dev;
	port->line = line;
	port->ops = &emu_uart_ops;
	port->type = PORT_GENERIC;
	port->iotype = UPIO_BUS;
	port->flags = UPF_BOOT_AUTOCONF;
	port->uartclk = EMU_UARTCLK;
	port->fifosize = EMU_TX_FIFO;
	/* Every throttling is to reach us, whatever flow control the user chose */
	port->status = UPSTAT_SYNC_FIFO;
	/*
	 * Serial core initialises the lock when it adds the port. It must not
	 * do so again when the console is set up while the port is in use.
	 */
	port->console_reinit = 1;
}

/**
 * emu_port_tty_is_there - is there a tty of that number?
 * @line: the number in ttyEMU<number>
 *
 * Context: there is no port of that number, so that none can be made meanwhile.
 * Return: true if somebody still has a tty open whose port was removed.
 */
bool emu_port_tty_is_there(unsigned int line)
{
	/* The tty layer is done with it when it has written this, under tty_mutex */
	return smp_load_acquire(&emu_uart_driver.tty_driver->ttys[line]);
}

/*
 * The tty layer and serial core keep this when a port is removed, for the next one
 * of that number. Who had the last one open, and was hung up, may still have that
 * tty, which then is this port's, too. The memory stays, for somebody who was about to
 * open the last one may have found it.
 */
static void emu_port_init_tty(unsigned int line)
{
	struct tty_port *tport = &emu_uart_driver.state[line].port;
	struct tty_driver *driver = emu_uart_driver.tty_driver;

	tty_buffer_set_limit(tport, EMU_PORT_BUFFER);
	tport->close_delay = EMU_CLOSE_DELAY;
	tport->closing_wait = EMU_CLOSING_WAIT;

	if (driver->termios[line] && !emu_port_tty_is_there(line))
		*driver->termios[line] = driver->init_termios;
}

/**
 * emu_port_add - make a port and plug the cable in
 * @ep: zeroed memory, which stays valid until emu_port_remove()
 * @dev: the port's device
 * @line: the number in ttyEMU<number>
 * @end: the wires of this end of the cable
 *
 * Context: process; may sleep.
 * Return: 0, -ENOMEM, or another error of uart_add_one_port().
 */
int emu_port_add(struct emu_port *ep, struct device *dev, unsigned int line,
		 const struct emu_end *end)
{
	int ret;

	ret = emu_console_create(ep);
	if (ret)
		return ret;

	emu_port_init(ep, dev, line, end);
	emu_port_init_tty(line);
	ret = uart_add_one_port(&emu_uart_driver, &ep->port);
	if (ret) {
		emu_wire_exit(&ep->loop);
		emu_console_destroy(ep);
		return ret;
	}

	emu_wire_set_tx(ep->out, ep);
	emu_wire_set_rx(ep->in, ep);
	emu_wire_set_tx(&ep->loop, ep);
	emu_wire_set_rx(&ep->loop, ep);

	/* What the far end drives came before we listened */
	scoped_guard(uart_port_lock_irqsave, &ep->port)
		emu_port_rx_lines(ep);

	emu_console_show(ep);

	return 0;
}

/**
 * emu_port_remove - pull the cable out and remove a port
 * @ep: the port
 *
 * Whoever sleeps on the port wakes up. The far end sees the modem control
 * lines fall.
 *
 * Context: process; may sleep.
 */
void emu_port_remove(struct emu_port *ep)
{
	emu_console_hide(ep);
	emu_wire_set_rx(ep->in, NULL);
	uart_remove_one_port(&emu_uart_driver, &ep->port);
	emu_wire_set_tx(ep->out, NULL);
	emu_wire_set_lines(ep->out, 0);

	emu_wire_set_tx(&ep->loop, NULL);
	emu_wire_set_rx(&ep->loop, NULL);
	emu_wire_exit(&ep->loop);
	emu_console_destroy(ep);
}
