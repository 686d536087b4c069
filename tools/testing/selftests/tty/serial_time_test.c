// SPDX-License-Identifier: GPL-2.0-only
/*
 * When things happen on two serial ports that are joined by a null-modem cable:
 * see serial_pair_test. SERIAL_SLACK_US says how much later than it should something may
 * come. Without it that is next to nothing in virtual time, and much on a machine that may
 * have other things to do; nothing may come too early.
 */

#include "kselftest_harness.h"

/* Waits that fail are reported before the harness kills the test */
#define SERIAL_TIMEOUT	90
#include "serial_test.h"

/* Serial core looks for the end of the transmission at each tick of the kernel */
#define SLACK_US	21000
#define SLACK_REAL_US	60000000

/* What can be seen on one port in loopback mode as well */
FIXTURE(line_time)
{
	struct serial_paths paths;
	struct serial_struct serial;
	int a;
	int b;
	int slack;
};

/* What needs the two ends of a cable */
FIXTURE(pair_time)
{
	struct serial_paths paths;
	struct serial_struct serial;
	int a;
	int b;
	int slack;
};

static int get_slack(void)
{
	const char *slack = getenv("SERIAL_SLACK_US");

	if (slack)
		return atoi(slack);

	return serial_time_is_virtual() ? SLACK_US : SLACK_REAL_US;
}

static int open_slow(const struct serial_paths *paths, int *a, int *b)
{
	return serial_open_both(paths, a, b) || serial_set_speed(*a, 9600) ||
	       serial_set_speed(*b, 9600) ? -1 : 0;
}

FIXTURE_SETUP(line_time)
{
	const char *why = serial_why_not(&self->paths, SERIAL_PACE_DEFAULT);

	self->a = -1;
	self->b = -1;
	self->slack = get_slack();
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, open_slow(&self->paths, &self->a, &self->b));
	ioctl(self->a, TIOCGSERIAL, &self->serial);
	if (self->paths.loop && !(serial_lines(self->a) & TIOCM_LOOP))
		SKIP(return, "no loopback mode");
}

FIXTURE_TEARDOWN(line_time)
{
	ioctl(self->a, TIOCSSERIAL, &self->serial);
	serial_close_both(&self->paths, self->a, self->b);
}

FIXTURE_SETUP(pair_time)
{
	const char *why = serial_why_no_pair(&self->paths, SERIAL_PACE_DEFAULT);

	self->a = -1;
	self->b = -1;
	self->slack = get_slack();
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, open_slow(&self->paths, &self->a, &self->b));
	ioctl(self->a, TIOCGSERIAL, &self->serial);
}

FIXTURE_TEARDOWN(pair_time)
{
	struct serial_rs485 off = { };

	serial_set_stall(&self->paths, 1, false);
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
	if (self->a >= 0)
		ioctl(self->a, TIOCSRS485, &off);
	if (self->b >= 0)
		ioctl(self->b, TIOCSRS485, &off);
	ioctl(self->a, TIOCSSERIAL, &self->serial);
	serial_close_both(&self->paths, self->a, self->b);
}

/* Whether something took a time, or a little more */
static bool took(int64_t begin, int64_t us, int slack)
{
	int64_t now = serial_now_us();
	bool right = now - begin >= us && now - begin <= us + slack;

	if (!right)
		printf("# %lld us have passed, not %lld to %d more\n",
		       (long long)(now - begin), (long long)us, slack);

	return right;
}

/*
 * The same for a time that the kernel counts in ticks. A machine that stood still makes up
 * for missed ticks, so that in real time less may have passed.
 */
static bool took_ticks(int64_t begin, int64_t us, int slack)
{
	int64_t least = serial_time_is_virtual() ? us : us / 2;

	return took(begin, least, us - least + slack);
}

/* 188 characters of ten bits are 195833 us at 9600 bits per second */
TEST_F(line_time, tcdrain_lasts_as_long_as_it_takes)
{
	static char data[188];
	int64_t begin = serial_now_us();

	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(took(begin, 195833, self->slack));
	EXPECT_EQ(sizeof(data), serial_read(self->b, data, sizeof(data)));
}

