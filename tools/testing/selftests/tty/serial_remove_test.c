// SPDX-License-Identifier: GPL-2.0-only
/*
 * A serial port is removed while it is in use: it is unbound from its driver
 * while processes sleep in all the places where one can sleep on it. Each of
 * them has to wake up and to get the right answer.
 *
 * SERIAL_PAIR names two ports that are joined by a null-modem cable, as for
 * serial_pair_test. The first one is removed. SERIAL_EMU_CYCLES says how often
 * the busy ports are removed at the end.
 */

#include <stdatomic.h>
#include <limits.h>
#include <pthread.h>

#include "kselftest_harness.h"
#include "serial_test.h"

/* Limit for a sleeper to wake up after a removal */
#define WAKE_MS		2000

/* A removal takes longer if it has to wait for someone, but not much */
#define REMOVE_MS	10000

/* When the sleeper in close() calls it */
#define CLOSE_DELAY_MS	500

#define CLOSING_WAIT_MS	3000

/**
 * struct driver - the way to remove a port
 * @dir: the driver in sysfs
 * @device: the device's name
 * @class: the tty in sysfs
 * @node: the tty in /dev
 */
struct driver {
	char dir[PATH_MAX];
	char device[NAME_MAX + 1];
	char class[PATH_MAX];
	char node[SERIAL_PATH_MAX];
};

/* Whichever parent of the tty has a driver that lets it go */
static int driver_find(struct driver *drv, const char *path)
{
	char link[PATH_MAX + 32], dir[PATH_MAX], *slash;

	snprintf(drv->node, sizeof(drv->node), "%s", path);
	snprintf(drv->class, sizeof(drv->class), "/sys/class/tty/%s", strrchr(path, '/') + 1);
	if (!realpath(drv->class, dir))
		return -1;

	while ((slash = strrchr(dir, '/')) && slash != dir) {
		snprintf(link, sizeof(link), "%s/driver/unbind", dir);
		if (!access(link, W_OK)) {
			snprintf(drv->device, sizeof(drv->device), "%s", slash + 1);
			snprintf(link, sizeof(link), "%s/driver", dir);
			return realpath(link, drv->dir) ? 0 : -1;
		}
		*slash = 0;
	}

	return -1;
}

static int driver_write(const struct driver *drv, const char *attr)
{
	char path[PATH_MAX + 32];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", drv->dir, attr);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, drv->device, strlen(drv->device)) < 0)
		ret = -errno;
	close(fd);

	return ret;
}

static int task_unbind(void *arg)
{
	return driver_write(arg, "unbind");
}

static int task_bind(void *arg)
{
	return driver_write(arg, "bind");
}

static bool driver_is_bound(const struct driver *drv)
{
	return !access(drv->class, F_OK);
}

/* In a process of its own, as a removal that hangs cannot be killed */
static int driver_unbind(struct driver *drv)
{
	struct serial_task task = serial_start(task_unbind, drv);

	return serial_task_result_ms(&task, REMOVE_MS);
}

static int driver_bind(struct driver *drv)
{
	struct serial_task task = serial_start(task_bind, drv);
	int ret = serial_task_result_ms(&task, REMOVE_MS);
	long end = serial_now_ms() + serial_limit_ms();

	/* udev or devtmpfs may need some time */
	while (!ret && access(drv->node, F_OK) && serial_now_ms() < end)
		serial_sleep_ms(5);

	return ret;
}

/* Why the first port cannot be removed, NULL if it can */
static const char *why_not_removed(struct serial_paths *paths, struct driver *drv)
{
	const char *why = serial_why_no_pair(paths, SERIAL_PACE_DEFAULT);

	if (geteuid())
		return "needs root";
	if (!why && driver_find(drv, paths->path[0]))
		why = "no driver lets go of the port";

	return why;
}

FIXTURE(removal)
{
	struct serial_paths paths;
	struct driver drv;
	int a;
	int b;
};

FIXTURE_SETUP(removal)
{
	const char *why = why_not_removed(&self->paths, &self->drv);

	self->a = -1;
	self->b = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->a, &self->b));
	ASSERT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS, SERIAL_INPUTS));
	ASSERT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
}

FIXTURE_TEARDOWN(removal)
{
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
	if (self->a >= 0)
		close(self->a);
	if (self->b >= 0)
		close(self->b);
	if (self->drv.dir[0] && !driver_is_bound(&self->drv))
		driver_bind(&self->drv);
}

