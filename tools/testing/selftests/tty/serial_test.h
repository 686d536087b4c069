/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of serial ports have in common: two ports, joined by a
 * null-modem cable, and things that are done in the background because they
 * sleep. Nothing here waits for ever.
 *
 * glibc's <termios.h> knows no odd rates, hence <asm/termbits.h> and the bare
 * ioctls instead.
 */

#ifndef _SERIAL_TEST_H
#define _SERIAL_TEST_H

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <linux/serial.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "serial_guard.h"

#ifndef TIOCM_OUT1
#define TIOCM_OUT1	0x2000
#define TIOCM_OUT2	0x4000
#define TIOCM_LOOP	0x8000
#endif

#define SERIAL_OUTPUTS		(TIOCM_DTR | TIOCM_RTS)
#define SERIAL_INPUTS		(TIOCM_CTS | TIOCM_DSR | TIOCM_CAR)

/*
 * Seconds after which a test is given up, which hangs then: a machine that has other things to
 * do is slow. A program whose tests are for any port may have less, for what hangs there.
 */
#ifndef SERIAL_TIMEOUT
#define SERIAL_TIMEOUT	300
#endif
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	SERIAL_TIMEOUT

/* For so long we look whether what must not happen does not */
#define SERIAL_QUIET_MS		150

#define SERIAL_PATH_MAX		64

/**
 * struct serial_paths - the ports that are tested
 * @path: both of them
 * @cable: the directory in configfs of the emulated cable of the first one, or empty
 * @emulated: whether they are the serial console emulator's
 * @loop: whether both are the same one, in loopback mode
 */
struct serial_paths {
	char path[2][SERIAL_PATH_MAX];
	char cable[PATH_MAX];
	bool emulated;
	bool loop;
};

static inline int64_t serial_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static inline int64_t serial_now_us(void)
{
	return serial_now_ns() / 1000;
}

static inline long serial_now_ms(void)
{
	return serial_now_ns() / 1000000;
}

/*
 * Whatever has to happen happens within this time, even on a loaded machine, or else
 * in SERIAL_LIMIT_MS milliseconds. Where many characters have to be sent or received first, the
 * time starts anew with each of them: a foreign port need not keep its rate.
 */
static inline int serial_limit_ms(void)
{
	const char *limit = getenv("SERIAL_LIMIT_MS");

	return limit ? atoi(limit) : 30000;
}

static inline void serial_sleep_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/*
 * In the virtual time of User-Mode Linux a processor is infinitely fast: a task that never sleeps
 * starves the others, and what depends on the speed of a machine cannot be seen.
 */
static inline bool serial_time_is_virtual(void)
{
	char name[32];

	return guard_read("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			  name, sizeof(name)) && !strcmp(name, "time-travel-clock");
}

/* The name of a port without its directory */
static inline const char *serial_name(const char *port)
{
	const char *slash = strrchr(port, '/');

	return slash ? slash + 1 : port;
}

/* Read the first line of a small file; false if there is none */
static inline bool serial_read_line(const char *path, char *text, size_t size)
{
	return guard_read(path, text, size) && text[0];
}

/*
 * Find the directory in configfs of a port, whose attribute "tty" names it; false if it is
 * the end of no emulated cable.
 */
static inline bool serial_find_end(const char *port, char *end)
{
	char name[SERIAL_PATH_MAX - 5];
	glob_t found = { };
	bool ok = false;
	size_t i;

	glob("/sys/kernel/config/serial-emu/*/*/tty", 0, NULL, &found);
	for (i = 0; i < found.gl_pathc && !ok; i++) {
		if (!serial_read_line(found.gl_pathv[i], name, sizeof(name)) ||
		    strcmp(name, serial_name(port)))
			continue;
		snprintf(end, PATH_MAX, "%s", dirname(found.gl_pathv[i]));
		ok = true;
	}
	globfree(&found);

	return ok;
}

/*
 * Find the cable of a port; false if it is the end of no emulated one. The other end's name,
 * if there is one, is in @peer, unless that is NULL.
 */
static inline bool serial_find_cable(const char *port, char *cable, char *peer)
{
	char name[SERIAL_PATH_MAX - 5], pattern[PATH_MAX + 8], end[PATH_MAX];
	glob_t found = { };
	size_t i;

	if (!serial_find_end(port, end))
		return false;
	snprintf(cable, PATH_MAX, "%s", dirname(end));
	if (!peer)
		return true;

	snprintf(pattern, sizeof(pattern), "%s/*/tty", cable);
	glob(pattern, 0, NULL, &found);
	for (i = 0; i < found.gl_pathc; i++) {
		if (serial_read_line(found.gl_pathv[i], name, sizeof(name)) &&
		    strcmp(name, serial_name(port)))
			snprintf(peer, SERIAL_PATH_MAX, "/dev/%s", name);
	}
	globfree(&found);

	return true;
}

/*
 * SERIAL_PAIR="/dev/ttyX /dev/ttyY" tells which ports to use, SERIAL_PAIR=/dev/ttyX
 * which one to use in loopback mode.
 */
static inline void serial_find_paths(struct serial_paths *paths)
{
	const char *pair = getenv("SERIAL_PAIR");
	int count;

	count = sscanf(pair ? pair : "", "%63s %63s", paths->path[0], paths->path[1]);
	if (count < 1) {
		strcpy(paths->path[0], "/dev/ttyEMU0");
		strcpy(paths->path[1], "/dev/ttyEMU1");
	} else if (count == 1) {
		strcpy(paths->path[1], paths->path[0]);
	}
	paths->loop = !strcmp(paths->path[0], paths->path[1]);
	paths->emulated = !strncmp(paths->path[0], "/dev/ttyEMU", 11);
	if (!serial_find_cable(paths->path[0], paths->cable, NULL))
		paths->cable[0] = 0;
}

static inline bool serial_paths_exist(const struct serial_paths *paths)
{
	return !access(paths->path[0], F_OK) && !access(paths->path[1], F_OK);
}

/* Write to a file of sysfs, for example; 0 or a negative errno */
static inline int serial_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);

	return ret;
}