/* What spd_cust makes of 38400, as often as that is changed, and not any more in the end */
TEST_F(line_time, custom_divisor_is_the_rate)
{
	const int rates[] = { 4800, 9600, 38400 };
	struct serial_struct ss;
	static char data[96];
	int64_t begin;
	int i;

	if (self->serial.baud_base < 38400)
		SKIP(return, "no divisor");
	ASSERT_EQ(0, serial_change_cflag(self->a, CBAUD, B38400));
	for (i = 0; i < 3; i++) {
		ss = self->serial;
		if (rates[i] != 38400) {
			ss.flags = (ss.flags & ~ASYNC_SPD_MASK) | ASYNC_SPD_CUST;
			ss.custom_divisor = ss.baud_base / rates[i];
		}
		if (ioctl(self->a, TIOCSSERIAL, &ss)) {
			ASSERT_EQ(EPERM, errno);
			ASSERT_EQ(0, i);
			SKIP(return, "needs privilege");
		}
		begin = serial_now_us();
		ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
		ASSERT_EQ(0, serial_drain(self->a));
		EXPECT_TRUE(took(begin, 960000000 / rates[i], self->slack));
	}
}

/* What was sent before is sent as it was set before */
TEST_F(line_time, tcsadrain_waits_for_the_last_character)
{
	static char data[96];
	struct termios2 tio;
	int64_t begin;

	ASSERT_EQ(0, serial_get(self->a, &tio));
	begin = serial_now_us();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	tio.c_cflag = (tio.c_cflag & ~CBAUD) | B300;
	ASSERT_EQ(0, ioctl(self->a, TCSETSW2, &tio));
	EXPECT_TRUE(took(begin, 100000, self->slack));
	EXPECT_EQ(sizeof(data), serial_read(self->b, data, sizeof(data)));
}

TEST_F(pair_time, close_waits_for_the_last_character)
{
	static char data[96];
	int64_t begin = serial_now_us();

	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, close(self->a));
	EXPECT_TRUE(took(begin, 100000, self->slack));
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	EXPECT_EQ(sizeof(data), serial_read(self->b, data, sizeof(data)));
}

/* And gives up if that cannot be sent */
TEST_F(pair_time, close_waits_no_longer_than_closing_wait)
{
	struct serial_struct ss;
	int64_t begin;

	if (!serial_is_wired(&self->paths, self->b, TIOCM_RTS, self->a, TIOCM_CTS))
		SKIP(return, "TIOCM_RTS does not reach TIOCM_CTS");
	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &ss));
	ss.closing_wait = 40;
	if (ioctl(self->a, TIOCSSERIAL, &ss))
		SKIP(return, "closing_wait cannot be set: %s", strerror(errno));
	ASSERT_EQ(0, serial_change_cflag(self->a, 0, CRTSCTS));
	ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_RTS));
	ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));
	ASSERT_EQ(4, serial_write(self->a, "gone", 4));
	begin = serial_now_us();
	ASSERT_EQ(0, close(self->a));
	EXPECT_TRUE(took_ticks(begin, 400000, 200000 + self->slack));

	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	ASSERT_EQ(0, serial_lines_on(self->b, TIOCM_RTS));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

/* A flush leaves nothing to wait for but the FIFO, which is not taken back */
TEST_F(pair_time, flush_keeps_the_fifo)
{
	int64_t written, begin;
	static char data[2000];
	size_t got;

	ASSERT_EQ(0, serial_set_speed(self->a, 300));
	ASSERT_EQ(0, serial_set_speed(self->b, 300));
	written = serial_now_us();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	serial_sleep_ms(50);
	ASSERT_EQ(0, serial_flush(self->a, TCOFLUSH));
	begin = serial_now_us();
	ASSERT_EQ(0, close(self->a));
	/* Sixteen characters and one in the shift register */
	EXPECT_GE(17 * 33334 + self->slack, serial_now_us() - begin);
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
	got = serial_read_ms(self->b, data, sizeof(data), 200);
	/* And those that were sent before the flush */
	EXPECT_GE(17 + (begin - written) / 33333 + 1, got);
	if (self->paths.emulated)
		EXPECT_LE(17, got);
}

