// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: cost pty
 *	  cost NAME PORT PORT
 *	  cost NAME PORT PORT BAUD
 *
 * What a byte costs from write() to read(), where nothing is lost and time is counted in
 * instructions (scripts/vm --counted): for writes of several sizes, for lines, and from
 * one port to the other and back; or, with BAUD, what a character costs that takes its
 * time, as what is left for a program that never waits. Prints lines of NAME, what was
 * measured, and the figure.
 */

#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define TURNS		500
#define PACED_SECONDS	2

static const char *name;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void pause_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
}

static void result(const char *what, double ns)
{
	printf("%s\t%s\t%.1f\n", name, what, ns);
	fflush(stdout);
}

static void set_raw(int fd, int lines, speed_t speed)
{
	struct termios tio;

	if (tcgetattr(fd, &tio))
		err(1, "tcgetattr");
	cfmakeraw(&tio);
	if (lines)
		tio.c_lflag |= ICANON;
	tio.c_cflag |= CLOCAL | CREAD;
	cfsetspeed(&tio, speed);
	if (tcsetattr(fd, TCSANOW, &tio))
		err(1, "tcsetattr");
}

static int open_port(const char *path, speed_t speed)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 || fcntl(fd, F_SETFL, 0))
		err(1, "%s", path);
	set_raw(fd, 0, speed);

	return fd;
}

static void write_all(int fd, const char *buf, size_t size)
{
	ssize_t count;

	for (; size; buf += count, size -= count) {
		count = write(fd, buf, size);
		if (count < 0)
			err(1, "write");
	}
}

static void read_all(int fd, size_t size)
{
	char buf[65536];
	ssize_t count;

	for (; size; size -= count) {
		count = read(fd, buf, size < sizeof(buf) ? size : sizeof(buf));
		if (count <= 0)
			err(1, "read");
	}
}

static double transfer(int from, int to, size_t chunk, size_t total)
{
	double begin = now();
	char *buf = malloc(chunk);
	size_t i;
	pid_t pid;

	for (i = 0; i < chunk; i++)
		buf[i] = i % 64 == 63 ? '\n' : 'a' + i % 26;
	pid = fork();
	if (!pid) {
		for (i = 0; i < total; i += chunk)
			write_all(from, buf, chunk);
		_exit(0);
	}
	read_all(to, total);
	waitpid(pid, NULL, 0);
	free(buf);

	return (now() - begin) * 1e9 / total;
}

static double turn(int a, int b)
{
	double begin;
	pid_t pid;
	int i;

	pid = fork();
	if (!pid) {
		for (i = 0; i < TURNS; i++) {
			read_all(b, 1);
			write_all(b, "x", 1);
		}
		_exit(0);
	}
	begin = now();
	for (i = 0; i < TURNS; i++) {
		write_all(a, "x", 1);
		read_all(a, 1);
	}
	begin = now() - begin;
	waitpid(pid, NULL, 0);

	return begin * 1e9 / TURNS;
}

static void unpaced(int a, int b)
{
	result("1-byte writes, ns a byte", transfer(a, b, 1, 16384));
	result("64-byte writes, ns a byte", transfer(a, b, 64, 131072));
	result("4096-byte writes, ns a byte", transfer(a, b, 4096, 1048576));
	set_raw(b, 1, B115200);
	result("lines, ns a byte", transfer(a, b, 4096, 262144));
	set_raw(b, 0, B115200);
	result("one byte and back, ns", turn(a, b));
}

/* Keep both directions busy; returns how much arrived */
static unsigned long exchange(int fd[2], double seconds)
{
	char buf[4096] = { };
	double end = now() + seconds;
	unsigned long got = 0;
	ssize_t count;
	int i;

	while (now() < end) {
		pause_ms(50);
		for (i = 0; i < 2; i++) {
			while ((count = read(fd[i], buf, sizeof(buf))) > 0)
				got += count;
			count = write(fd[i], buf, sizeof(buf));
		}
	}

	return got;
}

/* What a program that never waits does in a second, which all else takes time from */
static double spin_rate(volatile unsigned long *spins, int fd[2], double seconds,
			unsigned long *got)
{
	unsigned long before = *spins;
	double begin = now();

	if (got)
		*got = exchange(fd, seconds);
	else
		while (now() < begin + seconds)
			pause_ms(50);

	return (*spins - before) / (now() - begin);
}

static void paced(const char *first, const char *second, unsigned int baud)
{
	speed_t speed = baud == 9600 ? B9600 : B115200;
	int fd[2] = { open_port(first, speed), open_port(second, speed) }, i;
	unsigned long *spins = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long got;
	double idle, busy;
	char what[64];
	pid_t pid;

	for (i = 0; i < 2; i++)
		fcntl(fd[i], F_SETFL, O_NONBLOCK);
	pid = fork();
	if (!pid) {
		sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ });
		for (;;)
			++*(volatile unsigned long *)spins;
	}
	idle = spin_rate(spins, fd, 1, NULL);
	exchange(fd, 0.2);
	busy = spin_rate(spins, fd, PACED_SECONDS, &got);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	snprintf(what, sizeof(what), "%u baud, ns a character", baud);
	result(what, (1 - busy / idle) * PACED_SECONDS * 1e9 / got);
}

int main(int argc, char **argv)
{
	int a, b;

	name = argc > 1 ? argv[1] : "";
	if (argc == 2 && !strcmp(name, "pty")) {
		b = posix_openpt(O_RDWR | O_NOCTTY);
		if (b < 0 || grantpt(b) || unlockpt(b))
			err(1, "pty");
		a = open_port(ptsname(b), B115200);
		/* What is read at the slave's end is what a program reads that has a terminal */
		unpaced(b, a);
	} else if (argc == 4) {
		a = open_port(argv[2], B115200);
		b = open_port(argv[3], B115200);
		unpaced(a, b);
	} else if (argc == 5) {
		paced(argv[2], argv[3], atoi(argv[4]));
	} else {
		errx(1, "usage: cost pty | cost NAME PORT PORT [BAUD]");
	}

	return 0;
}
