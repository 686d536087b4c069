// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a program in the place of a port.
 *
 * It reads and writes records, see include/uapi/linux/serial-emu.h. What the port
 * at the other end does comes off the wire in its order and its time, and goes into
 * a FIFO of records. What the program writes goes into a FIFO of events, whence the
 * wire takes them as it takes them from a transmitter.
 *
 * Each of the two FIFOs has one who puts in and one who takes out, and needs no
 * lock: the wires' work, which is one at a time, and the program, which is kept to
 * one reader and one writer.
 */

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cdev.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/device.h>
#include <linux/device/class.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kdev_t.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include <uapi/linux/serial-emu.h>

#include "emu.h"

/* What was received and not read yet, in bytes */
#define EMU_FAR_RECORDS		65536

/* What was written and is not on the wire yet: a power of two, and more than a record */
#define EMU_FAR_EVENTS		4096

/* Characters go into a record together if they come off the wire together */
#define EMU_FAR_CHUNK		64

/* What is left free for what is no character */
#define EMU_FAR_RESERVE		256

/* What a device drives that is switched on */
#define EMU_FAR_LINES		(TIOCM_DTR | TIOCM_RTS)

#define EMU_FAR_VALUE		GENMASK(23, 0)

/**
 * enum emu_far_event_type - what a program wants to have done
 * @EMU_FAR_CHAR: send a character
 * @EMU_FAR_BREAK: begin or end a break
 * @EMU_FAR_LINES_SET: drive the modem control outputs
 * @EMU_FAR_BAUD: the rate of what follows
 * @EMU_FAR_SHAPE: the rest of the format of what follows
 */
enum emu_far_event_type {
	EMU_FAR_CHAR,
	EMU_FAR_BREAK,
	EMU_FAR_LINES_SET,
	EMU_FAR_BAUD,
	EMU_FAR_SHAPE,
};

/**
 * struct emu_far - a program's end of a cable
 * @dev: the device, whose reference keeps all of this
 * @cdev: what is opened
 * @in: the wire that it reads; does not change
 * @out: the wire that it feeds; does not change
 * @wait: whoever waits for one of the FIFOs
 * @lock: protects all down to @plugged; the wires' locks nest inside it
 * @opened: whether somebody has it open
 * @dead: whether the cable is not live any more
 * @plugged: whether the cable is plugged in
 * @reading: held by whoever reads
 * @writing: held by whoever writes; protects @payload
 * @payload: of the record that is being written
 * @records: what was received
 * @events: what is to be done
 * @chunk: characters for the next record; this and what follows down to @lost belong
 *	to whoever takes events off @in, see emu_wire::running
 * @count: their number
 * @time: when the last of them was over
 * @format: what was told last of the port's format
 * @lines: what was told last of its outputs, and whether it is open
 * @brk: what was told last of a break
 * @told: whether anything was
 * @stamp: the time of the last record
 * @news: whether there are new records
 * @lost: how many characters had no room
 * @own: whether the program has set a format; this and what follows belong to
 *	whoever takes events off @out
 * @shape: the format
 * @backlog: whether the wire had no room for all there was
 * @drain: protects @drained, which is also read without it
 * @drained: whether all that was written is sent
 */
struct emu_far {
	struct device dev;
	struct cdev cdev;
	struct emu_wire *in;
	struct emu_wire *out;
	wait_queue_head_t wait;
	/* The wires' locks nest inside it */
	struct mutex lock;
	bool opened;
	bool dead;
	bool plugged;
	/* Held while a program waits for records; nothing nests inside it */
	struct mutex reading;
	/* Held while a program waits for room; @lock nests inside it */
	struct mutex writing;
	u8 payload[SERIAL_EMU_MAX_LENGTH];
	DECLARE_KFIFO_PTR(records, u8);
	DECLARE_KFIFO_PTR(events, u32);
	u8 chunk[EMU_FAR_CHUNK];
	unsigned int count;
	ktime_t time;
	struct emu_format format;
	unsigned int lines;
	bool brk;
	bool told;
	ktime_t stamp;
	bool news;
	u32 lost;
	bool own;
	struct emu_format shape;
	bool backlog;
	/* The wires' locks nest inside it */
	spinlock_t drain;
	bool drained;
};