/* Write to an attribute of an emulated cable; false if this is not one, or it has none */
static inline bool serial_cable_write(const struct serial_paths *paths, const char *name,
				      const char *text)
{
	char path[PATH_MAX + SERIAL_PATH_MAX];

	if (!paths->cable[0])
		return false;
	snprintf(path, sizeof(path), "%s/%s", paths->cable, name);

	return !serial_write_file(path, text);
}

static inline bool serial_cable_set(const struct serial_paths *paths, const char *name, int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", value);

	return serial_cable_write(paths, name, text);
}

/* Percent of real time */
#define SERIAL_PACE_DEFAULT	100
/* As fast as the machine can */
#define SERIAL_PACE_MAX		0

static inline bool serial_set_pace(const struct serial_paths *paths, int pace)
{
	if (pace == SERIAL_PACE_MAX)
		return serial_cable_write(paths, "pace", "max");

	return serial_cable_set(paths, "pace", pace);
}

/* Have the receiver of one of the ports stand still, or go on; false if it cannot be told */
static inline bool serial_set_stall(const struct serial_paths *paths, int i, bool stall)
{
	char end[PATH_MAX], path[PATH_MAX + sizeof("/rx_stall")];

	if (!serial_find_end(paths->path[i], end))
		return false;
	snprintf(path, sizeof(path), "%s/rx_stall", end);

	return !serial_write_file(path, stall ? "1" : "0");
}

static inline int serial_get(int fd, struct termios2 *tio)
{
	return ioctl(fd, TCGETS2, tio);
}

static inline int serial_set(int fd, const struct termios2 *tio)
{
	return ioctl(fd, TCSETS2, tio);
}

/* Raw, 115200n8, no flow control, as every test finds the ports */
static inline int serial_set_raw(int fd)
{
	struct termios2 tio = {
		.c_cflag = B115200 | CS8 | CREAD | CLOCAL | HUPCL,
		.c_ispeed = 115200,
		.c_ospeed = 115200,
	};

	tio.c_cc[VMIN] = 1;
	tio.c_cc[VINTR] = 3;
	tio.c_cc[VEOF] = 4;
	tio.c_cc[VSTART] = 0x11;
	tio.c_cc[VSTOP] = 0x13;

	return serial_set(fd, &tio);
}

/* Any rate, in both directions */
static inline int serial_set_speed(int fd, unsigned int baud)
{
	struct termios2 tio;

	if (serial_get(fd, &tio))
		return -1;
	tio.c_cflag = (tio.c_cflag & ~(CBAUD | CBAUD << IBSHIFT)) | BOTHER;
	tio.c_ospeed = baud;
	tio.c_ispeed = baud;

	return serial_set(fd, &tio);
}