/* The places to sleep in. They get a descriptor of the port that is removed. */

static char junk[65536];

static int sleep_in_read(int fd)
{
	ssize_t count = read(fd, junk, sizeof(junk));

	return count < 0 ? -errno : count;
}

/* What could be written before is counted first */
static int sleep_in_write(int fd)
{
	ssize_t count;

	do {
		count = write(fd, junk, sizeof(junk));
	} while (count > 0);

	return count < 0 ? -errno : count;
}

static int sleep_in_drain(int fd)
{
	return serial_drain(fd) ? -errno : 0;
}

static int sleep_in_miwait(int fd)
{
	return ioctl(fd, TIOCMIWAIT, TIOCM_RNG) ? -errno : 0;
}

static int sleep_in_poll(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, -1) < 0 ? -errno : pfd.revents;
}

static int sleep_in_break(int fd)
{
	return ioctl(fd, TCSBRKP, 300) ? -errno : 0;
}

/*
 * Only the last close drains, so the test gives its own descriptor up meanwhile.
 * A removal has to wait until the close ends, which is after closing_wait.
 */
static int sleep_in_close(int fd)
{
	serial_sleep_ms(CLOSE_DELAY_MS);

	return close(fd) ? -errno : 0;
}

/* The FIFO has something that cannot go, because the far end's receiver stands still */
static bool fill_fifo(const struct serial_paths *paths, int fd)
{
	unsigned int lsr;

	if (!serial_set_stall(paths, 1, true) || serial_write(fd, junk, 64) != 64)
		return false;

	return !ioctl(fd, TIOCSERGETLSR, &lsr) && !(lsr & TIOCSER_TEMT) && !serial_outq(fd);
}

static int sleep_in_open(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY);

	return fd < 0 ? -errno : 0;
}

FIXTURE(sleeper)
{
	struct serial_paths paths;
	struct serial_struct serial;
	struct driver drv;
	int a;
	int b;
};

/**
 * struct _fixture_variant_sleeper - where to sleep
 * @sleep: the system call
 * @blocked: whether CTS is low and something is to be sent
 * @full: transmit buffer empty, FIFO stalled
 * @closed: whether the port is closed, and has no carrier
 * @given_up: whether the sleeper has the only descriptor
 * @result: what the system call gives
 * @or_else: what it may give as well
 */
FIXTURE_VARIANT(sleeper)
{
	int (*sleep)(int fd);
	bool blocked;
	bool full;
	bool closed;
	bool given_up;
	int result;
	int or_else;
};

FIXTURE_VARIANT_ADD(sleeper, read)
{
	.sleep = sleep_in_read,
};

FIXTURE_VARIANT_ADD(sleeper, write)
{
	.sleep = sleep_in_write,
	.blocked = true,
	.result = -EIO,
	.or_else = -EIO,
};

/* Whether a hang-up in tcdrain() is an error depends on when it comes */
FIXTURE_VARIANT_ADD(sleeper, drain)
{
	.sleep = sleep_in_drain,
	.blocked = true,
	.result = 0,
	.or_else = -EIO,
};

/* Here it is serial core that waits, and not the tty layer */
FIXTURE_VARIANT_ADD(sleeper, drain_fifo)
{
	.sleep = sleep_in_drain,
	.full = true,
	.result = 0,
	.or_else = -EIO,
};

FIXTURE_VARIANT_ADD(sleeper, miwait)
{
	.sleep = sleep_in_miwait,
	.result = -EIO,
	.or_else = -EIO,
};

FIXTURE_VARIANT_ADD(sleeper, poll)
{
	.sleep = sleep_in_poll,
	.result = POLLIN | POLLERR | POLLHUP,
	.or_else = POLLIN | POLLERR | POLLHUP,
};

FIXTURE_VARIANT_ADD(sleeper, brk)
{
	.sleep = sleep_in_break,
	.result = -EIO,
	.or_else = -EIO,
};

FIXTURE_VARIANT_ADD(sleeper, close)
{
	.sleep = sleep_in_close,
	.blocked = true,
	.given_up = true,
};

/* It begins anew when it is hung up, and finds nothing there */
FIXTURE_VARIANT_ADD(sleeper, open)
{
	.closed = true,
	.result = -EIO,
	.or_else = -ENXIO,
};