/* The same to programs of 32 bits, which is why it needs no translation */
static_assert(offsetof(struct serial_emu_record, time) == 8);
static_assert(sizeof(struct serial_emu_record) == 16);
static_assert(sizeof(struct serial_emu_format) == 8);

static dev_t emu_far_region;
static DEFINE_IDA(emu_far_minors);

static const struct class emu_far_class = {
	.name	= EMU_NAME,
};

/* What comes off the wire */

static bool emu_far_tell(struct emu_far *far, enum serial_emu_type type, const void *payload,
			 unsigned int length, ktime_t time)
{
	struct serial_emu_record head = {
		.length	= length,
		.type	= type,
	};
	u8 record[sizeof(head) + EMU_FAR_CHUNK];

	if (kfifo_avail(&far->records) < sizeof(head) + length)
		return false;

	/* What is told when nothing moves comes before what only then has its turn */
	far->stamp = max(far->stamp, time);
	head.time = ktime_to_ns(far->stamp);
	/* In one go, so that nobody finds a part of it */
	memcpy(record, &head, sizeof(head));
	memcpy(record + sizeof(head), payload, length);
	kfifo_in(&far->records, record, sizeof(head) + length);
	far->news = true;

	return true;
}

static bool emu_far_tell_lost(struct emu_far *far, ktime_t time)
{
	if (!far->lost)
		return true;
	if (kfifo_avail(&far->records) < EMU_FAR_RESERVE)
		return false;
	if (!emu_far_tell(far, SERIAL_EMU_OVERRUN, &far->lost, sizeof(far->lost), time))
		return false;
	far->lost = 0;

	return true;
}

/* Characters leave some room for what else there is to tell */
static void emu_far_tell_chars(struct emu_far *far, enum serial_emu_type type, const u8 *chars,
			       unsigned int count, ktime_t time)
{
	if (kfifo_avail(&far->records) < EMU_FAR_RESERVE || !emu_far_tell_lost(far, time) ||
	    !emu_far_tell(far, type, chars, count, time))
		far->lost += count;
}

static void emu_far_flush_chunk(struct emu_far *far)
{
	if (far->count)
		emu_far_tell_chars(far, SERIAL_EMU_DATA, far->chunk, far->count, far->time);
	far->count = 0;
}

static bool emu_far_same_format(const struct emu_format *a, const struct emu_format *b)
{
	return a->rate == b->rate && a->data_bits == b->data_bits && a->parity == b->parity &&
	       a->half_stop_bits == b->half_stop_bits;
}

static void emu_far_tell_format(struct emu_far *far, const struct emu_format *format, ktime_t time)
{
	const struct serial_emu_format payload = {
		.baud		= div64_u64(format->rate + EMU_RATE_UNIT / 2, EMU_RATE_UNIT),
		.data_bits	= format->data_bits,
		.half_stop_bits	= format->half_stop_bits,
		.parity		= format->parity,
	};

	if (far->told && emu_far_same_format(format, &far->format))
		return;

	emu_far_flush_chunk(far);
	if (emu_far_tell(far, SERIAL_EMU_FORMAT, &payload, sizeof(payload), time))
		far->format = *format;
}

static void emu_far_tell_lines(struct emu_far *far, unsigned int lines, ktime_t time)
{
	unsigned int changed = far->told ? lines ^ far->lines : ~0U;
	const u32 outputs = lines & EMU_OUTPUTS;
	const u8 open = !!(lines & EMU_PORT_IS_OPEN);

	if (!changed)
		return;

	emu_far_flush_chunk(far);
	if (changed & EMU_PORT_IS_OPEN &&
	    emu_far_tell(far, SERIAL_EMU_OPEN, &open, sizeof(open), time))
		far->lines = (far->lines & EMU_OUTPUTS) | (lines & EMU_PORT_IS_OPEN);
	if (changed & EMU_OUTPUTS &&
	    emu_far_tell(far, SERIAL_EMU_LINES, &outputs, sizeof(outputs), time))
		far->lines = (far->lines & EMU_PORT_IS_OPEN) | outputs;
}

static void emu_far_tell_break(struct emu_far *far, bool on, ktime_t time)
{
	const u8 payload = on;

	if (on == far->brk)
		return;

	emu_far_flush_chunk(far);
	if (emu_far_tell(far, SERIAL_EMU_BREAK, &payload, sizeof(payload), time))
		far->brk = on;
}

