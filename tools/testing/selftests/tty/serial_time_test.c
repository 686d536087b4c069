// SPDX-License-Identifier: GPL-2.0-only
/*
 * When things happen on two serial ports that are joined by a null-modem cable:
 * see serial_pair_test. SERIAL_SLACK_US says how much later than it should
 * something may come, on a machine that has other things to do.
 */

#include "kselftest_harness.h"
#include "serial_test.h"

/* Serial core looks for the end of the transmission at each tick of the kernel */
#define SLACK_US	30000

FIXTURE(timing)
{
	struct serial_paths paths;
	int a;
	int b;
	int slack;
};

static int set_speed(int fd, unsigned int baud)
{
	struct termios2 tio;

	if (serial_get(fd, &tio))
		return -1;
	tio.c_cflag = (tio.c_cflag & ~CBAUD) | BOTHER;
	tio.c_ospeed = baud;
	tio.c_ispeed = baud;

	return serial_set(fd, &tio);
}

FIXTURE_SETUP(timing)
{
	const char *slack = getenv("SERIAL_SLACK_US");

	self->a = -1;
	self->b = -1;
	self->slack = slack ? atoi(slack) : SLACK_US;
	serial_find_paths(&self->paths);
	if (!serial_paths_exist(&self->paths))
		SKIP(return, "no %s and %s", self->paths.path[0], self->paths.path[1]);
	self->a = serial_open(self->paths.path[0]);
	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->a);
	ASSERT_LE(0, self->b);
	ASSERT_EQ(0, serial_set_raw(self->a));
	ASSERT_EQ(0, serial_set_raw(self->b));
	ASSERT_EQ(0, set_speed(self->a, 9600));
	ASSERT_EQ(0, set_speed(self->b, 9600));
	serial_lines_on(self->a, TIOCM_DTR | TIOCM_RTS);
	serial_lines_on(self->b, TIOCM_DTR | TIOCM_RTS);
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_CTS, TIOCM_CTS));
	serial_flush(self->a, TCIOFLUSH);
	serial_flush(self->b, TCIOFLUSH);
}

FIXTURE_TEARDOWN(timing)
{
	struct serial_rs485 off = { };

	if (self->a >= 0) {
		ioctl(self->a, TIOCSRS485, &off);
		serial_flush(self->a, TCIOFLUSH);
		close(self->a);
	}
	if (self->b >= 0) {
		ioctl(self->b, TIOCSRS485, &off);
		close(self->b);
	}
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);

	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

/* Whether something took a time, or a little more */
static bool took(int64_t begin, int64_t us, int slack)
{
	int64_t now = now_us();
	bool right = now - begin >= us && now - begin <= us + slack;

	if (!right)
		printf("# %lld us have passed, not %lld to %d more\n",
		       (long long)(now - begin), (long long)us, slack);

	return right;
}

/* BEHAVIOUR 20: 188 characters of ten bits are 195833 us at 9600 bits per second */
TEST_F(timing, tcdrain_lasts_as_long_as_it_takes)
{
	static char data[188];
	int64_t begin = now_us();

	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(took(begin, 195833, self->slack));
	EXPECT_EQ(sizeof(data), serial_read_ms(self->b, data, sizeof(data), 100));
}

TEST_F(timing, close_waits_for_the_last_character)
{
	static char data[96];
	int64_t begin = now_us();

	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, close(self->a));
	EXPECT_TRUE(took(begin, 100000, self->slack));
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	EXPECT_EQ(sizeof(data), serial_read_ms(self->b, data, sizeof(data), 100));
}

/* A flush leaves nothing to wait for but one character, even at 300 baud */
TEST_F(timing, flush_and_close_return_at_once)
{
	static char data[2000];
	int64_t begin;

	ASSERT_EQ(0, set_speed(self->a, 300));
	ASSERT_EQ(0, set_speed(self->b, 300));
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	serial_sleep_ms(50);
	begin = now_us();
	ASSERT_EQ(0, serial_flush(self->a, TCOFLUSH));
	ASSERT_EQ(0, close(self->a));
	EXPECT_GE(33333 + self->slack, now_us() - begin);
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	EXPECT_GE(4, serial_read_ms(self->b, data, sizeof(data), 200));
}

/* BEHAVIOUR 23: bytes vanish at line rate if nobody listens */
TEST_F(timing, nobody_listens)
{
	static char data[96];
	int64_t begin;

	close(self->b);
	begin = now_us();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(took(begin, 100000, self->slack));
	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->b);
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