/* Bytes for a closed port vanish at line rate */
TEST_F(pair_time, nobody_listens)
{
	static char data[96];
	int64_t begin;

	close(self->b);
	begin = serial_now_us();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(took(begin, 100000, self->slack));
	self->b = serial_open(self->paths.path[1]);
	ASSERT_LE(0, self->b);
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

/* Send that many; since: of what was sent first, and of what arrived first. How many groups */
static int time_groups(int from, int to, size_t size, int64_t since[2])
{
	size_t done = 0;
	int groups = 0;
	char data[64];
	ssize_t count;

	since[0] = serial_now_us();
	if (serial_write(from, data, size) != (ssize_t)size)
		return -1;
	while (done < size) {
		count = read(to, data, sizeof(data));
		if (count <= 0)
			return -1;
		if (!groups++)
			since[1] = serial_now_us();
		done += count;
	}

	return groups;
}

/* At 9600 they are 1.04 ms apart, in groups of what makes the FIFO due */
TEST_F(line_time, characters_are_spaced)
{
	int64_t since[2] = { }, end;
	int groups;

	groups = time_groups(self->a, self->b, 48, since);
	end = serial_now_us();
	ASSERT_LT(0, groups);
	EXPECT_LE(48 * 1041, end - since[0]);
	EXPECT_GE(48958 + self->slack, end - since[1]);

	/* All but the first group, of eight. Where time is not exact this process may be late */
	if (self->slack > SLACK_US)
		return;
	EXPECT_LE(6, groups);
	EXPECT_LE(40 * 1041, end - since[1]);
}

/* Below 2400 baud the receiver takes each character at once, whichever end was set last */
TEST_F(pair_time, slow_characters_come_one_by_one)
{
	char data[8] = { };
	int64_t begin;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, serial_set_speed(self->a, 9600));
		ASSERT_EQ(0, serial_set_speed(self->b, 9600));
		ASSERT_EQ(0, serial_set_speed(i ? self->a : self->b, 1200));
		/* Whatever that starts is over */
		serial_sleep_ms(1);
		ASSERT_EQ(0, serial_set_speed(i ? self->b : self->a, 1200));
		begin = serial_now_us();
		ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
		ASSERT_EQ(1, serial_read(self->b, data, 1));
		EXPECT_GE(8334 + self->slack, serial_now_us() - begin);
		ASSERT_EQ(7, serial_read(self->b, data, 7));
	}
}

/* Parity, two stop bits: twelve bits a character */
TEST_F(line_time, all_bits_count)
{
	static char data[96];
	int64_t begin;

	ASSERT_EQ(0, serial_change_cflag(self->a, 0, PARENB | CSTOPB));
	ASSERT_EQ(0, serial_change_cflag(self->b, 0, PARENB | CSTOPB));
	begin = serial_now_us();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(took(begin, 120000, self->slack));
}

/* A start bit, five data bits, one and a half stop bits */
TEST_F(line_time, half_a_stop_bit_counts)
{
	static char data[96];
	int64_t begin;

	ASSERT_EQ(0, serial_change_cflag(self->a, CSIZE, CS5 | CSTOPB));
	ASSERT_EQ(0, serial_change_cflag(self->b, CSIZE, CS5 | CSTOPB));
	begin = serial_now_us();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(took(begin, 75000, self->slack));
}

/* A gap of 3.5 characters is what Modbus goes by */
TEST_F(line_time, gaps_between_messages_are_kept)
{
	char data[8];
	int64_t begin;

	ASSERT_EQ(8, serial_write(self->a, "message1", 8));
	ASSERT_EQ(8, serial_read(self->b, data, 8));
	serial_sleep_ms(50);
	begin = serial_now_us();
	ASSERT_EQ(1, serial_write(self->a, "m", 1));
	ASSERT_EQ(1, serial_read(self->b, data, 1));
	EXPECT_TRUE(took(begin, 1041, self->slack));
}

/* Only what is in the buffer, not what is in the FIFO */
TEST_F(line_time, outq_counts_down)
{
	int64_t begin = serial_now_us(), asked;
	static char data[480];
	int before, after;

	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	asked = serial_now_us();
	before = serial_outq(self->a);
	EXPECT_LE(463 - (serial_now_us() - begin) / 1041, before);
	serial_sleep_ms(200);
	after = serial_outq(self->a);
	/* 192 characters, and as many as the FIFO takes at once */
	EXPECT_LE(before - 18 - (serial_now_us() - asked) / 1041, after);
	EXPECT_GE(before > 150 ? before - 150 : 0, after);
}