static void emu_far_tell_state(struct emu_far *far, const struct emu_format *format, ktime_t time)
{
	emu_far_tell_format(far, format, time);
	emu_far_tell_lines(far, emu_wire_lines(far->in), time);
	emu_far_tell_break(far, far->in->low && emu_wire_is_plugged(far->in), time);
	far->told = true;
}

/**
 * emu_far_char - a character has come off the wire
 * @far: the program's end
 * @format: the format that it was sent in
 * @data: the character
 * @time: when it was over
 *
 * Context: process; may sleep. The wire's @running is held.
 */
void emu_far_char(struct emu_far *far, const struct emu_format *format, u16 data, ktime_t time)
{
	const u8 address = data;

	if (!far->told)
		emu_far_tell_state(far, format, time);
	emu_far_tell_format(far, format, time);
	data &= GENMASK(format->data_bits - 1, 0);
	if (data > U8_MAX) {
		emu_far_flush_chunk(far);
		emu_far_tell_chars(far, SERIAL_EMU_ADDRESS, &address, 1, time);
		return;
	}

	far->chunk[far->count++] = data;
	far->time = time;
	if (far->count == EMU_FAR_CHUNK)
		emu_far_flush_chunk(far);
}

/**
 * emu_far_mark - something that is no character has come off the wire
 * @far: the program's end
 * @mark: what it was
 * @time: when
 *
 * Context: process; may sleep. The wire's @running is held.
 */
void emu_far_mark(struct emu_far *far, const struct emu_event *mark, ktime_t time)
{
	struct emu_format format = emu_wire_format(far->in);

	if (!far->told)
		emu_far_tell_state(far, &format, time);
	if (mark->type == EMU_EV_BREAK)
		emu_far_tell_break(far, mark->value, time);
	else
		emu_far_tell_lines(far, mark->value, time);
}

/**
 * emu_far_flush - nothing more comes off the wire now
 * @far: the program's end
 * @time: now
 *
 * What there was no room to tell before is told here, if it is still so.
 *
 * Context: process; may sleep. The wire's @running is held.
 */
void emu_far_flush(struct emu_far *far, ktime_t time)
{
	struct emu_format format = emu_wire_format(far->in);

	emu_far_flush_chunk(far);
	emu_far_tell_lost(far, time);
	emu_far_tell_state(far, &format, time);
	if (far->news)
		wake_up_interruptible(&far->wait);
	far->news = false;
}

/**
 * emu_far_is_full - has the program to read before more comes off the wire?
 * @far: the program's end
 *
 * Context: process; may sleep. The wire's @running is held.
 * Return: true if it has.
 */
bool emu_far_is_full(struct emu_far *far)
{
	return kfifo_avail(&far->records) < 2 * EMU_FAR_RESERVE;
}

/* What goes to the wire */

static struct emu_format emu_far_shape(unsigned int value, const struct emu_format *old)
{
	return (struct emu_format) {
		.rate		= old->rate,
		.data_bits	= value & 0xf,
		.half_stop_bits	= value >> 4 & 0xf,
		.parity		= value >> 8,
	};
}

/* Do what a program wants; false if that has to wait */
static bool emu_far_do(struct emu_far *far, unsigned int event, ktime_t time)
{
	unsigned int value = event & EMU_FAR_VALUE;
	struct emu_wire *out = far->out;

	/* A format is that of the next character that begins: none may wait for that */
	if (event >> 24 >= EMU_FAR_BAUD ? !emu_wire_is_idle(out) : !emu_wire_room(out))
		return false;

	switch (event >> 24) {
	case EMU_FAR_CHAR:
		emu_wire_send_one(out, EMU_EV_CHAR, value, time);
		break;
	case EMU_FAR_BREAK:
		emu_wire_set_break(out, value);
		break;
	case EMU_FAR_LINES_SET:
		emu_wire_set_lines(out, value);
		break;
	case EMU_FAR_BAUD:
		far->shape.rate = value * EMU_RATE_UNIT;
		break;
	case EMU_FAR_SHAPE:
		far->shape = emu_far_shape(value, &far->shape);
		far->own = true;
		emu_wire_set_format(out, &far->shape);
		break;
	}

	return true;
}

