// SPDX-License-Identifier: GPL-2.0-only
/*
 * The serial console emulator's bus: many ports on one RS-485 line.
 */

#include <sched.h>

#include "kselftest_harness.h"
#include "serial_test.h"
#include "serial_emu_cable.h"

#define DRIVER		"/sys/bus/platform/drivers/serial-emu/"

#define PORTS		3
#define MAX_PORTS	32

#define BY_RTS		(SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND)

FIXTURE(bus)
{
	char dir[64];
	int fd[PORTS];
};

static const char *const names[PORTS] = { "a", "b", "c" };

/* A bus that is ready to be made live */
static int make_bus(const char *dir)
{
	int i, ret;

	ret = set(dir, "topology", "bus");
	for (i = 0; !ret && i < PORTS; i++)
		ret = make(dir, names[i]);

	return ret;
}

static int open_bus(const char *dir, int i)
{
	char tty[16];

	snprintf(tty, sizeof(tty), "%s/tty", names[i]);

	return open_end(dir, tty);
}

/* Make the bus live, and open its ports at 9600 bits per second */
static int open_all(const char *dir, int *fd)
{
	int i, ret;

	ret = set(dir, "live", "1");
	for (i = 0; !ret && i < PORTS; i++) {
		fd[i] = open_bus(dir, i);
		ret = fd[i] < 0 ? -errno : serial_set_speed(fd[i], 9600);
		ret = ret ?: serial_set_rs485(fd[i], BY_RTS, 0, 0);
	}

	return ret;
}

/* The same, with receivers that are due when there is that much in their FIFO */
static int reopen_with_trigger(const char *dir, int *fd, const char *trigger)
{
	char attr[16];
	int i, ret;

	for (i = 0; i < PORTS; i++)
		close(fd[i]);
	ret = set(dir, "live", "0");
	for (i = 0; !ret && i < PORTS; i++) {
		snprintf(attr, sizeof(attr), "%s/rx_fifo", names[i]);
		ret = set(dir, attr, "256");
		snprintf(attr, sizeof(attr), "%s/rx_trigger", names[i]);
		ret = ret ?: set(dir, attr, trigger);
	}

	return ret ?: open_all(dir, fd);
}

FIXTURE_SETUP(bus)
{
	const char *why = why_no_cables();
	int i;

	for (i = 0; i < PORTS; i++)
		self->fd[i] = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, make_cable(self->dir, sizeof(self->dir), "bus"));
	ASSERT_EQ(0, make_bus(self->dir));
	ASSERT_EQ(0, open_all(self->dir, self->fd));
}

FIXTURE_TEARDOWN(bus)
{
	int i;

	for (i = 0; i < PORTS; i++)
		close(self->fd[i]);
	set(self->dir, "live", "0");
	for (i = 0; i < PORTS; i++)
		unmake(self->dir, names[i]);
	EXPECT_EQ(0, rmdir(self->dir));
}

static bool say(int fd, const char *text)
{
	return serial_write(fd, text, strlen(text)) == strlen(text);
}

static bool hears(int fd, const char *text)
{
	return serial_arrives(fd, text, strlen(text));
}

TEST_F(bus, all_hear_who_speaks)
{
	ASSERT_TRUE(say(self->fd[0], "to all"));
	EXPECT_TRUE(hears(self->fd[1], "to all"));
	EXPECT_TRUE(hears(self->fd[2], "to all"));
	EXPECT_TRUE(serial_nothing_arrives(self->fd[0]));
}

TEST_F(bus, echo)
{
	ASSERT_EQ(0, serial_set_rs485(self->fd[0], BY_RTS | SER_RS485_RX_DURING_TX, 0, 0));
	ASSERT_TRUE(say(self->fd[0], "to itself"));
	EXPECT_TRUE(hears(self->fd[0], "to itself"));
	EXPECT_TRUE(hears(self->fd[1], "to itself"));
}

