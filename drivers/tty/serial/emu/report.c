// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: reports of a port, which a program reads.
 *
 * A pass over the wire turns characters and control events into records, see
 * include/uapi/linux/serial-emu.h, with their order and times. A pass holds the lock of the
 * reports all the time, so that a reader finds whole records only.
 */

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/uio.h>

#include <uapi/linux/serial-emu.h>

#include <kunit/visibility.h>

#include "port.h"
#include "report.h"
#include "wire.h"

static_assert((int)SERIAL_EMU_PARITY_NONE == EMU_PARITY_NONE);
static_assert((int)SERIAL_EMU_PARITY_EVEN == EMU_PARITY_EVEN);
static_assert((int)SERIAL_EMU_PARITY_ODD == EMU_PARITY_ODD);
static_assert((int)SERIAL_EMU_PARITY_MARK == EMU_PARITY_MARK);
static_assert((int)SERIAL_EMU_PARITY_SPACE == EMU_PARITY_SPACE);

/* Size of the FIFO in bytes */
#define EMU_REPORTS_SIZE	65536

/* Largest number of characters that a pass waits for */
#define EMU_REPORTS_WANTED	32

/* Room that characters leave for control events */
#define EMU_REPORTS_RESERVE	256

/* The layout is the same in programs of 32 bits: no translation is needed */
static_assert(offsetof(struct serial_emu_record, time) == 8);
static_assert(sizeof(struct serial_emu_record) == 16);
static_assert(sizeof(struct serial_emu_format) == 8);
static_assert(sizeof(struct serial_emu_overrun) == 8);

/* Byte of a payload that no state has, so that the first state is reported */
#define EMU_REPORT_UNKNOWN	0xff

/* Lengths of the payloads of states */
static const u8 emu_report_lengths[] = {
	[SERIAL_EMU_BREAK]	= sizeof(u8),
	[SERIAL_EMU_LINES]	= sizeof(u32),
	[SERIAL_EMU_FORMAT]	= sizeof(struct serial_emu_format),
	[SERIAL_EMU_OPEN]	= sizeof(u8),
};

static bool emu_report_put(struct emu_reports *reports, enum serial_emu_type type,
			   const void *payload, unsigned int length, ktime_t time)
{
	struct serial_emu_record head = {
		.length	= length,
		.type	= type,
	};
	u8 record[sizeof(head) + EMU_REPORTS_CHUNK];

	lockdep_assert_held(&reports->lock);

	if (kfifo_avail(&reports->fifo) < sizeof(head) + length)
		return false;

	/* Times do not decrease: a state may be reported late */
	reports->stamp = max(reports->stamp, time);
	head.time = ktime_to_ns(reports->stamp);
	memcpy(record, &head, sizeof(head));
	memcpy(record + sizeof(head), payload, length);
	kfifo_in(&reports->fifo, record, sizeof(head) + length);
	reports->news = true;

	return true;
}

static bool emu_report_lost(struct emu_reports *reports, ktime_t time)
{
	if (!reports->lost.characters && !reports->lost.changes)
		return true;
	if (kfifo_avail(&reports->fifo) < EMU_REPORTS_RESERVE)
		return false;
	if (!emu_report_put(reports, SERIAL_EMU_OVERRUN, &reports->lost, sizeof(reports->lost),
			    time))
		return false;
	reports->lost = (struct serial_emu_overrun) { };

	return true;
}

/* The numbers stay at their maximum: a program may not read for hours */
static void emu_report_add_lost(__u32 *lost, unsigned int count)
{
	*lost = min_t(u64, (u64)*lost + count, U32_MAX);
}

static void emu_report_chars(struct emu_reports *reports, enum serial_emu_type type,
			     const u8 *chars, unsigned int count, ktime_t time)
{
	if (kfifo_avail(&reports->fifo) < EMU_REPORTS_RESERVE ||
	    !emu_report_lost(reports, time) ||
	    !emu_report_put(reports, type, chars, count, time))
		emu_report_add_lost(&reports->lost.characters, count);
}

static void emu_report_chunk(struct emu_reports *reports)
{
	if (reports->count)
		emu_report_chars(reports, SERIAL_EMU_DATA, reports->chunk, reports->count,
				 reports->time);
	reports->count = 0;
}

/* Report a change; while there is no room, it stays pending */
static void emu_report_pending(struct emu_reports *reports, enum serial_emu_type type,
			       ktime_t time)
{
	struct emu_report_state *state = &reports->state[type];

	if (!state->pending)
		return;

	emu_report_chunk(reports);
	/* The record of lost changes goes before the next change */
	if (reports->lost.changes && !emu_report_lost(reports, time))
		return;
	if (!emu_report_put(reports, type, state->now, emu_report_lengths[type], time))
		return;
	memcpy(state->reported, state->now, emu_report_lengths[type]);
	state->pending = false;
}