static inline int serial_change_cflag(int fd, unsigned int clear, unsigned int set)
{
	struct termios2 tio;

	if (serial_get(fd, &tio))
		return -1;
	tio.c_cflag = (tio.c_cflag & ~clear) | set;

	return serial_set(fd, &tio);
}

static inline int serial_change_iflag(int fd, unsigned int clear, unsigned int set)
{
	struct termios2 tio;

	if (serial_get(fd, &tio))
		return -1;
	tio.c_iflag = (tio.c_iflag & ~clear) | set;

	return serial_set(fd, &tio);
}

static inline int serial_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	return fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/* An open that does not wait for the carrier, of a port that then behaves as usual */
static inline int serial_open(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		serial_set_nonblock(fd, false);

	return fd;
}

static inline int serial_lines(int fd)
{
	int lines;

	return ioctl(fd, TIOCMGET, &lines) ? -1 : lines;
}

static inline int serial_lines_on(int fd, int lines)
{
	return ioctl(fd, TIOCMBIS, &lines);
}

static inline int serial_lines_off(int fd, int lines)
{
	return ioctl(fd, TIOCMBIC, &lines);
}

/* Wait so long until the lines of the mask have these values */
static inline bool serial_wait_lines_ms(int fd, int mask, int value, int ms)
{
	long end = serial_now_ms() + ms;
	int lines;

	do {
		lines = serial_lines(fd);
		if (lines < 0)
			return false;
		if ((lines & mask) == value)
			return true;
		serial_sleep_ms(5);
	} while (serial_now_ms() < end);

	return false;
}

static inline bool serial_wait_lines(int fd, int mask, int value)
{
	return serial_wait_lines_ms(fd, mask, value, serial_limit_ms());
}

/* Whether the lines of the mask keep these values */
static inline bool serial_lines_stay(int fd, int mask, int value)
{
	long end = serial_now_ms() + SERIAL_QUIET_MS;

	do {
		if ((serial_lines(fd) & mask) != value)
			return false;
		serial_sleep_ms(10);
	} while (serial_now_ms() < end);

	return true;
}

/*
 * Whether an output is wired to these inputs of the far end. It is on, and so it
 * is left. An emulated cable is wired: a test that finds otherwise is to fail. Of ports
 * that are known to have no wires, SERIAL_WIRED_MS limits the wait.
 */
static inline bool serial_is_wired(const struct serial_paths *paths, int from, int output,
				   int to, int inputs)
{
	const char *text = getenv("SERIAL_WIRED_MS");
	int ms = text ? atoi(text) : serial_limit_ms();
	int was = serial_lines(from) & output;
	bool wired;

	if (paths->emulated)
		return true;
	serial_lines_on(from, output);
	wired = serial_wait_lines_ms(to, inputs, inputs, ms);
	serial_lines_off(from, output);
	wired = wired && serial_wait_lines_ms(to, inputs, 0, ms);
	if (was) {
		serial_lines_on(from, output);
		wired = wired && serial_wait_lines_ms(to, inputs, inputs, ms);
	}

	return wired;
}

/* Read until there is as much as wanted, or nothing comes for so long */
static inline size_t serial_read_ms(int fd, void *buf, size_t size, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t done = 0;
	ssize_t count;

	while (done < size && poll(&pfd, 1, ms) > 0) {
		count = read(fd, (char *)buf + done, size - done);
		if (count <= 0)
			break;
		done += count;
	}

	return done;
}

static inline size_t serial_read(int fd, void *buf, size_t size)
{
	return serial_read_ms(fd, buf, size, serial_limit_ms());
}

static inline bool serial_nothing_arrives(int fd)
{
	char c;

	return !serial_read_ms(fd, &c, 1, SERIAL_QUIET_MS);
}

/* Whether exactly this arrives and nothing after it */
static inline bool serial_arrives(int fd, const void *data, size_t size)
{
	char buf[512];

	return size <= sizeof(buf) && serial_read(fd, buf, size) == size &&
	       !memcmp(buf, data, size) && serial_nothing_arrives(fd);
}

static inline int serial_outq(int fd)
{
	int count;

	return ioctl(fd, TIOCOUTQ, &count) ? -1 : count;
}

static inline int serial_inq(int fd)
{
	int count;

	return ioctl(fd, FIONREAD, &count) ? -1 : count;
}