/* As a master asks one slave after the other */
TEST_F(bus, in_turn)
{
	char text[32];
	int i, from, to;

	for (i = 0; i < 10 * PORTS; i++) {
		from = i % PORTS;
		snprintf(text, sizeof(text), "message %d of %s", i, names[from]);
		ASSERT_TRUE(say(self->fd[from], text));
		for (to = 0; to < PORTS; to++)
			if (to != from)
				ASSERT_TRUE(hears(self->fd[to], text)) TH_LOG("%s", text);
	}
	EXPECT_TRUE(serial_nothing_arrives(self->fd[0]));
}

/* Two transmitters at a time garble each other */
TEST_F(bus, two_at_once)
{
	char a[200], b[200], got[512];
	size_t count;

	/* A fifth of a second */
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	ASSERT_EQ(sizeof(a), serial_write(self->fd[0], a, sizeof(a)));
	ASSERT_EQ(sizeof(b), serial_write(self->fd[1], b, sizeof(b)));
	memset(got, 0, sizeof(got));
	count = serial_read_ms(self->fd[2], got, sizeof(got), 500);
	EXPECT_LT(0, count);
	EXPECT_EQ(NULL, memmem(got, sizeof(got), a, sizeof(a)));
	EXPECT_EQ(NULL, memmem(got, sizeof(got), b, sizeof(b)));
	/* Both take it for sent */
	EXPECT_EQ(0, serial_drain(self->fd[0]));
	EXPECT_EQ(0, serial_drain(self->fd[1]));

	serial_sleep_ms(100);
	serial_flush(self->fd[2], TCIFLUSH);
	ASSERT_TRUE(say(self->fd[0], "alone"));
	EXPECT_TRUE(hears(self->fd[2], "alone"));
}

TEST_F(bus, rts_enables_the_driver)
{
	ASSERT_EQ(0, serial_set_rs485(self->fd[0], 0, 0, 0));
	ASSERT_EQ(0, serial_lines_off(self->fd[0], TIOCM_RTS));
	ASSERT_TRUE(say(self->fd[0], "unheard"));
	ASSERT_EQ(0, serial_drain(self->fd[0]));
	EXPECT_TRUE(serial_nothing_arrives(self->fd[1]));
	/* Without RS-485 mode its receiver is always on, and sees a line at rest */
	EXPECT_TRUE(serial_nothing_arrives(self->fd[0]));
	ASSERT_EQ(0, serial_lines_on(self->fd[0], TIOCM_RTS));
	ASSERT_TRUE(say(self->fd[0], "heard"));
	EXPECT_TRUE(hears(self->fd[1], "heard"));
	EXPECT_TRUE(hears(self->fd[0], "heard"));
}

/* RTS does not wait for what is still to be sent, as it does not on a UART */
TEST_F(bus, driver_is_off_too_early)
{
	/* A second long */
	unsigned char zeros[30] = { }, got[sizeof(zeros)];
	size_t len, i;

	ASSERT_EQ(0, serial_set_rs485(self->fd[0], 0, 0, 0));
	ASSERT_EQ(0, serial_set_speed(self->fd[0], 300));
	ASSERT_EQ(0, serial_set_speed(self->fd[1], 300));
	serial_sleep_ms(50);
	ASSERT_EQ(sizeof(zeros), serial_write(self->fd[0], zeros, sizeof(zeros)));
	/* In the middle of a character, but which one it is does not matter */
	serial_sleep_ms(115);
	ASSERT_EQ(0, serial_lines_off(self->fd[0], TIOCM_RTS));
	ASSERT_EQ(0, serial_drain(self->fd[0]));

	len = serial_read_ms(self->fd[1], got, sizeof(got), 300);
	ASSERT_LT(0, len);
	EXPECT_GT(sizeof(zeros), len);
	for (i = 0; i + 1 < len; i++)
		EXPECT_EQ(0, got[i]);
	/* The bits that were not sent are ones */
	for (i = 0; i <= 8 && got[len - 1] != (unsigned char)(0xff << i); i++)
		;
	EXPECT_GE(8, i) TH_LOG("0x%02x", got[len - 1]);
}

