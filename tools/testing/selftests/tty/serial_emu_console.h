/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the serial console emulator's consoles share.
 */

#ifndef _SERIAL_EMU_CONSOLE_H
#define _SERIAL_EMU_CONSOLE_H

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "serial_test.h"

#define PRINTK		"/proc/sys/kernel/printk"
#define BUF_SIZE	1000000
#define SETTING_MAX	64

static char buf[BUF_SIZE + 1];

/* A file in debugfs of the port of that number */
static inline const char *debug_file(int line, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/kernel/debug/serial-emu/ttyEMU%d/%s", line, name);

	return path;
}

/* Read a small file as a string */
static inline bool read_from(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t count;

	text[0] = 0;
	if (fd < 0)
		return false;
	while ((count = read(fd, text + done, size - 1 - done)) > 0)
		done += count;
	text[done] = 0;
	close(fd);

	return count == 0;
}

/* The limit of /dev/kmsg is one for each time that it is opened */
static inline int say(const char *text)
{
	char line[128];

	snprintf(line, sizeof(line), "%s\n", text);

	return serial_write_file("/dev/kmsg", line);
}

/* Read until the buffer has this */
static inline bool hear_more(int fd, const char *text)
{
	long end = serial_now_ms() + 2 * serial_limit_ms();
	size_t done = strlen(buf);

	while (!strstr(buf, text) && done < BUF_SIZE && serial_now_ms() < end) {
		done += serial_read_ms(fd, buf + done, 1, 200);
		/* Whatever there is, without a system call for each character */
		if (serial_inq(fd) > 0)
			done += serial_read_ms(fd, buf + done,
					       (size_t)serial_inq(fd) < BUF_SIZE - done ?
					       (size_t)serial_inq(fd) : BUF_SIZE - done, 0);
		buf[done] = 0;
	}

	return strstr(buf, text);
}

/* The buffer starts empty */
static inline bool hear(int fd, const char *text)
{
	buf[0] = 0;

	return hear_more(fd, text);
}

static inline void hear_all(int fd)
{
	while (serial_read_ms(fd, buf, BUF_SIZE, SERIAL_QUIET_MS))
		;
}

#endif /* _SERIAL_EMU_CONSOLE_H */
