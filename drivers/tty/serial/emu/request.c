// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: requests for a port, which a program writes.
 *
 * The writer turns records, see include/uapi/linux/serial-emu.h, into events in a FIFO. A
 * pass over the wire takes the events, as it takes characters from a port's transmitter.
 * Both hold the lock of the requests: a pass sees none or all events of a record.
 */

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/uio.h>

#include <uapi/linux/serial-emu.h>

#include "port.h"
#include "request.h"
#include "wire.h"

/* Size of the FIFO in events: a power of two, and larger than a record */
#define EMU_REQUESTS_EVENTS	4096

/* Largest distance between two control events, in microseconds */
#define EMU_REQUESTS_DISTANCE	USEC_PER_SEC

#define EMU_REQUEST_VALUE	GENMASK(23, 0)

/**
 * enum emu_request_type - type of an event
 * @EMU_REQUEST_CHAR: send a character
 * @EMU_REQUEST_WAIT: keep a distance, in microseconds, from the last control event
 * @EMU_REQUEST_BREAK: begin or end a break
 * @EMU_REQUEST_LINES: drive the modem control outputs
 * @EMU_REQUEST_BAUD: prepare the rate of a format
 * @EMU_REQUEST_SHAPE: set the format, with the prepared rate
 * @EMU_REQUEST_FOLLOW: set the format of the port
 */
enum emu_request_type {
	EMU_REQUEST_CHAR,
	EMU_REQUEST_WAIT,
	EMU_REQUEST_BREAK,
	EMU_REQUEST_LINES,
	EMU_REQUEST_BAUD,
	EMU_REQUEST_SHAPE,
	EMU_REQUEST_FOLLOW,
};

/* The writer's side */

static bool emu_request_format_is_valid(const struct serial_emu_format *format)
{
	return format->baud >= EMU_BAUD_MIN && format->baud <= EMU_BAUD_MAX &&
	       format->data_bits >= 5 && format->data_bits <= 9 &&
	       format->half_stop_bits >= 2 && format->half_stop_bits <= 4 &&
	       format->parity <= SERIAL_EMU_PARITY_SPACE && !format->reserved;
}

/* A format of zeros stands for that of the port */
static bool emu_request_format_is_ports(const struct serial_emu_format *format)
{
	return !memchr_inv(format, 0, sizeof(*format));
}

static unsigned int emu_request_format_events(const struct serial_emu_format *format)
{
	if (emu_request_format_is_ports(format))
		return 1;

	return emu_request_format_is_valid(format) ? 2 : 0;
}

/* Largest number of events of a record, 0 if it is malformed */
static unsigned int emu_request_events(const struct serial_emu_record *head, const u8 *payload)
{
	struct serial_emu_format format;
	u32 lines;

	switch (head->type) {
	case SERIAL_EMU_DATA:
		return head->length;
	case SERIAL_EMU_ADDRESS:
		return head->length == 1;
	case SERIAL_EMU_BREAK:
		return head->length == 1 && *payload <= 1 ? 2 : 0;
	case SERIAL_EMU_LINES:
		if (head->length != sizeof(lines))
			return 0;
		memcpy(&lines, payload, sizeof(lines));
		return lines & ~EMU_OUTPUTS ? 0 : 2;
	case SERIAL_EMU_FORMAT:
		if (head->length != sizeof(format))
			return 0;
		memcpy(&format, payload, sizeof(format));
		return emu_request_format_events(&format);
	default:
		return 0;
	}
}

/* Does not check the type, nor the payload */
static bool emu_request_head_is_valid(const struct serial_emu_record *head, size_t room)
{
	return !head->flags && !head->time && head->length <= SERIAL_EMU_MAX_LENGTH &&
	       head->length <= room;
}

/**
 * emu_requests_parse - copy and check a record
 * @requests: the requests
 * @from: buffers of the writer
 *
 * Context: Process context. May sleep. Only one writer at a time.
 * Return: the room in events that emu_requests_put() needs, -EINVAL if the record is
 *	malformed, or -EFAULT.
 */
int emu_requests_parse(struct emu_requests *requests, struct iov_iter *from)
{
	struct serial_emu_record *head = &requests->head;
	unsigned int events;

	if (iov_iter_count(from) < sizeof(*head))
		return -EINVAL;
	if (!copy_from_iter_full(head, sizeof(*head), from))
		return -EFAULT;
	if (!emu_request_head_is_valid(head, iov_iter_count(from)))
		return -EINVAL;
	if (!copy_from_iter_full(requests->payload, head->length, from))
		return -EFAULT;
	events = emu_request_events(head, requests->payload);

	return events ?: -EINVAL;
}