FIXTURE_SETUP(sleeper)
{
	const char *why = why_not_removed(&self->paths, &self->drv);
	struct serial_struct ss;

	self->a = -1;
	self->b = -1;
	if (why)
		SKIP(return, "%s", why);
	/* The writer has to be held back */
	serial_set_pace(&self->paths, SERIAL_PACE_MAX);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->a, &self->b));
	ioctl(self->a, TIOCGSERIAL, &self->serial);
	ASSERT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS, SERIAL_INPUTS));
	ASSERT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, SERIAL_INPUTS));

	if (variant->blocked) {
		ASSERT_EQ(0, serial_change_cflag(self->a, 0, CRTSCTS));
		ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_RTS));
		ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));
		ASSERT_EQ(4, serial_write(self->a, "held", 4));
	}
	if (variant->full) {
		if (!self->paths.emulated)
			SKIP(return, "only an emulated cable holds data back");
		/* Without that the wait is short */
		ASSERT_EQ(0, serial_change_cflag(self->a, 0, CRTSCTS));
		ASSERT_TRUE(fill_fifo(&self->paths, self->a));
	}
	if (variant->given_up) {
		ss = self->serial;
		ss.closing_wait = CLOSING_WAIT_MS / 10;
		ASSERT_EQ(0, ioctl(self->a, TIOCSSERIAL, &ss));
	}
	if (variant->closed) {
		ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_DTR));
		ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_CAR, 0));
		ASSERT_EQ(0, serial_change_cflag(self->a, CLOCAL, 0));
		ASSERT_EQ(0, close(self->a));
		self->a = -1;
	}
}

FIXTURE_TEARDOWN(sleeper)
{
	serial_set_stall(&self->paths, 1, false);
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
	if (self->a >= 0)
		close(self->a);
	if (self->b >= 0)
		close(self->b);
	if (self->drv.dir[0] && !driver_is_bound(&self->drv))
		driver_bind(&self->drv);
	/* Of a descriptor of the port that was removed only close() is left */
	self->a = serial_open(self->paths.path[0]);
	ioctl(self->a, TIOCSSERIAL, &self->serial);
	close(self->a);
}

struct sleeper_arg {
	int (*sleep)(int fd);
	const char *path;
	int fd;
};

static int task_sleep(void *data)
{
	struct sleeper_arg *arg = data;

	return arg->sleep ? arg->sleep(arg->fd) : sleep_in_open(arg->path);
}

/* What does not work with two ports, one of which was just made; NULL if all is well */
static const char *pair_check(int a, int b)
{
	if (serial_set_raw(a) || serial_set_raw(b) || serial_lines_on(b, SERIAL_OUTPUTS))
		return "settings";
	if (!serial_wait_lines(b, SERIAL_INPUTS, SERIAL_INPUTS))
		return "lines of the port that stayed";
	if (!serial_wait_lines(a, SERIAL_INPUTS, SERIAL_INPUTS))
		return "lines of the new port";
	if (serial_flush(b, TCIFLUSH))
		return "flush";
	if (serial_write(a, "to b", 4) != 4 || !serial_arrives(b, "to b", 4))
		return "data from the new port";
	if (serial_write(b, "to a", 4) != 4 || !serial_arrives(a, "to a", 4))
		return "data to the new port";

	return NULL;
}

static bool pair_works(const struct serial_paths *paths, int b)
{
	int a = serial_open(paths->path[0]);
	const char *problem = "open";

	if (a >= 0) {
		problem = pair_check(a, b);
		close(a);
	}
	if (problem)
		ksft_print_msg("does not work: %s\n", problem);

	return !problem;
}

TEST_F(sleeper, wakes_up)
{
	struct sleeper_arg arg = {
		.sleep = variant->sleep,
		.path = self->paths.path[0],
		.fd = self->a,
	};
	struct serial_task task = serial_start(task_sleep, &arg);
	int result;

	if (variant->given_up) {
		close(self->a);
		self->a = -1;
		serial_sleep_ms(2 * CLOSE_DELAY_MS);
	}
	ASSERT_TRUE(serial_task_sleeps(&task)) {
		TH_LOG("state %c, result %d", serial_task_state(&task),
		       serial_task_result_ms(&task, WAKE_MS));
	}
	ASSERT_EQ(0, driver_unbind(&self->drv));
	result = serial_task_result_ms(&task, WAKE_MS);
	EXPECT_TRUE(result == variant->result || result == variant->or_else) {
		TH_LOG("result %d instead of %d or %d", result, variant->result,
		       variant->or_else);
	}

	ASSERT_EQ(0, driver_bind(&self->drv));
	if (variant->full) {
		/* What was in the FIFO is on the wire, whatever became of its port */
		ASSERT_TRUE(serial_set_stall(&self->paths, 1, false));
		EXPECT_EQ(64, serial_read_ms(self->b, junk, sizeof(junk), SERIAL_QUIET_MS));
	}
	EXPECT_TRUE(pair_works(&self->paths, self->b));
}

