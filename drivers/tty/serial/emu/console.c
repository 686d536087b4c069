// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the system console.
 *
 * The console prints into its ring without a lock, in any context. The transmitter
 * reads the ring and puts the characters on the wire. The printing thread waits while
 * the ring is full, as it does for a UART, but not for a stalled transmitter. Other
 * contexts never wait: untransmitted characters that they overwrite are counted. The
 * ring can be read in debugfs, so that the log of the boot is available later.
 */

#include <linux/cleanup.h>
#include <linux/console.h>
#include <linux/container_of.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kfifo.h>
#include <linux/kthread.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/sched.h>
#include <linux/serial_core.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/timer.h>
#include <linux/wait.h>

#include "console.h"
#include "port.h"
#include "wire.h"

/*
 * Index of a port that is not a console. A negative index would mean any port: printk
 * would store the number of a console= there that it cannot match, and serial core
 * would take the port of that number for the console. No port has this number.
 */
#define EMU_CONSOLE_NONE	SHRT_MAX

/* Number of characters that are transmitted at once */
#define EMU_CONSOLE_CHUNK	64

/* Longest message of printk, if it consists of newlines only */
#define EMU_CONSOLE_MESSAGE	4096

/*
 * A transmitter is stalled if it takes nothing for this time plus the time of this many
 * characters: it may refill its FIFO no sooner than the FIFO is empty.
 */
#define EMU_CONSOLE_PATIENCE	HZ
#define EMU_CONSOLE_BURST	(EMU_TX_FIFO + 2)

/* Limit of the wait of a message: a time plus that of some characters, and its maximum */
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

/* The transmitter has read the ring up to a position */
static void emu_console_sent(struct emu_console *con, unsigned long pos)
{
	lockdep_assert_held(&con->ep->port.lock);

	if (pos == con->sent)
		return;

	WRITE_ONCE(con->sent, pos);
	WRITE_ONCE(con->stalled, false);
	if (emu_console_has_room(con))
		wake_up(&con->room);
}

/*
 * With console flow control the ring keeps its content until the far end asserts CTS,
 * also when the port is not a console any more. The content has to wait as well during a
 * break, which would hide it, and in a suspended system: the far end may be suspended.
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
 * Context: Caller must hold the port lock.
 * Return: true if there is, and it does not have to wait.
 */
bool emu_console_has_output(struct emu_port *ep)
{
	struct emu_console *con = ep->console;
	struct emu_ring *ring = emu_console_ring(con);

	lockdep_assert_held(&ep->port.lock);

	return ring && emu_ring_head(ring) != con->sent && !emu_console_has_to_wait(ep);
}

/* Returns true if the ring is empty, and the wire is not full */
static bool emu_console_send(struct emu_port *ep, struct emu_ring *ring, ktime_t time)
{
	struct emu_console *con = ep->console;
	u8 chars[EMU_CONSOLE_CHUNK];
	unsigned long pos = con->sent;
	unsigned int room;
	size_t count;

	for (;;) {
		room = emu_wire_room(ep->out);
		count = emu_ring_read(ring, &pos, chars, min(room, sizeof(chars)));
		con->dropped += pos - con->sent;
		emu_wire_put(ep->out, chars, count, time);
		pos += count;
		emu_console_sent(con, pos);
		if (!count)
			return room;
	}
}

/**
 * emu_console_transmit - put the content of the ring on the wire
 * @ep: the port
 * @time: as for emu_wire_put()
 *
 * Context: Caller must hold the port lock.
 * Return: true if the tty may transmit, because the ring is empty or has to wait. False
 *	for a ring that has to wait in a suspended system: the tty must not transmit in
 *	the middle of a line. No message is half printed: the port lock includes the
 *	ownership of the console.
 */
bool emu_console_transmit(struct emu_port *ep, ktime_t time)
{
	struct emu_console *con = ep->console;
	struct emu_ring *ring = emu_console_ring(con);

	lockdep_assert_held(&ep->port.lock);

	if (!ring || emu_ring_head(ring) == con->sent)
		return true;
	if (emu_console_has_to_wait(ep))
		return !con->asleep;

	return emu_console_send(ep, ring, time);
}

static void emu_console_kick(struct irq_work *work)
{
	struct emu_console *con = container_of(work, struct emu_console, kick);

	/* The medium's work runs the transmitter */
	emu_wire_kick(con->ep->out);
}

