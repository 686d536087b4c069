// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the system console.
 *
 * Whatever the console prints goes into a ring, without a lock, so that it can
 * be printed in any context. The transmitter follows behind and puts it on the
 * wire. Nobody ever waits for the far end; what the ring has overwritten before
 * it was transmitted is counted. The ring is readable in debugfs, which is also
 * where the log of the boot is for whoever attaches late.
 */

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/console.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/serial_core.h>
#include <linux/string.h>

#include "emu.h"

/*
 * The index while no port is the console. A negative one means any port: then
 * printk stores there the port of a console= that it could not match, and serial
 * core takes that port for the console.
 */
#define EMU_CONSOLE_NONE	CONFIG_SERIAL_EMU_NR_PORTS

#define EMU_RING_SIZE		BIT(CONFIG_SERIAL_EMU_CONSOLE_BUF_SHIFT)

/* How much is printed, or transmitted, before others may come in between */
#define EMU_CONSOLE_CHUNK	64

/**
 * struct emu_ring - what the console printed last
 * @reserved: number of characters ever printed, with those being copied in
 * @head: number of characters ever printed
 * @data: the last of them
 * @full: whether there were ever as many as fit
 *
 * Only the owner of the console writes. Readers take no lock: they copy, and
 * look afterwards at @reserved to see what may have been overwritten meanwhile.
 * The numbers wrap around; only differences of them mean anything.
 */
struct emu_ring {
	unsigned long reserved;
	unsigned long head;
	u8 data[EMU_RING_SIZE];
	bool full;
};

static struct emu_ring emu_ring;

/**
 * struct emu_console_state - the transmitter's view of the ring
 * @kick: starts the transmitter from contexts in which nothing else can be done
 * @sent: how much of the ring went on the wire; port lock
 * @dropped: characters that were overwritten before they went; port lock
 * @line_ended: whether the last character was a newline; console ownership
 */
struct emu_console_state {
	struct irq_work kick;
	unsigned long sent;
	unsigned long dropped;
	bool line_ended;
};

static void emu_console_kick(struct irq_work *work);

static struct emu_console_state emu_console_state = {
	.kick		= IRQ_WORK_INIT(emu_console_kick),
	.line_ended	= true,
};

static void emu_ring_write(struct emu_ring *ring, const u8 *chars, unsigned int count)
{
	unsigned long head = ring->head;
	unsigned int start = head % EMU_RING_SIZE;
	unsigned int first = min(count, EMU_RING_SIZE - start);

	WRITE_ONCE(ring->reserved, head + count);
	/* Pairs with smp_rmb() in emu_ring_read(): whoever sees the new data sees this */
	smp_wmb();
	memcpy(ring->data + start, chars, first);
	memcpy(ring->data, chars + first, count - first);
	if (start + count >= EMU_RING_SIZE)
		WRITE_ONCE(ring->full, true);
	/* Pairs with smp_load_acquire() in emu_ring_read() */
	smp_store_release(&ring->head, head + count);
}

/**
 * emu_ring_read - copy from the ring
 * @ring: the ring
 * @pos: number of the first character that is wanted; moved on to the number of
 *	the first character that was copied, if the wanted one is gone already
 * @buf: where to copy to
 * @size: its size
 *
 * Context: any but NMI.
 * Return: the number of characters that were copied.
 */
static size_t emu_ring_read(const struct emu_ring *ring, unsigned long *pos, u8 *buf, size_t size)
{
	unsigned long head, start, count, first, lost;

	do {
		/* Pairs with smp_store_release() in emu_ring_write() */
		head = smp_load_acquire(&ring->head);
		if (head - *pos > EMU_RING_SIZE)
			*pos = head - EMU_RING_SIZE;
		count = min(head - *pos, size);
		start = *pos % EMU_RING_SIZE;
		first = min(count, EMU_RING_SIZE - start);
		memcpy(buf, ring->data + start, first);
		memcpy(buf + first, ring->data, count - first);
		/* Pairs with smp_wmb() in emu_ring_write() */
		smp_rmb();
		lost = READ_ONCE(ring->reserved) - *pos;
		if (lost > EMU_RING_SIZE)
			*pos += lost - EMU_RING_SIZE;
	} while (lost > EMU_RING_SIZE);

	return count;
}