TEST_F(removal, all_sleepers_at_once)
{
	int (*const sleep[])(int fd) = {
		sleep_in_read, sleep_in_write, sleep_in_drain, sleep_in_miwait, sleep_in_poll,
		sleep_in_read, sleep_in_write, sleep_in_drain, sleep_in_miwait, sleep_in_poll,
	};
	struct serial_task tasks[ARRAY_SIZE(sleep)];
	struct sleeper_arg arg = { .fd = self->a };
	unsigned int i;

	ASSERT_EQ(0, serial_change_cflag(self->a, 0, CRTSCTS));
	ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_RTS));
	ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	for (i = 0; i < ARRAY_SIZE(sleep); i++) {
		arg.sleep = sleep[i];
		tasks[i] = serial_start(task_sleep, &arg);
	}
	for (i = 0; i < ARRAY_SIZE(sleep); i++)
		EXPECT_TRUE(serial_task_sleeps(&tasks[i]));
	EXPECT_EQ(0, driver_unbind(&self->drv));
	for (i = 0; i < ARRAY_SIZE(sleep); i++)
		EXPECT_NE(-ETIMEDOUT, serial_task_result_ms(&tasks[i], WAKE_MS));

	ASSERT_EQ(0, driver_bind(&self->drv));
	EXPECT_TRUE(pair_works(&self->paths, self->b));
}

static bool is_dead(int fd)
{
	int lines;
	char c;

	return !read(fd, &c, 1) &&
	       write(fd, "x", 1) == -1 && errno == EIO &&
	       ioctl(fd, TIOCMGET, &lines) == -1 && errno == EIO &&
	       ioctl(fd, TIOCMIWAIT, TIOCM_CTS) == -1 && errno == EIO;
}

TEST_F(removal, open_port)
{
	ASSERT_EQ(0, driver_unbind(&self->drv));
	EXPECT_FALSE(driver_is_bound(&self->drv));
	EXPECT_EQ(-1, open(self->paths.path[0], O_RDWR | O_NONBLOCK));
	EXPECT_TRUE(errno == ENOENT || errno == ENXIO || errno == EIO);
	EXPECT_TRUE(is_dead(self->a));
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, 0));

	/* What the far end sends vanishes, without an error */
	EXPECT_EQ(sizeof(junk), serial_write(self->b, junk, sizeof(junk)));
	EXPECT_EQ(0, serial_drain(self->b));

	ASSERT_EQ(0, driver_bind(&self->drv));
	EXPECT_TRUE(is_dead(self->a));
	EXPECT_TRUE(pair_works(&self->paths, self->b));
	EXPECT_TRUE(is_dead(self->a));
}

TEST_F(removal, closed_port)
{
	int i;

	close(self->a);
	self->a = -1;
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, driver_unbind(&self->drv));
		EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, 0));
		ASSERT_EQ(0, driver_bind(&self->drv));
		EXPECT_TRUE(pair_works(&self->paths, self->b));
	}
}

/* The carrier goes with the port */
TEST_F(removal, peer_hangs_up)
{
	struct sleeper_arg arg = { .sleep = sleep_in_read, .fd = self->b };
	struct serial_task task;

	ASSERT_EQ(0, serial_change_cflag(self->b, CLOCAL, 0));
	task = serial_start(task_sleep, &arg);
	ASSERT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, driver_unbind(&self->drv));
	EXPECT_EQ(0, serial_task_result(&task));
	close(self->b);
	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->b);
	ASSERT_EQ(0, driver_bind(&self->drv));
	EXPECT_TRUE(pair_works(&self->paths, self->b));
}