/* A transmitter that was stopped does not catch up with what it might have sent meanwhile */
TEST_F(line_time, stopped_is_lost_time)
{
	static char data[480];
	int64_t begin, took;

	begin = serial_now_us();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	serial_sleep_ms(100);
	ASSERT_EQ(0, serial_flow(self->a, TCOOFF));
	serial_sleep_ms(500);
	ASSERT_EQ(0, serial_flow(self->a, TCOON));
	ASSERT_EQ(0, serial_drain(self->a));
	took = serial_now_us() - begin;
	/* What was in the FIFO and the shift register was sent while it was stopped */
	EXPECT_LE(1000000 - 17 * 1042, took) TH_LOG("%lld us", (long long)took);
	EXPECT_EQ(sizeof(data), serial_read(self->b, data, sizeof(data)));
}

/* A break is seen about a character's time after it begins, once */
TEST_F(line_time, break_is_seen_while_it_lasts)
{
	int64_t begin = serial_now_us();
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
TEST_F(pair_time, short_break_is_a_character)
{
	struct serial_icounter_struct before = serial_icount(self->b), after;
	long begin, lasted;
	unsigned char c;

	ASSERT_EQ(0, serial_set_speed(self->b, 50));
	/* A character takes 200 ms there, this is three bits and the start bit */
	begin = serial_now_ms();
	ASSERT_EQ(0, ioctl(self->a, TIOCSBRK));
	serial_sleep_ms(70);
	ASSERT_EQ(0, ioctl(self->a, TIOCCBRK));
	lasted = serial_now_ms() - begin;
	ASSERT_EQ(1, serial_read(self->b, &c, 1));
	/* A slow machine makes it longer: by the last data bit it has to be over */
	if (lasted >= 160)
		return;
	/* Low bits are zero, high ones are one */
	EXPECT_NE(0, c);
	EXPECT_EQ(0xff, c | (c - 1));
	after = serial_icount(self->b);
	EXPECT_EQ(before.brk, after.brk);
}

/* N * 100 ms */
TEST_F(line_time, tcsbrkp_lasts)
{
	int64_t begin = serial_now_us();

	ASSERT_EQ(0, ioctl(self->a, TCSBRKP, 3));
	EXPECT_TRUE(took_ticks(begin, 300000, self->slack));
}

static int64_t time_of_line(int fd, int line, int value)
{
	while ((serial_lines(fd) & line) != value)
		serial_sleep_ms(1);

	return serial_now_us();
}

/* RTS rises before the data by one delay and falls after it by another */
TEST_F(pair_time, rs485_enables_the_driver)
{
	int64_t on, received, off;
	char c;

	if (serial_set_rs485(self->a, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND, 50, 80))
		SKIP(return, "no RS-485");
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_CTS, 0));
	/* It is not ours to switch now */
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_RTS));
	EXPECT_TRUE(serial_lines_stay(self->b, TIOCM_CTS, 0));

	ASSERT_EQ(1, write(self->a, "x", 1));
	on = time_of_line(self->b, TIOCM_CTS, TIOCM_CTS);
	ASSERT_EQ(1, serial_read(self->b, &c, 1));
	received = serial_now_us();
	off = time_of_line(self->b, TIOCM_CTS, 0);
	EXPECT_LE(50000 - self->slack, received - on);
	EXPECT_GE(51042 + self->slack, received - on);
	EXPECT_LE(80000 - self->slack, off - received);
	EXPECT_GE(80000 + self->slack, off - received);

	/* Switched off, RTS is as it was set */
	ASSERT_EQ(0, serial_set_rs485(self->a, 0, 0, 0));
	EXPECT_TRUE(serial_wait_lines(self->b, TIOCM_CTS, TIOCM_CTS));
}

