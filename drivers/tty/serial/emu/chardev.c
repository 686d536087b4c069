// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a program as the end of a cable.
 *
 * By a character device the program reads reports of the port at the other end, and writes
 * requests, see include/uapi/linux/serial-emu.h. The device can be open only once.
 */

#include <linux/cdev.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/device.h>
#include <linux/device/class.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/kdev_t.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/string.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include <uapi/linux/serial-emu.h>

#include "cable.h"
#include "chardev.h"
#include "port.h"
#include "report.h"
#include "request.h"
#include "wire.h"

/* Modem control outputs of a device that is switched on */
#define EMU_CHARDEV_LINES	(TIOCM_DTR | TIOCM_RTS)

/* Limit of the wait of close() until all requests are sent; serial core's default */
#define EMU_CHARDEV_CLOSING_WAIT	(30 * HZ)

/* Size of the smallest record */
#define EMU_CHARDEV_RECORD	(sizeof(struct serial_emu_record) + 1)

/**
 * struct emu_chardev - a program's end of a cable
 * @end: end of the wires
 * @dev: device; its references keep this structure
 * @cdev: character device
 * @in: wire that the program reads; does not change
 * @out: wire that the program feeds; does not change
 * @lock: protects @opened, @dead and @plugged, and the use of both wires
 * @opened: a program has the device open
 * @dead: the cable is not live any more; also read without @lock
 * @plugged: the cable is plugged in
 * @reading: held by a reader
 * @reports: reports of the port
 * @readable: wait queue of readers
 * @writing: held by a writer
 * @requests: requests for the port
 * @writable: wait queue of writers, fsync() and close()
 */
struct emu_chardev {
	struct emu_end end;
	struct device dev;
	struct cdev cdev;
	struct emu_wire *in;
	struct emu_wire *out;
	/* The locks of the wires nest inside it */
	struct mutex lock;
	bool opened;
	bool dead;
	bool plugged;
	/* Held while a program waits for records; nothing nests inside it */
	struct mutex reading;
	struct emu_reports reports;
	wait_queue_head_t readable;
	/* Held while a program waits for room; @lock nests inside it */
	struct mutex writing;
	struct emu_requests requests;
	wait_queue_head_t writable;
};

static dev_t emu_chardev_region;
static DEFINE_IDA(emu_chardev_minors);

static const struct class emu_chardev_class = {
	.name	= EMU_NAME,
};

/* Operations of an end of a wire */

static void emu_chardev_receive(struct emu_end *end, struct emu_wire *wire,
				struct emu_pass *pass)
{
	struct emu_chardev *cd = container_of(end, struct emu_chardev, end);

	if (emu_reports_receive(&cd->reports, pass))
		wake_up(&cd->readable);
}

static void emu_chardev_transmit(struct emu_end *end, struct emu_wire *wire,
				 struct emu_pass *pass)
{
	struct emu_chardev *cd = container_of(end, struct emu_chardev, end);

	if (emu_requests_transmit(&cd->requests, pass))
		wake_up(&cd->writable);
}

static const struct emu_end_ops emu_chardev_end_ops = {
	.transmit	= emu_chardev_transmit,
	.receive	= emu_chardev_receive,
};

/* The plug is pulled out while no program has the device open */
static void emu_chardev_plug(struct emu_chardev *cd)
{
	lockdep_assert_held(&cd->lock);

	emu_wire_set_both_plugged(cd->in, cd->out, cd->plugged && cd->opened);
}

/**
 * emu_chardev_set_plugged - plug the cable in, or pull it out
 * @cd: the program's end
 * @plugged: whether it is plugged in
 *
 * Context: Process context. May sleep.
 */
void emu_chardev_set_plugged(struct emu_chardev *cd, bool plugged)
{
	guard(mutex)(&cd->lock);

	cd->plugged = plugged;
	emu_chardev_plug(cd);
}

/* Operations of the device */

