// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a UART does, as seen by the programs that use it: data, modem lines,
 * carrier. The tests run over any two serial ports that are joined by a
 * null-modem cable:
 *
 *	SERIAL_PAIR="/dev/ttyS0 /dev/ttyS1" ./serial_pair_test
 *
 * Without that they run over the first pair of the serial console emulator.
 * What only an emulated cable can do, and what a cable may leave out, is
 * skipped on real ports.
 */

#include <linux/capability.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"

/* Waits that fail are reported before the harness kills the test */
#define SERIAL_TIMEOUT	90
#include "serial_test.h"

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
	.pace = SERIAL_PACE_MAX,
};

FIXTURE_SETUP(pair)
{
	const char *why = serial_why_no_pair(&self->paths, variant->pace);

	self->a = -1;
	self->b = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->a, &self->b));
}

FIXTURE_TEARDOWN(pair)
{
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
	serial_close_both(&self->paths, self->a, self->b);
}

#define is_wired(output, inputs) \
	serial_is_wired(&self->paths, self->a, output, self->b, inputs)

/* Data */

TEST_F(pair, both_ways_at_once)
{
	char to_a[] = "this goes to a", to_b[] = "and this one goes to b";

	ASSERT_EQ(sizeof(to_a), serial_write(self->b, to_a, sizeof(to_a)));
	ASSERT_EQ(sizeof(to_b), serial_write(self->a, to_b, sizeof(to_b)));
	EXPECT_TRUE(serial_arrives(self->a, to_a, sizeof(to_a)));
	EXPECT_TRUE(serial_arrives(self->b, to_b, sizeof(to_b)));
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

/* Unread data of a reader that closes does not reach the next one */
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

/* Write to the first port. The other one is closed, so that the test has its last descriptor */
static int task_write_on(void *arg)
{
	bool is_virtual = serial_time_is_virtual();
	char data[256] = { };
	const int *fds = arg;

	close(fds[1]);
	/* Without a pace no write to a closed port sleeps: in virtual time the test would starve */
	while (write(fds[0], data, sizeof(data)) > 0)
		if (is_virtual)
			serial_sleep_ms(1);

	return -errno;
}

/* A port that is closed while data arrive has none when it is opened again */
TEST_F(pair, nothing_old_after_busy_close)
{
	struct serial_task task;
	int i;

	for (i = 0; i < 8; i++) {
		task = serial_start(task_write_on, (int[]){ self->a, self->b });
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

/* What was over before an open is not for the process that opens the port */
TEST_F(pair, nothing_old_after_open)
{
	int cts;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	cts = serial_icount(self->b).cts;
	close(self->b);
	ASSERT_EQ(3, serial_write(self->a, "old", 3));
	ASSERT_EQ(0, serial_drain(self->a));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_RTS));
	/* With a pace it would not be over */
	if (variant->pace == SERIAL_PACE_MAX)
		ASSERT_EQ(3, serial_write(self->a, "old", 3));
	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->b);
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	EXPECT_EQ(cts, serial_icount(self->b).cts);
	EXPECT_EQ(0, serial_lines(self->b) & TIOCM_CTS);
}

/* Modem lines */

TEST_F(pair, rts_is_cts)
{
	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	EXPECT_TRUE(serial_is_wired(&self->paths, self->b, TIOCM_RTS, self->a, TIOCM_CTS));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_RTS));
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_CTS, 0));
	EXPECT_EQ(TIOCM_DSR | TIOCM_CAR, serial_lines(self->b) & SERIAL_INPUTS);
	EXPECT_EQ(SERIAL_INPUTS, serial_lines(self->a) & SERIAL_INPUTS);
}

TEST_F(pair, dtr_is_dsr_and_dcd)
{
	if (!is_wired(TIOCM_DTR, TIOCM_DSR | TIOCM_CAR))
		SKIP(return, "TIOCM_DTR does not reach TIOCM_DSR | TIOCM_CAR");
	EXPECT_TRUE(serial_is_wired(&self->paths, self->b, TIOCM_DTR, self->a,
				    TIOCM_DSR | TIOCM_CAR));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_DSR | TIOCM_CAR, 0));
	EXPECT_EQ(TIOCM_CTS, serial_lines(self->b) & SERIAL_INPUTS);
}

TEST_F(pair, out1_is_ri)
{
	if (!is_wired(TIOCM_OUT1, TIOCM_RNG))
		SKIP(return, "TIOCM_OUT1 does not reach TIOCM_RNG");
	EXPECT_TRUE(serial_is_wired(&self->paths, self->b, TIOCM_OUT1, self->a, TIOCM_RNG));
}

