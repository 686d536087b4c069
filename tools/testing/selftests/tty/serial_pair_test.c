// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a UART does, as seen by the programs that use it. The tests run over any
 * two serial ports that are joined by a null-modem cable:
 *
 *	SERIAL_PAIR="/dev/ttyS0 /dev/ttyS1" ./serial_pair_test
 *
 * Without that they run over the first pair of the serial console emulator.
 * What only an emulated cable can do, and what a cable may leave out, is
 * skipped on real ports.
 */

#include <stdatomic.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "serial_test.h"

#define PATTERN_SEED	0x5eed1234

#define LINES_OUT	(TIOCM_DTR | TIOCM_RTS)
#define LINES_IN	(TIOCM_CTS | TIOCM_DSR | TIOCM_CAR)

FIXTURE(pair)
{
	struct serial_paths paths;
	int a;
	int b;
};

FIXTURE_VARIANT(pair)
{
	int pace;
};

/* As on a real line, or on a real line */
FIXTURE_VARIANT_ADD(pair, real_time)
{
	.pace = SERIAL_PACE_DEFAULT,
};

/* As fast as the machine can, and without loss */
FIXTURE_VARIANT_ADD(pair, unpaced)
{
	.pace = 0,
};

/* Bring a port to the state in which every test finds it */
static int pair_reset(int fd)
{
	int lines = LINES_OUT;

	ioctl(fd, TIOCCBRK);
	ioctl(fd, TIOCNXCL);
	if (serial_set_raw(fd) || ioctl(fd, TIOCMSET, &lines))
		return -1;
	serial_flow(fd, TCOON);

	return serial_flush(fd, TCIOFLUSH);
}

FIXTURE_SETUP(pair)
{
	char buf[256];

	self->a = -1;
	self->b = -1;
	serial_find_paths(&self->paths);
	if (!serial_paths_exist(&self->paths))
		SKIP(return, "no %s and %s", self->paths.path[0], self->paths.path[1]);
	if (!serial_set_pace(&self->paths, variant->pace) && !variant->pace)
		SKIP(return, "only an emulated cable has a pace");

	/* Both first, so that none waits for the other one's handshake */
	self->a = serial_open(self->paths.path[0]);
	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->a) TH_LOG("%s: %s", self->paths.path[0], strerror(errno));
	ASSERT_LE(0, self->b) TH_LOG("%s: %s", self->paths.path[1], strerror(errno));
	ASSERT_EQ(0, pair_reset(self->a));
	ASSERT_EQ(0, pair_reset(self->b));
	ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_RNG, 0));
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_RNG, 0));

	while (serial_read_ms(self->a, buf, sizeof(buf), 20) ||
	       serial_read_ms(self->b, buf, sizeof(buf), 20))
		;
}

FIXTURE_TEARDOWN(pair)
{
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
	if (self->a >= 0) {
		pair_reset(self->a);
		close(self->a);
	}
	if (self->b >= 0) {
		pair_reset(self->b);
		close(self->b);
	}
}

/* Whether an output is wired to these inputs of the far end. It is on, and so it is left. */
static bool pair_is_wired(int from, int output, int to, int inputs)
{
	int was = serial_lines(from) & output;
	bool wired;

	serial_lines_on(from, output);
	wired = serial_wait_lines(to, inputs, inputs);
	serial_lines_off(from, output);
	wired = wired && serial_wait_lines(to, inputs, 0);
	if (was) {
		serial_lines_on(from, output);
		wired = wired && serial_wait_lines(to, inputs, inputs);
	}

	return wired;
}

/* An emulated cable is wired: a test that finds otherwise is to fail */
#define is_wired(output, inputs) \
	(self->paths.emulated || pair_is_wired(self->a, output, self->b, inputs))

static int task_read(void *arg)
{
	int count;
	char c;

	count = read(*(int *)arg, &c, 1);

	return count < 0 ? -errno : count;
}

static int task_drain(void *arg)
{
	return serial_drain(*(int *)arg) ? -errno : 0;
}

/* Data */

TEST_F(pair, every_byte_both_ways)
{
	unsigned char data[256];
	int i;

	for (i = 0; i < 256; i++)
		data[i] = i;

	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	EXPECT_TRUE(serial_arrives(self->b, data, sizeof(data)));
	ASSERT_EQ(sizeof(data), serial_write(self->b, data, sizeof(data)));
	EXPECT_TRUE(serial_arrives(self->a, data, sizeof(data)));
}

TEST_F(pair, both_ways_at_once)
{
	char to_a[] = "this goes to a", to_b[] = "and this one goes to b";

	ASSERT_EQ(sizeof(to_a), serial_write(self->b, to_a, sizeof(to_a)));
	ASSERT_EQ(sizeof(to_b), serial_write(self->a, to_b, sizeof(to_b)));
	EXPECT_TRUE(serial_arrives(self->a, to_a, sizeof(to_a)));
	EXPECT_TRUE(serial_arrives(self->b, to_b, sizeof(to_b)));
}

FIXTURE(csize)
{
	struct serial_paths paths;
	int a;
	int b;
};

FIXTURE_VARIANT(csize)
{
	unsigned int cflag;
	unsigned char mask;
};

FIXTURE_VARIANT_ADD(csize, cs5)
{
	.cflag = CS5,
	.mask = 0x1f,
};

FIXTURE_VARIANT_ADD(csize, cs6)
{
	.cflag = CS6,
	.mask = 0x3f,
};

FIXTURE_VARIANT_ADD(csize, cs7)
{
	.cflag = CS7,
	.mask = 0x7f,
};

FIXTURE_VARIANT_ADD(csize, cs8)
{
	.cflag = CS8,
	.mask = 0xff,
};

FIXTURE_SETUP(csize)
{
	serial_find_paths(&self->paths);
	self->a = serial_open(self->paths.path[0]);
	self->b = serial_open(self->paths.path[1]);
	if (self->a < 0 || self->b < 0)
		SKIP(return, "no %s and %s", self->paths.path[0], self->paths.path[1]);
	ASSERT_EQ(0, pair_reset(self->a));
	ASSERT_EQ(0, pair_reset(self->b));
}

FIXTURE_TEARDOWN(csize)
{
	pair_reset(self->a);
	pair_reset(self->b);
	close(self->a);
	close(self->b);
}

TEST_F(csize, upper_bits_are_not_on_the_wire)
{
	unsigned char data[256], masked[256];
	struct termios2 tio;
	int i;

	for (i = 0; i < 256; i++) {
		data[i] = i;
		masked[i] = i & variant->mask;
	}

	ASSERT_EQ(0, serial_change_cflag(self->a, CSIZE, variant->cflag));
	ASSERT_EQ(0, serial_change_cflag(self->b, CSIZE, variant->cflag));
	ASSERT_EQ(0, serial_get(self->a, &tio));
	if ((tio.c_cflag & CSIZE) != variant->cflag)
		SKIP(return, "not supported");

	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	EXPECT_TRUE(serial_arrives(self->b, masked, sizeof(masked)));
}

TEST_F(pair, cread_off_discards_and_counts)
{
	int rx = serial_icount(self->b).rx;

	ASSERT_EQ(0, serial_change_cflag(self->b, CREAD, 0));
	ASSERT_EQ(10, serial_write(self->a, "0123456789", 10));
	EXPECT_TRUE(serial_wait_count(self->b, rx, rx + 10));
	EXPECT_TRUE(serial_nothing_arrives(self->b));

	ASSERT_EQ(0, serial_change_cflag(self->b, 0, CREAD));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

TEST_F(pair, nobody_listens)
{
	char data[8000] = { };
	int i;

	close(self->b);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));

	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->b);
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(3, serial_write(self->a, "new", 3));
	EXPECT_TRUE(serial_arrives(self->b, "new", 3));
}

