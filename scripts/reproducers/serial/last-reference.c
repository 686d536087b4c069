// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that waits in TIOCMIWAIT drops the last reference to a port whose driver
 * is unloaded. uart_port_deref() uses the port and its state after that.
 *
 * The window is a few instructions long: last-reference.patch makes it ten
 * seconds, and has the process come last. Apply it to see the bug, or
 * last-reference-mended.patch to the kernel without it; the patch that lets an open
 * port pin the module has to be reverted there.
 */

#include <sys/prctl.h>
#include <sys/syscall.h>

#include "repro.h"

int main(void)
{
	int fd = open_port(O_NONBLOCK);
	int status;
	pid_t pid;

	set_raw(fd, CLOCAL, 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, "late");
		ioctl(fd, TIOCMIWAIT, TIOCM_RNG);
		_exit(0);
	}
	sleep(1);
	if (syscall(SYS_delete_module, "8250", O_NONBLOCK))
		return verdict(1, "delete_module(): %s", strerror(errno));
	check(waitpid(pid, &status, 0) == pid, "waitpid");

	return verdict(WIFEXITED(status), "the last reference was dropped by a process that %s",
		       WIFEXITED(status) ? "ended" : "died of it");
}