static void emu_request_put(struct emu_requests *requests, enum emu_request_type type,
			    unsigned int value)
{
	lockdep_assert_held(&requests->lock);

	kfifo_put(&requests->fifo, type << 24 | value);
}

static void emu_request_put_data(struct emu_requests *requests)
{
	unsigned int i;

	requests->chained = false;
	for (i = 0; i < requests->head.length; i++)
		emu_request_put(requests, EMU_REQUEST_CHAR, requests->payload[i]);
}

static void emu_request_put_address(struct emu_requests *requests)
{
	requests->chained = false;
	emu_request_put(requests, EMU_REQUEST_CHAR, BIT(8) | *requests->payload);
}

/* A break keeps its length, also if it has to wait for the end of characters */
static void emu_request_put_ctrl(struct emu_requests *requests, enum emu_request_type type,
				 unsigned int value)
{
	ktime_t now = ktime_get();

	if (requests->chained)
		emu_request_put(requests, EMU_REQUEST_WAIT,
				min_t(s64, ktime_us_delta(now, requests->written),
				      EMU_REQUESTS_DISTANCE));
	emu_request_put(requests, type, value);
	requests->written = now;
	requests->chained = true;
}

static void emu_request_put_lines(struct emu_requests *requests)
{
	u32 lines;

	memcpy(&lines, requests->payload, sizeof(lines));
	emu_request_put_ctrl(requests, EMU_REQUEST_LINES, lines);
}

static void emu_request_put_format(struct emu_requests *requests)
{
	struct serial_emu_format format;

	memcpy(&format, requests->payload, sizeof(format));
	if (emu_request_format_is_ports(&format)) {
		emu_request_put(requests, EMU_REQUEST_FOLLOW, 0);
		return;
	}
	emu_request_put(requests, EMU_REQUEST_BAUD, format.baud);
	emu_request_put(requests, EMU_REQUEST_SHAPE,
			format.parity << 8 | format.half_stop_bits << 4 | format.data_bits);
}

static void emu_request_put_record(struct emu_requests *requests)
{
	switch (requests->head.type) {
	case SERIAL_EMU_DATA:
		emu_request_put_data(requests);
		break;
	case SERIAL_EMU_ADDRESS:
		emu_request_put_address(requests);
		break;
	case SERIAL_EMU_BREAK:
		emu_request_put_ctrl(requests, EMU_REQUEST_BREAK, *requests->payload);
		break;
	case SERIAL_EMU_LINES:
		emu_request_put_lines(requests);
		break;
	case SERIAL_EMU_FORMAT:
		emu_request_put_format(requests);
		break;
	}
}

/**
 * emu_requests_put - queue the events of the record that emu_requests_parse() copied
 * @requests: the requests, with room for the events
 *
 * Context: Process context. Only one writer at a time.
 * Return: size of the record.
 */
ssize_t emu_requests_put(struct emu_requests *requests)
{
	scoped_guard(spinlock_bh, &requests->lock) {
		emu_request_put_record(requests);
		requests->drained = false;
	}
	emu_wire_kick(requests->wire);

	return sizeof(requests->head) + requests->head.length;
}

/* The transmitter's side */

/* Returns false until the distance is kept; without a pace there is none */
static bool emu_request_wait(struct emu_requests *requests, unsigned int us,
			     struct emu_pass *pass)
{
	ktime_t time = ktime_add_us(requests->acted, us);

	if (!pass->pace || time <= ktime_get())
		return true;

	/* The event counts from here however late the pass is, so that delays do not add up */
	requests->due = time;
	emu_pass_due(pass, time);

	return false;
}

static void emu_request_act(struct emu_requests *requests)
{
	requests->acted = requests->due ?: ktime_get();
	requests->due = 0;
}

static void emu_request_set_shape(struct emu_format *format, unsigned int value)
{
	format->data_bits = value & 0xf;
	format->half_stop_bits = value >> 4 & 0xf;
	format->parity = value >> 8;
}

static void emu_request_send(struct emu_wire *wire, unsigned int data, ktime_t time)
{
	u8 c = data;

	if (data > U8_MAX)
		emu_wire_put_address(wire, c, time);
	else
		emu_wire_put(wire, &c, 1, time);
}

static void emu_request_set_format(struct emu_requests *requests, unsigned int shape)
{
	emu_request_set_shape(&requests->format, shape);
	requests->own = true;
	emu_wire_set_format(requests->wire, &requests->format);
}

static void emu_request_follow(struct emu_requests *requests)
{
	struct emu_format format = emu_wire_format(requests->peer);

	requests->own = false;
	emu_wire_set_format(requests->wire, &format);
}