/* BEHAVIOUR 24: one by one at 9600, 1.04 ms apart */
TEST_F(timing, characters_are_spaced)
{
	int64_t first = 0, last = 0;
	unsigned int groups = 0;
	size_t done = 0;
	char data[48];
	ssize_t count;

	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	while (done < sizeof(data)) {
		count = read(self->b, data, sizeof(data));
		ASSERT_LT(0, count);
		last = now_us();
		if (!done)
			first = last;
		done += count;
		groups++;
	}
	EXPECT_LE(24, groups);
	/* 47 characters' time */
	EXPECT_LE(48958 - 1042, last - first);
	EXPECT_GE(48958 + self->slack, last - first);
}

/* Parity, two stop bits: twelve bits a character */
TEST_F(timing, all_bits_count)
{
	static char data[96];
	int64_t begin;

	ASSERT_EQ(0, serial_change_cflag(self->a, 0, PARENB | CSTOPB));
	ASSERT_EQ(0, serial_change_cflag(self->b, 0, PARENB | CSTOPB));
	begin = now_us();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(took(begin, 120000, self->slack));
}

/* A gap of 3.5 characters is what Modbus goes by */
TEST_F(timing, gaps_between_messages_are_kept)
{
	int64_t first, second;
	char data[8];

	ASSERT_EQ(8, serial_write(self->a, "message1", 8));
	ASSERT_EQ(8, serial_read(self->b, data, 8));
	first = now_us();
	serial_sleep_ms(50);
	ASSERT_EQ(1, serial_write(self->a, "m", 1));
	ASSERT_EQ(1, serial_read(self->b, data, 1));
	second = now_us();
	EXPECT_LE(50000, second - first);
	EXPECT_GE(51042 + self->slack, second - first);
}

/* BEHAVIOUR 21 */
TEST_F(timing, outq_counts_down)
{
	static char data[480];
	int before, after;

	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	before = serial_outq(self->a);
	EXPECT_LE(400, before);
	serial_sleep_ms(200);
	after = serial_outq(self->a);
	/* 192 characters, but it took a while to write and to ask */
	EXPECT_LE(before - 192 - self->slack / 1000, after);
	EXPECT_GE(before - 150, after);
}

/* BEHAVIOUR 7: a break is seen about a character's time after it begins, once */
TEST_F(timing, break_is_seen_while_it_lasts)
{
	int64_t begin = now_us();
	char c;

	ASSERT_EQ(0, ioctl(self->a, TIOCSBRK));
	ASSERT_EQ(1, serial_read(self->b, &c, 1));
	EXPECT_EQ(0, c);
	EXPECT_TRUE(took(begin, 900, self->slack));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	ASSERT_EQ(0, ioctl(self->a, TIOCCBRK));
	ASSERT_EQ(1, serial_write(self->a, "x", 1));
	EXPECT_TRUE(serial_arrives(self->b, "x", 1));
}

/* Shorter than a character is none */
TEST_F(timing, short_break_is_a_character)
{
	struct serial_icounter_struct before = serial_icount(self->b), after;
	unsigned char c;

	ASSERT_EQ(0, set_speed(self->b, 50));
	/* A character takes 200 ms there, this is three bits and the start bit */
	ASSERT_EQ(0, ioctl(self->a, TIOCSBRK));
	serial_sleep_ms(70);
	ASSERT_EQ(0, ioctl(self->a, TIOCCBRK));
	ASSERT_EQ(1, serial_read(self->b, &c, 1));
	/* Low bits are zero, high ones are one */
	EXPECT_NE(0, c);
	EXPECT_EQ(0xff, c | (c - 1));
	after = serial_icount(self->b);
	EXPECT_EQ(before.brk, after.brk);
}

/* BEHAVIOUR 9: n * 100 ms */
TEST_F(timing, tcsbrkp_lasts)
{
	int64_t begin = now_us();

	ASSERT_EQ(0, ioctl(self->a, TCSBRKP, 3));
	EXPECT_TRUE(took(begin, 300000, self->slack));
}

static int set_rs485(int fd, unsigned int flags, unsigned int before, unsigned int after)
{
	struct serial_rs485 rs485 = {
		.flags = flags,
		.delay_rts_before_send = before,
		.delay_rts_after_send = after,
	};

	return ioctl(fd, TIOCSRS485, &rs485);
}

static int64_t time_of_line(int fd, int line, int value)
{
	while ((serial_lines(fd) & line) != value)
		serial_sleep_ms(1);

	return now_us();
}