/* Wait until at most so many characters are left to send; false if the port stops before */
static inline bool serial_wait_outq(int fd, int most)
{
	long end = serial_now_ms() + serial_limit_ms();
	int least = serial_outq(fd), left = least;

	while (left > most && serial_now_ms() < end) {
		serial_sleep_ms(5);
		left = serial_outq(fd);
		if (left < least) {
			least = left;
			end = serial_now_ms() + serial_limit_ms();
		}
	}

	return left <= most;
}

/* Wait until at least so many characters can be read; false if they do not arrive */
static inline bool serial_wait_inq(int fd, int least)
{
	long end = serial_now_ms() + serial_limit_ms();

	while (serial_inq(fd) < least && serial_now_ms() < end)
		serial_sleep_ms(5);

	return serial_inq(fd) >= least;
}

/* Wait for POLLOUT, until which most of a full buffer has to be sent; false if it does not come */
static inline bool serial_wait_writable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int left = serial_outq(fd), was;

	do {
		if (poll(&pfd, 1, serial_limit_ms()) > 0)
			return true;
		was = left;
		left = serial_outq(fd);
	} while (left < was);

	return false;
}

/* Write without ever sleeping for long while nothing is sent */
static inline size_t serial_write(int fd, const void *buf, size_t size)
{
	size_t done = 0;
	ssize_t count;

	serial_set_nonblock(fd, true);
	while (done < size && serial_wait_writable(fd)) {
		count = write(fd, (const char *)buf + done, size - done);
		if (count < 0 && errno != EAGAIN)
			break;
		if (count > 0)
			done += count;
	}
	serial_set_nonblock(fd, false);

	return done;
}

/* Fill all the buffers on the way to a reader that does not read */
static inline size_t serial_fill(int fd, const void *buf, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	size_t done = 0;
	ssize_t count;

	serial_set_nonblock(fd, true);
	while (done < size && poll(&pfd, 1, 2 * SERIAL_QUIET_MS) > 0) {
		count = write(fd, (const char *)buf + done, size - done);
		if (count <= 0)
			break;
		done += count;
	}
	serial_set_nonblock(fd, false);

	return done;
}

/* Reproducible content; what is odd about it is that no two offsets look alike */
static inline void serial_pattern(uint32_t *seed, unsigned char *buf, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		*seed ^= *seed << 13;
		*seed ^= *seed >> 17;
		*seed ^= *seed << 5;
		buf[i] = *seed >> 24;
	}
}

static inline int serial_drain(int fd)
{
	return ioctl(fd, TCSBRK, 1);
}

static inline int serial_flush(int fd, int queue)
{
	return ioctl(fd, TCFLSH, queue);
}

static inline int serial_send_break(int fd, int ms)
{
	if (ioctl(fd, TIOCSBRK))
		return -1;
	serial_sleep_ms(ms);

	return ioctl(fd, TIOCCBRK);
}

static inline int serial_set_rs485(int fd, unsigned int flags, unsigned int before,
				   unsigned int after)
{
	struct serial_rs485 rs485 = {
		.flags = flags,
		.delay_rts_before_send = before,
		.delay_rts_after_send = after,
	};

	return ioctl(fd, TIOCSRS485, &rs485) ? -errno : 0;
}

static inline int serial_flow(int fd, int action)
{
	return ioctl(fd, TCXONC, action);
}

static inline struct serial_icounter_struct serial_icount(int fd)
{
	struct serial_icounter_struct icount = { };

	ioctl(fd, TIOCGICOUNT, &icount);

	return icount;
}

/* Bring a port to the state in which every test finds it */
static inline int serial_reset(const struct serial_paths *paths, int fd)
{
	int lines = SERIAL_OUTPUTS | (paths->loop ? TIOCM_LOOP : 0);

	ioctl(fd, TIOCCBRK);
	ioctl(fd, TIOCNXCL);
	/* What has no modem lines has something to show nevertheless */
	if (serial_set_raw(fd) || (ioctl(fd, TIOCMSET, &lines) && errno != ENOTTY))
		return -1;
	serial_flow(fd, TCOON);

	return serial_flush(fd, TCIOFLUSH);
}

/* A ring or a carrier of the last test's may be on its way, or one that comes back */
static inline bool serial_lines_settle(const struct serial_paths *paths, int fd)
{
	int lines = paths->emulated && !paths->loop ? SERIAL_INPUTS : 0;

	if (serial_lines(fd) < 0)
		return errno == ENOTTY;

	return serial_wait_lines(fd, TIOCM_RNG | lines, lines);
}