/* A driver that is left on blocks all others */
TEST_F(bus, driver_is_left_on)
{
	ASSERT_EQ(0, serial_set_rs485(self->fd[2], 0, 0, 0));
	ASSERT_EQ(0, serial_lines_on(self->fd[2], TIOCM_RTS));
	serial_sleep_ms(50);
	ASSERT_TRUE(say(self->fd[0], "unheard"));
	ASSERT_EQ(0, serial_drain(self->fd[0]));
	EXPECT_TRUE(serial_nothing_arrives(self->fd[1]));
	ASSERT_EQ(0, serial_lines_off(self->fd[2], TIOCM_RTS));
	serial_sleep_ms(50);
	ASSERT_TRUE(say(self->fd[0], "heard"));
	EXPECT_TRUE(hears(self->fd[1], "heard"));
}

TEST_F(bus, rates_differ)
{
	char got[64] = "";

	ASSERT_EQ(0, serial_set_speed(self->fd[2], 4800));
	ASSERT_TRUE(say(self->fd[0], "at 9600"));
	EXPECT_TRUE(hears(self->fd[1], "at 9600"));
	serial_read_ms(self->fd[2], got, sizeof(got) - 1, 300);
	EXPECT_STRNE("at 9600", got);

	/* Its own rate does as well, for a receiver of the same rate */
	ASSERT_EQ(0, serial_set_speed(self->fd[1], 4800));
	serial_flush(self->fd[2], TCIFLUSH);
	ASSERT_TRUE(say(self->fd[1], "at 4800"));
	EXPECT_TRUE(hears(self->fd[2], "at 4800"));
}

/* Nor does a port hear itself where a receiver that is quicker needs each bit */
TEST_F(bus, no_echo_of_bits)
{
	char got[256];

	ASSERT_EQ(0, serial_set_speed(self->fd[0], 300));
	ASSERT_EQ(0, serial_set_speed(self->fd[1], 300));
	ASSERT_EQ(0, serial_set_speed(self->fd[2], 9600));
	serial_sleep_ms(50);
	ASSERT_TRUE(say(self->fd[0], "slow"));
	EXPECT_TRUE(hears(self->fd[1], "slow"));
	EXPECT_LT(0, serial_read_ms(self->fd[2], got, sizeof(got), SERIAL_QUIET_MS));
	EXPECT_TRUE(serial_nothing_arrives(self->fd[0]));
	ASSERT_TRUE(say(self->fd[1], "answer"));
	EXPECT_TRUE(hears(self->fd[0], "answer"));
}

TEST_F(bus, break_is_for_all)
{
	int b = serial_icount(self->fd[1]).brk, c = serial_icount(self->fd[2]).brk;

	/* The driver is not on by itself for a break */
	ASSERT_EQ(0, serial_set_rs485(self->fd[0], 0, 0, 0));
	ASSERT_EQ(0, serial_send_break(self->fd[0], 50));
	EXPECT_TRUE(serial_wait_count(self->fd[1], brk, b + 1));
	EXPECT_TRUE(serial_wait_count(self->fd[2], brk, c + 1));
	ASSERT_TRUE(say(self->fd[0], "afterwards"));
	EXPECT_TRUE(serial_wait_count(self->fd[1], brk, b + 1));
}

/* A receiver that changes its rate during a break sees one break */
TEST_F(bus, break_is_one)
{
	int brk = serial_icount(self->fd[1]).brk;

	ASSERT_EQ(0, serial_set_rs485(self->fd[0], 0, 0, 0));
	ASSERT_EQ(0, ioctl(self->fd[0], TIOCSBRK));
	ASSERT_TRUE(serial_wait_count(self->fd[1], brk, brk + 1));
	ASSERT_EQ(0, serial_set_speed(self->fd[1], 19200));
	serial_sleep_ms(50);
	ASSERT_EQ(0, ioctl(self->fd[0], TIOCCBRK));
	ASSERT_EQ(0, serial_set_speed(self->fd[0], 19200));
	serial_sleep_ms(50);
	serial_flush(self->fd[1], TCIFLUSH);
	ASSERT_TRUE(say(self->fd[0], "afterwards"));
	EXPECT_TRUE(hears(self->fd[1], "afterwards"));
	EXPECT_EQ(brk + 1, serial_icount(self->fd[1]).brk);
}

