// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module of a serial driver is unloaded while one of its ports is open. The
 * close uses the uart_state, which was freed.
 */

#include <sys/syscall.h>

#include "repro.h"

int main(void)
{
	int fd = open_port(O_NONBLOCK);

	if (syscall(SYS_delete_module, "8250", O_NONBLOCK))
		return verdict(1, "delete_module(): %s", strerror(errno));
	printf("8250 is unloaded, with a port open\n");
	fflush(stdout);
	close(fd);

	return verdict(0, "the port was closed after its driver was unloaded");
}