/* What waits for a reader who goes away does not reach the next one */
TEST_F(pair, nothing_old_after_reopen)
{
	static char data[200000];

	ASSERT_LT(4000, serial_fill(self->a, data, sizeof(data)));
	close(self->b);
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_EQ(0, serial_outq(self->a));

	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->b);
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(3, serial_write(self->a, "new", 3));
	EXPECT_TRUE(serial_arrives(self->b, "new", 3));
}

/* Nor does it after a hang-up */
TEST_F(pair, nothing_old_after_hangup)
{
	static char data[200000];

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_LT(4000, serial_fill(self->a, data, sizeof(data)));
	ASSERT_EQ(0, ioctl(self->b, TIOCVHANGUP));
	close(self->b);
	ASSERT_EQ(0, serial_drain(self->a));

	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->b);
	EXPECT_TRUE(serial_nothing_arrives(self->b)) {
		TH_LOG("and %zu more", serial_read_ms(self->b, data, sizeof(data), 100));
	}
	ASSERT_EQ(3, serial_write(self->a, "new", 3));
	EXPECT_TRUE(serial_arrives(self->b, "new", 3));
}

static int task_write_on(void *arg)
{
	char data[256] = { };

	while (write(*(int *)arg, data, sizeof(data)) > 0)
		;

	return -errno;
}

/* A port that is closed while data arrive has none when it is opened again */
TEST_F(pair, nothing_old_after_busy_close)
{
	struct serial_task task;
	int i;

	for (i = 0; i < 8; i++) {
		task = serial_start(task_write_on, &self->a);
		serial_sleep_ms(5 + i);
		close(self->b);
		serial_sleep_ms(20);
		serial_task_signal(&task);
		serial_task_kill(&task);
		ASSERT_EQ(0, serial_drain(self->a));

		self->b = serial_open(self->paths.path[1]);
		ASSERT_LE(0, self->b);
		ASSERT_TRUE(serial_nothing_arrives(self->b)) TH_LOG("round %d", i);
	}
}

/* Fill everything up, then read it: nothing is lost */
static size_t hold_back_and_read(int from, int to, bool lines)
{
	static unsigned char data[200000], back[200000];
	uint32_t seed = PATTERN_SEED;
	size_t sent, i;

	serial_pattern(&seed, data, sizeof(data));
	if (lines)
		for (i = 0; i < sizeof(data); i++)
			data[i] = i % 61 == 60 ? '\n' : 'a' + data[i] % 26;

	sent = serial_fill(from, data, sizeof(data));
	if (sent == sizeof(data))
		return 0;
	if (serial_read_ms(to, back, sent, 1000) != sent || memcmp(data, back, sent))
		return 0;

	/* And on it goes */
	if (serial_write(from, data, 61) != 61)
		return 0;

	return serial_read(to, back, 61) == 61 && !memcmp(data, back, 61) ? sent : 0;
}

TEST_F(pair, slow_reader_raw)
{
	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	EXPECT_LT(4096, hold_back_and_read(self->a, self->b, false));
	EXPECT_LT(4096, hold_back_and_read(self->b, self->a, false));
}

/*
 * A line that is not complete when the data ends is not readable, so the end of
 * the last one comes later.
 */
TEST_F(pair, slow_reader_canonical)
{
	static unsigned char data[200000], back[200000];
	struct termios2 tio;
	size_t sent, i;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	ASSERT_EQ(0, serial_get(self->b, &tio));
	tio.c_lflag |= ICANON;
	ASSERT_EQ(0, serial_set(self->b, &tio));

	for (i = 0; i < sizeof(data); i++)
		data[i] = i % 61 == 60 ? '\n' : 'a' + i / 61 % 26;
	sent = serial_fill(self->a, data, sizeof(data));
	ASSERT_LT(4096, sent);
	ASSERT_GT(100000, sent);

	i = sent / 61 * 61;
	ASSERT_EQ(i, serial_read(self->b, back, i));
	EXPECT_EQ(0, memcmp(data, back, i));
	i = 61 - sent % 61;
	ASSERT_EQ(i, serial_write(self->a, data + sent, i));
	ASSERT_EQ(61, serial_read(self->b, back, 61));
	EXPECT_EQ(0, memcmp(data + sent + i - 61, back, 61));
}

/* O_NONBLOCK, poll, VMIN and VTIME */

TEST_F(pair, nonblock_and_poll)
{
	struct pollfd pfd = { .fd = self->b, .events = POLLIN | POLLOUT };
	char c;

	ASSERT_EQ(0, serial_set_nonblock(self->b, true));
	EXPECT_EQ(-1, read(self->b, &c, 1));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLOUT, pfd.revents);

	ASSERT_EQ(1, serial_write(self->a, "x", 1));
	pfd.events = POLLIN;
	ASSERT_EQ(1, poll(&pfd, 1, SERIAL_LIMIT_MS));
	EXPECT_EQ(POLLIN, pfd.revents);
	EXPECT_EQ(1, read(self->b, &c, 1));
}

TEST_F(pair, pollout_comes_and_goes)
{
	struct pollfd pfd = { .fd = self->a, .events = POLLOUT };
	static char data[200000];
	size_t sent;
	ssize_t ret;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	sent = serial_fill(self->a, data, sizeof(data));
	ASSERT_GT(100000, sent);
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, serial_set_nonblock(self->a, true));
	do {
		ret = write(self->a, data, 1);
	} while (ret == 1 && ++sent);
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(EAGAIN, errno);

	ASSERT_EQ(sent, serial_read(self->b, data, sent));
	EXPECT_EQ(1, poll(&pfd, 1, SERIAL_LIMIT_MS));
	EXPECT_EQ(POLLOUT, pfd.revents);
}

static int set_vmin_vtime(int fd, int vmin, int vtime)
{
	struct termios2 tio;

	if (serial_get(fd, &tio))
		return -1;
	tio.c_cc[VMIN] = vmin;
	tio.c_cc[VTIME] = vtime;

	return serial_set(fd, &tio);
}

TEST_F(pair, vtime_limits_the_wait)
{
	long begin = serial_now_ms();
	char c;

	ASSERT_EQ(0, set_vmin_vtime(self->b, 0, 3));
	EXPECT_EQ(0, read(self->b, &c, 1));
	EXPECT_LE(250, serial_now_ms() - begin);
	EXPECT_GT(2000, serial_now_ms() - begin);

	ASSERT_EQ(1, serial_write(self->a, "x", 1));
	EXPECT_EQ(1, read(self->b, &c, 1));
}

static int task_read_ten(void *arg)
{
	char buf[10];
	int count;

	count = read(*(int *)arg, buf, sizeof(buf));

	return count < 0 ? -errno : count;
}

TEST_F(pair, vmin_waits_for_enough)
{
	struct serial_task task;

	ASSERT_EQ(0, set_vmin_vtime(self->b, 5, 0));
	task = serial_start(task_read_ten, &self->b);
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_task_stays(&task));
	ASSERT_EQ(3, serial_write(self->a, "def", 3));
	EXPECT_LE(5, serial_task_result(&task));
}