/* A writer that is held back by a port that goes away can go on */
TEST_F(removal, peer_writer_goes_on)
{
	/* More than all buffers take: a flip buffer has 640 KiB, and room for twice as much */
	static char data[2000000];

	if (!self->paths.emulated)
		SKIP(return, "only an emulated cable holds data back");
	serial_set_pace(&self->paths, SERIAL_PACE_MAX);
	ASSERT_GT(sizeof(data), serial_fill(self->b, data, sizeof(data)));
	ASSERT_EQ(0, driver_unbind(&self->drv));
	EXPECT_EQ(sizeof(junk), serial_write(self->b, junk, sizeof(junk)));
	EXPECT_EQ(0, serial_drain(self->b));
	EXPECT_EQ(0, serial_outq(self->b));
	ASSERT_EQ(0, driver_bind(&self->drv));
	EXPECT_TRUE(pair_works(&self->paths, self->b));
}

/*
 * Busy ports. Each end has a thread that reads and one that writes. The ones at
 * the end that is removed run until it is, the others until they are told.
 */
struct busy {
	pthread_t thread;
	int fd;
	bool reads;
	bool started;
	atomic_bool *stop;
};

static void *busy_thread(void *arg)
{
	struct pollfd pfd;
	struct busy *busy = arg;
	char buf[4096] = { };
	ssize_t count;

	pfd.fd = busy->fd;
	pfd.events = busy->reads ? POLLIN : POLLOUT;
	while (!*busy->stop) {
		if (poll(&pfd, 1, 20) < 1)
			continue;
		if (busy->reads)
			count = read(busy->fd, buf, sizeof(buf));
		else
			count = write(busy->fd, buf, sizeof(buf));
		if (!count || (count < 0 && errno != EAGAIN))
			break;
	}

	return NULL;
}

static void *busy_blocking_thread(void *arg)
{
	struct busy *busy = arg;
	char buf[4096] = { };
	ssize_t count;

	do {
		if (busy->reads)
			count = read(busy->fd, buf, sizeof(buf));
		else
			count = write(busy->fd, buf, sizeof(buf));
	} while (count > 0);

	return NULL;
}

static bool busy_join(struct busy *busy)
{
	struct timespec ts;

	if (!busy->started)
		return false;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += serial_limit_ms() / 1000;

	return !pthread_timedjoin_np(busy->thread, NULL, &ts);
}

static bool busy_cycle(struct driver *drv, const char *removed, const char *stays)
{
	atomic_bool stop = false;
	struct busy busy[4] = { };
	int fds[2], i;
	bool ok;

	fds[0] = serial_open(removed);
	fds[1] = serial_open(stays);
	if (fds[0] < 0 || fds[1] < 0)
		return false;
	serial_set_raw(fds[0]);
	serial_set_raw(fds[1]);
	serial_set_nonblock(fds[1], true);

	for (i = 0; i < 4; i++) {
		busy[i].fd = fds[i / 2];
		busy[i].reads = i % 2;
		busy[i].stop = &stop;
		busy[i].started = !pthread_create(&busy[i].thread, NULL,
						  i < 2 ? busy_blocking_thread : busy_thread,
						  &busy[i]);
	}

	serial_sleep_ms(10 + random() % 20);
	ok = !driver_write(drv, "unbind");
	ok = busy_join(&busy[0]) && ok;
	ok = busy_join(&busy[1]) && ok;
	stop = true;
	ok = busy_join(&busy[2]) && ok;
	ok = busy_join(&busy[3]) && ok;
	close(fds[0]);
	close(fds[1]);

	return !driver_write(drv, "bind") && ok;
}

TEST_F_TIMEOUT(removal, busy_port, 3600)
{
	const char *cycles = getenv("SERIAL_EMU_CYCLES");
	struct driver drvs[2];
	int i, n = cycles ? atoi(cycles) : 20;

	for (i = 0; i < 2; i++)
		if (driver_find(&drvs[i], self->paths.path[i]))
			SKIP(return, "no driver lets go of %s", self->paths.path[i]);
	close(self->a);
	close(self->b);
	self->a = -1;
	self->b = -1;

	for (i = 0; i < n; i++)
		ASSERT_TRUE(busy_cycle(&drvs[i % 2], self->paths.path[i % 2],
				       self->paths.path[!(i % 2)])) TH_LOG("cycle %d", i);

	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->b);
	EXPECT_TRUE(pair_works(&self->paths, self->b));
}

TEST_HARNESS_MAIN
