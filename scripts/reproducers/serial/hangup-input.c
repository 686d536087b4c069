// SPDX-License-Identifier: GPL-2.0-only
/*
 * A port is hung up while its buffer holds what the line discipline had no room
 * for. The next one who opens it reads that.
 */

#include "repro.h"

#define SECRET	'S'

static void receive_and_hang_up(void)
{
	char block[1024];
	int loop = TIOCM_LOOP | TIOCM_DTR | TIOCM_RTS | TIOCM_OUT2;
	int fd, i;

	setsid();
	fd = open_port(O_NONBLOCK);
	set_raw(fd, CLOCAL, HUPCL);
	check(!ioctl(fd, TIOCSCTTY, 1), "TIOCSCTTY");
	check(!ioctl(fd, TIOCMSET, &loop), "TIOCMSET");
	memset(block, SECRET, sizeof(block));
	for (i = 0; i < 8; i++) {
		if (write(fd, block, sizeof(block)) < 0)
			check(errno == EAGAIN, "write");
		sleep(1);
	}
	signal(SIGHUP, SIG_IGN);
	check(!vhangup(), "vhangup");
	_exit(0);
}

int main(void)
{
	int loop = TIOCM_LOOP | TIOCM_DTR | TIOCM_RTS | TIOCM_OUT2;
	char block[8192];
	int status, fd;
	ssize_t n, i, count = 0;
	pid_t pid = fork();

	if (!pid)
		receive_and_hang_up();
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status),
	      "the first user");

	fd = open_port(O_NONBLOCK);
	set_raw(fd, CLOCAL, 0);
	check(!ioctl(fd, TIOCMSET, &loop), "TIOCMSET");
	check(write(fd, "x", 1) == 1, "write");
	sleep(1);
	while ((n = read(fd, block, sizeof(block))) > 0)
		for (i = 0; i < n; i++)
			count += block[i] == SECRET;

	return verdict(!count, "the next user read %zd characters from before the hang-up",
		       count);
}