TEST_F(pair, vtime_ends_a_burst)
{
	struct serial_task task;

	ASSERT_EQ(0, set_vmin_vtime(self->b, 10, 2));
	task = serial_start(task_read_ten, &self->b);
	EXPECT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_EQ(3, serial_task_result(&task));
}

TEST_F(pair, signal_ends_read)
{
	struct serial_task task = serial_start(task_read, &self->b);

	ASSERT_TRUE(serial_task_sleeps(&task));
	serial_task_signal(&task);
	EXPECT_EQ(-EINTR, serial_task_result(&task));
}

/* Modem lines */

TEST_F(pair, rts_is_cts)
{
	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	EXPECT_TRUE(pair_is_wired(self->b, TIOCM_RTS, self->a, TIOCM_CTS));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_RTS));
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_CTS, 0));
	EXPECT_EQ(TIOCM_DSR | TIOCM_CAR, serial_lines(self->b) & LINES_IN);
	EXPECT_EQ(LINES_IN, serial_lines(self->a) & LINES_IN);
}

TEST_F(pair, dtr_is_dsr_and_dcd)
{
	if (!is_wired(TIOCM_DTR, TIOCM_DSR | TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_DSR | TIOCM_CAR");
	EXPECT_TRUE(pair_is_wired(self->b, TIOCM_DTR, self->a, TIOCM_DSR | TIOCM_CAR));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_DSR | TIOCM_CAR, 0));
	EXPECT_EQ(TIOCM_CTS, serial_lines(self->b) & LINES_IN);
}

TEST_F(pair, out1_is_ri)
{
	if (!is_wired(TIOCM_OUT1, TIOCM_RNG))
		SKIP(return, "TIOCM_OUT1 does not reach TIOCM_RNG");
	EXPECT_TRUE(pair_is_wired(self->b, TIOCM_OUT1, self->a, TIOCM_RNG));
}

TEST_F(pair, lines_read_back)
{
	int lines = TIOCM_DTR;

	ASSERT_EQ(0, ioctl(self->a, TIOCMSET, &lines));
	EXPECT_EQ(TIOCM_DTR, serial_lines(self->a) & LINES_OUT);
	lines = TIOCM_RTS;
	ASSERT_EQ(0, ioctl(self->a, TIOCMSET, &lines));
	EXPECT_EQ(TIOCM_RTS, serial_lines(self->a) & LINES_OUT);
}

/* TIOCMIWAIT and TIOCGICOUNT */

struct miwait {
	int fd;
	int mask;
};

static int task_miwait(void *arg)
{
	struct miwait *wait = arg;

	return ioctl(wait->fd, TIOCMIWAIT, wait->mask) ? -errno : 0;
}

static int start_miwait(struct serial_task *task, int fd, int mask)
{
	struct miwait wait = { .fd = fd, .mask = mask };

	*task = serial_start(task_miwait, &wait);

	return serial_task_sleeps(task) ? 0 : -1;
}

TEST_F(pair, miwait_masked_line_only)
{
	struct serial_task task;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	if (!is_wired(TIOCM_DTR, TIOCM_DSR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_DSR");
	ASSERT_EQ(0, start_miwait(&task, self->b, TIOCM_CTS));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_DSR, 0));
	EXPECT_TRUE(serial_task_stays(&task));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_RTS));
	EXPECT_EQ(0, serial_task_result(&task));
}

TEST_F(pair, miwait_each_line)
{
	int outputs[] = { TIOCM_RTS, TIOCM_DTR, TIOCM_DTR };
	int inputs[] = { TIOCM_CTS, TIOCM_DSR, TIOCM_CAR };
	struct serial_task task;
	int i, j;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	if (!is_wired(TIOCM_DTR, TIOCM_DSR | TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_DSR | TIOCM_CAR");
	for (i = 0; i < 3; i++) {
		for (j = 0; j < 2; j++) {
			ASSERT_EQ(0, start_miwait(&task, self->b, inputs[i]));
			if (j)
				serial_lines_on(self->a, outputs[i]);
			else
				serial_lines_off(self->a, outputs[i]);
			EXPECT_EQ(0, serial_task_result(&task));
		}
	}
}

TEST_F(pair, miwait_ring_ends)
{
	struct serial_task task;

	if (!is_wired(TIOCM_OUT1, TIOCM_RNG))
		SKIP(return, "TIOCM_OUT1 does not reach TIOCM_RNG");
	ASSERT_EQ(0, start_miwait(&task, self->b, TIOCM_RNG));
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_OUT1));
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_RNG, TIOCM_RNG));
	EXPECT_TRUE(serial_task_stays(&task));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_OUT1));
	EXPECT_EQ(0, serial_task_result(&task));
}

TEST_F(pair, miwait_several_waiters)
{
	struct serial_task tasks[4];
	int i;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, start_miwait(&tasks[i], self->b, TIOCM_CTS));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_RTS));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, serial_task_result(&tasks[i]));
}

TEST_F(pair, miwait_signal)
{
	struct serial_task task;

	ASSERT_EQ(0, start_miwait(&task, self->b, LINES_IN | TIOCM_RNG));
	serial_task_signal(&task);
	EXPECT_EQ(-EINTR, serial_task_result(&task));
}

TEST_F(pair, present_value_counts_nothing)
{
	struct serial_icounter_struct before, after;
	struct serial_task task;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	ASSERT_EQ(0, start_miwait(&task, self->b, LINES_IN | TIOCM_RNG));
	before = serial_icount(self->b);
	ASSERT_EQ(0, serial_lines_on(self->a, LINES_OUT));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_OUT1));
	EXPECT_TRUE(serial_task_stays(&task));
	after = serial_icount(self->b);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	serial_task_signal(&task);
	EXPECT_EQ(-EINTR, serial_task_result(&task));
}

TEST_F(pair, icount_lines)
{
	struct serial_icounter_struct before;
	int i;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	if (!is_wired(TIOCM_DTR, TIOCM_DSR | TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_DSR | TIOCM_CAR");
	before = serial_icount(self->b);
	for (i = 0; i < 3; i++) {
		serial_lines_off(self->a, LINES_OUT);
		ASSERT_TRUE(serial_wait_lines(self->b, LINES_IN, 0));
		serial_lines_on(self->a, LINES_OUT);
		ASSERT_TRUE(serial_wait_lines(self->b, LINES_IN, LINES_IN));
	}
	EXPECT_TRUE(serial_wait_count(self->b, cts, before.cts + 6));
	EXPECT_TRUE(serial_wait_count(self->b, dsr, before.dsr + 6));
	EXPECT_TRUE(serial_wait_count(self->b, dcd, before.dcd + 6));
	EXPECT_EQ(before.rng, serial_icount(self->b).rng);
}

TEST_F(pair, icount_ring_once)
{
	int rng;

	if (!is_wired(TIOCM_OUT1, TIOCM_RNG))
		SKIP(return, "TIOCM_OUT1 does not reach TIOCM_RNG");
	rng = serial_icount(self->b).rng;
	serial_lines_on(self->a, TIOCM_OUT1);
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_RNG, TIOCM_RNG));
	EXPECT_EQ(rng, serial_icount(self->b).rng);
	serial_lines_off(self->a, TIOCM_OUT1);
	EXPECT_TRUE(serial_wait_count(self->b, rng, rng + 1));
}