/* What has to wait for the driver has not been sent, and is not lost by a close */
TEST_F(pair_time, rs485_delay_has_tcdrain_and_close_wait)
{
	int64_t begin;

	if (serial_set_rs485(self->a, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND, 100, 0))
		SKIP(return, "no RS-485");
	begin = serial_now_us();
	ASSERT_EQ(6, write(self->a, "drains", 6));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(took(begin, 106250, self->slack));
	EXPECT_TRUE(serial_arrives(self->b, "drains", 6));

	begin = serial_now_us();
	ASSERT_EQ(6, write(self->a, "closes", 6));
	close(self->a);
	self->a = -1;
	EXPECT_LE(100000 - self->slack, serial_now_us() - begin);
	EXPECT_TRUE(serial_arrives(self->b, "closes", 6));
	/* To be switched off */
	self->a = serial_open(self->paths.path[0]);
	ASSERT_LE(0, self->a);
}

TEST_F(pair_time, rs485_does_not_hear_while_it_speaks)
{
	char data[96] = { }, c;

	if (serial_set_rs485(self->a, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND, 0, 0))
		SKIP(return, "no RS-485");
	ASSERT_EQ(sizeof(data), write(self->a, data, sizeof(data)));
	serial_sleep_ms(20);
	ASSERT_EQ(1, write(self->b, "x", 1));
	ASSERT_EQ(0, serial_drain(self->b));
	EXPECT_TRUE(serial_nothing_arrives(self->a));

	if (serial_set_rs485(self->a, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND |
		      SER_RS485_RX_DURING_TX, 0, 0))
		SKIP(return, "it cannot hear while it speaks");
	ASSERT_EQ(sizeof(data), write(self->a, data, sizeof(data)));
	serial_sleep_ms(20);
	ASSERT_EQ(1, write(self->b, "x", 1));
	EXPECT_EQ(1, serial_read(self->a, &c, 1));
}

TEST_F(pair_time, rs485_delays_are_limited)
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

/* Send back what is received, at once, until it is a "q" */
static int task_answer(void *arg)
{
	char c;

	while (read(*(int *)arg, &c, 1) == 1 && c != 'q')
		if (write(*(int *)arg, &c, 1) != 1)
			return -errno;

	return c == 'q' ? 0 : -EIO;
}

/* How many of so many questions are answered */
static int ask(int from, int to, int count)
{
	struct serial_task task = serial_start(task_answer, &to);
	int i, got = 0;
	char c;

	for (i = 0; i < count; i++)
		if (serial_write(from, "p", 1) == 1 && serial_read_ms(from, &c, 1, 2000) == 1)
			got++;
	serial_write(from, "q", 1);

	return serial_task_result(&task) ? -1 : got;
}

/* The line is heard as soon as the last stop bit is over */
TEST_F(pair_time, rs485_hears_an_answer_at_once)
{
	if (serial_set_rs485(self->a, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND, 0, 0))
		SKIP(return, "no RS-485");
	EXPECT_EQ(200, ask(self->a, self->b, 200));
	if (!serial_set_pace(&self->paths, SERIAL_PACE_MAX))
		return;
	EXPECT_EQ(200, ask(self->a, self->b, 200));
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
}

/* What is in the FIFO when the loopback mode ends takes its time on the line */
TEST_F(pair_time, loopback_ends_at_line_rate)
{
	static char data[4000];
	int64_t begin;
	int got;

	ASSERT_EQ(0, serial_set_speed(self->a, 1200));
	ASSERT_EQ(0, serial_set_speed(self->b, 1200));
	if (serial_lines_on(self->a, TIOCM_LOOP))
		SKIP(return, "no loopback mode");
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	serial_sleep_ms(1000);
	begin = serial_now_us();
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_LOOP));
	serial_sleep_ms(500);
	ASSERT_EQ(0, ioctl(self->b, FIONREAD, &got));
	/* 60 in half a second, one of them when the loopback mode ended */
	EXPECT_LE(50, got);
	if (self->paths.emulated)
		EXPECT_GE((serial_now_us() - begin) / 8333 + 1, got);
	ASSERT_EQ(0, serial_flush(self->a, TCIOFLUSH));
	ASSERT_EQ(0, serial_flush(self->b, TCIFLUSH));
}