/**
 * emu_console_transmit - put on the wire what the console printed
 * @ep: the port
 * @out: the wire that its transmitter feeds
 * @time: not before then what is transmitted begins
 *
 * With console flow control (console=ttyEMU0,115200n8r) the ring keeps what was
 * printed until the far end gives CTS.
 *
 * Context: the port lock is held.
 * Return: whether the tty may go on, because nothing is left or CTS is off. No
 *	message is half printed then: with the port lock comes the console's
 *	ownership.
 */
bool emu_console_transmit(struct emu_port *ep, struct emu_wire *out, ktime_t time)
{
	struct emu_console_state *state = &emu_console_state;
	u8 chars[EMU_CONSOLE_CHUNK];
	unsigned long pos = state->sent;
	unsigned int room;
	size_t count;

	if (READ_ONCE(emu_console.data) != ep)
		return true;
	if (uart_console_hwflow_active(&ep->port) && !(ep->inputs & TIOCM_CTS))
		return true;

	for (;;) {
		room = emu_wire_room(out);
		count = emu_ring_read(&emu_ring, &pos, chars, min(room, sizeof(chars)));
		state->dropped += pos - state->sent;
		emu_wire_send(out, EMU_EV_CHAR, chars, count, time);
		pos += count;
		state->sent = pos;
		if (!count)
			return room;
	}
}

static void emu_console_kick(struct irq_work *work)
{
	struct emu_port *ep = READ_ONCE(emu_console.data);

	/* Its work runs the transmitter, whatever that feeds */
	emu_wire_kick(ep->out);
}

/* One chunk of a message, with the newlines as a terminal wants them */
static unsigned int emu_console_put(const char *text, unsigned int len)
{
	u8 chars[EMU_CONSOLE_CHUNK];
	unsigned int done, count = 0;

	for (done = 0; done < len && count < sizeof(chars) - 1; done++) {
		if (text[done] == '\n')
			chars[count++] = '\r';
		chars[count++] = text[done];
	}

	emu_ring_write(&emu_ring, chars, count);
	emu_console_state.line_ended = chars[count - 1] == '\n';

	return done;
}

/*
 * A context of higher priority can take the console over between two chunks.
 * It ends the line first, and prints the message again from its beginning.
 */
static void emu_console_write(struct nbcon_write_context *wctxt)
{
	unsigned int done = 0;

	if (!nbcon_enter_unsafe(wctxt))
		return;
	if (!emu_console_state.line_ended)
		emu_console_put("\n", 1);

	do {
		if (done < wctxt->len)
			done += emu_console_put(wctxt->outbuf + done, wctxt->len - done);
		if (!nbcon_exit_unsafe(wctxt))
			return;
	} while (done < wctxt->len && nbcon_enter_unsafe(wctxt));
}

static void emu_console_write_atomic(struct console *co, struct nbcon_write_context *wctxt)
{
	emu_console_write(wctxt);
	irq_work_queue(&emu_console_state.kick);
}

static void emu_console_write_thread(struct console *co, struct nbcon_write_context *wctxt)
{
	emu_console_write(wctxt);
	emu_console_kick(&emu_console_state.kick);
}

static void emu_console_device_lock(struct console *co, unsigned long *flags)
{
	struct emu_port *ep = co->data;

	__uart_port_lock_irqsave(&ep->port, flags);
}

static void emu_console_device_unlock(struct console *co, unsigned long flags)
{
	struct emu_port *ep = co->data;

	__uart_port_unlock_irqrestore(&ep->port, flags);
}

static struct tty_driver *emu_console_device(struct console *co, int *index)
{
	*index = co->index;

	return emu_uart_driver.tty_driver;
}

/*
 * Only a console= of the command line, or what the platform says instead, gets
 * here. It may name a port that does not exist (yet).
 */
