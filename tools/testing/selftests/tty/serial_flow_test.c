// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a sender is stopped and goes on, on two serial ports that are joined by a
 * null-modem cable: see serial_pair_test.
 */

#include "kselftest_harness.h"

/* Waits that fail are reported before the harness kills the test */
#define SERIAL_TIMEOUT	90
#include "serial_test.h"

#define PATTERN_SEED	0x5eed1234

FIXTURE(flow)
{
	struct serial_paths paths;
	int a;
	int b;
};

FIXTURE_VARIANT(flow)
{
	int pace;
};

/* As on a real line, or on a real line */
FIXTURE_VARIANT_ADD(flow, real_time)
{
	.pace = SERIAL_PACE_DEFAULT,
};

/* As fast as the machine can, and without loss */
FIXTURE_VARIANT_ADD(flow, unpaced)
{
	.pace = SERIAL_PACE_MAX,
};

FIXTURE_SETUP(flow)
{
	const char *why = serial_why_no_pair(&self->paths, variant->pace);

	self->a = -1;
	self->b = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->a, &self->b));
}

FIXTURE_TEARDOWN(flow)
{
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
	serial_close_both(&self->paths, self->a, self->b);
}

#define is_wired(output, inputs) \
	serial_is_wired(&self->paths, self->a, output, self->b, inputs)

static int task_drain(void *arg)
{
	return serial_drain(*(int *)arg) ? -errno : 0;
}

/* More than all buffers take: a flip buffer has 640 KiB, or twice as many plain characters */
#define FILL		2000000

/* Fill everything up, then read it: nothing is lost */
static size_t hold_back_and_read(int from, int to, bool lines)
{
	static unsigned char data[FILL], back[FILL];
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

TEST_F(flow, slow_reader_raw)
{
	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	EXPECT_LT(4096, hold_back_and_read(self->a, self->b, false));
	EXPECT_LT(4096, hold_back_and_read(self->b, self->a, false));
}

/* The reader of a port in loopback mode holds its writer back */
TEST_F(flow, slow_reader_in_loopback_mode)
{
	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	if (serial_lines_on(self->a, TIOCM_LOOP) || !(serial_lines(self->a) & TIOCM_LOOP))
		SKIP(return, "no loopback mode");
	EXPECT_LT(4096, hold_back_and_read(self->a, self->a, false));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

/*
 * A line that is not complete when the data ends is not readable, so the end of
 * the last one comes later.
 */
TEST_F(flow, slow_reader_canonical)
{
	static unsigned char data[FILL], back[FILL];
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
	ASSERT_GT(FILL, sent);

	i = sent / 61 * 61;
	ASSERT_EQ(i, serial_read(self->b, back, i));
	EXPECT_EQ(0, memcmp(data, back, i));
	i = 61 - sent % 61;
	ASSERT_EQ(i, serial_write(self->a, data + sent, i));
	ASSERT_EQ(61, serial_read(self->b, back, 61));
	EXPECT_EQ(0, memcmp(data + sent + i - 61, back, 61));
}

TEST_F(flow, pollout_comes_and_goes)
{
	struct pollfd pfd = { .fd = self->a, .events = POLLOUT };
	static char data[FILL];
	size_t sent;
	ssize_t ret;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	sent = serial_fill(self->a, data, sizeof(data));
	ASSERT_GT(FILL, sent);
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, serial_set_nonblock(self->a, true));
	do {
		ret = write(self->a, data, 1);
	} while (ret == 1 && ++sent);
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(EAGAIN, errno);

	ASSERT_EQ(sent, serial_read(self->b, data, sent));
	EXPECT_EQ(1, poll(&pfd, 1, serial_limit_ms()));
	EXPECT_EQ(POLLOUT, pfd.revents);
}

/* Flow control */

/* Seconds that a debug kernel in an emulator on a loaded machine may take for that */
#define BULK_TIMEOUT	300

/* At full speed much is on its way when the sender hears that it has to stop */
static unsigned char bulk[FILL];
static size_t bulk_size;

static int task_write_bulk(void *arg)
{
	size_t done = 0;
	ssize_t count;

	while (done < bulk_size) {
		count = write(*(int *)arg, bulk + done, bulk_size - done);
		if (count < 0)
			return -errno;
		done += count;
	}

	return 0;
}

/* Read it with pauses, so that the writer has to stop again and again */
static size_t read_bulk(int fd)
{
	static unsigned char back[FILL];
	size_t done = 0, i;

	while (done < bulk_size) {
		if (serial_read(fd, back + done, bulk_size / 8) != bulk_size / 8)
			return done;
		done += bulk_size / 8;
		serial_sleep_ms(50);
	}
	for (i = 0; i < done && back[i] == bulk[i]; i++)
		;

	return i;
}

/* Without the characters that mean something themselves */
static void make_bulk(int pace, bool software)
{
	uint32_t seed = PATTERN_SEED;
	size_t i;

	bulk_size = pace ? 65536 : FILL;
	serial_pattern(&seed, bulk, bulk_size);
	if (software)
		for (i = 0; i < bulk_size; i++)
			bulk[i] |= 0x20;
}

/* Whether a port whose writer has more to send stops, and not because all is sent */
static bool transmitter_stops(int fd)
{
	long end = serial_now_ms() + serial_limit_ms();
	int was, left = serial_outq(fd);

	do {
		was = left;
		serial_sleep_ms(SERIAL_QUIET_MS);
		left = serial_outq(fd);
	} while (left != was && serial_now_ms() < end);

	return left > 0 && left == was;
}

TEST_F_TIMEOUT(flow, rtscts_end_to_end, BULK_TIMEOUT)
{
	struct serial_task task;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	make_bulk(variant->pace, false);
	ASSERT_EQ(0, serial_change_cflag(self->a, 0, CRTSCTS));
	ASSERT_EQ(0, serial_change_cflag(self->b, 0, CRTSCTS));
	task = serial_start(task_write_bulk, &self->a);

	/* Nothing is read: the reader's RTS falls and the writer stops */
	EXPECT_TRUE(serial_wait_lines(self->b, TIOCM_RTS, 0));
	EXPECT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));
	EXPECT_TRUE(serial_task_sleeps(&task));
	EXPECT_TRUE(transmitter_stops(self->a));

	EXPECT_EQ(bulk_size, read_bulk(self->b));
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_TRUE(serial_wait_lines(self->b, TIOCM_RTS, TIOCM_RTS));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