TEST_F(bus, addresses)
{
	struct serial_rs485 rs485 = { .flags = BY_RTS | SER_RS485_ADDRB };
	unsigned int i;

	for (i = 1; i < PORTS; i++) {
		rs485.flags = BY_RTS | SER_RS485_ADDRB | SER_RS485_ADDR_RECV;
		rs485.addr_recv = i;
		ASSERT_EQ(0, ioctl(self->fd[i], TIOCSRS485, &rs485));
	}
	for (i = 1; i < PORTS; i++) {
		rs485.flags = BY_RTS | SER_RS485_ADDRB | SER_RS485_ADDR_DEST;
		rs485.addr_recv = 0;
		rs485.addr_dest = i;
		ASSERT_EQ(0, ioctl(self->fd[0], TIOCSRS485, &rs485));
		ASSERT_TRUE(say(self->fd[0], "for you"));
		EXPECT_TRUE(hears(self->fd[i], "for you"));
		EXPECT_TRUE(serial_nothing_arrives(self->fd[PORTS - i]));
	}
}

/* The driver is on before the first bit and after the last one */
TEST_F(bus, delays)
{
	struct serial_rs485 rs485 = {
		.flags			= BY_RTS,
		.delay_rts_before_send	= 60,
		.delay_rts_after_send	= 100,
	};
	int64_t begin, took;
	char got[16];

	ASSERT_EQ(0, ioctl(self->fd[0], TIOCSRS485, &rs485));
	begin = serial_now_us();
	ASSERT_TRUE(say(self->fd[0], "!"));
	ASSERT_EQ(1, serial_read(self->fd[1], got, 1));
	took = serial_now_us() - begin;
	EXPECT_EQ('!', got[0]);
	/* It is received in the middle of its stop bit */
	EXPECT_LE(60989, took) TH_LOG("%lld us", (long long)took);

	/* No other port is heard during the delay, unless the machine is late */
	ASSERT_TRUE(say(self->fd[1], "?"));
	ASSERT_EQ(0, serial_drain(self->fd[1]));
	took = serial_now_us() - begin;
	memset(got, 0, sizeof(got));
	serial_read_ms(self->fd[2], got, sizeof(got), 300);
	EXPECT_EQ('!', got[0]);
	if (took < 150000)
		EXPECT_EQ(NULL, memchr(got, '?', sizeof(got)));
	ASSERT_TRUE(say(self->fd[1], "now"));
	EXPECT_TRUE(hears(self->fd[2], "now"));
}

/* A port that is opened does not hear what was over before */
TEST_F(bus, opened_in_the_middle)
{
	char got[16] = { };

	/* The other receivers wait for all that is in the FIFO, a character takes 1 ms */
	ASSERT_EQ(0, reopen_with_trigger(self->dir, self->fd, "64"));
	close(self->fd[2]);
	ASSERT_TRUE(say(self->fd[0], "0123456789abcdef"));
	serial_sleep_ms(10);
	/* With the settings that it has */
	self->fd[2] = serial_open(in_dir("/dev", get(self->dir, "c/tty")));
	ASSERT_LE(0, self->fd[2]);
	EXPECT_TRUE(hears(self->fd[1], "0123456789abcdef"));
	/* In the middle of a character: it may take others for the rest */
	serial_read_ms(self->fd[2], got, sizeof(got) - 1, SERIAL_QUIET_MS);
	if (serial_time_is_virtual())
		EXPECT_EQ(NULL, strstr(got, "123")) TH_LOG("%s", got);
}

/* A driver is not off before what waits for the delay has been sent */
TEST_F(bus, delay_before_a_close)
{
	struct serial_rs485 rs485 = {
		.flags			= BY_RTS,
		.delay_rts_before_send	= 100,
	};

	ASSERT_EQ(0, ioctl(self->fd[0], TIOCSRS485, &rs485));
	ASSERT_TRUE(say(self->fd[0], "short"));
	close(self->fd[0]);
	self->fd[0] = -1;
	EXPECT_TRUE(hears(self->fd[1], "short"));
	EXPECT_TRUE(hears(self->fd[2], "short"));
}