TEST_F(pair, lines_read_back)
{
	int lines = TIOCM_DTR;

	ASSERT_EQ(0, ioctl(self->a, TIOCMSET, &lines));
	EXPECT_EQ(TIOCM_DTR, serial_lines(self->a) & SERIAL_OUTPUTS);
	lines = TIOCM_RTS;
	ASSERT_EQ(0, ioctl(self->a, TIOCMSET, &lines));
	EXPECT_EQ(TIOCM_RTS, serial_lines(self->a) & SERIAL_OUTPUTS);
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

	ASSERT_EQ(0, start_miwait(&task, self->b, SERIAL_INPUTS | TIOCM_RNG));
	serial_task_signal(&task);
	EXPECT_EQ(-EINTR, serial_task_result(&task));
}

TEST_F(pair, present_value_counts_nothing)
{
	struct serial_icounter_struct before, after;
	struct serial_task task;

	if (!is_wired(TIOCM_RTS, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	ASSERT_EQ(0, start_miwait(&task, self->b, SERIAL_INPUTS | TIOCM_RNG));
	before = serial_icount(self->b);
	ASSERT_EQ(0, serial_lines_on(self->a, SERIAL_OUTPUTS));
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
		serial_lines_off(self->a, SERIAL_OUTPUTS);
		ASSERT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, 0));
		serial_lines_on(self->a, SERIAL_OUTPUTS);
		ASSERT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
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
	if (!is_wired(TIOCM_DTR | TIOCM_RTS, SERIAL_INPUTS))
		SKIP(return, "TIOCM_DTR | TIOCM_RTS does not reach SERIAL_INPUTS");
	ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B0));
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, 0));
	EXPECT_EQ(0, serial_lines(self->a) & SERIAL_OUTPUTS);

	/* An open does not raise them at B0 */
	close(self->a);
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	EXPECT_TRUE(serial_lines_stay(self->b, SERIAL_INPUTS, 0));

	ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B115200));
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
	EXPECT_EQ(SERIAL_OUTPUTS, serial_lines(self->a) & SERIAL_OUTPUTS);
}

TEST_F(pair, every_open_raises)
{
	int again;

	if (!is_wired(TIOCM_DTR | TIOCM_RTS, SERIAL_INPUTS))
		SKIP(return, "TIOCM_DTR | TIOCM_RTS does not reach SERIAL_INPUTS");
	ASSERT_EQ(0, serial_lines_off(self->a, SERIAL_OUTPUTS));
	ASSERT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, 0));
	again = serial_open(self->paths.path[0]);
	ASSERT_LE(0, again);
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
	close(again);
	/* That was not the last close */
	EXPECT_TRUE(serial_lines_stay(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
}

TEST_F(pair, last_close_lowers_with_hupcl)
{
	if (!is_wired(TIOCM_DTR | TIOCM_RTS, SERIAL_INPUTS))
		SKIP(return, "TIOCM_DTR | TIOCM_RTS does not reach SERIAL_INPUTS");
	close(self->a);
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, 0));
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
}

TEST_F(pair, last_close_keeps_without_hupcl)
{
	if (!is_wired(TIOCM_DTR | TIOCM_RTS, SERIAL_INPUTS))
		SKIP(return, "TIOCM_DTR | TIOCM_RTS does not reach SERIAL_INPUTS");
	ASSERT_EQ(0, serial_change_cflag(self->a, HUPCL, 0));
	close(self->a);
	EXPECT_TRUE(serial_lines_stay(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	EXPECT_TRUE(serial_lines_stay(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
}

/* Carrier */

static int task_open(void *arg)
{
	int fd = open(arg, O_RDWR | O_NOCTTY);

	return fd < 0 ? -errno : 0;
}

/*
 * Take the carrier of b away, and close it with CLOCAL off. An edge that is still
 * on its way when b is opened again would hang it up.
 */
#define CLOSE_WITHOUT_CARRIER() do {						\
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_DTR));			\
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_CAR, 0));			\
	ASSERT_EQ(0, serial_change_cflag(self->b, CLOCAL, 0));			\
	close(self->b);								\
	self->b = -1;								\
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
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS, SERIAL_INPUTS));
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
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS, 0));
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
	ASSERT_EQ(1, poll(&pfd, 1, serial_limit_ms()));
	pfd.events = POLLIN | POLLOUT;
	ASSERT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP, pfd.revents);
	EXPECT_EQ(0, read(dead, &c, 1));
	EXPECT_EQ(-1, write(dead, "x", 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, ioctl(dead, TIOCMGET, &lines));
	EXPECT_EQ(EIO, errno);
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS, 0));

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
	task = serial_start(serial_task_read, &self->b);
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

static int task_lead_until_hangup(void *arg)
{
	if (serial_lead_session(arg) < 0)
		return -errno;

	return serial_wait_signals(SERIAL_GOT_HUP | SERIAL_GOT_CONT);
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
	EXPECT_EQ(SERIAL_GOT_HUP | SERIAL_GOT_CONT, serial_task_result(&task));
	close(self->b);
	REOPEN_B();
}

/* Break: what else it is when a port is not its own far end */

static int task_lead_until_interrupt(void *arg)
{
	if (serial_lead_session(arg) < 0)
		return -errno;

	return serial_wait_signals(SERIAL_GOT_INT);
}

