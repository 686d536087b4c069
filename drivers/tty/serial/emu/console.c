// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the system console.
 *
 * Whatever a console prints goes into its ring, without a lock, so that it can
 * be printed in any context. The transmitter follows behind and puts it on the
 * wire. The thread that prints waits while the ring is full, as it does for a
 * UART, but not for a transmitter that does not go on. All others never wait;
 * what they overwrite before it was transmitted is counted. The ring is readable
 * in debugfs, which is also where the log of the boot is for whoever attaches late.
 */

#include <linux/cleanup.h>
#include <linux/console.h>
#include <linux/container_of.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kfifo.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/serial_core.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "console.h"
#include "emu.h"

/*
 * The index of a port that is no console. A negative one means any port: then
 * printk stores there the port of a console= that it could not match, and serial
 * core takes that port for the console. No console= has reason to name this one.
 */
#define EMU_CONSOLE_NONE	SHRT_MAX

/* How much is transmitted at once */
#define EMU_CONSOLE_CHUNK	64

/* printk's longest message, if it were nothing but newlines */
#define EMU_CONSOLE_MESSAGE	4096

/* A transmitter that sends nothing for so long, and for two characters, is stalled */
#define EMU_CONSOLE_PATIENCE	HZ

/* The longest that a message waits, and the time of so many characters */
#define EMU_CONSOLE_WAIT	(10 * HZ)
#define EMU_CONSOLE_LINE	300
#define EMU_CONSOLE_WAIT_MAX	(60 * HZ)

static struct emu_console *to_emu_console(struct console *co)
{
	return container_of(co, struct emu_console, co);
}

static bool emu_console_has_room(struct emu_console *con)
{
	unsigned long used = emu_ring_head(con->ring) - READ_ONCE(con->sent);

	return used + EMU_CONSOLE_MESSAGE <= EMU_RING_SIZE;
}

/* The transmitter went on, port lock is held */
static void emu_console_sent(struct emu_console *con, unsigned long pos)
{
	if (pos == con->sent)
		return;

	WRITE_ONCE(con->sent, pos);
	WRITE_ONCE(con->stalled, false);
	if (emu_console_has_room(con))
		wake_up(&con->room);
}

/*
 * With console flow control the ring keeps what was printed until the far end gives
 * CTS, also when the port is no console any more. A break, which would hide what is
 * sent, and a system that is suspended, whose far end may be so already, have it wait
 * as well.
 */
static bool emu_console_has_to_wait(struct emu_port *ep)
{
	struct uart_port *port = &ep->port;

	if (ep->brk || ep->console->asleep)
		return true;

	if (!uart_cons_flow_enabled(port) || !uart_cts_enabled(port))
		return false;

	return !(ep->inputs & TIOCM_CTS) && !(port->rs485.flags & SER_RS485_ENABLED);
}

/**
 * emu_console_has_output - is there something to transmit?
 * @ep: the port
 *
 * Context: the port lock is held.
 * Return: whether emu_console_transmit() would, if the wire had room.
 */
bool emu_console_has_output(struct emu_port *ep)
{
	struct emu_console *con = ep->console;
	struct emu_ring *ring = emu_console_ring(con);

	return ring && emu_ring_head(ring) != con->sent && !emu_console_has_to_wait(ep);
}

/**
 * emu_console_transmit - put on the wire what the console printed
 * @ep: the port
 * @out: the wire that its transmitter feeds
 * @time: not before then what is transmitted begins
 *
 * Context: the port lock is held.
 * Return: whether the tty may go on, because nothing is left or it has to wait, but
 *	for a system that is suspended, before which it may be in the middle of a
 *	line. No message is half printed then: with the port lock comes the console's
 *	ownership.
 */