TEST_F(pair, icount_data)
{
	int tx = serial_icount(self->a).tx, rx = serial_icount(self->b).rx;
	const char data[100] = { };

	ASSERT_EQ(100, serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(serial_wait_count(self->a, tx, tx + 100));
	EXPECT_TRUE(serial_wait_count(self->b, rx, rx + 100));
}

TEST_F(pair, icount_survives_open)
{
	struct serial_icounter_struct before, after;

	ASSERT_EQ(10, serial_write(self->a, "0123456789", 10));
	ASSERT_EQ(10, serial_write(self->b, "0123456789", 10));
	ASSERT_TRUE(serial_arrives(self->b, "0123456789", 10));
	before = serial_icount(self->b);
	ASSERT_LT(0, before.rx);

	close(self->b);
	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->b);
	after = serial_icount(self->b);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

/* B0, open and close */

TEST_F(pair, b0_drops_the_lines)
{
	if (!is_wired(TIOCM_DTR | TIOCM_RTS, LINES_IN))
		SKIP(return, "TIOCM_DTR | TIOCM_RTS does not reach LINES_IN");
	ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B0));
	EXPECT_TRUE(serial_wait_lines(self->b, LINES_IN, 0));
	EXPECT_EQ(0, serial_lines(self->a) & LINES_OUT);

	/* An open does not raise them at B0 */
	close(self->a);
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	EXPECT_TRUE(serial_lines_stay(self->b, LINES_IN, 0));

	ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B115200));
	EXPECT_TRUE(serial_wait_lines(self->b, LINES_IN, LINES_IN));
	EXPECT_EQ(LINES_OUT, serial_lines(self->a) & LINES_OUT);
}

TEST_F(pair, every_open_raises)
{
	int again;

	if (!is_wired(TIOCM_DTR | TIOCM_RTS, LINES_IN))
		SKIP(return, "TIOCM_DTR | TIOCM_RTS does not reach LINES_IN");
	ASSERT_EQ(0, serial_lines_off(self->a, LINES_OUT));
	ASSERT_TRUE(serial_wait_lines(self->b, LINES_IN, 0));
	again = serial_open(self->paths.path[0]);
	ASSERT_LE(0, again);
	EXPECT_TRUE(serial_wait_lines(self->b, LINES_IN, LINES_IN));
	close(again);
	/* That was not the last close */
	EXPECT_TRUE(serial_lines_stay(self->b, LINES_IN, LINES_IN));
}

TEST_F(pair, last_close_lowers_with_hupcl)
{
	if (!is_wired(TIOCM_DTR | TIOCM_RTS, LINES_IN))
		SKIP(return, "TIOCM_DTR | TIOCM_RTS does not reach LINES_IN");
	close(self->a);
	EXPECT_TRUE(serial_wait_lines(self->b, LINES_IN, 0));
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	EXPECT_TRUE(serial_wait_lines(self->b, LINES_IN, LINES_IN));
}

TEST_F(pair, last_close_keeps_without_hupcl)
{
	if (!is_wired(TIOCM_DTR | TIOCM_RTS, LINES_IN))
		SKIP(return, "TIOCM_DTR | TIOCM_RTS does not reach LINES_IN");
	ASSERT_EQ(0, serial_change_cflag(self->a, HUPCL, 0));
	close(self->a);
	EXPECT_TRUE(serial_lines_stay(self->b, LINES_IN, LINES_IN));
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	EXPECT_TRUE(serial_lines_stay(self->b, LINES_IN, LINES_IN));
}

/* Carrier */

static int task_open(void *arg)
{
	int fd = open(arg, O_RDWR | O_NOCTTY);

	return fd < 0 ? -errno : 0;
}

/* Close b with CLOCAL off, and take the carrier away */
#define CLOSE_WITHOUT_CARRIER() do {						\
	ASSERT_EQ(0, serial_change_cflag(self->b, CLOCAL, 0));			\
	close(self->b);								\
	self->b = -1;								\
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));			\
} while (0)

#define REOPEN_B() do {								\
	self->b = serial_open(self->paths.path[1]);				\
	ASSERT_LE(0, self->b);							\
} while (0)

TEST_F(pair, open_waits_for_carrier)
{
	struct serial_task task;

	if (!is_wired(TIOCM_DTR, TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_CAR");
	CLOSE_WITHOUT_CARRIER();
	task = serial_start(task_open, self->paths.path[1]);
	ASSERT_TRUE(serial_task_sleeps(&task));
	/* It holds its own lines up meanwhile */
	EXPECT_TRUE(serial_wait_lines(self->a, LINES_IN, LINES_IN));
	EXPECT_TRUE(serial_task_stays(&task));
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_DTR));
	EXPECT_EQ(0, serial_task_result(&task));
	REOPEN_B();
}

TEST_F(pair, open_waits_for_no_carrier_if_it_is_there)
{
	struct serial_task task;

	if (!is_wired(TIOCM_DTR, TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_CAR");
	CLOSE_WITHOUT_CARRIER();
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_DTR));
	task = serial_start(task_open, self->paths.path[1]);
	EXPECT_EQ(0, serial_task_result(&task));
	REOPEN_B();
}

