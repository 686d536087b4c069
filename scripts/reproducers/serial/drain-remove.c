// SPDX-License-Identifier: GPL-2.0-only
/*
 * A port is unbound from its driver while processes sleep in tcdrain() on it. The
 * hang-up wakes them, they go on to uart_wait_until_sent() and block on the port
 * mutex with a reference to the port, and the removal waits with the mutex held
 * until the references are gone. Neither ever ends, nor does any later addition or
 * removal of a serial port.
 */

#include "repro.h"

#define DRAINERS	8
#define SECONDS		30

static pid_t start_drainer(int fd)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	tcdrain(fd);
	_exit(0);
}

int main(void)
{
	pid_t drainers[DRAINERS], remover;
	int fd = open_port(O_NONBLOCK);
	int i;

	set_raw(fd, CLOCAL, 0);
	check(!tcflow(fd, TCOOFF), "tcflow");
	check(write(fd, "stays here", 10) == 10, "write");
	for (i = 0; i < DRAINERS; i++)
		drainers[i] = start_drainer(fd);
	sleep(1);

	remover = fork();
	if (!remover) {
		unbind();
		_exit(0);
	}
	if (ends_within(remover, SECONDS))
		return verdict(1, "the port was removed");

	show_stack(remover);
	for (i = 0; i < DRAINERS; i++)
		if (!ends_within(drainers[i], 0) && !kill(drainers[i], 0))
			show_stack(drainers[i]);

	return verdict(0, "the removal of the port has not ended after %d s", SECONDS);
}
