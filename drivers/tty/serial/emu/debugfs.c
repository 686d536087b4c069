// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the output of consoles in debugfs.
 */

#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/console.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/serial_core.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string_helpers.h>
#include <linux/timer.h>
#include <linux/types.h>

#include "console.h"
#include "port.h"
#include "wire.h"

/* Copy of the ring at the time of open(), for all calls of read() */
struct emu_ring_copy {
	size_t len;
	u8 data[EMU_RING_SIZE];
};

static int emu_ring_open(struct inode *inode, struct file *file)
{
	struct emu_console *con = inode->i_private;
	struct emu_ring *ring = emu_console_ring(con);
	struct emu_ring_copy *copy;
	unsigned long pos;

	copy = kvzalloc_obj(*copy);
	if (!copy)
		return -ENOMEM;

	file->private_data = copy;
	if (!ring)
		return 0;

	/* Pairs with smp_store_release() in emu_clear_write() */
	pos = smp_load_acquire(&ring->cleared);
	pos = emu_ring_later(READ_ONCE(ring->first), pos);
	copy->len = emu_ring_read(ring, &pos, copy->data, sizeof(copy->data));

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

/* Includes overwritten characters that the transmitter has not counted yet */
static int emu_dropped_get(void *data, u64 *dropped)
{
	struct emu_console *con = data;
	struct emu_ring *ring = emu_console_ring(con);
	long gone;

	guard(uart_port_lock_irqsave)(&con->ep->port);
	*dropped = con->dropped;
	if (!ring)
		return 0;

	gone = emu_ring_head(ring) - EMU_RING_SIZE - con->sent;
	if (gone > 0)
		*dropped += gone;

	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(emu_dropped_fops, emu_dropped_get, NULL, "%llu\n");

/* Copy of the records, and of their text as far as it is left */
struct emu_records_copy {
	unsigned long number;
	unsigned int count;
	struct emu_record record[EMU_RECORDS];
	unsigned long text_pos;
	size_t text_len;
	u8 text[EMU_RING_SIZE];
};

static void *emu_records_start(struct seq_file *m, loff_t *pos)
{
	struct emu_records_copy *copy = m->private;

	return *pos < copy->count ? &copy->record[*pos] : NULL;
}

static void *emu_records_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;

	return emu_records_start(m, pos);
}

static void emu_records_stop(struct seq_file *m, void *v)
{
}

static void emu_record_show_text(struct seq_file *m, const struct emu_record *record)
{
	struct emu_records_copy *copy = m->private;
	unsigned long offset = record->start - copy->text_pos;

	/* The text was overwritten, or printed after it was copied */
	if (offset > copy->text_len || record->len > copy->text_len - offset)
		return;

	/* Including the backslash, or text could look like an escape sequence */
	seq_escape_mem(m, copy->text + offset, record->len,
		       ESCAPE_SPACE | ESCAPE_SPECIAL | ESCAPE_HEX | ESCAPE_NP | ESCAPE_APPEND,
		       "\\");
}

static int emu_records_show(struct seq_file *m, void *v)
{
	static const char *const prio[] = {
		[NBCON_PRIO_NONE]	= "none",
		[NBCON_PRIO_NORMAL]	= "normal",
		[NBCON_PRIO_EMERGENCY]	= "emergency",
		[NBCON_PRIO_PANIC]	= "panic",
	};
	static const char *const begin[] = {
		[EMU_BEGIN_LINE]	= "line",
		[EMU_BEGIN_TAKEOVER]	= "takeover",
		[EMU_BEGIN_UNSAFE]	= "unsafe",
		[EMU_BEGIN_OPEN]	= "open",
	};
	static const char *const end[] = {
		[EMU_END_LOST]		= "lost",
		[EMU_END_OPEN]		= "open",
		[EMU_END_LINE]		= "line",
	};
	struct emu_records_copy *copy = m->private;
	const struct emu_record *record = v;

	seq_printf(m, "%lu %llu %u %s %s %s %s %u %llu %d ",
		   copy->number + (record - copy->record), record->time, record->cpu,
		   record->atomic ? "atomic" : "thread", prio[record->prio],
		   begin[record->begin], end[record->end], record->len, record->ended,
		   record->caller);
	emu_record_show_text(m, record);
	seq_putc(m, '\n');

	return 0;
}

static const struct seq_operations emu_records_ops = {
	.start	= emu_records_start,
	.next	= emu_records_next,
	.stop	= emu_records_stop,
	.show	= emu_records_show,
};

static int emu_records_open(struct inode *inode, struct file *file)
{
	struct emu_console *con = inode->i_private;
	struct emu_ring *ring = emu_console_ring(con);
	struct emu_records_copy *copy __free(kvfree) = kvzalloc_obj(*copy);
	int ret;

	if (!copy)
		return -ENOMEM;

	if (ring) {
		copy->count = emu_ring_read_records(ring, &copy->number, copy->record);
		copy->text_pos = READ_ONCE(ring->head) - EMU_RING_SIZE;
		copy->text_len = emu_ring_read(ring, &copy->text_pos, copy->text,
					       sizeof(copy->text));
	}

	ret = seq_open(file, &emu_records_ops);
	if (ret)
		return ret;

	((struct seq_file *)file->private_data)->private = no_free_ptr(copy);

	return 0;
}

static int emu_records_release(struct inode *inode, struct file *file)
{
	kvfree(((struct seq_file *)file->private_data)->private);

	return seq_release(inode, file);
}

static const struct file_operations emu_records_fops = {
	.owner		= THIS_MODULE,
	.open		= emu_records_open,
	.read		= seq_read,
	.release	= emu_records_release,
	.llseek		= seq_lseek,
};

/* A file of its own: a writable file cannot be read while the kernel is locked down */
static ssize_t emu_clear_write(struct file *file, const char __user *buf, size_t count,
			       loff_t *ppos)
{
	struct emu_console *con = file_inode(file)->i_private;
	struct emu_ring *ring = emu_console_ring(con);

	if (!ring)
		return count;

	/* Pairs with smp_load_acquire() in emu_ring_open() */
	smp_store_release(&ring->cleared, READ_ONCE(ring->head));
	/* Pairs with smp_load_acquire() in emu_ring_read_records() */
	smp_store_release(&ring->records_cleared, READ_ONCE(ring->records));

	return count;
}

static const struct file_operations emu_clear_fops = {
	.owner		= THIS_MODULE,
	.open		= simple_open,
	.write		= emu_clear_write,
};

static int emu_stuck_set(void *data, u64 ms)
{
	struct emu_console *con = data;

	if (ms > EMU_STUCK_MAX)
		return -EINVAL;

	timer_delete_sync(&con->unstick);
	scoped_guard(uart_port_lock_irqsave, &con->ep->port)
		con->stuck = true;
	mod_timer(&con->unstick, jiffies + msecs_to_jiffies(ms));

	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(emu_stuck_fops, NULL, emu_stuck_set, "%llu\n");

static int emu_unsafe_get(void *data, u64 *us)
{
	struct emu_console *con = data;

	*us = READ_ONCE(con->unsafe_us);

	return 0;
}

static int emu_unsafe_set(void *data, u64 us)
{
	struct emu_console *con = data;

	if (us > EMU_UNSAFE_MAX)
		return -EINVAL;

	WRITE_ONCE(con->unsafe_us, us);

	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(emu_unsafe_fops, emu_unsafe_get, emu_unsafe_set, "%llu\n");

static struct dentry *emu_debugfs;

/**
 * emu_debugfs_add - create the directory of a port
 * @con: the console of the port
 *
 * Context: Process context. May sleep.
 */
void emu_debugfs_add(struct emu_console *con)
{
	char name[sizeof(EMU_TTY_NAME) + 10];

	snprintf(name, sizeof(name), "%s%u", EMU_TTY_NAME, con->ep->port.line);
	con->dir = debugfs_create_dir(name, emu_debugfs);
}

/**
 * emu_debugfs_add_console - create the files of a console
 * @con: the console
 *
 * Context: Process context. May sleep. Caller must hold the console's lock.
 */
void emu_debugfs_add_console(struct emu_console *con)
{
	lockdep_assert_held(&con->lock);

	debugfs_create_file("console", 0400, con->dir, con, &emu_ring_fops);
	debugfs_create_file("records", 0400, con->dir, con, &emu_records_fops);
	debugfs_create_file("clear", 0200, con->dir, con, &emu_clear_fops);
	debugfs_create_file_unsafe("dropped", 0400, con->dir, con, &emu_dropped_fops);
	debugfs_create_file_unsafe("stuck_ms", 0200, con->dir, con, &emu_stuck_fops);
	debugfs_create_file_unsafe("unsafe_us", 0600, con->dir, con, &emu_unsafe_fops);
}

/**
 * emu_debugfs_remove - remove the directory of a port
 * @con: the console of the port
 *
 * Context: Process context. May sleep. On return no file is in use any more.
 */
void emu_debugfs_remove(struct emu_console *con)
{
	debugfs_remove(con->dir);
}

/**
 * emu_debugfs_init - create the directory of the driver
 *
 * Context: Process context. May sleep.
 */
void emu_debugfs_init(void)
{
	emu_debugfs = debugfs_create_dir(EMU_NAME, NULL);
}

/**
 * emu_debugfs_exit - undo emu_debugfs_init()
 *
 * Context: Process context. May sleep.
 */
void emu_debugfs_exit(void)
{
	debugfs_remove(emu_debugfs);
}