TEST_F(pair, open_signal)
{
	struct serial_task task;

	if (!is_wired(TIOCM_DTR, TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_CAR");
	CLOSE_WITHOUT_CARRIER();
	task = serial_start(task_open, self->paths.path[1]);
	ASSERT_TRUE(serial_task_sleeps(&task));
	serial_task_signal(&task);
	EXPECT_EQ(-EINTR, serial_task_result(&task));
	/* And lets go of the lines */
	EXPECT_TRUE(serial_wait_lines(self->a, LINES_IN, 0));
	REOPEN_B();
}

TEST_F(pair, open_nonblock_waits_for_nothing)
{
	if (!is_wired(TIOCM_DTR, TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_CAR");
	CLOSE_WITHOUT_CARRIER();
	REOPEN_B();
	/* Nor is it hung up before there was a carrier to lose */
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
	EXPECT_EQ(1, serial_write(self->b, "x", 1));
}

/* Another open that does not wait lets the one that waits go on waiting */
TEST_F(pair, open_still_waits_beside_nonblock)
{
	struct serial_task task;

	if (!is_wired(TIOCM_DTR, TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_CAR");
	CLOSE_WITHOUT_CARRIER();
	task = serial_start(task_open, self->paths.path[1]);
	ASSERT_TRUE(serial_task_sleeps(&task));
	REOPEN_B();
	EXPECT_TRUE(serial_task_stays(&task));
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_DTR));
	EXPECT_EQ(0, serial_task_result(&task));
}

TEST_F(pair, carrier_loss_hangs_up)
{
	struct pollfd pfd = { .fd = self->b, .events = POLLIN | POLLOUT };
	int dead = self->b, lines;
	char c;

	if (!is_wired(TIOCM_DTR, TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_CAR");
	ASSERT_EQ(0, serial_change_cflag(self->b, CLOCAL, 0));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));

	pfd.events = 0;
	ASSERT_EQ(1, poll(&pfd, 1, SERIAL_LIMIT_MS));
	pfd.events = POLLIN | POLLOUT;
	ASSERT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP, pfd.revents);
	EXPECT_EQ(0, read(dead, &c, 1));
	EXPECT_EQ(-1, write(dead, "x", 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, ioctl(dead, TIOCMGET, &lines));
	EXPECT_EQ(EIO, errno);
	EXPECT_TRUE(serial_wait_lines(self->a, LINES_IN, 0));

	/* A new open works, the old one stays dead */
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_DTR));
	REOPEN_B();
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
	EXPECT_EQ(0, read(dead, &c, 1));
	close(dead);
}

TEST_F(pair, carrier_loss_wakes_a_reader)
{
	struct serial_task task;

	if (!is_wired(TIOCM_DTR, TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_CAR");
	ASSERT_EQ(0, serial_change_cflag(self->b, CLOCAL, 0));
	task = serial_start(task_read, &self->b);
	ASSERT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));
	EXPECT_EQ(0, serial_task_result(&task));
	close(self->b);
	REOPEN_B();
}

TEST_F(pair, carrier_loss_with_clocal_counts)
{
	int dcd;

	if (!is_wired(TIOCM_DTR, TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_CAR");
	dcd = serial_icount(self->b).dcd;
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));
	EXPECT_TRUE(serial_wait_count(self->b, dcd, dcd + 1));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

/* What the leader of a session on the port gets to know */
static atomic_int got_signals;

static void note_signal(int sig)
{
	got_signals |= sig == SIGHUP ? 1 : sig == SIGCONT ? 2 : 4;
}

static int lead_session(const char *path)
{
	int fd;

	if (setsid() < 0)
		return -1;
	serial_catch(SIGHUP, note_signal);
	serial_catch(SIGCONT, note_signal);
	serial_catch(SIGINT, note_signal);
	fd = open(path, O_RDWR | O_NONBLOCK);

	return fd < 0 || ioctl(fd, TIOCSCTTY, 0) ? -1 : fd;
}

static int task_lead_until_hangup(void *arg)
{
	sigset_t set;

	if (lead_session(arg) < 0)
		return -errno;
	sigemptyset(&set);
	while ((got_signals & 3) != 3)
		sigsuspend(&set);

	return got_signals;
}

TEST_F(pair, carrier_loss_signals_the_session_leader)
{
	struct serial_task task;

	if (!is_wired(TIOCM_DTR, TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_CAR");
	ASSERT_EQ(0, serial_change_cflag(self->b, CLOCAL, 0));
	task = serial_start(task_lead_until_hangup, self->paths.path[1]);
	ASSERT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));
	EXPECT_EQ(3, serial_task_result(&task));
	close(self->b);
	REOPEN_B();
}

/* Break */

static int send_break(int fd, int ms)
{
	if (ioctl(fd, TIOCSBRK))
		return -1;
	serial_sleep_ms(ms);

	return ioctl(fd, TIOCCBRK);
}

TEST_F(pair, break_is_one_null)
{
	struct serial_icounter_struct before = serial_icount(self->b);

	ASSERT_EQ(2, serial_write(self->a, "ab", 2));
	ASSERT_EQ(0, send_break(self->a, 300));
	ASSERT_EQ(2, serial_write(self->a, "cd", 2));
	EXPECT_TRUE(serial_arrives(self->b, "ab\0cd", 5));
	EXPECT_EQ(before.brk + 1, serial_icount(self->b).brk);
	EXPECT_EQ(before.rx + 5, serial_icount(self->b).rx);
	EXPECT_EQ(before.frame, serial_icount(self->b).frame);
}

TEST_F(pair, break_arrives_when_it_begins)
{
	ASSERT_EQ(0, ioctl(self->a, TIOCSBRK));
	EXPECT_TRUE(serial_arrives(self->b, "\0", 1));
	ASSERT_EQ(0, ioctl(self->a, TIOCCBRK));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

TEST_F(pair, break_shadows_data)
{
	ASSERT_EQ(0, ioctl(self->a, TIOCSBRK));
	ASSERT_EQ(4, serial_write(self->a, "lost", 4));
	ASSERT_EQ(0, serial_drain(self->a));
	ASSERT_EQ(0, ioctl(self->a, TIOCCBRK));
	ASSERT_EQ(4, serial_write(self->a, "kept", 4));
	EXPECT_TRUE(serial_arrives(self->b, "\0kept", 5));
}

TEST_F(pair, break_parmrk)
{
	ASSERT_EQ(0, serial_change_iflag(self->b, 0, PARMRK));
	ASSERT_EQ(0, send_break(self->a, 50));
	ASSERT_EQ(2, serial_write(self->a, "\377a", 2));
	EXPECT_TRUE(serial_arrives(self->b, "\377\0\0\377\377a", 6));
}

TEST_F(pair, break_ignbrk)
{
	int brk = serial_icount(self->b).brk;

	ASSERT_EQ(0, serial_change_iflag(self->b, 0, IGNBRK | BRKINT | PARMRK));
	ASSERT_EQ(0, send_break(self->a, 50));
	ASSERT_EQ(1, serial_write(self->a, "a", 1));
	EXPECT_TRUE(serial_arrives(self->b, "a", 1));
	EXPECT_EQ(brk + 1, serial_icount(self->b).brk);
}

static int task_lead_until_interrupt(void *arg)
{
	sigset_t set;

	if (lead_session(arg) < 0)
		return -errno;
	sigemptyset(&set);
	while (!(got_signals & 4))
		sigsuspend(&set);

	return got_signals;
}

TEST_F(pair, break_interrupts_the_foreground)
{
	struct serial_task task;

	ASSERT_EQ(0, serial_change_iflag(self->b, 0, BRKINT));
	task = serial_start(task_lead_until_interrupt, self->paths.path[1]);
	ASSERT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, send_break(self->a, 50));
	EXPECT_EQ(4, serial_task_result(&task));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

TEST_F(pair, tcsendbreak_lasts)
{
	long begin = serial_now_ms();

	ASSERT_EQ(0, ioctl(self->a, TCSBRK, 0));
	EXPECT_LE(200, serial_now_ms() - begin);
	EXPECT_GT(3000, serial_now_ms() - begin);
	EXPECT_TRUE(serial_arrives(self->b, "\0", 1));

	begin = serial_now_ms();
	ASSERT_EQ(0, ioctl(self->a, TCSBRKP, 5));
	EXPECT_LE(450, serial_now_ms() - begin);
	EXPECT_GT(3000, serial_now_ms() - begin);
	EXPECT_TRUE(serial_arrives(self->b, "\0", 1));
}

static int task_long_break(void *arg)
{
	return ioctl(*(int *)arg, TCSBRKP, 300) ? -errno : 0;
}

TEST_F(pair, signal_ends_break)
{
	struct serial_task task = serial_start(task_long_break, &self->a);

	ASSERT_TRUE(serial_arrives(self->b, "\0", 1));
	ASSERT_TRUE(serial_task_sleeps(&task));
	serial_task_signal(&task);
	EXPECT_EQ(-EINTR, serial_task_result(&task));
	ASSERT_EQ(1, serial_write(self->a, "x", 1));
	EXPECT_TRUE(serial_arrives(self->b, "x", 1));
}

/* Flow control */

#define BULK	65536

static unsigned char bulk[BULK];

static int task_write_bulk(void *arg)
{
	size_t done = 0;
	ssize_t count;

	while (done < BULK) {
		count = write(*(int *)arg, bulk + done, BULK - done);
		if (count < 0)
			return -errno;
		done += count;
	}

	return 0;
}

/* Read it with pauses, so that the writer has to stop again and again */
static size_t read_bulk(int fd)
{
	static unsigned char back[BULK];
	size_t done = 0, i;

	while (done < BULK) {
		if (serial_read(fd, back + done, BULK / 8) != BULK / 8)
			return done;
		done += BULK / 8;
		serial_sleep_ms(50);
	}
	for (i = 0; i < done && back[i] == bulk[i]; i++)
		;

	return i;
}

/* Without the characters that mean something themselves */
static void make_bulk(bool software)
{
	uint32_t seed = PATTERN_SEED;
	size_t i;

	serial_pattern(&seed, bulk, BULK);
	if (software)
		for (i = 0; i < BULK; i++)
			bulk[i] |= 0x20;
}

TEST_F(pair, rtscts_end_to_end)
{
	struct serial_task task;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	make_bulk(false);
	ASSERT_EQ(0, serial_change_cflag(self->a, 0, CRTSCTS));
	ASSERT_EQ(0, serial_change_cflag(self->b, 0, CRTSCTS));
	task = serial_start(task_write_bulk, &self->a);

	/* Nobody reads: the reader's RTS falls and the writer stops */
	EXPECT_TRUE(serial_wait_lines(self->b, TIOCM_RTS, 0));
	EXPECT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));
	EXPECT_TRUE(serial_task_sleeps(&task));

	EXPECT_EQ(BULK, read_bulk(self->b));
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_TRUE(serial_wait_lines(self->b, TIOCM_RTS, TIOCM_RTS));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

TEST_F(pair, xonxoff_end_to_end)
{
	struct serial_task task;
	int tx = serial_icount(self->b).tx;

	make_bulk(true);
	ASSERT_EQ(0, serial_change_iflag(self->a, 0, IXON));
	ASSERT_EQ(0, serial_change_iflag(self->b, 0, IXOFF));
	task = serial_start(task_write_bulk, &self->a);
	EXPECT_TRUE(serial_wait_count(self->b, tx, tx + 1));
	EXPECT_TRUE(serial_task_sleeps(&task));

	EXPECT_EQ(BULK, read_bulk(self->b));
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	EXPECT_TRUE(serial_nothing_arrives(self->a));
	/* As many XON as XOFF */
	EXPECT_EQ(0, (serial_icount(self->b).tx - tx) % 2);
}

/* A port without CRTSCTS sends whatever the lines are */
TEST_F(pair, rtscts_at_the_reader_only)
{
	ASSERT_EQ(0, serial_change_cflag(self->b, 0, CRTSCTS));
	ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_RTS));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

/* Stop the writer at a by the lines */
#define HOLD_A_BY_CTS() do {							\
	ASSERT_EQ(0, serial_change_cflag(self->a, 0, CRTSCTS));			\
	ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_RTS));			\
	ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));			\
} while (0)