/**
 * emu_far_transmit - put on the wire what waits for it, as far as there is room
 * @far: the program's end
 *
 * Context: process; may sleep. The @running of the wire that it feeds is held.
 */
void emu_far_transmit(struct emu_far *far)
{
	ktime_t time = far->backlog ? 0 : ktime_get();
	struct emu_format format;
	bool done = false, drained;
	u32 event;

	/* Who says nothing about it has the format that the port has */
	if (!far->own) {
		format = emu_wire_format(far->in);
		emu_wire_set_format(far->out, &format);
	}

	while (kfifo_peek(&far->events, &event) && emu_far_do(far, event, time)) {
		kfifo_skip(&far->events);
		done = true;
	}
	far->backlog = !kfifo_is_empty(&far->events);
	/* Whoever writes more meanwhile says that it is not, before or after */
	scoped_guard(spinlock, &far->drain) {
		drained = kfifo_is_empty(&far->events) && emu_wire_is_idle(far->out);
		WRITE_ONCE(far->drained, drained);
	}
	/* There is room, or all is sent */
	if (done || drained)
		wake_up_interruptible(&far->wait);
}

/* The device */

static void emu_far_plug(struct emu_far *far)
{
	bool plugged = far->plugged && far->opened;
	ktime_t now = ktime_get();

	emu_wire_set_plugged(far->in, plugged, now);
	emu_wire_set_plugged(far->out, plugged, now);
}

/**
 * emu_far_set_plugged - the cable is plugged in or pulled out
 * @far: the program's end
 * @plugged: whether it is plugged in
 *
 * Without a program it is as if it were not.
 *
 * Context: process; may sleep.
 */
void emu_far_set_plugged(struct emu_far *far, bool plugged)
{
	guard(mutex)(&far->lock);

	far->plugged = plugged;
	emu_far_plug(far);
}

/* Nothing of one program is left for the next one */
static void emu_far_reset(struct emu_far *far)
{
	kfifo_reset(&far->records);
	kfifo_reset(&far->events);
	far->count = 0;
	far->told = false;
	far->stamp = 0;
	far->brk = false;
	far->lost = 0;
	far->own = false;
	far->shape = emu_format_default;
	far->backlog = false;
	far->drained = true;
}

static int emu_far_open(struct inode *inode, struct file *file)
{
	struct emu_far *far = container_of(inode->i_cdev, struct emu_far, cdev);

	guard(mutex)(&far->lock);

	if (far->dead)
		return -ENODEV;
	if (far->opened)
		return -EBUSY;

	emu_far_reset(far);
	far->opened = true;
	file->private_data = far;
	emu_far_plug(far);
	/* Who does not read must not be waited for */
	if (file->f_mode & FMODE_READ)
		emu_wire_set_far_rx(far->in, far);
	if (file->f_mode & FMODE_WRITE)
		emu_wire_set_far_tx(far->out, far);
	/* Last, as that may be what the port waits for to send */
	emu_wire_set_lines(far->out, EMU_FAR_LINES);

	return stream_open(inode, file);
}

/* The cable is as if its plug were pulled out, with what is still to be sent */
static void emu_far_detach(struct emu_far *far)
{
	far->opened = false;
	emu_far_plug(far);
	emu_wire_set_far_rx(far->in, NULL);
	emu_wire_set_far_tx(far->out, NULL);
	emu_wire_reset(far->out, 0);
}

static int emu_far_release(struct inode *inode, struct file *file)
{
	struct emu_far *far = file->private_data;

	guard(mutex)(&far->lock);

	if (!far->dead)
		emu_far_detach(far);

	return 0;
}

static bool emu_far_has_records(struct emu_far *far)
{
	return !kfifo_is_empty(&far->records) || READ_ONCE(far->dead);
}

/* Copy a record that is there; returns its size, 0 if it does not fit, or an error */
static ssize_t emu_far_read_one(struct emu_far *far, char __user *buf, size_t size)
{
	struct serial_emu_record head;
	u8 record[sizeof(head) + EMU_FAR_CHUNK];
	unsigned int length;

	length = kfifo_out_peek(&far->records, record, sizeof(record));
	memcpy(&head, record, sizeof(head));
	length = min(length, sizeof(head) + head.length);
	if (length > size)
		return 0;
	if (copy_to_user(buf, record, length))
		return -EFAULT;
	kfifo_skip_count(&far->records, length);

	return length;
}