static void emu_report_change(struct emu_reports *reports, enum serial_emu_type type,
			      const void *now, ktime_t time)
{
	struct emu_report_state *state = &reports->state[type];

	if (!memcmp(state->now, now, emu_report_lengths[type]))
		return;

	memcpy(state->now, now, emu_report_lengths[type]);
	if (state->pending) {
		/* The pending change is lost; if it is reverted, both are lost */
		state->pending = memcmp(now, state->reported, emu_report_lengths[type]);
		emu_report_add_lost(&reports->lost.changes, state->pending ? 1 : 2);
	} else {
		state->pending = true;
	}
	emu_report_pending(reports, type, time);
}

static void emu_report_format(struct emu_reports *reports, const struct emu_format *format,
			      ktime_t time)
{
	const struct serial_emu_format payload = {
		.baud		= div64_u64(format->rate + EMU_RATE_UNIT / 2, EMU_RATE_UNIT),
		.data_bits	= format->data_bits,
		.half_stop_bits	= format->half_stop_bits,
		.parity		= format->parity,
	};

	if (reports->begun && emu_format_is_equal(format, &reports->format))
		return;

	reports->format = *format;
	emu_report_change(reports, SERIAL_EMU_FORMAT, &payload, time);
}

static void emu_report_lines(struct emu_reports *reports, unsigned int lines, ktime_t time)
{
	const u32 outputs = lines & EMU_OUTPUTS;
	const u8 open = !!(lines & EMU_PORT_IS_OPEN);

	emu_report_change(reports, SERIAL_EMU_OPEN, &open, time);
	emu_report_change(reports, SERIAL_EMU_LINES, &outputs, time);
}

static void emu_report_break(struct emu_reports *reports, bool on, ktime_t time)
{
	const u8 payload = on;

	emu_report_change(reports, SERIAL_EMU_BREAK, &payload, time);
}

/* A line that is cut is idle, whatever the loopback mode makes of a break */
static void emu_report_state(struct emu_reports *reports, const struct emu_format *format,
			     bool cut, ktime_t time)
{
	emu_report_format(reports, format, time);
	emu_report_lines(reports, emu_wire_lines(reports->wire), time);
	emu_report_break(reports, !cut && emu_wire_is_low(reports->wire), time);
	reports->begun = true;
}

static void emu_report_add_char(struct emu_reports *reports, u8 data, ktime_t time)
{
	reports->chunk[reports->count++] = data;
	reports->time = time;
	if (reports->count == EMU_REPORTS_CHUNK)
		emu_report_chunk(reports);
}

static void emu_report_add_chars(struct emu_reports *reports, const struct emu_item *item)
{
	u8 mask = GENMASK(min(item->format.data_bits, 8) - 1, 0);
	unsigned int i;

	emu_report_format(reports, &item->format, item->time);
	/* The line was idle before: only characters without a gap share a record */
	if (reports->count && emu_clock_now(&item->clock) > reports->time)
		emu_report_chunk(reports);
	if (item->address && item->format.data_bits > 8) {
		emu_report_chunk(reports);
		emu_report_chars(reports, SERIAL_EMU_ADDRESS, item->chars, 1, item->time);
		return;
	}
	for (i = 0; i < item->count; i++)
		emu_report_add_char(reports, item->chars[i] & mask, item->time);
}

static void emu_report_item(struct emu_reports *reports, const struct emu_item *item)
{
	if (!reports->begun)
		emu_report_state(reports, &item->format, false, item->time);
	if (item->type == EMU_ITEM_CHARACTERS) {
		emu_report_add_chars(reports, item);
	} else if (item->type == EMU_ITEM_BREAK) {
		emu_report_break(reports, item->value, item->time);
		reports->clear = item->time;
	} else {
		emu_report_lines(reports, item->value, item->time);
	}
}

/* Number of characters that a break hides, even if it overlaps only a part of one */
static unsigned int emu_reports_hidden(struct emu_reports *reports, const struct emu_pass *pass,
				       const struct emu_item *item)
{
	if (item->type != EMU_ITEM_CHARACTERS)
		return 0;
	if (pass->cut || emu_wire_is_low(reports->wire))
		return item->count;

	return pass->pace && emu_clock_now(&item->clock) < reports->clear;
}

static void emu_reports_pending(struct emu_reports *reports, ktime_t time)
{
	enum serial_emu_type type;

	for (type = SERIAL_EMU_BREAK; type <= SERIAL_EMU_OPEN; type++)
		emu_report_pending(reports, type, time);
}

/* Report all that had to wait for room */
static void emu_reports_flush(struct emu_reports *reports, const struct emu_pass *pass)
{
	struct emu_format format = emu_wire_first_format(reports->wire);

	emu_report_chunk(reports);
	emu_report_lost(reports, pass->now);
	emu_report_state(reports, &format, pass->cut, pass->now);
	emu_reports_pending(reports, pass->now);
}

/* Number of characters to wait for: those of a millisecond */
static unsigned int emu_reports_wanted(struct emu_reports *reports, const struct emu_pass *pass)
{
	u64 frame_time = emu_format_time(&reports->format, pass->pace);

	return frame_time ? clamp(div64_u64(NSEC_PER_MSEC, frame_time), 1, EMU_REPORTS_WANTED) : 1;
}