TEST_F(pair, cts_holds_data)
{
	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	EXPECT_EQ(4, serial_outq(self->a));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(0, serial_lines_on(self->b, TIOCM_RTS));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
	EXPECT_EQ(0, serial_outq(self->a));
}

TEST_F(pair, crtscts_off_lets_go)
{
	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(0, serial_change_cflag(self->a, CRTSCTS, 0));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
}

TEST_F(pair, drain_waits_for_cts)
{
	struct serial_task task;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	task = serial_start(task_drain, &self->a);
	ASSERT_TRUE(serial_task_sleeps(&task));
	EXPECT_TRUE(serial_task_stays(&task));
	ASSERT_EQ(0, serial_lines_on(self->b, TIOCM_RTS));
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_EQ(0, serial_outq(self->a));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
}

TEST_F(pair, drain_signal)
{
	struct serial_task task;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	task = serial_start(task_drain, &self->a);
	ASSERT_TRUE(serial_task_sleeps(&task));
	serial_task_signal(&task);
	EXPECT_EQ(-EINTR, serial_task_result(&task));
}

TEST_F(pair, output_flush_drops_what_is_held)
{
	struct serial_task task;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_EQ(4, serial_write(self->a, "gone", 4));
	ASSERT_EQ(0, serial_flush(self->a, TCOFLUSH));
	EXPECT_EQ(0, serial_outq(self->a));
	task = serial_start(task_drain, &self->a);
	EXPECT_EQ(0, serial_task_result_ms(&task, 2000));
	ASSERT_EQ(0, serial_lines_on(self->b, TIOCM_RTS));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(3, serial_write(self->a, "new", 3));
	EXPECT_TRUE(serial_arrives(self->b, "new", 3));
}

TEST_F(pair, output_flush_empties_the_wire)
{
	static char data[200000];
	struct serial_task task;
	size_t sent, rest;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	sent = serial_fill(self->a, data, sizeof(data));
	ASSERT_EQ(0, serial_flush(self->a, TCOFLUSH));
	EXPECT_EQ(0, serial_outq(self->a));
	task = serial_start(task_drain, &self->a);
	EXPECT_EQ(0, serial_task_result_ms(&task, 2000));
	/* At least what kept the writer from going on is gone */
	rest = serial_read_ms(self->b, data, sizeof(data), SERIAL_QUIET_MS);
	EXPECT_GT(sent - 256, rest);
	ASSERT_EQ(3, serial_write(self->a, "new", 3));
	EXPECT_TRUE(serial_arrives(self->b, "new", 3));
}

TEST_F(pair, input_flush_drops_what_arrived)
{
	struct pollfd pfd = { .fd = self->b, .events = POLLIN };

	ASSERT_EQ(4, serial_write(self->a, "gone", 4));
	ASSERT_EQ(0, serial_drain(self->a));
	ASSERT_EQ(1, poll(&pfd, 1, SERIAL_LIMIT_MS));
	serial_sleep_ms(50);
	EXPECT_EQ(4, serial_inq(self->b));
	ASSERT_EQ(0, serial_flush(self->b, TCIFLUSH));
	EXPECT_EQ(0, serial_inq(self->b));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

TEST_F(pair, tcooff_stops_and_tcoon_goes_on)
{
	ASSERT_EQ(0, serial_flow(self->a, TCOOFF));
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	EXPECT_EQ(4, serial_outq(self->a));
	ASSERT_EQ(0, serial_flow(self->a, TCOON));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
}

TEST_F(pair, ixon_stops_and_goes_on)
{
	ASSERT_EQ(0, serial_change_iflag(self->a, 0, IXON));
	ASSERT_EQ(1, serial_write(self->b, "\x13", 1));
	EXPECT_TRUE(serial_nothing_arrives(self->a));
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(1, serial_write(self->b, "\x11", 1));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->a));
}

TEST_F(pair, tcioff_and_tcion_send)
{
	int tx = serial_icount(self->a).tx;

	ASSERT_EQ(0, serial_flow(self->a, TCIOFF));
	EXPECT_TRUE(serial_arrives(self->b, "\x13", 1));
	ASSERT_EQ(0, serial_flow(self->a, TCION));
	EXPECT_TRUE(serial_arrives(self->b, "\x11", 1));
	EXPECT_TRUE(serial_wait_count(self->a, tx, tx + 2));
}

TEST_F(pair, x_char_overtakes_stopped_data)
{
	ASSERT_EQ(0, serial_flow(self->a, TCOOFF));
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	ASSERT_EQ(0, serial_flow(self->a, TCIOFF));
	EXPECT_TRUE(serial_arrives(self->b, "\x13", 1));
	ASSERT_EQ(0, serial_flow(self->a, TCOON));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
}

TEST_F(pair, x_char_overtakes_data_without_cts)
{
	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	ASSERT_EQ(0, serial_flow(self->a, TCIOFF));
	EXPECT_TRUE(serial_arrives(self->b, "\x13", 1));
	ASSERT_EQ(0, serial_lines_on(self->b, TIOCM_RTS));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
}