/*
 * With a pace a control event acts at once: all before it must have taken effect. So no more
 * events are on the wire than it can hold.
 */
static bool emu_request_is_due(struct emu_requests *requests, enum emu_request_type type,
			       const struct emu_pass *pass)
{
	if (type == EMU_REQUEST_CHAR || !pass->pace)
		return emu_wire_room(requests->wire);

	return emu_wire_is_drained(requests->wire);
}

/* Returns false if the event has to wait */
static bool emu_request_do(struct emu_requests *requests, u32 event, struct emu_pass *pass,
			   ktime_t time)
{
	enum emu_request_type type = event >> 24;
	unsigned int value = event & EMU_REQUEST_VALUE;
	struct emu_wire *wire = requests->wire;

	if (!emu_request_is_due(requests, type, pass))
		return false;

	switch (type) {
	case EMU_REQUEST_CHAR:
		emu_request_send(wire, value, time);
		break;
	case EMU_REQUEST_WAIT:
		return emu_request_wait(requests, value, pass);
	case EMU_REQUEST_BREAK:
		emu_request_act(requests);
		emu_wire_set_break(wire, value);
		break;
	case EMU_REQUEST_LINES:
		emu_request_act(requests);
		emu_wire_set_lines(wire, value);
		break;
	case EMU_REQUEST_BAUD:
		requests->format.rate = value * EMU_RATE_UNIT;
		break;
	case EMU_REQUEST_SHAPE:
		emu_request_set_format(requests, value);
		break;
	case EMU_REQUEST_FOLLOW:
		emu_request_follow(requests);
		break;
	}

	return true;
}

/* Returns true if at least one event was done */
static bool emu_requests_do(struct emu_requests *requests, struct emu_pass *pass)
{
	ktime_t time = requests->backlog ? 0 : ktime_get();
	bool done = false;
	u32 event;

	requests->backlog = false;
	while (kfifo_peek(&requests->fifo, &event)) {
		requests->backlog = !emu_request_do(requests, event, pass, time);
		if (requests->backlog)
			break;
		kfifo_skip(&requests->fifo);
		done = true;
		/* A character does not begin before the control event took effect */
		if (event >> 24 != EMU_REQUEST_CHAR)
			time = ktime_get();
	}

	return done;
}

static bool emu_requests_drain(struct emu_requests *requests)
{
	lockdep_assert_held(&requests->lock);

	requests->drained = kfifo_is_empty(&requests->fifo) && emu_wire_is_drained(requests->wire);

	return requests->drained;
}

/**
 * emu_requests_synced - have the next control event keep no distance
 * @requests: the requests; the writer knows that all events were sent
 */
void emu_requests_synced(struct emu_requests *requests)
{
	guard(spinlock_bh)(&requests->lock);

	/* Unless another thread has written a record since */
	if (requests->drained)
		requests->chained = false;
}

/**
 * emu_requests_transmit - fill the wire as far as it has room
 * @requests: the requests
 * @pass: the pass over the wire
 *
 * Context: Any context except hard interrupts and NMI, in a pass over the wire.
 * Return: true if there is more room for a writer, or if all events were sent.
 */
bool emu_requests_transmit(struct emu_requests *requests, struct emu_pass *pass)
{
	bool done, drained;

	guard(spinlock)(&requests->lock);

	if (!requests->own)
		emu_request_follow(requests);
	done = emu_requests_do(requests, pass);
	drained = emu_requests_drain(requests);

	return done || drained;
}

/**
 * emu_requests_reset - drop the requests of the previous program
 * @requests: the requests for a wire without a transmitter
 */
void emu_requests_reset(struct emu_requests *requests)
{
	guard(spinlock_bh)(&requests->lock);

	kfifo_reset(&requests->fifo);
	requests->chained = false;
	requests->due = 0;
	requests->own = false;
	requests->format = emu_format_default;
	requests->backlog = false;
	requests->drained = true;
}

/**
 * emu_requests_init - prepare requests
 * @requests: zeroed memory
 * @wire: wire that the program feeds
 * @peer: wire that the port feeds
 *
 * Context: Process context. May sleep.
 * Return: 0, or -ENOMEM.
 */
int emu_requests_init(struct emu_requests *requests, struct emu_wire *wire,
		      struct emu_wire *peer)
{
	requests->wire = wire;
	requests->peer = peer;
	spin_lock_init(&requests->lock);

	return kfifo_alloc(&requests->fifo, EMU_REQUESTS_EVENTS, GFP_KERNEL);
}

/**
 * emu_requests_free - undo emu_requests_init()
 * @requests: the requests, without a transmitter and a writer
 */
void emu_requests_free(struct emu_requests *requests)
{
	kfifo_free(&requests->fifo);
}
