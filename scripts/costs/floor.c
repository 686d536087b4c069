// SPDX-License-Identifier: GPL-2.0-only
/*
 * What serial core itself costs: two ports, of which each hands over to the other
 * whatever it has to send, and knows neither time nor lines nor errors. For comparison
 * by scripts/bench only.
 */

#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/kfifo.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/serial.h>
#include <linux/serial_core.h>
#include <linux/tty.h>
#include <linux/tty_flip.h>

static struct uart_driver floor_driver = {
	.owner		= THIS_MODULE,
	.driver_name	= "floor",
	.dev_name	= "ttyFLOOR",
	.nr		= 2,
};

/* A group of characters takes so long; 0 if none takes any time */
static unsigned int group_ns;
module_param(group_ns, uint, 0644);

/* Characters that a receiver's FIFO hands over at a time */
#define FLOOR_GROUP	8

static struct platform_device *floor_device;
static struct uart_port floor_port[2];
static struct hrtimer floor_timer[2];

static unsigned int floor_tx_empty(struct uart_port *port)
{
	return TIOCSER_TEMT;
}

static void floor_set_mctrl(struct uart_port *port, unsigned int mctrl)
{
}

static unsigned int floor_get_mctrl(struct uart_port *port)
{
	return TIOCM_CTS | TIOCM_DSR | TIOCM_CAR;
}

static void floor_nothing(struct uart_port *port)
{
}

static void floor_send(struct uart_port *port, unsigned int max)
{
	struct uart_port *peer = &floor_port[!port->line];
	unsigned int count;
	u8 *chars;

	while (max && (count = kfifo_out_linear_ptr(&port->state->port.xmit_fifo, &chars, max))) {
		count = tty_insert_flip_string(&peer->state->port, chars, count);
		if (!count)
			break;
		peer->icount.rx += count;
		uart_xmit_advance(port, count);
		max -= count;
	}
	tty_flip_buffer_push(&peer->state->port);
	if (kfifo_len(&port->state->port.xmit_fifo) < WAKEUP_CHARS)
		uart_write_wakeup(port);
}

static enum hrtimer_restart floor_expire(struct hrtimer *timer)
{
	struct uart_port *port = &floor_port[timer - floor_timer];

	guard(uart_port_lock_irqsave)(port);
	floor_send(port, FLOOR_GROUP);
	if (kfifo_is_empty(&port->state->port.xmit_fifo))
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, group_ns);

	return HRTIMER_RESTART;
}

static void floor_start_tx(struct uart_port *port)
{
	struct hrtimer *timer = &floor_timer[port->line];

	if (!group_ns)
		floor_send(port, UART_XMIT_SIZE);
	else if (!hrtimer_active(timer))
		hrtimer_start(timer, group_ns, HRTIMER_MODE_REL_SOFT);
}

static void floor_throttle(struct uart_port *port)
{
}

static void floor_unthrottle(struct uart_port *port)
{
	struct uart_port *peer = &floor_port[!port->line];

	guard(uart_port_lock_irqsave)(peer);
	if (peer->state->port.tty)
		floor_start_tx(peer);
}

static void floor_break_ctl(struct uart_port *port, int ctl)
{
}

static int floor_startup(struct uart_port *port)
{
	return 0;
}

static void floor_set_termios(struct uart_port *port, struct ktermios *new,
			      const struct ktermios *old)
{
	uart_update_timeout(port, new->c_cflag, uart_get_baud_rate(port, new, old, 50, 4000000));
}

static void floor_config_port(struct uart_port *port, int flags)
{
	port->type = PORT_GENERIC;
}

static const struct uart_ops floor_ops = {
	.tx_empty	= floor_tx_empty,
	.set_mctrl	= floor_set_mctrl,
	.get_mctrl	= floor_get_mctrl,
	.stop_tx	= floor_nothing,
	.start_tx	= floor_start_tx,
	.throttle	= floor_throttle,
	.unthrottle	= floor_unthrottle,
	.stop_rx	= floor_nothing,
	.break_ctl	= floor_break_ctl,
	.startup	= floor_startup,
	.shutdown	= floor_nothing,
	.set_termios	= floor_set_termios,
	.config_port	= floor_config_port,
};

static int floor_add_port(unsigned int line)
{
	floor_port[line] = (struct uart_port) {
		.dev		= &floor_device->dev,
		.line		= line,
		.ops		= &floor_ops,
		.type		= PORT_GENERIC,
		.iotype		= UPIO_BUS,
		.flags		= UPF_BOOT_AUTOCONF,
		.uartclk	= 16 * 115200000,
		.fifosize	= 16,
		.status		= UPSTAT_SYNC_FIFO,
	};

	hrtimer_setup(&floor_timer[line], floor_expire, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);

	return uart_add_one_port(&floor_driver, &floor_port[line]);
}

static int __init floor_init(void)
{
	int ret;

	ret = uart_register_driver(&floor_driver);
	if (ret)
		return ret;
	floor_device = platform_device_register_simple("floor", -1, NULL, 0);
	if (IS_ERR(floor_device)) {
		uart_unregister_driver(&floor_driver);
		return PTR_ERR(floor_device);
	}
	ret = floor_add_port(0);

	return ret ?: floor_add_port(1);
}
module_init(floor_init);

MODULE_DESCRIPTION("The cost of serial core");
MODULE_LICENSE("GPL");
