// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program sees of a serial port that what it sends comes in at another
 * one, or at the same one. So the tests run over two ports that are joined by a
 * null-modem cable, or over one that has a loopback mode (TIOCM_LOOP):
 *
 *	SERIAL_PAIR="/dev/ttyS0 /dev/ttyS1" ./serial_line_test
 *	SERIAL_PAIR=/dev/ttyS0 ./serial_line_test
 *
 * Without that they run over the first pair of the serial console emulator.
 * What only an emulated cable can do is skipped on real ports.
 */

#include "kselftest_harness.h"

/* Waits that fail are reported before the harness kills the test */
#define SERIAL_TIMEOUT	90
#include "serial_test.h"

FIXTURE(line)
{
	struct serial_paths paths;
	struct serial_struct serial;
	int a;
	int b;
};

FIXTURE_VARIANT(line)
{
	int pace;
};

/* As on a real line, or on a real line */
FIXTURE_VARIANT_ADD(line, real_time)
{
	.pace = SERIAL_PACE_DEFAULT,
};

/* As fast as the machine can, and without loss */
FIXTURE_VARIANT_ADD(line, unpaced)
{
	.pace = SERIAL_PACE_MAX,
};

FIXTURE_SETUP(line)
{
	const char *why = serial_why_not(&self->paths, variant->pace);

	self->a = -1;
	self->b = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->a, &self->b));
	ioctl(self->a, TIOCGSERIAL, &self->serial);
	if (self->paths.loop && !(serial_lines(self->a) & TIOCM_LOOP))
		SKIP(return, "no loopback mode");
}

FIXTURE_TEARDOWN(line)
{
	ioctl(self->a, TIOCSSERIAL, &self->serial);
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
	serial_close_both(&self->paths, self->a, self->b);
}

TEST_F(line, every_byte_both_ways)
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
	const char *why = serial_why_not(&self->paths, SERIAL_PACE_DEFAULT);

	self->a = -1;
	self->b = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->a, &self->b));
}

FIXTURE_TEARDOWN(csize)
{
	serial_close_both(&self->paths, self->a, self->b);
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

TEST_F(line, cread_off_discards_and_counts)
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

/* O_NONBLOCK, poll, VMIN and VTIME */

TEST_F(line, nonblock_and_poll)
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
	ASSERT_EQ(1, poll(&pfd, 1, serial_limit_ms()));
	EXPECT_EQ(POLLIN, pfd.revents);
	EXPECT_EQ(1, read(self->b, &c, 1));
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

TEST_F(line, vtime_limits_the_wait)
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

TEST_F(line, vmin_waits_for_enough)
{
	struct serial_task task;

	ASSERT_EQ(0, set_vmin_vtime(self->b, 5, 0));
	task = serial_start(task_read_ten, &self->b);
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_task_stays(&task));
	ASSERT_EQ(3, serial_write(self->a, "def", 3));
	EXPECT_LE(5, serial_task_result(&task));
}

TEST_F(line, vtime_ends_a_burst)
{
	struct serial_task task;

	ASSERT_EQ(0, set_vmin_vtime(self->b, 10, 2));
	task = serial_start(task_read_ten, &self->b);
	EXPECT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_EQ(3, serial_task_result(&task));
}

TEST_F(line, signal_ends_read)
{
	struct serial_task task = serial_start(serial_task_read, &self->b);

	ASSERT_TRUE(serial_task_sleeps(&task));
	serial_task_signal(&task);
	EXPECT_EQ(-EINTR, serial_task_result(&task));
}