/**
 * emu_console_kick_later - run the transmitter, from a context that must not queue a work
 * @con: the console
 *
 * In a panic no work runs, and a stopped CPU may hold the lock of a workqueue. In a
 * suspended system the interrupt would wake up the system.
 *
 * Context: Any context.
 */
void emu_console_kick_later(struct emu_console *con)
{
	if (!READ_ONCE(con->asleep) && !panic_in_progress())
		irq_work_queue(&con->kick);
}

/**
 * emu_console_is_stalled - is the transmitter of a port stalled on request?
 * @ep: the port
 *
 * Context: Caller must hold the port lock.
 * Return: true if it is.
 */
bool emu_console_is_stalled(const struct emu_port *ep)
{
	lockdep_assert_held(&ep->port.lock);

	return ep->console->stuck;
}

static void emu_console_resume(struct timer_list *timer)
{
	struct emu_console *con = timer_container_of(con, timer, unstick);

	scoped_guard(uart_port_lock_irqsave, &con->ep->port)
		con->stuck = false;
	emu_wire_kick(con->ep->out);
}

/**
 * emu_console_set_asleep - stop or resume the transmission of a console's output
 * @ep: the port
 * @asleep: the system is suspended
 *
 * The interrupt that runs the transmitter would wake up a suspended system.
 *
 * Context: Process context.
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

static pid_t emu_console_caller(const struct nbcon_write_context *wctxt)
{
#ifdef CONFIG_PRINTK_EXECUTION_CTX
	return wctxt->pid;
#else
	return -1;
#endif
}

/* Begin a record, on a new line if the last record is not complete */
static struct emu_record *emu_console_begin(struct emu_console *con,
					    struct nbcon_write_context *wctxt, bool atomic)
{
	struct emu_record record = {
		.caller	= emu_console_caller(wctxt),
		.cpu	= raw_smp_processor_id(),
		.prio	= nbcon_write_context_prio(wctxt),
		.begin	= con->line_ended ? EMU_BEGIN_LINE :
			  con->unfinished ? EMU_BEGIN_TAKEOVER : EMU_BEGIN_OPEN,
		.atomic	= atomic,
	};

	/* A boot console that was stopped in a write had no ownership to take over */
	if (wctxt->unsafe_takeover || record.prio == NBCON_PRIO_PANIC)
		emu_ring_forget_torn(con->ring);
	/* @unsafe_takeover stays set in all later contexts: only the first one takes over */
	if (wctxt->unsafe_takeover && !con->torn) {
		con->torn = true;
		record.begin = EMU_BEGIN_UNSAFE;
		/* The previous owner may not have updated @line_ended */
		con->line_ended = emu_ring_ends_line(con->ring);
		con->unfinished = true;
	}
	/* The driver of a Braille display does not write lines */
	if (!con->line_ended && con->unfinished && !nbcon_write_context_is_braille(wctxt))
		emu_console_put(con, "\n", 1);

	return emu_ring_begin(con->ring, &record);
}

/* Busy-wait, like a driver that polls a slow UART in an unsafe section */
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
 * A context of higher priority can take over the console between two chunks, and in a
 * panic also inside of a chunk. It ends the line and prints the message again from the
 * beginning.
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
	emu_console_kick_later(con);
}

static void emu_console_write_thread(struct console *co, struct nbcon_write_context *wctxt)
{
	struct emu_console *con = to_emu_console(co);

	emu_console_write(con, wctxt, false);
	emu_console_kick(&con->kick);
}

/* At shutdown the printing threads are stopped one after the other */
static bool emu_console_is_stopping(const struct emu_console *con)
{
	/* Only the printing thread has to see its own pointer, which does not change */
	return current == data_race(con->co.kthread) && kthread_should_stop();
}

/*
 * The thread waits in a read-side critical section of printk's SRCU, and unregistering
 * any console waits for that section. So the wait ends when the transmitter is stalled,
 * as a UART is while CTS is inactive; when it lasts far longer than a message takes; and
 * when printk disables or suspends the console, or stops the thread.
 */