static int emu_console_match(struct console *co, char *name, int idx, char *options)
{
	struct emu_port *ep = emu_port_find(idx);
	int baud = 115200, parity = 'n', bits = 8, flow = 'n';
	int ret;

	if (strcmp(name, EMU_TTY_NAME) || !ep || !ep->port.state)
		return -ENODEV;
	/* The one that serial core knows as the console stays the console */
	if (co->index != EMU_CONSOLE_NONE && co->index != idx)
		return -ENODEV;

	co->index = idx;
	WRITE_ONCE(co->data, ep);
	if (options)
		uart_parse_options(options, &baud, &parity, &bits, &flow);

	ret = uart_set_options(&ep->port, co, baud, parity, bits, flow);
	if (ret)
		return ret;

	uart_set_cons_flow_enabled(&ep->port, flow == 'r');

	return 0;
}

/*
 * emu_console_match() does the work. What gets here was not asked for: it is to
 * become the default console because no console= names one.
 */
static int emu_console_setup(struct console *co, char *options)
{
	return -ENODEV;
}

struct console emu_console = {
	.name		= EMU_TTY_NAME,
	.write_atomic	= emu_console_write_atomic,
	.write_thread	= emu_console_write_thread,
	.device_lock	= emu_console_device_lock,
	.device_unlock	= emu_console_device_unlock,
	.device		= emu_console_device,
	.match		= emu_console_match,
	.setup		= emu_console_setup,
	.flags		= CON_PRINTBUFFER | CON_NBCON,
	.index		= EMU_CONSOLE_NONE,
};

/**
 * emu_console_forget - end the console's use of a port that was removed
 * @ep: the port
 *
 * Context: process; may sleep. The console is unregistered.
 */
void emu_console_forget(struct emu_port *ep)
{
	/* Nothing is registered meanwhile, so nobody prints */
	console_list_lock();
	irq_work_sync(&emu_console_state.kick);
	if (emu_console.data == ep) {
		emu_console_state.sent = emu_ring.head;
		emu_console.index = EMU_CONSOLE_NONE;
		WRITE_ONCE(emu_console.data, NULL);
	}
	console_list_unlock();
}

/* A copy of the ring, so that what a reader sees is of one moment */
struct emu_ring_copy {
	size_t len;
	u8 data[EMU_RING_SIZE];
};

static int emu_ring_open(struct inode *inode, struct file *file)
{
	struct emu_ring_copy *copy;
	unsigned long pos;

	copy = kvmalloc_obj(*copy);
	if (!copy)
		return -ENOMEM;

	pos = READ_ONCE(emu_ring.full) ? READ_ONCE(emu_ring.head) - EMU_RING_SIZE : 0;
	copy->len = emu_ring_read(&emu_ring, &pos, copy->data, sizeof(copy->data));
	file->private_data = copy;

	return 0;
}

static ssize_t emu_ring_file_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	struct emu_ring_copy *copy = file->private_data;

	return simple_read_from_buffer(buf, count, ppos, copy->data, copy->len);
}

static int emu_ring_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);

	return 0;
}

static const struct file_operations emu_ring_fops = {
	.owner		= THIS_MODULE,
	.open		= emu_ring_open,
	.read		= emu_ring_file_read,
	.release	= emu_ring_release,
	.llseek		= default_llseek,
};

static struct dentry *emu_debugfs;

/**
 * emu_console_debugfs - show the ring in debugfs
 *
 * Context: process; may sleep.
 */
void emu_console_debugfs(void)
{
	emu_debugfs = debugfs_create_dir(EMU_NAME, NULL);
	debugfs_create_file("console", 0400, emu_debugfs, NULL, &emu_ring_fops);
	debugfs_create_ulong("console_dropped", 0400, emu_debugfs, &emu_console_state.dropped);
}

/**
 * emu_console_debugfs_remove - undo emu_console_debugfs()
 *
 * Context: process; may sleep.
 */
void emu_console_debugfs_remove(void)
{
	debugfs_remove(emu_debugfs);
}