/* Without a pace the wire waits until the program has read */
static unsigned int emu_reports_room(struct emu_reports *reports, const struct emu_pass *pass)
{
	if (!pass->pace && !pass->cut && kfifo_avail(&reports->fifo) < 2 * EMU_REPORTS_RESERVE)
		return 0;

	return EMU_ITEM_CHARS;
}

/**
 * emu_reports_receive - take all items that are due, and report them
 * @reports: the reports
 * @pass: the pass over the wire
 *
 * Context: Any context except hard interrupts and NMI, in a pass over the wire.
 * Return: true if there are new records.
 */
bool emu_reports_receive(struct emu_reports *reports, struct emu_pass *pass)
{
	struct emu_wire *wire = reports->wire;
	unsigned int room, hidden;
	struct emu_item item;

	guard(spinlock)(&reports->lock);

	reports->news = false;
	/* What had no room was before all that comes now: its time is that of the last record */
	emu_reports_pending(reports, 0);
	while (!pass->looped) {
		room = emu_reports_room(reports, pass);
		pass->held = !room;
		if (!emu_wire_peek(wire, pass, room, &item))
			break;
		hidden = emu_reports_hidden(reports, pass, &item);
		if (hidden)
			item.count = hidden;
		else if (!pass->cut)
			emu_report_item(reports, &item);
		emu_wire_skip(wire, &item, item.count);
	}
	if (!pass->cut && !pass->looped)
		emu_report_add_lost(&reports->lost.changes, pass->lost);
	emu_reports_flush(reports, pass);
	if (!pass->looped)
		pass->wanted = emu_reports_wanted(reports, pass);

	return reports->news;
}
EXPORT_SYMBOL_IF_KUNIT(emu_reports_receive);

/* Copy and remove a record; returns its size, 0 if it does not fit, or an error */
static ssize_t emu_report_copy(struct emu_reports *reports, struct iov_iter *to)
{
	struct serial_emu_record head;
	u8 record[sizeof(head) + EMU_REPORTS_CHUNK];
	size_t length, copied;

	/* The record stays: only a reader removes it. Copying may sleep, without the lock. */
	scoped_guard(spinlock_bh, &reports->lock)
		length = kfifo_out_peek(&reports->fifo, record, sizeof(record));
	memcpy(&head, record, sizeof(head));
	length = min(length, sizeof(head) + head.length);
	if (length > iov_iter_count(to))
		return 0;
	copied = copy_to_iter(record, length, to);
	if (copied < length) {
		iov_iter_revert(to, copied);
		return -EFAULT;
	}
	scoped_guard(spinlock_bh, &reports->lock)
		kfifo_skip_count(&reports->fifo, length);

	return length;
}

/**
 * emu_reports_read - copy and remove as many whole records as fit
 * @reports: the reports
 * @to: buffers of the reader
 *
 * Context: Process context. May sleep. Only one reader at a time.
 * Return: the number of bytes, 0 without a record, -EINVAL if the first record does not
 *	fit, or -EFAULT.
 */
ssize_t emu_reports_read(struct emu_reports *reports, struct iov_iter *to)
{
	ssize_t ret = 0;
	size_t done = 0;

	while (!emu_reports_is_empty(reports)) {
		ret = emu_report_copy(reports, to);
		if (ret <= 0)
			break;
		done += ret;
	}
	if (done)
		return done;
	if (ret < 0)
		return ret;

	return emu_reports_is_empty(reports) ? 0 : -EINVAL;
}
EXPORT_SYMBOL_IF_KUNIT(emu_reports_read);

/**
 * emu_reports_reset - drop the reports for the previous program
 * @reports: the reports of a wire without a receiver
 */
void emu_reports_reset(struct emu_reports *reports)
{
	enum serial_emu_type type;

	guard(spinlock_bh)(&reports->lock);

	kfifo_reset(&reports->fifo);
	reports->count = 0;
	memset(reports->state, 0, sizeof(reports->state));
	/* Except for the break: its first report is its begin */
	for (type = SERIAL_EMU_LINES; type <= SERIAL_EMU_OPEN; type++)
		memset(reports->state[type].now, EMU_REPORT_UNKNOWN, EMU_REPORTS_STATE);
	reports->begun = false;
	reports->clear = 0;
	reports->stamp = 0;
	reports->lost = (struct serial_emu_overrun) { };
}
EXPORT_SYMBOL_IF_KUNIT(emu_reports_reset);

/**
 * emu_reports_init - prepare reports
 * @reports: zeroed memory
 * @wire: wire that the port feeds
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOMEM.
 */
int emu_reports_init(struct emu_reports *reports, struct emu_wire *wire)
{
	reports->wire = wire;
	spin_lock_init(&reports->lock);

	return kfifo_alloc(&reports->fifo, EMU_REPORTS_SIZE, GFP_KERNEL);
}
EXPORT_SYMBOL_IF_KUNIT(emu_reports_init);

/**
 * emu_reports_free - undo emu_reports_init()
 * @reports: the reports, without a receiver and a reader
 */
void emu_reports_free(struct emu_reports *reports)
{
	kfifo_free(&reports->fifo);
}
EXPORT_SYMBOL_IF_KUNIT(emu_reports_free);