static void emu_console_wait_for_room(struct emu_console *con)
{
	unsigned long frame = nsecs_to_jiffies(READ_ONCE(con->ep->port.frame_time)) + 1;
	unsigned long end, sent;
	short flags;

	if (READ_ONCE(con->stalled))
		return;

	end = jiffies + min(EMU_CONSOLE_WAIT + EMU_CONSOLE_LINE * frame, EMU_CONSOLE_WAIT_MAX);
	do {
		/* Neither unregistering nor suspending wakes up the thread: check each time */
		flags = data_race(READ_ONCE(con->co.flags));
		if ((flags & (CON_ENABLED | CON_SUSPENDED)) != CON_ENABLED)
			return;
		sent = READ_ONCE(con->sent);
		if (wait_event_idle_timeout(con->room,
					    emu_console_has_room(con) ||
					    emu_console_is_stopping(con),
					    EMU_CONSOLE_PATIENCE + EMU_CONSOLE_BURST * frame))
			return;
		if (READ_ONCE(con->sent) == sent) {
			WRITE_ONCE(con->stalled, true);
			return;
		}
	} while (time_before(jiffies, end));
}

/*
 * Only threads print with this lock held, so they wait here. Registration of the console
 * takes the lock as well, and must not wait: there may be no transmitter yet.
 */
static void emu_console_device_lock(struct console *co, unsigned long *flags)
{
	struct emu_console *con = to_emu_console(co);

	/* Only the printing thread has to see its own pointer */
	if (!hlist_unhashed_lockless(&co->node) || current == data_race(co->kthread))
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
 * emu_console_prepare - allocate the ring of a console
 * @con: the console
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOMEM.
 */
int emu_console_prepare(struct emu_console *con)
{
	struct emu_ring *ring;

	guard(mutex)(&con->lock);

	if (con->ring)
		return 0;

	ring = emu_ring_alloc();
	if (!ring)
		return -ENOMEM;

	con->sent = READ_ONCE(ring->first);
	/* Pairs with smp_load_acquire() in emu_console_ring() */
	smp_store_release(&con->ring, ring);

	return 0;
}

/**
 * emu_console_show - create the files in debugfs of a console, or of a debugger's output
 * @ep: the port
 *
 * Context: Process context. May sleep. Not from a file in debugfs: the removal of the
 *	directory waits for its files.
 */
void emu_console_show(struct emu_port *ep)
{
	struct emu_console *con = ep->console;

	guard(mutex)(&con->lock);

	if (!con->shown)
		emu_debugfs_add_console(con);
	con->shown = true;
}

/**
 * emu_console_prepare_shown - allocate the ring of a console, and create its files
 * @con: the console
 *
 * Context: As emu_console_show().
 * Return: 0, or -ENOMEM.
 */
int emu_console_prepare_shown(struct emu_console *con)
{
	int ret = emu_console_prepare(con);

	if (!ret)
		emu_console_show(con->ep);

	return ret;
}

/*
 * printk calls this only for a console= of the command line, or for the preferred console
 * of the platform. If that is this port, the index has printk continue as for any other.
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

	/* Enabled at run time: keep the settings of the tty, including its flow control */
	if (co->flags & CON_ENABLED) {
		uart_set_cons_flow_enabled(&con->ep->port, true);
		return emu_console_prepare_shown(con);
	}

	/* No console= names this port: do not become the default console */
	if (co->index == EMU_CONSOLE_NONE)
		return -ENODEV;

	ret = emu_console_prepare_shown(con);
	if (!ret)
		ret = emu_console_set_options(con, options);
	if (ret)
		co->index = EMU_CONSOLE_NONE;

	return ret;
}

/* The port is not a console any more */
static int emu_console_exit(struct console *co)
{
	co->index = EMU_CONSOLE_NONE;
	/* printk clears it if there was a boot console */
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
 * emu_console_create - allocate the console of a port
 * @ep: the port, not added to serial core yet
 *
 * Context: Process context. May sleep.
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
	timer_setup(&con->unstick, emu_console_resume, 0);
	ep->console = con;
	ep->port.cons = &con->co;
	ep->port.own_console = 1;
	ep->port.has_sysrq = 1;

	return 0;
}

/**
 * emu_console_destroy - undo emu_console_create()
 * @ep: the port, removed from serial core and disconnected from its wires
 *
 * Context: Process context. May sleep.
 */
void emu_console_destroy(struct emu_port *ep)
{
	struct emu_console *con = ep->console;

	timer_shutdown_sync(&con->unstick);
	irq_work_sync(&con->kick);
	emu_ring_free(con->ring);
	kfifo_free(&con->script);
	mutex_destroy(&con->lock);
	kfree(con);
}