TEST_F(bus, is_unplugged)
{
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	ASSERT_TRUE(say(self->fd[0], "unheard"));
	ASSERT_EQ(0, serial_drain(self->fd[0]));
	EXPECT_TRUE(serial_nothing_arrives(self->fd[1]));
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	ASSERT_TRUE(say(self->fd[0], "heard"));
	EXPECT_TRUE(hears(self->fd[1], "heard"));
}

/* A carrier that is always there goes with the plug, when the attribute has been written */
TEST_F(bus, plug_acts_at_once)
{
	struct sched_param param = { .sched_priority = 10 };

	close(self->fd[0]);
	self->fd[0] = -1;
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	ASSERT_EQ(0, set(self->dir, "a/dcd", "on"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->fd[0] = open_bus(self->dir, 0);
	EXPECT_TRUE(serial_lines_stay(self->fd[0], SERIAL_INPUTS, TIOCM_CAR));
	/* Nothing else runs on this processor before the lines are looked at */
	sched_setscheduler(0, SCHED_FIFO, &param);
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	EXPECT_EQ(0, serial_lines(self->fd[0]) & SERIAL_INPUTS);
	EXPECT_TRUE(serial_lines_stay(self->fd[0], SERIAL_INPUTS, 0));
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	EXPECT_EQ(TIOCM_CAR, serial_lines(self->fd[0]) & SERIAL_INPUTS);
}

/* Until so many characters have arrived, in microseconds */
static int64_t time_to_hear(int from, int to, int count)
{
	char text[64];
	int64_t begin;

	memset(text, 'x', count);
	begin = serial_now_us();
	if (serial_write(from, text, count) != (size_t)count ||
	    serial_read(to, text, count) != (size_t)count)
		return -1;

	return serial_now_us() - begin;
}

/* 48 characters are 50 ms, or 500 at ten percent */
TEST_F(bus, takes_its_time)
{
	int64_t took;

	took = time_to_hear(self->fd[0], self->fd[1], 48);
	/* Up to the middle of the last stop bit */
	EXPECT_LE(49900, took) TH_LOG("%lld us", (long long)took);
	/* The rest of that bit takes longer now */
	ASSERT_EQ(0, set(self->dir, "pace", "10"));
	took = time_to_hear(self->fd[0], self->fd[1], 48);
	EXPECT_LE(499000, took) TH_LOG("%lld us", (long long)took);
	EXPECT_TRUE(serial_nothing_arrives(self->fd[1]));
}

struct transfer {
	int fd;
	int count;
};

/* Characters that tell which they are */
static void numbers(unsigned char *data, int count)
{
	int i;

	for (i = 0; i < count; i++)
		data[i] = i * 7 + i / 251;
}

static int task_send(void *arg)
{
	struct transfer *transfer = arg;
	unsigned char data[4096];

	numbers(data, transfer->count);

	return serial_write(transfer->fd, data, transfer->count) == (size_t)transfer->count ?
	       serial_drain(transfer->fd) : -EIO;
}

/* However often, and in whichever bit it changes, all of them see the same */
TEST_F(bus, pace_changes_in_mid_character)
{
	struct transfer transfer = { .fd = self->fd[0], .count = 1000 };
	unsigned char want[1000], got[1000];
	struct serial_task task;
	size_t done = 0;
	int i;

	for (i = 0; i < PORTS; i++)
		ASSERT_EQ(0, serial_set_speed(self->fd[i], 115200));
	numbers(want, sizeof(want));
	task = serial_start(task_send, &transfer);
	for (i = 0; done < sizeof(got) && i < 5000; i++) {
		ASSERT_EQ(0, set(self->dir, "pace", i % 2 ? "20" : "90"));
		done += serial_read_ms(self->fd[1], got + done, sizeof(got) - done, 1);
	}
	ASSERT_EQ(0, set(self->dir, "pace", "100"));
	EXPECT_EQ(0, serial_task_result(&task));
	done += serial_read_ms(self->fd[1], got + done, sizeof(got) - done, SERIAL_QUIET_MS);
	EXPECT_EQ(sizeof(got), done);
	EXPECT_EQ(0, memcmp(want, got, sizeof(got)));
	EXPECT_EQ(sizeof(got), serial_read_ms(self->fd[2], got, sizeof(got), SERIAL_QUIET_MS));
	EXPECT_EQ(0, memcmp(want, got, sizeof(got)));
}

static int task_ring(void *arg)
{
	int dtr = TIOCM_DTR, fd = *(int *)arg;

	while (!ioctl(fd, TIOCMBIC, &dtr) && !ioctl(fd, TIOCMBIS, &dtr))
		;

	return 0;
}

/* None of them begins at a time for which the line is known already */
TEST_F(bus, characters_begin_while_the_line_is_looked_at)
{
	unsigned char want[4000], got[4000];
	struct serial_task task;
	size_t done;
	int i;

	if (serial_time_is_virtual())
		SKIP(return, "needs real time");
	for (i = 0; i < PORTS; i++) {
		ASSERT_EQ(0, serial_set_rs485(self->fd[i], 0, 0, 0));
		ASSERT_EQ(0, serial_set_speed(self->fd[i], 921600));
		ASSERT_EQ(0, i ? serial_lines_off(self->fd[i], TIOCM_RTS) :
				 serial_lines_on(self->fd[i], TIOCM_RTS));
	}
	numbers(want, sizeof(want));
	task = serial_start(task_ring, &self->fd[2]);
	for (i = 0; i < (int)sizeof(want); i++)
		ASSERT_EQ(1, serial_write(self->fd[0], &want[i], 1));
	done = serial_read_ms(self->fd[1], got, sizeof(got), serial_limit_ms());
	serial_task_kill(&task);
	EXPECT_EQ(sizeof(got), done);
	EXPECT_EQ(0, memcmp(want, got, sizeof(got)));
}

/* The line is as it was up to the moment at which all ports are unplugged */
TEST_F(bus, plug_spares_what_is_over)
{
	unsigned char data[8] = { }, got[sizeof(data)];
	size_t count, i;

	/* Five characters and a half */
	ASSERT_EQ(0, serial_set_speed(self->fd[0], 2400));
	ASSERT_EQ(0, serial_set_speed(self->fd[1], 2400));
	serial_sleep_ms(50);
	ASSERT_EQ(sizeof(data), serial_write(self->fd[0], data, sizeof(data)));
	serial_sleep_ms(23);
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	count = serial_read_ms(self->fd[1], got, sizeof(got), SERIAL_QUIET_MS);
	EXPECT_LE(6, count);
	for (i = 0; i + 1 < count; i++)
		EXPECT_EQ(0, got[i]);
	if (serial_time_is_virtual()) {
		EXPECT_EQ(6, count);
		EXPECT_EQ(0xf0, got[count - 1] & 0xf0) TH_LOG("%02x", got[count - 1]);
	}
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	EXPECT_TRUE(serial_nothing_arrives(self->fd[1]));
}

/* A port in loopback mode hears itself, whatever is on the line, and is not on it */
TEST_F(bus, loopback)
{
	unsigned char data[500], got[500];
	size_t looped, rest;

	/* A receiver that is due when it has all that the wire holds */
	ASSERT_EQ(0, reopen_with_trigger(self->dir, self->fd, "17"));
	ASSERT_EQ(0, serial_set_rs485(self->fd[0], 0, 0, 0));
	ASSERT_EQ(0, serial_lines_on(self->fd[0], TIOCM_RTS | TIOCM_LOOP));
	numbers(data, sizeof(data));
	ASSERT_EQ(sizeof(data), serial_write(self->fd[0], data, sizeof(data)));
	ASSERT_EQ(sizeof(got), serial_read(self->fd[0], got, sizeof(got)));
	EXPECT_EQ(0, memcmp(data, got, sizeof(got)));
	EXPECT_TRUE(serial_nothing_arrives(self->fd[1]));
	ASSERT_TRUE(say(self->fd[1], "meanwhile"));
	EXPECT_TRUE(hears(self->fd[2], "meanwhile"));
	EXPECT_TRUE(serial_nothing_arrives(self->fd[0]));

	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	ASSERT_TRUE(say(self->fd[0], "unplugged"));
	EXPECT_TRUE(hears(self->fd[0], "unplugged"));
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));

	/*
	 * What is left when the mode ends goes to the line, but for the character that is
	 * under way; ones have no other edge than that of a start bit.
	 */
	memset(data, 0xff, sizeof(data));
	ASSERT_EQ(sizeof(data), serial_write(self->fd[0], data, sizeof(data)));
	serial_sleep_ms(100);
	ASSERT_EQ(0, serial_lines_off(self->fd[0], TIOCM_LOOP));
	ASSERT_EQ(0, serial_drain(self->fd[0]));
	rest = serial_read_ms(self->fd[1], got, sizeof(got), SERIAL_QUIET_MS);
	if (serial_time_is_virtual())
		EXPECT_LE(400, rest);
	EXPECT_EQ(0, memcmp(data, got, rest));
	/* Its own receiver is on, and hears the line as well */
	looped = serial_read_ms(self->fd[0], got, sizeof(got), SERIAL_QUIET_MS);
	EXPECT_LE(sizeof(data) - 2, looped);
	EXPECT_EQ(0, memcmp(data, got, looped));
}

