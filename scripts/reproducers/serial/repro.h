/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the reproducers share. Each is run by scripts/reproducers/run in a machine of
 * its own, as root, on ports of the 8250, prints one line that begins with "right:"
 * or "wrong:", and ends with the exit status 0 or 1.
 */

#ifndef REPRO_H
#define REPRO_H

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/serial.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#ifndef TIOCM_OUT2
#define TIOCM_OUT2	0x4000
#endif
#ifndef TIOCM_LOOP
#define TIOCM_LOOP	0x8000
#endif

#define NAME	"ttyS1"
#define PORT	"/dev/" NAME

static inline int verdict(int right, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%s: ", right ? "right" : "wrong");
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);

	return !right;
}

static inline void check(int ok, const char *what)
{
	if (ok)
		return;
	printf("error: %s: %s\n", what, strerror(errno));
	exit(2);
}

static inline void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

static inline void show_file(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));

	printf("%s:\n%.*s", path, (int)(n > 0 ? n : 0), text);
	close(fd);
}

static inline void show_stack(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	show_file(path);
}

static inline int open_port(int flags)
{
	int fd = open(PORT, O_RDWR | O_NOCTTY | flags);

	check(fd >= 0, PORT);

	return fd;
}

static inline void set_raw(int fd, tcflag_t set, tcflag_t clear)
{
	struct termios termios;

	check(!tcgetattr(fd, &termios), "tcgetattr");
	cfmakeraw(&termios);
	termios.c_cflag |= set;
	termios.c_cflag &= ~clear;
	check(!tcsetattr(fd, TCSANOW, &termios), "tcsetattr");
}

static inline int set_irq(int fd, int irq)
{
	struct serial_struct serial;
	int old;

	check(!ioctl(fd, TIOCGSERIAL, &serial), "TIOCGSERIAL");
	old = serial.irq;
	serial.irq = irq;
	check(!ioctl(fd, TIOCSSERIAL, &serial), "TIOCSSERIAL");

	return old;
}

/* The device whose driver added the port: two levels above the port's own */
static inline char *port_hardware(void)
{
	char *path = realpath("/sys/class/tty/" NAME "/device", NULL);

	check(path != NULL, NAME);
	dirname(dirname(path));

	return path;
}

/* Take the port from its driver; may never return */
static inline void unbind(void)
{
	char *hardware = port_hardware();
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/driver/unbind", hardware);
	write_file(path, basename(hardware));
}

/* Wait until the child ends; 0 if it does not within so many seconds */
static inline int ends_within(pid_t child, int seconds)
{
	int i;

	for (i = 0; i < seconds * 10; i++) {
		if (waitpid(child, NULL, WNOHANG) == child)
			return 1;
		usleep(100000);
	}

	return 0;
}

#endif
