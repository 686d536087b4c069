// SPDX-License-Identifier: GPL-2.0-only
/*
 * A port is unbound from its driver while a process waits in open() for the
 * carrier. Nothing wakes it: the hang-up does nothing to a port that no open has
 * succeeded on.
 *
 * In loopback mode the carrier is OUT2, which the 8250 does not raise if there is no
 * interrupt.
 */

#include "repro.h"

#define SECONDS	10

static void lower_carrier(void)
{
	int loop = TIOCM_LOOP;
	int fd = open_port(O_NONBLOCK);

	set_raw(fd, CLOCAL, HUPCL);
	set_irq(fd, 0);
	close(fd);

	fd = open_port(O_NONBLOCK);
	check(!ioctl(fd, TIOCMSET, &loop), "TIOCMSET");
	set_raw(fd, 0, HUPCL | CLOCAL);
	close(fd);
}

static pid_t start_open(void)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = open(PORT, O_RDWR | O_NOCTTY);
	printf("open(): %s\n", fd < 0 ? strerror(errno) : "success");
	fflush(stdout);
	_exit(0);
}

int main(void)
{
	pid_t pid;

	lower_carrier();
	pid = start_open();
	check(!ends_within(pid, 2), "the port has a carrier");
	unbind();
	if (ends_within(pid, SECONDS))
		return verdict(1, "open() returned when the port was removed");
	show_stack(pid);

	return verdict(0, "open() waits for the carrier of a removed port after %d s",
		       SECONDS);
}
