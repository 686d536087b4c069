/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the serial console emulator share: records of a chardev end.
 */

#ifndef _SERIAL_EMU_RECORD_H
#define _SERIAL_EMU_RECORD_H

#include <fcntl.h>
#include <linux/serial-emu.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "serial_test.h"

#define HEAD		sizeof(struct serial_emu_record)

struct record {
	struct serial_emu_record head;
	unsigned char payload[256];
};

/**
 * struct unread - records that were read, but not got, of the only file that is open
 * @buf: the records
 * @start: where the next one begins
 * @end: where the last one ends
 */
struct unread {
	unsigned char buf[4096];
	size_t start;
	size_t end;
};

static struct unread unread;

/* Records left of another file do not come from this one */
static inline int open_chardev_as(const char *node, int flags)
{
	unread.start = 0;
	unread.end = 0;

	return open(node, flags | O_CLOEXEC);
}

static inline int open_chardev(const char *node)
{
	return open_chardev_as(node, O_RDWR | O_NONBLOCK);
}

/* One record, which is as long as it says; false if none comes */
static inline bool get_record_ms(int fd, struct record *record, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	unsigned char *next;
	ssize_t count;

	memset(record, 0, sizeof(*record));
	if (unread.start == unread.end) {
		if (poll(&pfd, 1, ms) < 1)
			return false;
		count = read(fd, unread.buf, sizeof(unread.buf));
		if (count <= 0)
			return false;
		unread.start = 0;
		unread.end = count;
	}
	next = unread.buf + unread.start;
	memcpy(&record->head, next, HEAD);
	if (unread.end - unread.start < HEAD + record->head.length ||
	    record->head.length > sizeof(record->payload))
		return false;
	memcpy(record->payload, next + HEAD, record->head.length);
	unread.start += HEAD + record->head.length;

	return true;
}

static inline bool get_record(int fd, struct record *record)
{
	return get_record_ms(fd, record, serial_limit_ms());
}

/* The next record of that type, whatever comes before it */
static inline bool find_record(int fd, unsigned int type, struct record *record)
{
	do {
		if (!get_record(fd, record))
			return false;
	} while (record->head.type != type);

	return true;
}

static inline unsigned int record_u32(const struct record *record)
{
	unsigned int value;

	memcpy(&value, record->payload, sizeof(value));

	return value;
}

static inline struct serial_emu_overrun record_overrun(const struct record *record)
{
	struct serial_emu_overrun overrun;

	memcpy(&overrun, record->payload, sizeof(overrun));

	return overrun;
}

/* Wait until these outputs are what the records say */
static inline bool find_lines(int fd, unsigned int lines)
{
	struct record record;

	do {
		if (!find_record(fd, SERIAL_EMU_LINES, &record))
			return false;
	} while (record_u32(&record) != lines);

	return true;
}

/* This data, in however many records; with what else comes it ends */
static inline bool find_data(int fd, const char *data)
{
	struct record record;
	size_t done = 0;

	while (done < strlen(data)) {
		if (!find_record(fd, SERIAL_EMU_DATA, &record) ||
		    record.head.length > strlen(data) - done ||
		    memcmp(record.payload, data + done, record.head.length))
			return false;
		done += record.head.length;
	}

	return true;
}

static inline void put_all(int fd)
{
	struct record record;

	while (get_record_ms(fd, &record, 50))
		;
}

static inline int put(int fd, unsigned int type, const void *payload, unsigned int length)
{
	unsigned char buf[HEAD + 4096];
	struct serial_emu_record head = { .length = length, .type = type };

	memcpy(buf, &head, HEAD);
	memcpy(buf + HEAD, payload, length);

	return write(fd, buf, HEAD + length) == (ssize_t)(HEAD + length) ? 0 : -errno;
}

#endif /* _SERIAL_EMU_RECORD_H */