static ssize_t emu_far_read_all(struct emu_far *far, char __user *buf, size_t size)
{
	ssize_t ret = 0;
	size_t done = 0;

	while (!kfifo_is_empty(&far->records)) {
		ret = emu_far_read_one(far, buf + done, size - done);
		if (ret <= 0)
			break;
		done += ret;
	}
	if (done)
		return done;
	if (ret < 0)
		return ret;

	/* Not even one fits */
	return kfifo_is_empty(&far->records) ? 0 : -EINVAL;
}

static int emu_far_lock(struct mutex *lock, bool nonblock)
{
	if (nonblock)
		return mutex_trylock(lock) ? 0 : -EAGAIN;

	return mutex_lock_interruptible(lock) ? -ERESTARTSYS : 0;
}

static ssize_t emu_far_read_locked(struct emu_far *far, char __user *buf, size_t size,
				   bool nonblock)
{
	ssize_t ret;

	do {
		if (nonblock && !emu_far_has_records(far))
			return -EAGAIN;
		if (wait_event_interruptible(far->wait, emu_far_has_records(far)))
			return -ERESTARTSYS;
		ret = emu_far_read_all(far, buf, size);
	} while (!ret && !READ_ONCE(far->dead));

	return ret;
}

static ssize_t emu_far_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	bool nonblock = file->f_flags & O_NONBLOCK;
	struct emu_far *far = file->private_data;
	ssize_t ret;

	if (!size)
		return 0;

	ret = emu_far_lock(&far->reading, nonblock);
	if (ret)
		return ret;
	ret = emu_far_read_locked(far, buf, size, nonblock);
	mutex_unlock(&far->reading);

	/* There may have been no room for more */
	scoped_guard(mutex, &far->lock) {
		if (!far->dead)
			emu_wire_kick(far->in);
	}

	return ret;
}

static bool emu_far_format_is_valid(const struct serial_emu_format *format)
{
	return format->baud >= EMU_BAUD_MIN && format->baud <= EMU_BAUD_MAX &&
	       format->data_bits >= 5 && format->data_bits <= 9 &&
	       format->half_stop_bits >= 2 && format->half_stop_bits <= 4 &&
	       format->parity <= SERIAL_EMU_PARITY_SPACE && !format->reserved;
}

/* How many events a record makes, 0 if it is malformed */
static unsigned int emu_far_events(const struct serial_emu_record *head, const u8 *payload)
{
	struct serial_emu_format format;
	u32 lines;

	switch (head->type) {
	case SERIAL_EMU_DATA:
		return head->length;
	case SERIAL_EMU_ADDRESS:
		return head->length == 1;
	case SERIAL_EMU_BREAK:
		return head->length == 1 && *payload <= 1;
	case SERIAL_EMU_LINES:
		if (head->length != sizeof(lines))
			return 0;
		memcpy(&lines, payload, sizeof(lines));
		return !(lines & ~EMU_OUTPUTS);
	case SERIAL_EMU_FORMAT:
		if (head->length != sizeof(format))
			return 0;
		memcpy(&format, payload, sizeof(format));
		return emu_far_format_is_valid(&format) ? 2 : 0;
	default:
		return 0;
	}
}

static void emu_far_put(struct emu_far *far, enum emu_far_event_type type, unsigned int value)
{
	kfifo_put(&far->events, type << 24 | value);
}

static void emu_far_put_format(struct emu_far *far, const u8 *payload)
{
	struct serial_emu_format format;

	memcpy(&format, payload, sizeof(format));
	emu_far_put(far, EMU_FAR_BAUD, format.baud);
	emu_far_put(far, EMU_FAR_SHAPE,
		    format.parity << 8 | format.half_stop_bits << 4 | format.data_bits);
}