TEST_F(pair, lsr_tells_when_all_is_sent)
{
	unsigned int lsr;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_EQ(0, serial_lines_on(self->b, TIOCM_RTS));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	ASSERT_EQ(0, serial_drain(self->a));
	ASSERT_EQ(0, ioctl(self->a, TIOCSERGETLSR, &lsr));
	EXPECT_EQ(TIOCSER_TEMT, lsr & TIOCSER_TEMT);
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

TEST_F(pair, lsr_tells_that_not_all_is_sent)
{
	static char data[200000];
	unsigned int lsr;
	size_t sent;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	sent = serial_fill(self->a, data, sizeof(data));
	ASSERT_EQ(0, ioctl(self->a, TIOCSERGETLSR, &lsr));
	EXPECT_EQ(0, lsr & TIOCSER_TEMT);
	EXPECT_EQ(sent, serial_read(self->b, data, sent));
}

/* What is left in the writer's buffer when nothing moves any more */
static int settled_outq(int fd)
{
	int i, count = serial_outq(fd);

	for (i = 0; i < 20 && count; i++) {
		serial_sleep_ms(10);
		count = serial_outq(fd);
	}

	return count;
}

/*
 * A change of the lines waits behind the characters that were sent before it.
 * It is the reader who makes it wait here, which no real cable does.
 */
TEST_F(pair, edge_waits_for_data)
{
	static char data[200000];
	size_t sent = 0;
	int held;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	do {
		ASSERT_EQ(32, serial_write(self->a, data, 32));
		sent += 32;
		held = settled_outq(self->a);
	} while (!held && sent < sizeof(data));
	ASSERT_GT(sizeof(data), sent);

	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));
	EXPECT_TRUE(serial_lines_stay(self->b, TIOCM_DSR, TIOCM_DSR));
	EXPECT_EQ(0, serial_lines(self->a) & TIOCM_DTR);
	EXPECT_EQ(sent, serial_read(self->b, data, sent));
	EXPECT_TRUE(serial_wait_lines(self->b, TIOCM_DSR, 0));
}

TEST_F(pair, break_waits_for_data)
{
	static char data[200000];
	size_t sent = 0;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	memset(data, 'x', sizeof(data));
	/* What the reader leaves fits on the wire, or TIOCSBRK would wait for it */
	sent = serial_fill(self->a, data, 4100);
	ASSERT_EQ(4100, sent);
	serial_sleep_ms(50);
	ASSERT_EQ(0, ioctl(self->a, TIOCSBRK));
	ASSERT_EQ(0, ioctl(self->a, TIOCCBRK));
	EXPECT_LE(sent, serial_read_ms(self->b, data, sizeof(data), SERIAL_QUIET_MS));
	EXPECT_EQ('x', data[sent - 1]);
}

/* TIOCM_LOOP */

static bool enter_loop(int fd)
{
	return !serial_lines_on(fd, TIOCM_LOOP) && serial_lines(fd) & TIOCM_LOOP;
}

TEST_F(pair, loop_isolates_the_connector)
{
	if (!enter_loop(self->a))
		SKIP(return, "no loopback mode");
	EXPECT_TRUE(serial_wait_lines(self->b, LINES_IN, 0));
	EXPECT_TRUE(serial_wait_lines(self->a, TIOCM_DSR | TIOCM_CTS, TIOCM_DSR | TIOCM_CTS));

	ASSERT_EQ(4, serial_write(self->a, "back", 4));
	EXPECT_TRUE(serial_arrives(self->a, "back", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(4, serial_write(self->b, "lost", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->a));

	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_LOOP));
	EXPECT_TRUE(serial_wait_lines(self->b, LINES_IN, LINES_IN));
	ASSERT_EQ(4, serial_write(self->a, "data", 4));
	EXPECT_TRUE(serial_arrives(self->b, "data", 4));
	ASSERT_EQ(4, serial_write(self->b, "data", 4));
	EXPECT_TRUE(serial_arrives(self->a, "data", 4));
}

TEST_F(pair, loop_joins_outputs_and_inputs)
{
	int outputs[] = { TIOCM_RTS, TIOCM_DTR, TIOCM_OUT1, TIOCM_OUT2 };
	int inputs[] = { TIOCM_CTS, TIOCM_DSR, TIOCM_RNG, TIOCM_CAR };
	int i, all = TIOCM_CTS | TIOCM_DSR | TIOCM_RNG | TIOCM_CAR;

	if (!enter_loop(self->a))
		SKIP(return, "no loopback mode");
	ASSERT_EQ(0, serial_lines_off(self->a, LINES_OUT | TIOCM_OUT1 | TIOCM_OUT2));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, serial_lines_on(self->a, outputs[i]));
		EXPECT_TRUE(serial_wait_lines(self->a, all, inputs[i]));
		ASSERT_EQ(0, serial_lines_off(self->a, outputs[i]));
		EXPECT_TRUE(serial_wait_lines(self->a, all, 0));
	}
	EXPECT_TRUE(serial_lines_stay(self->b, LINES_IN | TIOCM_RNG, 0));
}

/* The rest of what programs ask for */

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { };

	syscall(SYS_capset, &head, data);
}

static int task_open_unprivileged(void *arg)
{
	drop_capabilities();

	return task_open(arg);
}

TEST_F(pair, exclusive)
{
	struct serial_task task;

	if (!geteuid() && chmod(self->paths.path[0], 0666))
		SKIP(return, "cannot let the unprivileged in");
	ASSERT_EQ(0, ioctl(self->a, TIOCEXCL));
	task = serial_start(task_open_unprivileged, self->paths.path[0]);
	EXPECT_EQ(-EBUSY, serial_task_result(&task));
	ASSERT_EQ(0, ioctl(self->a, TIOCNXCL));
	task = serial_start(task_open_unprivileged, self->paths.path[0]);
	EXPECT_EQ(0, serial_task_result(&task));
}

TEST_F(pair, exclusive_ends_with_the_last_close)
{
	struct serial_task task;

	ASSERT_EQ(0, ioctl(self->a, TIOCEXCL));
	close(self->a);
	task = serial_start(task_open_unprivileged, self->paths.path[0]);
	EXPECT_EQ(0, serial_task_result(&task));
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
}

TEST_F(pair, vhangup_by_ioctl)
{
	struct serial_task task;
	char c;

	if (geteuid())
		SKIP(return, "needs root");
	task = serial_start(task_read, &self->b);
	ASSERT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, ioctl(self->b, TIOCVHANGUP));
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_EQ(0, read(self->b, &c, 1));
	close(self->b);
	REOPEN_B();
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

TEST_F(pair, serial_struct_without_change)
{
	struct serial_struct ss;

	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &ss));
	EXPECT_NE(PORT_UNKNOWN, ss.type);
	EXPECT_LT(0, ss.baud_base);
	EXPECT_LT(0, ss.xmit_fifo_size);
	EXPECT_EQ(0, ioctl(self->a, TIOCSSERIAL, &ss));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

TEST_F(pair, serial_struct_closing_wait)
{
	struct serial_struct ss, changed;

	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &ss));
	changed = ss;
	changed.closing_wait = 100;
	changed.close_delay = 70;
	if (ioctl(self->a, TIOCSSERIAL, &changed))
		SKIP(return, "needs privilege: %s", strerror(errno));
	memset(&changed, 0, sizeof(changed));
	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &changed));
	EXPECT_EQ(100, changed.closing_wait);
	EXPECT_EQ(70, changed.close_delay);
	EXPECT_EQ(0, ioctl(self->a, TIOCSSERIAL, &ss));
}