static int emu_chardev_open(struct inode *inode, struct file *file)
{
	struct emu_chardev *cd = container_of(inode->i_cdev, struct emu_chardev, cdev);

	guard(mutex)(&cd->lock);

	if (cd->dead)
		return -ENODEV;
	if (cd->opened)
		return -EBUSY;

	emu_reports_reset(&cd->reports);
	emu_requests_reset(&cd->requests);
	cd->opened = true;
	file->private_data = cd;
	emu_chardev_plug(cd);
	/* The wire must not wait for a program that does not read */
	if (file->f_mode & FMODE_READ)
		emu_wire_set_rx(cd->in, &cd->end);
	if (file->f_mode & FMODE_WRITE)
		emu_wire_set_tx(cd->out, &cd->end);
	/* Last: the port may send when it sees the outputs */
	emu_wire_set_lines(cd->out, EMU_CHARDEV_LINES);

	return stream_open(inode, file);
}

/* Pull the plug out, and drop requests and characters that were not sent */
static void emu_chardev_detach(struct emu_chardev *cd)
{
	lockdep_assert_held(&cd->lock);

	cd->opened = false;
	emu_chardev_plug(cd);
	emu_wire_set_rx(cd->in, NULL);
	emu_wire_set_tx(cd->out, NULL);
	emu_wire_reset(cd->out);
}

static bool emu_chardev_is_nonblock(const struct kiocb *iocb)
{
	return iocb->ki_filp->f_flags & O_NONBLOCK || iocb->ki_flags & IOCB_NOWAIT;
}

static int emu_chardev_lock(struct mutex *lock, bool nonblock)
{
	if (nonblock)
		return mutex_trylock(lock) ? 0 : -EAGAIN;

	return mutex_lock_interruptible(lock) ? -ERESTARTSYS : 0;
}

static bool emu_chardev_has_records(struct emu_chardev *cd)
{
	return !emu_reports_is_empty(&cd->reports) || READ_ONCE(cd->dead);
}

static ssize_t emu_chardev_read_locked(struct emu_chardev *cd, struct iov_iter *to, bool nonblock)
{
	ssize_t ret;

	lockdep_assert_held(&cd->reading);

	do {
		if (nonblock && !emu_chardev_has_records(cd))
			return -EAGAIN;
		if (wait_event_interruptible(cd->readable, emu_chardev_has_records(cd)))
			return -ERESTARTSYS;
		ret = emu_reports_read(&cd->reports, to);
	} while (!ret && !READ_ONCE(cd->dead));

	return ret;
}

static ssize_t emu_chardev_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct emu_chardev *cd = iocb->ki_filp->private_data;
	bool nonblock = emu_chardev_is_nonblock(iocb);
	ssize_t ret;

	if (!iov_iter_count(to))
		return 0;
	if (iov_iter_count(to) < EMU_CHARDEV_RECORD)
		return -EINVAL;

	ret = emu_chardev_lock(&cd->reading, nonblock);
	if (ret)
		return ret;
	ret = emu_chardev_read_locked(cd, to, nonblock);
	mutex_unlock(&cd->reading);

	/* Space was freed: run the wire again */
	scoped_guard(mutex, &cd->lock) {
		if (!cd->dead)
			emu_wire_kick(cd->in);
	}

	return ret;
}

static bool emu_chardev_has_room(struct emu_chardev *cd, unsigned int events)
{
	return emu_requests_has_room(&cd->requests, events) || READ_ONCE(cd->dead);
}

/* Queue a record; returns its size, or an error if nothing was queued */
static ssize_t emu_chardev_write_one(struct emu_chardev *cd, struct iov_iter *from, bool nonblock)
{
	int events;

	lockdep_assert_held(&cd->writing);

	events = emu_requests_parse(&cd->requests, from);
	if (events < 0)
		return events;
	if (nonblock && !emu_chardev_has_room(cd, events))
		return -EAGAIN;
	if (wait_event_interruptible(cd->writable, emu_chardev_has_room(cd, events)))
		return -ERESTARTSYS;

	guard(mutex)(&cd->lock);

	return cd->dead ? -ENODEV : emu_requests_put(&cd->requests);
}