/* A receiver that is due before a slow character is over does not keep a processor busy */
TEST_F(bus, slow_sender_quick_receiver)
{
	long count;
	char c;

	ASSERT_EQ(0, serial_set_speed(self->fd[0], 300));
	ASSERT_EQ(0, serial_set_speed(self->fd[1], 300));
	ASSERT_EQ(0, serial_set_speed(self->fd[2], 4800));
	serial_sleep_ms(50);
	count = kernel_counter("/proc/stat", "ctxt");
	ASSERT_TRUE(say(self->fd[0], "a slow one"));
	EXPECT_TRUE(hears(self->fd[1], "a slow one"));
	count = kernel_counter("/proc/stat", "ctxt") - count;
	EXPECT_LT(0, serial_read_ms(self->fd[2], &c, 1, SERIAL_QUIET_MS));
	TH_LOG("%ld switches", count);
	/* Other tasks run as well in real time */
	if (serial_time_is_virtual())
		EXPECT_GT(2000, count);
}

/* A reader that reads nothing for a while gets all that the flip buffer has room for */
TEST_F(bus, slow_reader)
{
	static unsigned char data[100000], got[sizeof(data)];
	uint32_t seed = 1;
	int i;

	for (i = 0; i < PORTS; i++)
		ASSERT_EQ(0, serial_set_speed(self->fd[i], 4000000));
	serial_pattern(&seed, data, sizeof(data));
	ASSERT_EQ(sizeof(data), serial_write(self->fd[0], data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->fd[0]));
	serial_sleep_ms(100);
	for (i = 1; i < PORTS; i++) {
		ASSERT_EQ(sizeof(got), serial_read(self->fd[i], got, sizeof(got)));
		EXPECT_EQ(0, memcmp(data, got, sizeof(got)));
		EXPECT_EQ(0, serial_icount(self->fd[i]).buf_overrun);
	}
}

