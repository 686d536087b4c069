/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: reports of a port, which a program reads.
 */

#ifndef _SERIAL_EMU_REPORT_H
#define _SERIAL_EMU_REPORT_H

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

/* Largest number of characters in a record */
#define EMU_REPORTS_CHUNK	64

/* Longest payload of a record about a state */
#define EMU_REPORTS_STATE	sizeof(struct serial_emu_format)

/**
 * struct emu_report_state - a state of which each change is reported
 * @now: payload for the current state
 * @reported: payload of the last record
 * @pending: @now has to be reported when there is room
 */
struct emu_report_state {
	u8 now[EMU_REPORTS_STATE];
	u8 reported[EMU_REPORTS_STATE];
	bool pending;
};

/**
 * struct emu_reports - reports of a port
 * @wire: wire that the port feeds; does not change
 * @lock: protects all below
 * @fifo: records that were not read yet; a pass puts records in, a reader takes them out
 * @chunk: characters of the next record
 * @count: number of characters in @chunk
 * @time: end of the last character in @chunk
 * @format: format of the port
 * @state: states, by type of their records
 * @begun: all states were reported once
 * @clear: time of the last begin or end of a break
 * @stamp: time of the last record
 * @news: a record was added in this pass
 * @lost: characters and changes for which there was no room
 */
struct emu_reports {
	struct emu_wire *wire;
	/* The locks of the wires nest inside it */
	spinlock_t lock;
	DECLARE_KFIFO_PTR(fifo, u8);
	u8 chunk[EMU_REPORTS_CHUNK];
	unsigned int count;
	ktime_t time;
	struct emu_format format;
	struct emu_report_state state[SERIAL_EMU_OPEN + 1];
	bool begun;
	ktime_t clear;
	ktime_t stamp;
	bool news;
	struct serial_emu_overrun lost;
};

static inline bool emu_reports_is_empty(struct emu_reports *reports)
{
	guard(spinlock_bh)(&reports->lock);

	return kfifo_is_empty(&reports->fifo);
}

int emu_reports_init(struct emu_reports *reports, struct emu_wire *wire);
void emu_reports_free(struct emu_reports *reports);
void emu_reports_reset(struct emu_reports *reports);
bool emu_reports_receive(struct emu_reports *reports, struct emu_pass *pass);
ssize_t emu_reports_read(struct emu_reports *reports, struct iov_iter *to);

#endif /* _SERIAL_EMU_REPORT_H */