static ssize_t emu_chardev_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct emu_chardev *cd = iocb->ki_filp->private_data;
	bool nonblock = emu_chardev_is_nonblock(iocb);
	ssize_t done = 0, ret;

	ret = emu_chardev_lock(&cd->writing, nonblock);
	if (ret)
		return ret;

	while (iov_iter_count(from)) {
		ret = emu_chardev_write_one(cd, from, nonblock);
		if (ret < 0)
			break;
		done += ret;
	}
	mutex_unlock(&cd->writing);

	return done ?: ret;
}

static bool emu_chardev_is_drained(struct emu_chardev *cd)
{
	return emu_requests_is_drained(&cd->requests) || READ_ONCE(cd->dead);
}

/* Waits until all requests are sent, as tcdrain(3) does on a port */
static int emu_chardev_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct emu_chardev *cd = file->private_data;

	if (wait_event_interruptible(cd->writable, emu_chardev_is_drained(cd)))
		return -ERESTARTSYS;
	emu_requests_synced(&cd->requests);

	return READ_ONCE(cd->dead) ? -ENODEV : 0;
}

/* The wire must not wait for a program that will not read any more */
static void emu_chardev_stop_reading(struct emu_chardev *cd)
{
	guard(mutex)(&cd->lock);

	if (!cd->dead)
		emu_wire_set_rx(cd->in, NULL);
}

/* Like close() of a port, except that a killed program does not wait */
static void emu_chardev_wait_until_sent(struct emu_chardev *cd)
{
	if (current->flags & PF_EXITING && current->exit_code == SIGKILL)
		return;

	wait_event_killable_timeout(cd->writable, emu_chardev_is_drained(cd),
				    EMU_CHARDEV_CLOSING_WAIT);
}

static int emu_chardev_release(struct inode *inode, struct file *file)
{
	struct emu_chardev *cd = file->private_data;

	emu_chardev_stop_reading(cd);
	emu_chardev_wait_until_sent(cd);

	guard(mutex)(&cd->lock);

	if (!cd->dead)
		emu_chardev_detach(cd);

	return 0;
}

static __poll_t emu_chardev_poll(struct file *file, struct poll_table_struct *table)
{
	struct emu_chardev *cd = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &cd->readable, table);
	poll_wait(file, &cd->writable, table);
	/* read() returns 0 then, and never waits */
	if (READ_ONCE(cd->dead))
		return EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP;
	if (!emu_reports_is_empty(&cd->reports))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (emu_requests_has_room(&cd->requests, SERIAL_EMU_MAX_LENGTH))
		mask |= EPOLLOUT | EPOLLWRNORM;

	return mask;
}

static const struct file_operations emu_chardev_fops = {
	.owner		= THIS_MODULE,
	.open		= emu_chardev_open,
	.release	= emu_chardev_release,
	.read_iter	= emu_chardev_read_iter,
	.write_iter	= emu_chardev_write_iter,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.poll		= emu_chardev_poll,
	.fsync		= emu_chardev_fsync,
};

static void emu_chardev_free(struct device *dev)
{
	struct emu_chardev *cd = container_of(dev, struct emu_chardev, dev);

	emu_reports_free(&cd->reports);
	emu_requests_free(&cd->requests);
	mutex_destroy(&cd->writing);
	mutex_destroy(&cd->reading);
	mutex_destroy(&cd->lock);
	kfree(cd);
}

static struct emu_chardev *emu_chardev_alloc(struct emu_wire *out, struct emu_wire *in)
{
	struct emu_chardev *cd;

	cd = kzalloc_obj(*cd);
	if (!cd)
		return NULL;

	device_initialize(&cd->dev);
	cd->dev.class = &emu_chardev_class;
	cd->dev.release = emu_chardev_free;
	cd->end.ops = &emu_chardev_end_ops;
	cd->in = in;
	cd->out = out;
	mutex_init(&cd->lock);
	mutex_init(&cd->reading);
	init_waitqueue_head(&cd->readable);
	mutex_init(&cd->writing);
	init_waitqueue_head(&cd->writable);

	return cd;
}