static int task_babble(void *arg)
{
	static const char text[256] = "UUUUUUUUUUUUUUUU";
	int fd = *(int *)arg;

	while (write(fd, text, sizeof(text)) > 0)
		;

	return 0;
}

/* A second of more than any machine can do */
static int babble_too_fast(const char *dir, int *fd, struct serial_task *task)
{
	int i, ret = 0;

	for (i = 0; !ret && i < PORTS; i++)
		ret = serial_set_speed(fd[i], 4000000);
	ret = ret ?: set(dir, "pace", "100000");
	if (ret)
		return ret;
	*task = serial_start(task_babble, &fd[0]);
	serial_sleep_ms(1000);

	return 0;
}

/* The line falls behind, and all else goes on */
TEST_F(bus, too_fast)
{
	struct serial_task task;
	int64_t begin;

	if (serial_time_is_virtual())
		SKIP(return, "needs real time");
	ASSERT_EQ(0, babble_too_fast(self->dir, self->fd, &task));
	begin = serial_now_ms();
	EXPECT_EQ(0, set(self->dir, "pace", "100"));
	EXPECT_EQ(0, set(self->dir, "plugged", "0"));
	EXPECT_EQ(0, set(self->dir, "live", "0"));
	/* It has to end, however much there is to do on a machine that is slow itself */
	EXPECT_GT(6 * serial_limit_ms(), serial_now_ms() - begin);
	EXPECT_EQ(0, serial_task_result(&task));
}

