// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a debugger on a port.
 *
 * A debugger stops all other processors, and with them the far end. So the debugger's
 * output goes into the ring of the console, and on the wire when the debugger has ended.
 * Its input is a script that the user has prepared, followed by the characters that were
 * on the way to the port when the machine was stopped.
 */

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/kconfig.h>
#include <linux/kfifo.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/serial_core.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "console.h"
#include "port.h"
#include "wire.h"

/**
 * emu_poll_init - prepare a port for a debugger
 * @port: the port
 *
 * Context: Process context. May sleep. Caller must hold the tty_port's mutex.
 * Return: 0, or -ENOMEM.
 */
int emu_poll_init(struct uart_port *port)
{
	return emu_console_prepare_shown(to_emu_port(port)->console);
}

/*
 * A stopped context may hold the lock. A sleeping lock (PREEMPT_RT) cannot be tried here,
 * and a lock without SMP does not tell whether it is held.
 */
static int emu_poll_receive(struct emu_port *ep)
{
	struct emu_char received;
	int c = NO_POLL_CHAR;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) || !IS_ENABLED(CONFIG_SMP))
		return c;
	if (!spin_trylock(&ep->port.lock))
		return c;

	if (kfifo_initialized(&ep->rx.fifo) && kfifo_get(&ep->rx.fifo, &received))
		c = received.data;
	else if (emu_port_in(ep))
		c = emu_wire_poll(emu_port_in(ep));
	spin_unlock(&ep->port.lock);

	return c;
}

/**
 * emu_poll_get_char - read a character for a debugger
 * @port: the port
 *
 * Context: Any context, with all other processors stopped.
 * Return: the character, or NO_POLL_CHAR.
 */
int emu_poll_get_char(struct uart_port *port)
{
	struct emu_port *ep = to_emu_port(port);
	u8 c;

	if (kfifo_initialized(&ep->console->script) && kfifo_get(&ep->console->script, &c))
		return c;

	return emu_poll_receive(ep);
}

/**
 * emu_poll_put_char - print a character for a debugger
 * @port: the port
 * @c: the character
 *
 * Context: Any context, with all other processors stopped.
 */
void emu_poll_put_char(struct uart_port *port, unsigned char c)
{
	struct emu_console *con = to_emu_port(port)->console;

	if (!con->ring)
		return;

	emu_ring_write(con->ring, &c, 1);
	con->line_ended = c == '\n';
	emu_console_kick_later(con);
}

static ssize_t emu_script_write(struct file *file, const char __user *buf, size_t count,
				loff_t *ppos)
{
	struct emu_console *con = file_inode(file)->i_private;
	int ret;

	/* For the debugger's output: serial core does not call poll_init() for an open tty */
	ret = emu_console_prepare(con);
	if (ret || !count)
		return ret;

	/* Before the lock is taken: a page fault under it could block the setup of consoles */
	count = min(count, EMU_SCRIPT_SIZE);

	char *text __free(kfree) = memdup_user(buf, count);
	if (IS_ERR(text))
		return PTR_ERR(text);

	guard(mutex)(&con->lock);

	if (!kfifo_initialized(&con->script))
		ret = kfifo_alloc(&con->script, EMU_SCRIPT_SIZE, GFP_KERNEL);
	if (ret)
		return ret;
	if (kfifo_is_full(&con->script))
		return -ENOSPC;

	return kfifo_in(&con->script, text, count);
}

static const struct file_operations emu_script_fops = {
	.owner		= THIS_MODULE,
	.open		= simple_open,
	.write		= emu_script_write,
};

/**
 * emu_poll_add_debugfs - create the file for a debugger's script
 * @con: the console of a port, which has a directory in debugfs
 *
 * Context: Process context. May sleep.
 */
void emu_poll_add_debugfs(struct emu_console *con)
{
	debugfs_create_file("poll_input", 0200, con->dir, con, &emu_script_fops);
}