bool emu_console_transmit(struct emu_port *ep, struct emu_wire *out, ktime_t time)
{
	struct emu_console *con = ep->console;
	struct emu_ring *ring = emu_console_ring(con);
	u8 chars[EMU_CONSOLE_CHUNK];
	unsigned int room;
	unsigned long pos;
	size_t count;

	if (!ring)
		return true;
	if (emu_console_has_to_wait(ep))
		return !con->asleep || emu_ring_head(ring) == con->sent;

	pos = con->sent;
	for (;;) {
		room = emu_wire_room(out);
		count = emu_ring_read(ring, &pos, chars, min(room, sizeof(chars)));
		con->dropped += pos - con->sent;
		emu_wire_send(out, EMU_EV_CHAR, chars, count, time);
		pos += count;
		emu_console_sent(con, pos);
		if (!count)
			return room;
	}
}

static void emu_console_kick(struct irq_work *work)
{
	struct emu_console *con = container_of(work, struct emu_console, kick);

	/* Its work runs the transmitter, whatever that feeds */
	emu_wire_kick(con->ep->out);
}

/**
 * emu_console_is_stuck - is the transmitter of a port to do nothing?
 * @ep: the port
 *
 * Context: the port lock is held.
 * Return: true while emu_console_stick() says so.
 */
bool emu_console_is_stuck(const struct emu_port *ep)
{
	return ep->console->stuck;
}

static void emu_console_unstick(struct work_struct *work)
{
	struct emu_console *con = container_of(work, struct emu_console, unstick.work);

	scoped_guard(uart_port_lock_irqsave, &con->ep->port)
		con->stuck = false;
	emu_wire_kick(con->ep->out);
}

/**
 * emu_console_stick - have the transmitter of a port do nothing for a time
 * @con: the console that the port can be
 * @ms: for how long, in milliseconds; 0 ends it now
 *
 * Context: process; may sleep.
 */
void emu_console_stick(struct emu_console *con, unsigned int ms)
{
	cancel_delayed_work_sync(&con->unstick);
	scoped_guard(uart_port_lock_irqsave, &con->ep->port)
		con->stuck = true;
	mod_delayed_work(system_dfl_wq, &con->unstick, msecs_to_jiffies(ms));
}

/**
 * emu_console_set_asleep - have a console interrupt nobody
 * @ep: the port
 * @asleep: whether the system is suspended
 *
 * An interrupt would wake it up. What is printed is transmitted later.
 *
 * Context: process.
 */
void emu_console_set_asleep(struct emu_port *ep, bool asleep)
{
	guard(uart_port_lock_irqsave)(&ep->port);
	WRITE_ONCE(ep->console->asleep, asleep);
}

static unsigned int emu_console_put(struct emu_console *con, const char *text, unsigned int len)
{
	unsigned int done = emu_ring_print(con->ring, text, len);

	con->line_ended = text[done - 1] == '\n';

	return done;
}

/* Begin a record, at the begin of a line unless the last one was to be gone on with */
static struct emu_record *emu_console_begin(struct emu_console *con,
					    const struct nbcon_write_context *wctxt, bool atomic)
{
	struct emu_record record = {
		.time	= local_clock(),
		.cpu	= raw_smp_processor_id(),
		.prio	= nbcon_write_context_prio(wctxt),
		.begin	= con->line_ended ? EMU_BEGIN_LINE :
			  con->unfinished ? EMU_BEGIN_TAKEOVER : EMU_BEGIN_OPEN,
		.atomic	= atomic,
	};

	/* It stays set for all who come afterwards */
	if (wctxt->unsafe_takeover && !con->torn) {
		con->torn = true;
		record.begin = EMU_BEGIN_UNSAFE;
		emu_ring_forget_torn(con->ring);
		/* That one may not have got to say what it printed */
		con->line_ended = emu_ring_ends_line(con->ring);
		con->unfinished = true;
	}
	if (!con->line_ended && con->unfinished)
		emu_console_put(con, "\n", 1);

	return emu_ring_begin(con->ring, &record);
}

/* As a driver does that waits for a slow UART without letting others come in between */
static void emu_console_linger(const struct emu_console *con)
{
	u32 us = READ_ONCE(con->unsafe_us);

	mdelay(us / USEC_PER_MSEC);
	udelay(us % USEC_PER_MSEC);
}

static enum emu_record_end emu_console_end(const struct emu_console *con, bool done)
{
	if (!done)
		return EMU_END_LOST;

