// SPDX-License-Identifier: GPL-2.0-only
/*
 * Long messages of many lines are written faster than the console prints, so that
 * some are dropped. The message after the note of that loses its newline. The log of
 * the console tells: run counts the lines that hold two messages.
 *
 * The console is hvc0. The 8250 notices that its line did not end, and ends it.
 */

#include "repro.h"

#define WRITERS		8
#define MESSAGES	100
#define LINES		480

static void write_messages(int writer)
{
	static char text[2 * LINES + 32];
	int fd, i, j, n;

	fd = open("/dev/kmsg", O_WRONLY);
	check(fd >= 0, "/dev/kmsg");
	for (i = 0; i < MESSAGES; i++) {
		n = sprintf(text, "<4>message %d\n", writer * MESSAGES + i);
		for (j = 0; j < LINES; j++)
			n += sprintf(text + n, "x\n");
		check(write(fd, text, n) == n, "write");
	}
	_exit(0);
}

int main(void)
{
	int i;

	write_file("/proc/sys/kernel/printk", "8");
	write_file("/proc/sys/kernel/printk_devkmsg", "on\n");
	for (i = 0; i < WRITERS; i++)
		if (!fork())
			write_messages(i);
	while (wait(NULL) > 0)
		;

	return 0;
}