/* Without a pace a format changes what is sent after it, and nothing that was before */
TEST_F(pair_time, format_keeps_its_place)
{
	static unsigned char data[4100], back[sizeof(data)];
	uint32_t seed = 1;

	if (!serial_set_stall(&self->paths, 1, true) ||
	    !serial_set_pace(&self->paths, SERIAL_PACE_MAX))
		SKIP(return, "only an emulated cable has no pace");
	serial_pattern(&seed, data, sizeof(data));
	ASSERT_EQ(200, serial_write(self->a, data, 200));
	ASSERT_EQ(0, serial_set_speed(self->a, 4800));
	EXPECT_TRUE(serial_set_stall(&self->paths, 1, false));
	EXPECT_EQ(200, serial_read(self->b, back, 200));
	EXPECT_EQ(0, memcmp(data, back, 200));

	/* Nor what a reader has not read yet */
	ASSERT_EQ(0, serial_set_speed(self->a, 9600));
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	ASSERT_EQ(0, serial_set_speed(self->a, 115200));
	EXPECT_EQ(sizeof(data), serial_read(self->b, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(data, back, sizeof(data)));
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
}

/* Have a character on the wire until end_character() is called, or for as long as it takes */
static bool begin_character(const struct serial_paths *paths, int from, int pace)
{
	return !serial_set_speed(from, 9600) && (pace || serial_set_stall(paths, 1, true)) &&
	       serial_write(from, "x", 1) == 1;
}

static bool end_character(const struct serial_paths *paths, int to, int pace)
{
	return (pace || serial_set_stall(paths, 1, false)) && serial_arrives(to, "x", 1);
}

/* The format of a character is the last one that was set before it */
TEST_F(pair_time, last_format_counts)
{
	const int paces[] = { SERIAL_PACE_DEFAULT, 0 };
	int i;

	for (i = 0; i < 2; i++) {
		/* Only an emulated cable has no pace */
		if (!paces[i] && !serial_set_pace(&self->paths, 0))
			break;
		/* Two while it is under way */
		ASSERT_EQ(0, serial_set_speed(self->b, 9600));
		ASSERT_TRUE(begin_character(&self->paths, self->a, paces[i]));
		ASSERT_EQ(0, serial_set_speed(self->a, 4800));
		ASSERT_EQ(0, serial_set_speed(self->a, 2400));
		ASSERT_TRUE(end_character(&self->paths, self->b, paces[i]));
		ASSERT_EQ(0, serial_set_speed(self->b, 2400));
		ASSERT_EQ(6, serial_write(self->a, "during", 6));
		EXPECT_TRUE(serial_arrives(self->b, "during", 6)) TH_LOG("pace %d", paces[i]);

		/* One while it is, and another one when it is not any more */
		ASSERT_EQ(0, serial_set_speed(self->b, 9600));
		ASSERT_TRUE(begin_character(&self->paths, self->a, paces[i]));
		ASSERT_EQ(0, serial_set_speed(self->a, 4800));
		ASSERT_TRUE(end_character(&self->paths, self->b, paces[i]));
		ASSERT_EQ(0, serial_set_speed(self->a, 2400));
		ASSERT_EQ(0, serial_set_speed(self->b, 2400));
		ASSERT_EQ(5, serial_write(self->a, "after", 5));
		EXPECT_TRUE(serial_arrives(self->b, "after", 5)) TH_LOG("pace %d", paces[i]);
	}
}

/* A format that was to come behind what is on the wire does not outlive the next one */
TEST_F(pair_time, last_format_counts_at_another_pace)
{
	char data[40];

	if (!serial_set_stall(&self->paths, 1, true) || !serial_set_pace(&self->paths, 0))
		SKIP(return, "only an emulated cable has a pace");
	memset(data, 'x', sizeof(data));
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_set_speed(self->a, 4800));
	ASSERT_TRUE(serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT));
	ASSERT_EQ(0, serial_set_speed(self->a, 2400));
	ASSERT_TRUE(serial_set_stall(&self->paths, 1, false));
	ASSERT_EQ(0, serial_drain(self->a));
	serial_sleep_ms(50);
	serial_flush(self->b, TCIFLUSH);
	ASSERT_EQ(0, serial_set_speed(self->b, 2400));
	ASSERT_EQ(4, serial_write(self->a, "last", 4));
	EXPECT_TRUE(serial_arrives(self->b, "last", 4));
}