TEST_F_TIMEOUT(flow, xonxoff_end_to_end, BULK_TIMEOUT)
{
	struct serial_task task;
	int tx = serial_icount(self->b).tx;

	make_bulk(variant->pace, true);
	ASSERT_EQ(0, serial_change_iflag(self->a, 0, IXON));
	ASSERT_EQ(0, serial_change_iflag(self->b, 0, IXOFF));
	task = serial_start(task_write_bulk, &self->a);
	EXPECT_TRUE(serial_wait_count(self->b, tx, tx + 1));
	EXPECT_TRUE(serial_task_sleeps(&task));
	EXPECT_TRUE(transmitter_stops(self->a));

	EXPECT_EQ(bulk_size, read_bulk(self->b));
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	EXPECT_TRUE(serial_nothing_arrives(self->a));
	/* At least an XOFF and an XON, and as many of the one as of the other */
	EXPECT_LE(2, serial_icount(self->b).tx - tx);
	EXPECT_EQ(0, (serial_icount(self->b).tx - tx) % 2);
}

/* A port without CRTSCTS sends whatever the lines are */
TEST_F(flow, rtscts_at_the_reader_only)
{
	bool wired = is_wired(TIOCM_RTS, TIOCM_CTS);

	ASSERT_EQ(0, serial_change_cflag(self->b, 0, CRTSCTS));
	ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_RTS));
	if (wired)
		ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

/* Stop the writer at a by the lines */
#define HOLD_A_BY_CTS() do {							\
	ASSERT_EQ(0, serial_change_cflag(self->a, 0, CRTSCTS));			\
	ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_RTS));			\
	ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));			\
} while (0)

TEST_F(flow, cts_holds_data)
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

/* A writer is not woken for little */
TEST_F(flow, pollout_below_256)
{
	struct pollfd pfd = { .fd = self->a, .events = POLLOUT };
	static char data[255];

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	EXPECT_EQ(sizeof(data), serial_outq(self->a));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	ASSERT_EQ(1, serial_write(self->a, data, 1));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
}

TEST_F(flow, crtscts_off_lets_go)
{
	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(0, serial_change_cflag(self->a, CRTSCTS, 0));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
}

TEST_F(flow, drain_waits_for_cts)
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

TEST_F(flow, drain_signal)
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

/* Send an XOFF and wait until it is counted, which a pty does not do; false if it can be read */
static bool stop_by_xoff(int from, int to)
{
	struct serial_icounter_struct icount;
	bool counts = !ioctl(to, TIOCGICOUNT, &icount);

	return serial_write(from, "\x13", 1) == 1 &&
	       (!counts || serial_wait_count(to, rx, icount.rx + 1)) && serial_nothing_arrives(to);
}

/* Writers that wait for a port that is stopped */

/* Serial core wakes writers when fewer characters than this are left to send */
#define WAKEUP_CHARS	256

static int task_write_one(void *arg)
{
	return write(*(int *)arg, "x", 1) == 1 ? 0 : -errno;
}

static int task_poll_out(void *arg)
{
	struct pollfd pfd = { .fd = *(int *)arg, .events = POLLOUT };

	return poll(&pfd, 1, -1) == 1 && pfd.revents == POLLOUT ? 0 : -EIO;
}

/**
 * struct waiters - what waits for room in the buffer of a port
 * @sent: how much is in it
 * @write: a write
 * @poll: a poll
 */
