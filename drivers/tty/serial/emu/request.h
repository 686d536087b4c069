/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: requests for a port, which a program writes.
 */

#ifndef _SERIAL_EMU_REQUEST_H
#define _SERIAL_EMU_REQUEST_H

#include <linux/cleanup.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <uapi/linux/serial-emu.h>

#include "frame.h"

struct emu_pass;
struct emu_wire;
struct iov_iter;

/**
 * struct emu_requests - requests for a port
 * @wire: wire that the program feeds; does not change
 * @peer: wire that the port feeds, whose format is the default; does not change
 * @head: head of the record that is being written; all down to @written belongs to the
 *	writer
 * @payload: payload of that record
 * @written: time at which the last BREAK or LINES was written
 * @lock: protects all below
 * @fifo: events that were not sent yet; a writer puts events in, a pass takes them out
 * @chained: the last record was a BREAK or LINES, and fsync() has not returned since: the
 *	next one keeps its distance
 * @acted: time at which the last control event took effect
 * @due: time at which the next control event takes effect, 0 if it keeps no distance
 * @own: the program has set a format
 * @format: format that the program has set
 * @backlog: the wire had no room for all events
 * @drained: all events took effect
 */
struct emu_requests {
	struct emu_wire *wire;
	struct emu_wire *peer;
	struct serial_emu_record head;
	u8 payload[SERIAL_EMU_MAX_LENGTH];
	ktime_t written;
	/* The locks of the wires nest inside it */
	spinlock_t lock;
	DECLARE_KFIFO_PTR(fifo, u32);
	bool chained;
	ktime_t acted;
	ktime_t due;
	bool own;
	struct emu_format format;
	bool backlog;
	bool drained;
};

static inline bool emu_requests_has_room(struct emu_requests *requests, unsigned int events)
{
	guard(spinlock_bh)(&requests->lock);

	return kfifo_avail(&requests->fifo) >= events;
}

static inline bool emu_requests_is_drained(struct emu_requests *requests)
{
	guard(spinlock_bh)(&requests->lock);

	return requests->drained;
}

int emu_requests_init(struct emu_requests *requests, struct emu_wire *wire,
		      struct emu_wire *peer);
void emu_requests_free(struct emu_requests *requests);
void emu_requests_reset(struct emu_requests *requests);
int emu_requests_parse(struct emu_requests *requests, struct iov_iter *from);
ssize_t emu_requests_put(struct emu_requests *requests);
void emu_requests_synced(struct emu_requests *requests);
bool emu_requests_transmit(struct emu_requests *requests, struct emu_pass *pass);

#endif /* _SERIAL_EMU_REQUEST_H */