TEST_F(line, icount_data)
{
	int tx = serial_icount(self->a).tx, rx = serial_icount(self->b).rx;
	const char data[100] = { };

	ASSERT_EQ(100, serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(serial_wait_count(self->a, tx, tx + 100));
	EXPECT_TRUE(serial_wait_count(self->b, rx, rx + 100));
}

/* Break */

TEST_F(line, break_is_one_null)
{
	struct serial_icounter_struct before = serial_icount(self->b);

	ASSERT_EQ(2, serial_write(self->a, "ab", 2));
	ASSERT_EQ(0, serial_send_break(self->a, 300));
	ASSERT_EQ(2, serial_write(self->a, "cd", 2));
	EXPECT_TRUE(serial_arrives(self->b, "ab\0cd", 5));
	EXPECT_EQ(before.brk + 1, serial_icount(self->b).brk);
	EXPECT_EQ(before.rx + 5, serial_icount(self->b).rx);
	EXPECT_EQ(before.frame, serial_icount(self->b).frame);
}

TEST_F(line, break_arrives_when_it_begins)
{
	ASSERT_EQ(0, ioctl(self->a, TIOCSBRK));
	EXPECT_TRUE(serial_arrives(self->b, "\0", 1));
	ASSERT_EQ(0, ioctl(self->a, TIOCCBRK));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

TEST_F(line, break_shadows_data)
{
	ASSERT_EQ(0, ioctl(self->a, TIOCSBRK));
	ASSERT_EQ(4, serial_write(self->a, "lost", 4));
	ASSERT_EQ(0, serial_drain(self->a));
	/* Less than a character is no break */
	serial_sleep_ms(50);
	ASSERT_EQ(0, ioctl(self->a, TIOCCBRK));
	ASSERT_EQ(4, serial_write(self->a, "kept", 4));
	EXPECT_TRUE(serial_arrives(self->b, "\0kept", 5));
}

TEST_F(line, break_parmrk)
{
	ASSERT_EQ(0, serial_change_iflag(self->b, 0, PARMRK));
	ASSERT_EQ(0, serial_send_break(self->a, 50));
	ASSERT_EQ(2, serial_write(self->a, "\377a", 2));
	EXPECT_TRUE(serial_arrives(self->b, "\377\0\0\377\377a", 6));
}

TEST_F(line, break_ignbrk)
{
	int brk = serial_icount(self->b).brk;

	ASSERT_EQ(0, serial_change_iflag(self->b, 0, IGNBRK | BRKINT | PARMRK));
	ASSERT_EQ(0, serial_send_break(self->a, 50));
	ASSERT_EQ(1, serial_write(self->a, "a", 1));
	EXPECT_TRUE(serial_arrives(self->b, "a", 1));
	EXPECT_EQ(brk + 1, serial_icount(self->b).brk);
}

TEST_F(line, tcsendbreak_lasts)
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

TEST_F(line, signal_ends_break)
{
	struct serial_task task = serial_start(task_long_break, &self->a);

	ASSERT_TRUE(serial_arrives(self->b, "\0", 1));
	ASSERT_TRUE(serial_task_sleeps(&task));
	serial_task_signal(&task);
	EXPECT_EQ(-EINTR, serial_task_result(&task));
	ASSERT_EQ(1, serial_write(self->a, "x", 1));
	EXPECT_TRUE(serial_arrives(self->b, "x", 1));
}

TEST_F(line, input_flush_drops_what_arrived)
{
	ASSERT_EQ(4, serial_write(self->a, "gone", 4));
	ASSERT_EQ(0, serial_drain(self->a));
	ASSERT_TRUE(serial_wait_inq(self->b, 4));
	EXPECT_EQ(4, serial_inq(self->b));
	ASSERT_EQ(0, serial_flush(self->b, TCIFLUSH));
	EXPECT_EQ(0, serial_inq(self->b));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

TEST_F(line, tcooff_stops_and_tcoon_goes_on)
{
	ASSERT_EQ(0, serial_flow(self->a, TCOOFF));
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	EXPECT_EQ(4, serial_outq(self->a));
	ASSERT_EQ(0, serial_flow(self->a, TCOON));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
}

TEST_F(line, tcioff_and_tcion_send)
{
	int tx = serial_icount(self->a).tx;

	ASSERT_EQ(0, serial_flow(self->a, TCIOFF));
	EXPECT_TRUE(serial_arrives(self->b, "\x13", 1));
	ASSERT_EQ(0, serial_flow(self->a, TCION));
	EXPECT_TRUE(serial_arrives(self->b, "\x11", 1));
	EXPECT_TRUE(serial_wait_count(self->a, tx, tx + 2));
}

TEST_F(line, x_char_overtakes_stopped_data)
{
	ASSERT_EQ(0, serial_flow(self->a, TCOOFF));
	ASSERT_EQ(4, serial_write(self->a, "held", 4));
	ASSERT_EQ(0, serial_flow(self->a, TCIOFF));
	EXPECT_TRUE(serial_arrives(self->b, "\x13", 1));
	ASSERT_EQ(0, serial_flow(self->a, TCOON));
	EXPECT_TRUE(serial_arrives(self->b, "held", 4));
}

TEST_F(line, serial_struct_without_change)
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

TEST_F(line, serial_struct_closing_wait)
{
	struct serial_struct changed;

	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &changed));
	changed.closing_wait = 100;
	changed.close_delay = 70;
	if (ioctl(self->a, TIOCSSERIAL, &changed))
		SKIP(return, "needs privilege: %s", strerror(errno));
	memset(&changed, 0, sizeof(changed));
	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &changed));
	EXPECT_EQ(100, changed.closing_wait);
	EXPECT_EQ(70, changed.close_delay);
}