#define BY_ADDRESS	(SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND | SER_RS485_ADDRB)

/* What is sent from now on is for an address */
static int send_to_address(int fd, int address)
{
	struct serial_rs485 rs485 = {
		.flags = BY_ADDRESS | SER_RS485_ADDR_DEST,
		.addr_dest = address,
	};

	return ioctl(fd, TIOCSRS485, &rs485);
}

/* Only what is for an address is received; false if the port has no addresses */
static bool receive_at_address(int fd, int address)
{
	struct serial_rs485 rs485 = {
		.flags = BY_ADDRESS | SER_RS485_ADDR_RECV,
		.addr_recv = address,
	};

	return !ioctl(fd, TIOCSRS485, &rs485) && rs485.flags & SER_RS485_ADDRB;
}

/* The address of the receiver goes before the data, which no other receiver hears */
TEST_F(pair_time, rs485_addresses)
{
	struct termios2 tio;

	if (!receive_at_address(self->b, 17))
		SKIP(return, "no addresses");
	ASSERT_EQ(0, serial_get(self->b, &tio));
	EXPECT_EQ(ADDRB, tio.c_cflag & ADDRB);

	ASSERT_EQ(0, send_to_address(self->a, 17));
	ASSERT_EQ(3, write(self->a, "yes", 3));
	EXPECT_TRUE(serial_arrives(self->b, "yes", 3));

	ASSERT_EQ(0, send_to_address(self->a, 18));
	ASSERT_EQ(2, write(self->a, "no", 2));
	EXPECT_TRUE(serial_nothing_arrives(self->b));

	ASSERT_EQ(0, send_to_address(self->a, 17));
	ASSERT_EQ(5, write(self->a, "again", 5));
	EXPECT_TRUE(serial_arrives(self->b, "again", 5));
}

/* An address may be the first character that has a format */
TEST_F(pair_time, rs485_format_begins_with_an_address)
{
	if (!receive_at_address(self->b, 17))
		SKIP(return, "no addresses");
	/* A character takes 37 ms */
	ASSERT_EQ(0, serial_set_speed(self->a, 300));
	ASSERT_EQ(0, serial_set_speed(self->b, 300));
	ASSERT_EQ(0, send_to_address(self->a, 18));
	ASSERT_EQ(1, write(self->a, "-", 1));
	ASSERT_EQ(0, send_to_address(self->a, 17));
	ASSERT_EQ(3, write(self->a, "yes", 3));
	/* The second one is under way, an address is next; stop bits do not matter to b */
	serial_sleep_ms(50);
	ASSERT_EQ(0, serial_change_cflag(self->a, 0, CSTOPB));
	EXPECT_TRUE(serial_arrives(self->b, "yes", 3));
	ASSERT_EQ(0, serial_drain(self->a));

	/* And on it goes */
	ASSERT_EQ(0, serial_set_speed(self->a, 9600));
	ASSERT_EQ(0, serial_set_speed(self->b, 9600));
	ASSERT_EQ(5, write(self->a, "again", 5));
	EXPECT_TRUE(serial_arrives(self->b, "again", 5));
}

/* An address for which there is no room at first is sent when there is */
TEST_F(pair_time, rs485_address_waits_for_room)
{
	char data[60];

	if (!receive_at_address(self->b, 17))
		SKIP(return, "no addresses");
	memset(data, 'n', sizeof(data));
	ASSERT_EQ(0, send_to_address(self->a, 18));
	/* The FIFO and the shift register are full, and nothing more is to be sent */
	ASSERT_EQ(16, write(self->a, data, 16));
	ASSERT_EQ(0, send_to_address(self->a, 17));
	ASSERT_EQ(3, write(self->a, "yes", 3));
	EXPECT_TRUE(serial_arrives(self->b, "yes", 3));

	ASSERT_EQ(0, send_to_address(self->a, 18));
	ASSERT_EQ(sizeof(data), write(self->a, data, sizeof(data)));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
}

TEST_HARNESS_MAIN