TEST_F(pair, break_interrupts_the_foreground)
{
	struct serial_task task;

	ASSERT_EQ(0, serial_change_iflag(self->b, 0, BRKINT));
	task = serial_start(task_lead_until_interrupt, self->paths.path[1]);
	ASSERT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, serial_send_break(self->a, 50));
	EXPECT_EQ(SERIAL_GOT_INT, serial_task_result(&task));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

/* Have something unread, and something that is not sent yet, when a break comes */
static int break_between(int from, int to, unsigned int lflag)
{
	int brk = serial_icount(to).brk;
	struct termios2 tio;

	if (serial_get(to, &tio))
		return -1;
	tio.c_iflag |= BRKINT;
	tio.c_lflag |= lflag;
	if (serial_set(to, &tio) || serial_write(from, "in", 2) != 2 || !serial_wait_inq(to, 2))
		return -1;
	if (serial_inq(to) != 2 || serial_flow(to, TCOOFF) || serial_write(to, "out", 3) != 3)
		return -1;
	if (serial_send_break(from, 50))
		return -1;

	return serial_wait_count(to, brk, brk + 1) ? 0 : -1;
}

/* Wait until nothing can be read any more; false if something still can */
static bool wait_no_input(int fd)
{
	long end = serial_now_ms() + serial_limit_ms();

	while (serial_inq(fd) && serial_now_ms() < end)
		serial_sleep_ms(5);

	return !serial_inq(fd);
}

TEST_F(pair, brkint_flushes_both_queues)
{
	ASSERT_EQ(0, break_between(self->a, self->b, 0));
	EXPECT_TRUE(wait_no_input(self->b));
	EXPECT_EQ(0, serial_outq(self->b));
	ASSERT_EQ(0, serial_flow(self->b, TCOON));
	ASSERT_EQ(1, serial_write(self->a, "x", 1));
	EXPECT_TRUE(serial_arrives(self->b, "x", 1));
}

TEST_F(pair, brkint_flushes_nothing_with_noflsh)
{
	ASSERT_EQ(0, break_between(self->a, self->b, NOFLSH));
	/* The line discipline sees the break after it is counted */
	serial_sleep_ms(SERIAL_QUIET_MS);
	EXPECT_EQ(2, serial_inq(self->b));
	EXPECT_EQ(3, serial_outq(self->b));
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
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, 0));
	EXPECT_TRUE(serial_wait_lines(self->a, TIOCM_DSR | TIOCM_CTS, TIOCM_DSR | TIOCM_CTS));

	ASSERT_EQ(4, serial_write(self->a, "back", 4));
	EXPECT_TRUE(serial_arrives(self->a, "back", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(4, serial_write(self->b, "lost", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->a));

	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_LOOP));
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
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
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS | TIOCM_RNG, 0));
	ASSERT_EQ(0, serial_lines_off(self->a, SERIAL_OUTPUTS | TIOCM_OUT1 | TIOCM_OUT2));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, serial_lines_on(self->a, outputs[i]));
		EXPECT_TRUE(serial_wait_lines(self->a, all, inputs[i]));
		EXPECT_TRUE(serial_lines_stay(self->b, SERIAL_INPUTS | TIOCM_RNG, 0));
		ASSERT_EQ(0, serial_lines_off(self->a, outputs[i]));
		EXPECT_TRUE(serial_wait_lines(self->a, all, 0));
	}
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

static int task_long_break(void *arg)
{
	return ioctl(*(int *)arg, TCSBRKP, 300) ? -errno : 0;
}

TEST_F(pair, hangup_ends_break)
{
	struct serial_task task;

	if (geteuid())
		SKIP(return, "needs root");
	task = serial_start(task_long_break, &self->b);
	ASSERT_TRUE(serial_arrives(self->a, "\0", 1));
	ASSERT_EQ(0, ioctl(self->b, TIOCVHANGUP));
	EXPECT_EQ(-EIO, serial_task_result(&task));
	close(self->b);
	REOPEN_B();
	ASSERT_EQ(1, serial_write(self->b, "x", 1));
	EXPECT_TRUE(serial_arrives(self->a, "x", 1));
}

TEST_F(pair, hangup_ends_miwait)
{
	struct serial_task task;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, start_miwait(&task, self->b, TIOCM_RNG));
	ASSERT_EQ(0, ioctl(self->b, TIOCVHANGUP));
	EXPECT_EQ(-EIO, serial_task_result(&task));
	close(self->b);
	REOPEN_B();
}

TEST_F(pair, vhangup_by_ioctl)
{
	struct serial_task task;
	char c;

	if (geteuid())
		SKIP(return, "needs root");
	task = serial_start(serial_task_read, &self->b);
	ASSERT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, ioctl(self->b, TIOCVHANGUP));
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_EQ(0, read(self->b, &c, 1));
	close(self->b);
	REOPEN_B();
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

TEST_HARNESS_MAIN
