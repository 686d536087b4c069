// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a debugger on a port.
 *
 * While a debugger talks, all of the machine stands still, so that nobody is at
 * the far end. What it prints goes where the console prints to, and on the wire
 * when it is done. What it reads is a script that was prepared before; when that
 * is over, it is what was on the way to the port when the machine was stopped.
 */

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/kconfig.h>
#include <linux/kfifo.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/serial_core.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "console.h"
#include "emu.h"

/**
 * emu_poll_init - let a debugger use a port
 * @port: the port
 *
 * Context: process; may sleep. The tty_port's mutex is held.
 * Return: 0, or -ENOMEM.
 */
int emu_poll_init(struct uart_port *port)
{
	return emu_console_prepare(to_emu_port(port)->console);
}

/*
 * What has a lock was perhaps in the hands of somebody who is stopped now. A lock
 * that sleeps cannot even be tried here, and one that does nothing cannot tell.
 */
static int emu_poll_receive(struct emu_port *ep)
{
	struct emu_frame frame;
	int c = NO_POLL_CHAR;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) || !IS_ENABLED(CONFIG_SMP))
		return c;
	if (!spin_trylock(&ep->port.lock))
		return c;

	if (kfifo_get(&ep->rx.fifo, &frame))
		c = frame.data;
	else
		c = emu_wire_poll(emu_port_in(ep));
	spin_unlock(&ep->port.lock);

	return c;
}

/**
 * emu_poll_get_char - read a character for a debugger
 * @port: the port
 *
 * Context: any; the machine stands still.
 * Return: the character, or NO_POLL_CHAR.
 */
int emu_poll_get_char(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);
	u8 c;

	if (kfifo_get(&ep->console->script, &c))
		return c;

	return emu_poll_receive(ep);
}

/**
 * emu_poll_put_char - print a character for a debugger
 * @port: the port
 * @c: the character
 *
 * Context: any; the machine stands still.
 */
void emu_poll_put_char(struct uart_port *port, unsigned char c)
{
	struct emu_console *con = to_emu_port(port)->console;

	if (!con->ring)
		return;

	emu_ring_write(con->ring, &c, 1);
	con->line_ended = c == '\n';
	irq_work_queue(&con->kick);
}

/**
 * emu_poll_type - prepare what a debugger will read
 * @con: the console that the port can be
 * @buf: the text, behind what is there already
 * @count: its length
 *
 * Context: process; may sleep.
 * Return: how much of it there was room for, -ENOSPC if there was none, -ENOMEM, or
 *	-EFAULT.
 */
ssize_t emu_poll_type(struct emu_console *con, const char __user *buf, size_t count)
{
	int ret;

	/* For what it will print, since serial core does not say so if the tty is open */
	ret = emu_console_prepare(con);
	if (ret || !count)
		return ret;

	/* Before there is a lock, which those who have the console's lock wait for */
	count = min(count, kfifo_size(&con->script));

	char *text __free(kfree) = memdup_user(buf, count);
	if (IS_ERR(text))
		return PTR_ERR(text);

	guard(mutex)(&con->lock);

	if (kfifo_is_full(&con->script))
		return -ENOSPC;

	return kfifo_in(&con->script, text, count);
}