/*
 * Characters of the previous test may still be in transit between foreign ports, and arrive before
 * a mark that is sent now. That the mark arrives is for the test to check.
 */
static inline void serial_skip_leftovers(int from, int to)
{
	static const char mark[] = "\xfe<mark>";
	const size_t size = sizeof(mark) - 1;
	size_t seen = 0;
	char c;

	if (serial_write(from, mark, size) != size)
		return;
	while (seen < size && serial_read(to, &c, 1) == 1)
		seen = c == mark[seen] ? seen + 1 : c == mark[0];
}

/* Both first, so that none waits for the other one's handshake */
static inline int serial_open_both(const struct serial_paths *paths, int *a, int *b)
{
	char buf[256];

	*a = serial_open(paths->path[0]);
	*b = serial_open(paths->path[1]);
	if (*a < 0 || *b < 0 || serial_reset(paths, *a) || serial_reset(paths, *b))
		return -1;
	/* Edges may still be on their way, and must not be taken for the test's */
	if (!serial_lines_settle(paths, *a) || !serial_lines_settle(paths, *b))
		return -1;

	if (!paths->emulated) {
		serial_skip_leftovers(*a, *b);
		serial_skip_leftovers(*b, *a);
	}
	while (serial_read_ms(*a, buf, sizeof(buf), 20) || serial_read_ms(*b, buf, sizeof(buf), 20))
		;

	return 0;
}

static inline void serial_close_both(const struct serial_paths *paths, int a, int b)
{
	if (a >= 0) {
		serial_reset(paths, a);
		serial_lines_off(a, TIOCM_LOOP);
		close(a);
	}
	if (b >= 0) {
		serial_reset(paths, b);
		serial_lines_off(b, TIOCM_LOOP);
		close(b);
	}
}

/* Why these ports cannot be tested at a pace, NULL if they can */
static inline const char *serial_why_not(struct serial_paths *paths, int pace)
{
	int i;

	serial_find_paths(paths);
	if (!serial_paths_exist(paths))
		return "there are no such ports, see SERIAL_PAIR";
	/* The setup of a fixture that fails has no teardown */
	for (i = 0; i < 2; i++)
		serial_set_stall(paths, i, false);
	if (!serial_set_pace(paths, pace) && pace != SERIAL_PACE_DEFAULT)
		return "only an emulated cable has a pace";

	return NULL;
}

/* The same, for tests that need the two ends of a cable */
static inline const char *serial_why_no_pair(struct serial_paths *paths, int pace)
{
	const char *why = serial_why_not(paths, pace);

	return !why && paths->loop ? "needs two ports" : why;
}

/* Wait until a counter has the expected value, and see whether it stays so */
#define serial_wait_count(fd, field, value) \
	serial_wait_counter(fd, offsetof(struct serial_icounter_struct, field), value)

static inline int serial_counter(int fd, size_t offset)
{
	struct serial_icounter_struct icount = serial_icount(fd);

	return *(int *)((char *)&icount + offset);
}

static inline bool serial_wait_counter(int fd, size_t offset, int value)
{
	struct serial_icounter_struct was = { }, now;
	long end = serial_now_ms() + serial_limit_ms();

	while (serial_counter(fd, offset) != value && serial_now_ms() < end) {
		now = serial_icount(fd);
		/* Many characters may have to come first */
		if (now.rx != was.rx || now.tx != was.tx)
			end = serial_now_ms() + serial_limit_ms();
		was = now;
		serial_sleep_ms(5);
	}
	serial_sleep_ms(20);

	return serial_counter(fd, offset) == value;
}

/* A task that is not looked after any more ends after so long */
static unsigned int serial_task_seconds = 300;

/**
 * struct serial_task - something that sleeps, in a process of its own
 * @pid: the process
 * @pipe: where it says that it begins, and how it ended
 */
struct serial_task {
	pid_t pid;
	int pipe;
};

static inline void serial_no_action(int sig)
{
}

/* No SA_RESTART: what sleeps ends with EINTR */
static inline void serial_catch(int sig, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler };

	sigaction(sig, &sa, NULL);
}

/*
 * Run something in the background. It returns what it wants to tell, which is a
 * result or a negative errno by convention.
 */