/* Nor does it matter that nothing changes on the line meanwhile */
TEST_F(bus, too_fast_for_nobody)
{
	struct serial_task task;
	int64_t begin;

	if (serial_time_is_virtual())
		SKIP(return, "needs real time");
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	ASSERT_EQ(0, babble_too_fast(self->dir, self->fd, &task));
	begin = serial_now_ms();
	close(self->fd[1]);
	self->fd[1] = -1;
	EXPECT_EQ(0, set(self->dir, "live", "0"));
	EXPECT_GT(6 * serial_limit_ms(), serial_now_ms() - begin);
	EXPECT_EQ(0, serial_task_result(&task));
}

TEST_F(bus, a_port_leaves)
{
	char device[64];

	snprintf(device, sizeof(device), "serial-emu.%s",
		 get(self->dir, "b/tty") + strlen("ttyEMU"));
	ASSERT_TRUE(say(self->fd[0], "at first"));
	EXPECT_TRUE(hears(self->fd[2], "at first"));
	ASSERT_EQ(0, serial_write_file(DRIVER "unbind", device));
	ASSERT_TRUE(say(self->fd[0], "without b"));
	EXPECT_TRUE(hears(self->fd[2], "without b"));
	close(self->fd[1]);
	ASSERT_EQ(0, serial_write_file(DRIVER "bind", device));
	self->fd[1] = open_bus(self->dir, 1);
	ASSERT_LE(0, self->fd[1]);
	ASSERT_EQ(0, serial_set_speed(self->fd[1], 9600));
	ASSERT_EQ(0, serial_set_rs485(self->fd[1], BY_RTS, 0, 0));
	ASSERT_TRUE(say(self->fd[0], "with b again"));
	EXPECT_TRUE(hears(self->fd[1], "with b again"));
	EXPECT_TRUE(hears(self->fd[2], "with b again"));
}

TEST_F(bus, no_modem_lines)
{
	EXPECT_TRUE(serial_lines_stay(self->fd[0], SERIAL_INPUTS, 0));
}

TEST_F(bus, refuses_what_is_no_bus)
{
	char name[16];
	int i;

	EXPECT_STREQ("bus", get(self->dir, "topology"));
	EXPECT_EQ(-EINVAL, set(self->dir, "pace", "max"));
	EXPECT_STREQ("100", get(self->dir, "pace"));
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	EXPECT_EQ(-EINVAL, set(self->dir, "live", "1"));
	ASSERT_EQ(0, set(self->dir, "pace", "100"));
	ASSERT_EQ(0, set(self->dir, "a/kind", "chardev"));
	EXPECT_EQ(-EOPNOTSUPP, set(self->dir, "live", "1"));
	ASSERT_EQ(0, set(self->dir, "a/kind", "tty"));
	/* Three ends are too many for anything else */
	ASSERT_EQ(0, set(self->dir, "topology", "null-modem"));
	EXPECT_EQ(-ENODATA, set(self->dir, "live", "1"));
	EXPECT_EQ(-ENOSPC, make(self->dir, "d"));
	ASSERT_EQ(0, set(self->dir, "topology", "bus"));

	for (i = PORTS; i < MAX_PORTS; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		EXPECT_EQ(0, make(self->dir, name));
	}
	EXPECT_EQ(-ENOSPC, make(self->dir, "e"));
	while (i-- > PORTS) {
		snprintf(name, sizeof(name), "d%d", i);
		EXPECT_EQ(0, unmake(self->dir, name));
	}
	/* One is not enough */
	EXPECT_EQ(0, unmake(self->dir, "b"));
	EXPECT_EQ(0, unmake(self->dir, "c"));
	EXPECT_EQ(-ENODATA, set(self->dir, "live", "1"));
}

TEST_HARNESS_MAIN