TEST_F(line, serial_struct_refuses)
{
	struct serial_struct ss, changed;

	if (variant->pace)
		SKIP(return, "about the emulator, so once is enough");
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

TEST_F(line, autoconfig)
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

TEST_F(line, rates)
{
	const struct { unsigned int cbaud, rate; } rates[] = {
		{ B50, 50 }, { B75, 75 }, { B110, 110 }, { B134, 134 }, { B150, 150 },
		{ B200, 200 }, { B300, 300 }, { B600, 600 }, { B1200, 1200 }, { B1800, 1800 },
		{ B2400, 2400 }, { B4800, 4800 }, { B9600, 9600 }, { B19200, 19200 },
		{ B38400, 38400 }, { B57600, 57600 }, { B115200, 115200 }, { B230400, 230400 },
		{ B460800, 460800 }, { B500000, 500000 }, { B576000, 576000 },
		{ B921600, 921600 }, { B1000000, 1000000 }, { B1152000, 1152000 },
		{ B1500000, 1500000 }, { B2000000, 2000000 }, { B2500000, 2500000 },
		{ B3000000, 3000000 }, { B3500000, 3500000 }, { B4000000, 4000000 },
	};
	struct termios2 tio, back;
	unsigned int i;

	if (variant->pace)
		SKIP(return, "about the emulator, so once is enough");
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		ASSERT_EQ(0, serial_get(self->a, &tio));
		tio.c_cflag = (tio.c_cflag & ~(CBAUD | CIBAUD)) | rates[i].cbaud;
		ASSERT_EQ(0, serial_set(self->a, &tio));
		ASSERT_EQ(0, serial_get(self->a, &back));
		EXPECT_EQ(tio.c_cflag, back.c_cflag) TH_LOG("%u", rates[i].rate);
		EXPECT_EQ(rates[i].rate, back.c_ospeed);
		EXPECT_EQ(rates[i].rate, back.c_ispeed);
	}
}

TEST_F(line, odd_rates)
{
	const unsigned int rates[] = { 50, 51, 123, 12345, 31250, 100000, 250000, 1234567,
				       3999999 };
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

/* The divisor of spd_cust is the user's: it can be anything, and must do no harm */
TEST_F(line, custom_divisors)
{
	const int divisors[] = { 0, -1, 1, 0x7fffffff, 12000 };
	struct serial_struct ss;
	struct termios2 tio;
	unsigned int i;

	if (!self->paths.emulated)
		SKIP(return, "it depends on the port what a divisor gives");
	ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B38400));
	for (i = 0; i < ARRAY_SIZE(divisors); i++) {
		ss = self->serial;
		ss.flags = (ss.flags & ~ASYNC_SPD_MASK) | ASYNC_SPD_CUST;
		ss.custom_divisor = divisors[i];
		ASSERT_EQ(0, ioctl(self->a, TIOCSSERIAL, &ss));
		ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B9600));
		ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B38400));
		/* What that gives is no rate of termios */
		ASSERT_EQ(0, serial_get(self->a, &tio));
		EXPECT_EQ(38400, tio.c_ospeed);
		EXPECT_EQ(B38400, tio.c_cflag & CBAUD);
		ASSERT_EQ(1, serial_write(self->a, "x", 1));
		ASSERT_EQ(0, serial_flush(self->a, TCOFLUSH));
	}
}

/* What is out of range changes nothing but the rate, to one that is possible */
TEST_F(line, impossible_rates)
{
	struct termios2 tio, back;

	if (variant->pace)
		SKIP(return, "about the emulator, so once is enough");
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

TEST_F(line, settings_read_back)
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