	return con->line_ended ? EMU_END_LINE : EMU_END_OPEN;
}

/*
 * A context of higher priority can take the console over between two chunks, or
 * anywhere if the machine is about to die. It ends the line first, and prints the
 * message again from its beginning.
 */
static void emu_console_write(struct emu_console *con, struct nbcon_write_context *wctxt,
			      bool atomic)
{
	struct emu_record *record;
	unsigned int done = 0;

	if (!nbcon_enter_unsafe(wctxt))
		return;
	record = emu_console_begin(con, wctxt, atomic);
	emu_console_linger(con);

	do {
		if (done < wctxt->len)
			done += emu_console_put(con, wctxt->outbuf + done, wctxt->len - done);
		con->unfinished = done < wctxt->len;
		emu_ring_grow(con->ring, record, emu_console_end(con, done == wctxt->len));
		if (!nbcon_exit_unsafe(wctxt))
			return;
	} while (done < wctxt->len && nbcon_enter_unsafe(wctxt));
}

static void emu_console_write_atomic(struct console *co, struct nbcon_write_context *wctxt)
{
	struct emu_console *con = to_emu_console(co);

	emu_console_write(con, wctxt, true);
	if (!READ_ONCE(con->asleep))
		irq_work_queue(&con->kick);
}

static void emu_console_write_thread(struct console *co, struct nbcon_write_context *wctxt)
{
	struct emu_console *con = to_emu_console(co);

	emu_console_write(con, wctxt, false);
	emu_console_kick(&con->kick);
}

/*
 * Whoever unregisters a console waits for this. So the wait ends if the transmitter
 * does nothing, as it would for a UART whose CTS is off for good; also when it takes
 * far longer than a message, which has to wait for all that is in the ring; and when
 * the console is about to go, which is what printk disables it for.
 */
static void emu_console_wait_for_room(struct emu_console *con)
{
	unsigned long frame = nsecs_to_jiffies(READ_ONCE(con->ep->port.frame_time)) + 1;
	unsigned long end, sent;

	if (READ_ONCE(con->stalled))
		return;

	end = jiffies + min(EMU_CONSOLE_WAIT + EMU_CONSOLE_LINE * frame, EMU_CONSOLE_WAIT_MAX);
	do {
		/* Who disables it does not wait for us here: the next time it is seen */
		if (!(data_race(READ_ONCE(con->co.flags)) & CON_ENABLED))
			return;
		sent = READ_ONCE(con->sent);
		if (wait_event_idle_timeout(con->room, emu_console_has_room(con),
					    EMU_CONSOLE_PATIENCE + 2 * frame))
			return;
	} while (READ_ONCE(con->sent) != sent && time_before(jiffies, end));

	WRITE_ONCE(con->stalled, true);
}

/*
 * Only threads print with this lock held, so it is also where they wait. Who registers
 * the console takes it as well, perhaps before there is a transmitter to wait for.
 */
static void emu_console_device_lock(struct console *co, unsigned long *flags)
{
	struct emu_console *con = to_emu_console(co);

	if (!hlist_unhashed_lockless(&co->node) || current == co->kthread)
		emu_console_wait_for_room(con);
	__uart_port_lock_irqsave(&con->ep->port, flags);
}

static void emu_console_device_unlock(struct console *co, unsigned long flags)
{
	__uart_port_unlock_irqrestore(&to_emu_console(co)->ep->port, flags);
}

static struct tty_driver *emu_console_device(struct console *co, int *index)
{
	*index = co->index;

	return emu_uart_driver.tty_driver;
}

/**
 * emu_console_prepare - before the first character can be printed
 * @con: the console
 *
 * Context: process; may sleep.
 * Return: 0, or -ENOMEM.
 */
int emu_console_prepare(struct emu_console *con)
{
	struct emu_ring *ring;

	guard(mutex)(&con->lock);

	if (con->ring)
		return 0;

	ring = emu_ring_get();
	if (!ring)
		return -ENOMEM;

	con->sent = READ_ONCE(ring->first);
	/* Pairs with smp_load_acquire() in emu_console_ring() */
	smp_store_release(&con->ring, ring);

	return 0;
}