TEST_F(pair, serial_struct_refuses)
{
	struct serial_struct ss, changed;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &ss));

	changed = ss;
	changed.type = PORT_8250;
	EXPECT_EQ(-1, ioctl(self->a, TIOCSSERIAL, &changed));
	EXPECT_TRUE(errno == EINVAL || errno == EPERM);
	changed = ss;
	changed.irq++;
	EXPECT_EQ(-1, ioctl(self->a, TIOCSSERIAL, &changed));
	EXPECT_TRUE(errno == EINVAL || errno == EPERM);
	changed = ss;
	changed.baud_base *= 2;
	EXPECT_EQ(-1, ioctl(self->a, TIOCSSERIAL, &changed));
	EXPECT_TRUE(errno == EINVAL || errno == EPERM);
	changed = ss;
	changed.baud_base = 0;
	EXPECT_EQ(-1, ioctl(self->a, TIOCSSERIAL, &changed));
	EXPECT_TRUE(errno == EINVAL || errno == EPERM);
	changed = ss;
	changed.port++;
	EXPECT_EQ(-1, ioctl(self->a, TIOCSSERIAL, &changed));
	EXPECT_TRUE(errno == EINVAL || errno == EPERM);

	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &changed));
	EXPECT_EQ(0, memcmp(&ss, &changed, sizeof(ss)));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

TEST_F(pair, autoconfig)
{
	struct serial_struct ss;

	if (ioctl(self->a, TIOCSERCONFIG))
		SKIP(return, "%s", strerror(errno));
	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &ss));
	EXPECT_NE(PORT_UNKNOWN, ss.type);

	/* Serial core wants it to be opened again */
	close(self->a);
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

TEST_F(pair, rates)
{
	const unsigned int cbauds[] = {
		B50, B75, B110, B134, B150, B200, B300, B600, B1200, B1800, B2400, B4800,
		B9600, B19200, B38400, B57600, B115200, B230400, B460800, B500000, B576000,
		B921600, B1000000, B1152000, B1500000, B2000000, B2500000, B3000000,
		B3500000, B4000000,
	};
	struct termios2 tio, back;
	unsigned int i;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	for (i = 0; i < ARRAY_SIZE(cbauds); i++) {
		ASSERT_EQ(0, serial_get(self->a, &tio));
		tio.c_cflag = (tio.c_cflag & ~(CBAUD | CIBAUD)) | cbauds[i];
		ASSERT_EQ(0, serial_set(self->a, &tio));
		ASSERT_EQ(0, serial_get(self->a, &back));
		EXPECT_EQ(tio.c_cflag, back.c_cflag) TH_LOG("cbaud %o", cbauds[i]);
		EXPECT_EQ(back.c_ospeed, back.c_ispeed);
	}
	EXPECT_EQ(4000000, back.c_ospeed);
}

TEST_F(pair, odd_rates)
{
	const unsigned int rates[] = { 50, 51, 123, 12345, 31250, 100000, 250000 };
	struct termios2 tio, back;
	unsigned int i;

	if (!self->paths.emulated)
		SKIP(return, "it depends on the port which rates it has");
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		ASSERT_EQ(0, serial_get(self->a, &tio));
		tio.c_cflag = (tio.c_cflag & ~(CBAUD | CIBAUD)) | BOTHER;
		tio.c_ospeed = rates[i];
		tio.c_ispeed = rates[i];
		ASSERT_EQ(0, serial_set(self->a, &tio));
		ASSERT_EQ(0, serial_get(self->a, &back));
		EXPECT_EQ(rates[i], back.c_ospeed);
		EXPECT_EQ(rates[i], back.c_ispeed);
	}
}

/* What a divisor cannot give is read back as what it does give */
TEST_F(pair, rates_are_rounded)
{
	struct termios2 tio;

	if (!self->paths.emulated)
		SKIP(return, "it depends on the port how rates are rounded");
	ASSERT_EQ(0, serial_get(self->a, &tio));
	tio.c_cflag = (tio.c_cflag & ~(CBAUD | CIBAUD)) | BOTHER;
	tio.c_ospeed = 1234567;
	tio.c_ispeed = 1234567;
	ASSERT_EQ(0, serial_set(self->a, &tio));
	ASSERT_EQ(0, serial_get(self->a, &tio));
	/* 144 MHz by 117 */
	EXPECT_EQ(1230769, tio.c_ospeed);
	EXPECT_EQ(1230769, tio.c_ispeed);
}

/* The divisor of spd_cust is the user's: it can be anything, and must do no harm */
TEST_F(pair, custom_divisors)
{
	const int divisors[] = { 0, -1, 1, 0x7fffffff, 15000 };
	struct serial_struct ss, old;
	struct termios2 tio;
	unsigned int i;

	if (!self->paths.emulated)
		SKIP(return, "it depends on the port what a divisor gives");
	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &old));
	ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B38400));
	for (i = 0; i < ARRAY_SIZE(divisors); i++) {
		ss = old;
		ss.flags = (ss.flags & ~ASYNC_SPD_MASK) | ASYNC_SPD_CUST;
		ss.custom_divisor = divisors[i];
		ASSERT_EQ(0, ioctl(self->a, TIOCSSERIAL, &ss));
		ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B9600));
		ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B38400));
		ASSERT_EQ(0, serial_get(self->a, &tio));
		EXPECT_LE(50, tio.c_ospeed);
		EXPECT_GE(4000000, tio.c_ospeed);
		ASSERT_EQ(1, serial_write(self->a, "x", 1));
		ASSERT_EQ(0, serial_flush(self->a, TCOFLUSH));
	}
	/* The last one, of 144 MHz */
	EXPECT_EQ(9600, tio.c_ospeed);
	ASSERT_EQ(0, ioctl(self->a, TIOCSSERIAL, &old));
}

/* What is out of range changes nothing but the rate, to one that is possible */
TEST_F(pair, impossible_rates)
{
	struct termios2 tio, back;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	ASSERT_EQ(0, serial_get(self->a, &tio));
	tio.c_cflag = (tio.c_cflag & ~(CBAUD | CIBAUD)) | BOTHER;
	tio.c_ospeed = 5000000;
	tio.c_ispeed = 5000000;
	ASSERT_EQ(0, serial_set(self->a, &tio));
	ASSERT_EQ(0, serial_get(self->a, &back));
	EXPECT_GE(4000000, back.c_ospeed);
	EXPECT_LE(50, back.c_ospeed);
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

TEST_F(pair, settings_read_back)
{
	struct termios2 tio, back;

	ASSERT_EQ(0, serial_get(self->a, &tio));
	tio.c_cflag |= CSTOPB | PARENB | PARODD | CRTSCTS;
	tio.c_cflag &= ~HUPCL;
	tio.c_iflag = IXON | IXOFF | BRKINT | INPCK;
	ASSERT_EQ(0, serial_set(self->a, &tio));
	ASSERT_EQ(0, serial_get(self->a, &back));
	EXPECT_EQ(tio.c_cflag, back.c_cflag);
	EXPECT_EQ(tio.c_iflag, back.c_iflag);
	EXPECT_EQ(tio.c_ospeed, back.c_ospeed);
}

TEST_HARNESS_MAIN