static int emu_chardev_register(struct emu_chardev *cd, const char *cable, const char *port)
{
	int ret;

	ret = emu_reports_init(&cd->reports, cd->in);
	if (ret)
		return ret;
	ret = emu_requests_init(&cd->requests, cd->out, cd->in);
	if (ret)
		return ret;
	ret = dev_set_name(&cd->dev, EMU_NAME "!%s!%s", cable, port);
	if (ret)
		return ret;
	ret = ida_alloc_max(&emu_chardev_minors, CONFIG_SERIAL_EMU_NR_PORTS - 1, GFP_KERNEL);
	if (ret < 0)
		return ret;

	cd->dev.devt = MKDEV(MAJOR(emu_chardev_region), ret);
	cdev_init(&cd->cdev, &emu_chardev_fops);
	cd->cdev.owner = THIS_MODULE;

	ret = cdev_device_add(&cd->cdev, &cd->dev);
	if (ret)
		ida_free(&emu_chardev_minors, MINOR(cd->dev.devt));

	return ret;
}

/* The wires are about to go away; an open file keeps the structure */
static void emu_chardev_kill(struct emu_chardev *cd)
{
	scoped_guard(mutex, &cd->lock) {
		emu_chardev_detach(cd);
		WRITE_ONCE(cd->dead, true);
	}
	wake_up(&cd->readable);
	wake_up(&cd->writable);
	put_device(&cd->dev);
}

static bool emu_chardev_name_fits(const char *cable, const char *port)
{
	return strlen(EMU_NAME) + strlen(cable) + strlen(port) + 2 <= NAME_MAX;
}

/**
 * emu_chardev_create - create the device for a program's end of a cable
 * @cable: name of the cable
 * @port: name of the end
 * @out: wire that the program feeds
 * @in: wire that the program reads
 * @plugged: whether the cable is plugged in
 *
 * Context: Process context. May sleep.
 * Return: the end, -ENAMETOOLONG if both names are too long together, -ENOMEM, -ENOSPC
 *	without a free number, or the error of the driver core.
 */
struct emu_chardev *emu_chardev_create(const char *cable, const char *port,
				       struct emu_wire *out, struct emu_wire *in,
				       bool plugged)
{
	struct emu_chardev *cd;
	int ret;

	if (!emu_chardev_name_fits(cable, port))
		return ERR_PTR(-ENAMETOOLONG);

	cd = emu_chardev_alloc(out, in);
	if (!cd)
		return ERR_PTR(-ENOMEM);

	cd->plugged = plugged;
	ret = emu_chardev_register(cd, cable, port);
	if (ret) {
		emu_chardev_kill(cd);
		return ERR_PTR(ret);
	}

	return cd;
}

/**
 * emu_chardev_destroy - undo emu_chardev_create()
 * @cd: the program's end
 *
 * A program that has the device open reads the end of the file, and cannot write any more.
 *
 * Context: Process context. May sleep.
 */
void emu_chardev_destroy(struct emu_chardev *cd)
{
	cdev_device_del(&cd->cdev, &cd->dev);
	/* An open file does not need the number any more */
	ida_free(&emu_chardev_minors, MINOR(cd->dev.devt));
	emu_chardev_kill(cd);
}

/**
 * emu_chardev_init - register the class and the numbers of the devices
 *
 * Context: Process context. May sleep.
 * Return: 0, or the error of class_register() or alloc_chrdev_region().
 */
int emu_chardev_init(void)
{
	int ret;

	ret = class_register(&emu_chardev_class);
	if (ret)
		return ret;

	ret = alloc_chrdev_region(&emu_chardev_region, 0, CONFIG_SERIAL_EMU_NR_PORTS, EMU_NAME);
	if (ret)
		class_unregister(&emu_chardev_class);

	return ret;
}

/**
 * emu_chardev_exit - undo emu_chardev_init()
 *
 * Context: Process context. May sleep.
 */
void emu_chardev_exit(void)
{
	unregister_chrdev_region(emu_chardev_region, CONFIG_SERIAL_EMU_NR_PORTS);
	class_unregister(&emu_chardev_class);
}