struct waiters {
	size_t sent;
	struct serial_task write;
	struct serial_task poll;
};

/* Fill the buffer of a port that is stopped, and wait for room in it; false if that ends */
static bool writers_wait(int *fd, struct waiters *waiters)
{
	static char data[FILL];

	waiters->sent = serial_fill(*fd, data, sizeof(data));
	waiters->write = serial_start(task_write_one, fd);
	waiters->poll = serial_start(task_poll_out, fd);

	return serial_task_sleeps(&waiters->write) && serial_task_sleeps(&waiters->poll) &&
	       serial_task_stays(&waiters->write) && serial_task_stays(&waiters->poll);
}

/* And get it, when the port goes on and has sent most of its buffer */
static bool writers_go_on(int from, int to, struct waiters *waiters)
{
	static char data[FILL];

	return serial_wait_outq(from, WAKEUP_CHARS - 1) &&
	       !serial_task_result(&waiters->write) && !serial_task_result(&waiters->poll) &&
	       serial_read(to, data, waiters->sent + 1) == waiters->sent + 1;
}

TEST_F(flow, tcoon_wakes_writers)
{
	struct waiters waiters;

	ASSERT_EQ(0, serial_flow(self->a, TCOOFF));
	ASSERT_TRUE(writers_wait(&self->a, &waiters));
	ASSERT_EQ(0, serial_flow(self->a, TCOON));
	EXPECT_TRUE(writers_go_on(self->a, self->b, &waiters));
}

TEST_F(flow, xon_wakes_writers)
{
	struct waiters waiters;

	ASSERT_EQ(0, serial_change_iflag(self->a, 0, IXON));
	ASSERT_TRUE(stop_by_xoff(self->b, self->a));
	ASSERT_TRUE(writers_wait(&self->a, &waiters));
	ASSERT_EQ(1, serial_write(self->b, "\x11", 1));
	EXPECT_TRUE(writers_go_on(self->a, self->b, &waiters));
}

TEST_F(flow, cts_wakes_writers)
{
	struct waiters waiters;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	ASSERT_TRUE(writers_wait(&self->a, &waiters));
	ASSERT_EQ(0, serial_lines_on(self->b, TIOCM_RTS));
	EXPECT_TRUE(writers_go_on(self->a, self->b, &waiters));
}

/* Serial core only starts the transmitter then: it is for the driver to wake writers */
TEST_F(flow, crtscts_off_wakes_writers)
{
	struct waiters waiters;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	HOLD_A_BY_CTS();
	/* The driver may look at the transmitter meanwhile */
	serial_lines_off(self->a, TIOCM_RTS);
	serial_lines_on(self->a, TIOCM_RTS);
	serial_sleep_ms(20);
	ASSERT_TRUE(writers_wait(&self->a, &waiters));
	ASSERT_EQ(0, serial_change_cflag(self->a, CRTSCTS, 0));
	EXPECT_TRUE(writers_go_on(self->a, self->b, &waiters));
}

TEST_F(flow, output_flush_drops_what_is_held)
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

TEST_F(flow, output_flush_drops_what_waits)
{
	static char data[FILL];
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

TEST_F(flow, ixon_stops_and_goes_on)
{
	ASSERT_EQ(0, serial_change_iflag(self->a, 0, IXON));
	ASSERT_TRUE(stop_by_xoff(self->b, self->a));
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(1, serial_write(self->b, "\x11", 1));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->a));
}

TEST_F(flow, x_char_overtakes_data_without_cts)
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

TEST_F(flow, lsr_tells_when_all_is_sent)
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

TEST_F(flow, lsr_tells_that_not_all_is_sent)
{
	static char data[FILL];
	unsigned int lsr;
	size_t sent;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	sent = serial_fill(self->a, data, sizeof(data));
	ASSERT_EQ(0, ioctl(self->a, TIOCSERGETLSR, &lsr));
	EXPECT_EQ(0, lsr & TIOCSER_TEMT);
	EXPECT_EQ(sent, serial_read(self->b, data, sent));
}

TEST_F(flow, break_waits_for_data)
{
	static char data[FILL];
	size_t sent = 0, got;

	if (variant->pace)
		SKIP(return, "only a cable without a pace holds data back");
	memset(data, 'x', sizeof(data));
	/* What the reader leaves fits on the wire, or TIOCSBRK would wait for it */
	sent = serial_fill(self->a, data, 4100);
	ASSERT_EQ(4100, sent);
	serial_sleep_ms(50);
	ASSERT_EQ(0, ioctl(self->a, TIOCSBRK));
	ASSERT_EQ(0, ioctl(self->a, TIOCCBRK));
	got = serial_read_ms(self->b, data, sizeof(data), SERIAL_QUIET_MS);
	ASSERT_EQ(sent + 1, got);
	EXPECT_EQ(data + sent, (char *)memchr(data, 0, got));
}

TEST_HARNESS_MAIN