/* BEHAVIOUR 25: RTS rises before the data by one delay and falls after it by another */
TEST_F(timing, rs485_enables_the_driver)
{
	int64_t on, received, off;
	char c;

	if (set_rs485(self->a, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND, 50, 80))
		SKIP(return, "no RS-485");
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_CTS, 0));
	/* It is not ours to switch now */
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_RTS));
	EXPECT_TRUE(serial_lines_stay(self->b, TIOCM_CTS, 0));

	ASSERT_EQ(1, write(self->a, "x", 1));
	on = time_of_line(self->b, TIOCM_CTS, TIOCM_CTS);
	ASSERT_EQ(1, serial_read(self->b, &c, 1));
	received = now_us();
	off = time_of_line(self->b, TIOCM_CTS, 0);
	EXPECT_LE(50000 - self->slack, received - on);
	EXPECT_GE(51042 + self->slack, received - on);
	EXPECT_LE(80000 - self->slack, off - received);
	EXPECT_GE(80000 + self->slack, off - received);

	/* Switched off, RTS is as it was set */
	ASSERT_EQ(0, set_rs485(self->a, 0, 0, 0));
	EXPECT_TRUE(serial_wait_lines(self->b, TIOCM_CTS, TIOCM_CTS));
}

TEST_F(timing, rs485_does_not_hear_while_it_speaks)
{
	char data[96] = { }, c;

	if (set_rs485(self->a, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND, 0, 0))
		SKIP(return, "no RS-485");
	ASSERT_EQ(sizeof(data), write(self->a, data, sizeof(data)));
	serial_sleep_ms(20);
	ASSERT_EQ(1, write(self->b, "x", 1));
	ASSERT_EQ(0, serial_drain(self->b));
	EXPECT_TRUE(serial_nothing_arrives(self->a));

	if (set_rs485(self->a, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND |
		      SER_RS485_RX_DURING_TX, 0, 0))
		SKIP(return, "it cannot hear while it speaks");
	ASSERT_EQ(sizeof(data), write(self->a, data, sizeof(data)));
	serial_sleep_ms(20);
	ASSERT_EQ(1, write(self->b, "x", 1));
	EXPECT_EQ(1, serial_read(self->a, &c, 1));
}

TEST_F(timing, rs485_delays_are_limited)
{
	struct serial_rs485 rs485 = {
		.flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND | SER_RS485_TERMINATE_BUS,
		.delay_rts_before_send = 1000,
		.delay_rts_after_send = 1000,
	};

	if (ioctl(self->a, TIOCSRS485, &rs485))
		SKIP(return, "no RS-485");
	EXPECT_EQ(100, rs485.delay_rts_before_send);
	EXPECT_EQ(100, rs485.delay_rts_after_send);
	/* What a port cannot do comes back cleared */
	if (self->paths.emulated)
		EXPECT_EQ(0, rs485.flags & SER_RS485_TERMINATE_BUS);
}

/* The address of whom it is for goes before the data, and who has another does not hear it */
TEST_F(timing, rs485_addresses)
{
	struct serial_rs485 to = {
		.flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND | SER_RS485_ADDRB |
			 SER_RS485_ADDR_DEST,
		.addr_dest = 17,
	};
	struct serial_rs485 at = {
		.flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND | SER_RS485_ADDRB |
			 SER_RS485_ADDR_RECV,
		.addr_recv = 17,
	};
	struct termios2 tio;

	if (ioctl(self->b, TIOCSRS485, &at) || !(at.flags & SER_RS485_ADDRB))
		SKIP(return, "no addresses");
	ASSERT_EQ(0, serial_get(self->b, &tio));
	EXPECT_EQ(ADDRB, tio.c_cflag & ADDRB);

	ASSERT_EQ(0, ioctl(self->a, TIOCSRS485, &to));
	ASSERT_EQ(3, write(self->a, "yes", 3));
	EXPECT_TRUE(serial_arrives(self->b, "yes", 3));

	to.addr_dest = 18;
	ASSERT_EQ(0, ioctl(self->a, TIOCSRS485, &to));
	ASSERT_EQ(2, write(self->a, "no", 2));
	EXPECT_TRUE(serial_nothing_arrives(self->b));

	to.addr_dest = 17;
	ASSERT_EQ(0, ioctl(self->a, TIOCSRS485, &to));
	ASSERT_EQ(5, write(self->a, "again", 5));
	EXPECT_TRUE(serial_arrives(self->b, "again", 5));
}

TEST_HARNESS_MAIN