/* There is room for it */
static void emu_far_put_record(struct emu_far *far, const struct serial_emu_record *head)
{
	const u8 *payload = far->payload;
	unsigned int i;
	u32 lines;

	switch (head->type) {
	case SERIAL_EMU_DATA:
		for (i = 0; i < head->length; i++)
			emu_far_put(far, EMU_FAR_CHAR, payload[i]);
		break;
	case SERIAL_EMU_ADDRESS:
		emu_far_put(far, EMU_FAR_CHAR, BIT(8) | *payload);
		break;
	case SERIAL_EMU_BREAK:
		emu_far_put(far, EMU_FAR_BREAK, *payload);
		break;
	case SERIAL_EMU_LINES:
		memcpy(&lines, payload, sizeof(lines));
		emu_far_put(far, EMU_FAR_LINES_SET, lines);
		break;
	case SERIAL_EMU_FORMAT:
		emu_far_put_format(far, payload);
		break;
	}
}

static bool emu_far_has_room(struct emu_far *far, unsigned int events)
{
	return kfifo_avail(&far->events) >= events || READ_ONCE(far->dead);
}

/* Take over a record; returns its size or an error, and then nothing was taken */
static ssize_t emu_far_write_one(struct emu_far *far, const char __user *buf, size_t size,
				 bool nonblock)
{
	struct serial_emu_record head;
	unsigned int events;

	if (size < sizeof(head))
		return -EINVAL;
	if (copy_from_user(&head, buf, sizeof(head)))
		return -EFAULT;
	/* There is no time for it yet but now */
	if (head.time)
		return -EINVAL;
	if (head.length > SERIAL_EMU_MAX_LENGTH || head.length > size - sizeof(head))
		return -EINVAL;
	if (copy_from_user(far->payload, buf + sizeof(head), head.length))
		return -EFAULT;

	events = emu_far_events(&head, far->payload);
	if (!events)
		return -EINVAL;
	if (nonblock && !emu_far_has_room(far, events))
		return -EAGAIN;
	if (wait_event_interruptible(far->wait, emu_far_has_room(far, events)))
		return -ERESTARTSYS;

	guard(mutex)(&far->lock);

	if (far->dead)
		return -ENODEV;
	emu_far_put_record(far, &head);
	/* Not before: the wire's work would find nothing to send, and say so */
	scoped_guard(spinlock, &far->drain)
		WRITE_ONCE(far->drained, false);
	emu_wire_kick(far->out);

	return sizeof(head) + head.length;
}

static ssize_t emu_far_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	bool nonblock = file->f_flags & O_NONBLOCK;
	struct emu_far *far = file->private_data;
	ssize_t done = 0, ret;

	ret = emu_far_lock(&far->writing, nonblock);
	if (ret)
		return ret;

	while (done < size) {
		ret = emu_far_write_one(far, buf + done, size - done, nonblock);
		if (ret < 0)
			break;
		done += ret;
	}
	mutex_unlock(&far->writing);

	return done ?: ret;
}

static bool emu_far_is_synced(struct emu_far *far)
{
	return READ_ONCE(far->drained) || READ_ONCE(far->dead);
}

/* As tcdrain(3) does on a port */
static int emu_far_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct emu_far *far = file->private_data;

	if (wait_event_interruptible(far->wait, emu_far_is_synced(far)))
		return -ERESTARTSYS;

	return READ_ONCE(far->dead) ? -ENODEV : 0;
}

static __poll_t emu_far_poll(struct file *file, struct poll_table_struct *table)
{
	struct emu_far *far = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &far->wait, table);
	if (!kfifo_is_empty(&far->records))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (kfifo_avail(&far->events) >= SERIAL_EMU_MAX_LENGTH)
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (READ_ONCE(far->dead))
		mask |= EPOLLERR | EPOLLHUP;

	return mask;
}

static const struct file_operations emu_far_fops = {
	.owner		= THIS_MODULE,
	.open		= emu_far_open,
	.release	= emu_far_release,
	.read		= emu_far_read,
	.write		= emu_far_write,
	.poll		= emu_far_poll,
	.fsync		= emu_far_fsync,
};

static void emu_far_free(struct device *dev)
{
	struct emu_far *far = container_of(dev, struct emu_far, dev);

	kfifo_free(&far->records);
	kfifo_free(&far->events);
	kfree(far);
}

static struct emu_far *emu_far_alloc(const struct emu_end *end)
{
	struct emu_far *far;

	far = kzalloc_obj(*far);
	if (!far)
		return NULL;