/*
 * Only a console= of the command line, or what the platform says instead, gets
 * here. If it is about this port, printk does what it does for all who are named.
 */
static int emu_console_match(struct console *co, char *name, int idx, char *options)
{
	if (!strcmp(name, EMU_TTY_NAME) && idx == to_emu_console(co)->ep->port.line)
		co->index = idx;

	return -ENODEV;
}

static int emu_console_set_options(struct emu_console *con, char *options)
{
	int baud = 115200, parity = 'n', bits = 8, flow = 'n';
	struct uart_port *port = &con->ep->port;

	if (options)
		uart_parse_options(options, &baud, &parity, &bits, &flow);
	uart_set_cons_flow_enabled(port, flow == 'r');

	return uart_set_options(port, &con->co, baud, parity, bits, flow);
}

static int emu_console_setup(struct console *co, char *options)
{
	struct emu_console *con = to_emu_console(co);
	int ret;

	/* The user enables it: it is as the tty is, also in what that has of flow control */
	if (co->flags & CON_ENABLED) {
		uart_set_cons_flow_enabled(&con->ep->port, true);
		return emu_console_prepare(con);
	}

	/* Not asked for: to become the default because no console= names one */
	if (co->index == EMU_CONSOLE_NONE)
		return -ENODEV;

	ret = emu_console_prepare(con);
	if (!ret)
		ret = emu_console_set_options(con, options);
	if (ret)
		co->index = EMU_CONSOLE_NONE;

	return ret;
}

/* The port is one like any other again */
static int emu_console_exit(struct console *co)
{
	co->index = EMU_CONSOLE_NONE;
	/* Which printk takes away if there was a boot console */
	co->flags |= CON_PRINTBUFFER;

	return 0;
}

static const struct console emu_console_template = {
	.name		= EMU_TTY_NAME,
	.write_atomic	= emu_console_write_atomic,
	.write_thread	= emu_console_write_thread,
	.device_lock	= emu_console_device_lock,
	.device_unlock	= emu_console_device_unlock,
	.device		= emu_console_device,
	.match		= emu_console_match,
	.setup		= emu_console_setup,
	.exit		= emu_console_exit,
	.flags		= CON_PRINTBUFFER | CON_NBCON,
	.index		= EMU_CONSOLE_NONE,
};

/**
 * emu_console_create - let a port be a console
 * @ep: the port, before serial core knows of it
 *
 * Context: process; may sleep.
 * Return: 0, or -ENOMEM.
 */
int emu_console_create(struct emu_port *ep)
{
	struct emu_console *con;

	con = kzalloc_obj(*con);
	if (!con)
		return -ENOMEM;

	con->co = emu_console_template;
	con->ep = ep;
	con->line_ended = true;
	init_irq_work(&con->kick, emu_console_kick);
	init_waitqueue_head(&con->room);
	mutex_init(&con->lock);
	INIT_KFIFO(con->script);
	INIT_DELAYED_WORK(&con->unstick, emu_console_unstick);
	ep->console = con;
	ep->port.cons = &con->co;
	ep->port.own_console = 1;
	ep->port.has_sysrq = 1;

	return 0;
}

/**
 * emu_console_destroy - undo emu_console_create()
 * @ep: the port, of which serial core knows nothing any more
 *
 * Context: process; may sleep. No wire is joined to the port's transmitter.
 */
void emu_console_destroy(struct emu_port *ep)
{
	struct emu_console *con = ep->console;

	cancel_delayed_work_sync(&con->unstick);
	irq_work_sync(&con->kick);
	emu_ring_put(con->ring);
	kfree(con);
}

/**
 * emu_console_show - show in debugfs what the console of a port prints
 * @ep: the port
 *
 * Context: process; may sleep.
 */
void emu_console_show(struct emu_port *ep)
{
	emu_debugfs_add(ep->console);
}

/**
 * emu_console_hide - undo emu_console_show()
 * @ep: the port
 *
 * Context: process; may sleep.
 */
void emu_console_hide(struct emu_port *ep)
{
	emu_debugfs_remove(ep->console);
}