static inline struct serial_task serial_start(int (*fn)(void *arg), void *arg)
{
	struct serial_task task = { .pid = -1, .pipe = -1 };
	int fds[2], result = 0;

	if (pipe2(fds, O_CLOEXEC))
		return task;

	task.pid = fork();
	if (!task.pid) {
		close(fds[0]);
		/* A test that fails must not leave it behind, for the next one to meet */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serial_catch(SIGUSR1, serial_no_action);
		alarm(serial_task_seconds);
		if (write(fds[1], &result, sizeof(result)) == sizeof(result)) {
			result = fn(arg);
			if (write(fds[1], &result, sizeof(result)) != sizeof(result))
				_exit(1);
		}
		_exit(0);
	}

	close(fds[1]);
	task.pipe = fds[0];
	if (read(task.pipe, &result, sizeof(result)) != sizeof(result))
		task.pid = -1;

	return task;
}

static inline char serial_task_state(const struct serial_task *task)
{
	char path[64], line[256], *paren;
	char state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", task->pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(line, sizeof(line), file)) {
		paren = strrchr(line, ')');
		if (paren && paren[1])
			state = paren[2];
	}
	fclose(file);

	return state;
}

static inline bool serial_task_ended(const struct serial_task *task, int ms)
{
	struct pollfd pfd = { .fd = task->pipe, .events = POLLIN };

	return poll(&pfd, 1, ms) > 0;
}

/* Wait until it sleeps. False if it has ended instead. */
static inline bool serial_task_sleeps(const struct serial_task *task)
{
	long end = serial_now_ms() + serial_limit_ms();
	int seen = 0;

	while (seen < 3 && serial_now_ms() < end) {
		if (serial_task_ended(task, 10))
			return false;
		seen = serial_task_state(task) == 'S' ? seen + 1 : 0;
	}

	return seen == 3;
}

/* Whether it goes on sleeping */
static inline bool serial_task_stays(const struct serial_task *task)
{
	return !serial_task_ended(task, SERIAL_QUIET_MS);
}

static inline void serial_task_signal(const struct serial_task *task)
{
	kill(task->pid, SIGUSR1);
}

/* Read a character, or the end of it all, which is 0 */
static inline int serial_task_read(void *arg)
{
	int count;
	char c;

	count = read(*(int *)arg, &c, 1);

	return count < 0 ? -errno : count;
}

/* What the leader of a session on a port gets to know */
#define SERIAL_GOT_HUP		1
#define SERIAL_GOT_CONT		2
#define SERIAL_GOT_INT		4

static atomic_int serial_got;

static inline void serial_note_signal(int sig)
{
	serial_got |= sig == SIGHUP ? SERIAL_GOT_HUP :
		      sig == SIGCONT ? SERIAL_GOT_CONT : SERIAL_GOT_INT;
}

/* Become the leader of a session on a port, in a task; returns the port */
static inline int serial_lead_session(const char *path)
{
	int fd;

	if (setsid() < 0)
		return -1;
	serial_catch(SIGHUP, serial_note_signal);
	serial_catch(SIGCONT, serial_note_signal);
	serial_catch(SIGINT, serial_note_signal);
	fd = open(path, O_RDWR | O_NONBLOCK);

	return fd < 0 || ioctl(fd, TIOCSCTTY, 0) ? -1 : fd;
}

/* Sleep until all of these signals have come */
static inline int serial_wait_signals(int all)
{
	sigset_t set;

	sigemptyset(&set);
	while ((serial_got & all) != all)
		sigsuspend(&set);

	return serial_got;
}

/* A task that needs no further attention */
static inline void serial_task_kill(struct serial_task *task)
{
	if (task->pid <= 0)
		return;
	kill(task->pid, SIGKILL);
	waitpid(task->pid, NULL, 0);
	close(task->pipe);
	task->pid = -1;
	task->pipe = -1;
}

/* Get the result, -ETIMEDOUT if there is none in time */
static inline int serial_task_result_ms(struct serial_task *task, int ms)
{
	int result = -ETIMEDOUT;

	if (task->pid <= 0)
		return -ESRCH;

	if (serial_task_ended(task, ms) &&
	    read(task->pipe, &result, sizeof(result)) != sizeof(result))
		result = -ECHILD;
	kill(task->pid, SIGKILL);
	/* One that hangs in the kernel is not waited for */
	if (result != -ETIMEDOUT)
		waitpid(task->pid, NULL, 0);
	close(task->pipe);
	task->pid = -1;
	task->pipe = -1;

	return result;
}

static inline int serial_task_result(struct serial_task *task)
{
	return serial_task_result_ms(task, serial_limit_ms());
}

#endif /* _SERIAL_TEST_H */