	device_initialize(&far->dev);
	far->dev.class = &emu_far_class;
	far->dev.release = emu_far_free;
	far->in = end->in;
	far->out = end->out;
	init_waitqueue_head(&far->wait);
	mutex_init(&far->lock);
	spin_lock_init(&far->drain);
	mutex_init(&far->reading);
	mutex_init(&far->writing);

	return far;
}

static int emu_far_register(struct emu_far *far, const char *cable, const char *port)
{
	int ret;

	ret = kfifo_alloc(&far->records, EMU_FAR_RECORDS, GFP_KERNEL);
	if (ret)
		return ret;
	ret = kfifo_alloc(&far->events, EMU_FAR_EVENTS, GFP_KERNEL);
	if (ret)
		return ret;
	ret = dev_set_name(&far->dev, EMU_NAME "!%s!%s", cable, port);
	if (ret)
		return ret;
	ret = ida_alloc_max(&emu_far_minors, CONFIG_SERIAL_EMU_NR_PORTS - 1, GFP_KERNEL);
	if (ret < 0)
		return ret;

	far->dev.devt = MKDEV(MAJOR(emu_far_region), ret);
	cdev_init(&far->cdev, &emu_far_fops);
	far->cdev.owner = THIS_MODULE;

	ret = cdev_device_add(&far->cdev, &far->dev);
	if (ret)
		ida_free(&emu_far_minors, MINOR(far->dev.devt));

	return ret;
}

/* The wires go away; whoever has it open keeps the rest */
static void emu_far_kill(struct emu_far *far)
{
	scoped_guard(mutex, &far->lock) {
		emu_far_detach(far);
		WRITE_ONCE(far->dead, true);
	}
	wake_up_interruptible(&far->wait);
	put_device(&far->dev);
}

/* A "!" becomes a "/" in /dev */
static int emu_far_check_names(const char *cable, const char *port)
{
	if (strchr(cable, '!') || strchr(port, '!'))
		return -EINVAL;

	return strlen(EMU_NAME) + strlen(cable) + strlen(port) + 2 > NAME_MAX ? -ENAMETOOLONG : 0;
}

/**
 * emu_far_create - make the device with which a program is an end of a cable
 * @cable: name of the cable
 * @port: name of the end
 * @end: its wires
 * @plugged: whether the cable is plugged in
 *
 * Context: process; may sleep.
 * Return: the end, or the error: EINVAL if there is a "!" in a name, ENAMETOOLONG if
 *	both are too long together, ENOMEM, ENOSPC, or that of the driver core.
 */
struct emu_far *emu_far_create(const char *cable, const char *port, const struct emu_end *end,
			       bool plugged)
{
	struct emu_far *far;
	int ret;

	ret = emu_far_check_names(cable, port);
	if (ret)
		return ERR_PTR(ret);

	far = emu_far_alloc(end);
	if (!far)
		return ERR_PTR(-ENOMEM);

	far->plugged = plugged;
	ret = emu_far_register(far, cable, port);
	if (ret) {
		emu_far_kill(far);
		return ERR_PTR(ret);
	}

	return far;
}

/**
 * emu_far_destroy - undo emu_far_create()
 * @far: the program's end
 *
 * Who has it open reads the end of the file, and gets ENODEV for what is written.
 *
 * Context: process; may sleep.
 */
void emu_far_destroy(struct emu_far *far)
{
	cdev_device_del(&far->cdev, &far->dev);
	/* However long somebody has it open: a file finds its device without the number */
	ida_free(&emu_far_minors, MINOR(far->dev.devt));
	emu_far_kill(far);
}

/**
 * emu_far_init - make room for the devices
 *
 * Context: process; may sleep.
 * Return: 0, or the error of the driver core.
 */
int emu_far_init(void)
{
	int ret;

	ret = class_register(&emu_far_class);
	if (ret)
		return ret;

	ret = alloc_chrdev_region(&emu_far_region, 0, CONFIG_SERIAL_EMU_NR_PORTS, EMU_NAME);
	if (ret)
		class_unregister(&emu_far_class);

	return ret;
}

/**
 * emu_far_exit - undo emu_far_init()
 *
 * Context: process; may sleep.
 */
void emu_far_exit(void)
{
	unregister_chrdev_region(emu_far_region, CONFIG_SERIAL_EMU_NR_PORTS);
	class_unregister(&emu_far_class);
}
