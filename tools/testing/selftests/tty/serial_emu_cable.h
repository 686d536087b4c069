/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the serial console emulator share: cables in configfs.
 */

#ifndef _SERIAL_EMU_CABLE_H
#define _SERIAL_EMU_CABLE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serial_test.h"

#define TOP		"/sys/kernel/config/serial-emu"

/* Why there can be no cables; NULL if there can */
static inline const char *why_no_cables(void)
{
	if (geteuid())
		return "needs root";

	return access(TOP, F_OK) ? "no " TOP : NULL;
}

/* Make a cable without ends, which the guard takes away if the test does not */
static inline int make_cable(char *dir, size_t size, const char *prefix)
{
	snprintf(dir, size, "%s/%s%d", TOP, prefix, guard.owner);

	return mkdir(dir, 0755);
}

/* The numbers behind a word at the begin of a line, added up; -1 if it is not there */
static inline long kernel_counter(const char *path, const char *word)
{
	char line[4096], *at, *end;
	long count = -1, number;
	FILE *file;

	file = fopen(path, "re");
	while (file && count < 0 && fgets(line, sizeof(line), file)) {
		at = line + strspn(line, " ");
		if (strncmp(at, word, strlen(word)))
			continue;
		count = 0;
		at += strlen(word);
		while (number = strtol(at, &end, 10), end != at) {
			count += number;
			at = end;
		}
	}
	if (file)
		fclose(file);

	return count;
}

static inline const char *in_dir(const char *dir, const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);

	return path;
}

static inline int make(const char *dir, const char *name)
{
	return mkdir(in_dir(dir, name), 0755) ? -errno : 0;
}

static inline int unmake(const char *dir, const char *name)
{
	return rmdir(in_dir(dir, name)) ? -errno : 0;
}

static inline int set(const char *dir, const char *name, const char *value)
{
	return serial_write_file(in_dir(dir, name), value);
}

/* The content of an attribute, without the newline; empty if it cannot be read */
static inline const char *get(const char *dir, const char *name)
{
	static char text[48];
	int fd = open(in_dir(dir, name), O_RDONLY | O_CLOEXEC);
	ssize_t count = 0;

	if (fd >= 0) {
		count = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[count > 0 ? count : 0] = 0;
	text[strcspn(text, "\n")] = 0;

	return text;
}

/* Open a port as every test finds it */
static inline int open_port(const char *path)
{
	int fd = serial_open(path);

	if (fd >= 0)
		serial_set_raw(fd);

	return fd;
}

/* Open the port of an end, "a/tty" for example */
static inline int open_end(const char *dir, const char *tty)
{
	return open_port(in_dir("/dev", get(dir, tty)));
}

static inline int make_end(const char *dir, const char *name, const char *kind)
{
	char attr[PATH_MAX];

	snprintf(attr, sizeof(attr), "%s/kind", name);

	return make(dir, name) ?: set(dir, attr, kind);
}

#endif /* _SERIAL_EMU_CABLE_H */
