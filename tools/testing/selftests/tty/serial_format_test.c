// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a receiver makes of characters in another format than its own, on two
 * serial ports that are joined by a null-modem cable: see serial_pair_test.
 */

#include "kselftest_harness.h"

/* Waits that fail are reported before the harness kills the test */
#define SERIAL_TIMEOUT	90
#include "serial_test.h"

#define ALL	256

/* Seconds that a loaded machine may take for many characters */
#define BULK_TIMEOUT	300

struct format {
	unsigned int baud;
	unsigned int cflag;
};

/**
 * struct received - what came, and what was counted
 * @data: what was read
 * @len: how much of it
 * @icount: by how much the counters changed
 */
struct received {
	unsigned char data[4 * ALL];
	size_t len;
	struct serial_icounter_struct icount;
};

FIXTURE(format)
{
	struct serial_paths paths;
	int a;
	int b;
};

FIXTURE_SETUP(format)
{
	const char *why = serial_why_no_pair(&self->paths, SERIAL_PACE_DEFAULT);

	self->a = -1;
	self->b = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->a, &self->b));
}

FIXTURE_TEARDOWN(format)
{
	serial_close_both(&self->paths, self->a, self->b);
}

static int set_format(int fd, const struct format *format)
{
	if (serial_change_cflag(fd, CSIZE | CSTOPB | PARENB | PARODD | CMSPAR | CRTSCTS,
				format->cflag))
		return -1;

	return serial_set_speed(fd, format->baud);
}

/*
 * Send, with time between the characters if wanted, and take what comes. Silence is the end only
 * after @least characters.
 */
static int transfer_least(int from, const struct format *tx, int to, const struct format *rx,
			  const void *data, size_t len, int gap_ms, size_t least,
			  struct received *received)
{
	struct serial_icounter_struct before, after;
	size_t i;

	if (set_format(from, tx) || set_format(to, rx))
		return -1;
	before = serial_icount(to);
	for (i = 0; i < len; i += gap_ms ? 1 : len) {
		if (write(from, (const char *)data + i, gap_ms ? 1 : len) < 1)
			return -1;
		serial_drain(from);
		serial_sleep_ms(gap_ms);
	}
	received->len = serial_read(to, received->data, least);
	received->len += serial_read_ms(to, received->data + received->len,
					sizeof(received->data) - received->len, 300);
	after = serial_icount(to);
	received->icount.rx = after.rx - before.rx;
	received->icount.parity = after.parity - before.parity;
	received->icount.frame = after.frame - before.frame;
	received->icount.brk = after.brk - before.brk;
	received->icount.overrun = after.overrun - before.overrun;

	return 0;
}

static int transfer(int from, const struct format *tx, int to, const struct format *rx,
		    const void *data, size_t len, int gap_ms, struct received *received)
{
	return transfer_least(from, tx, to, rx, data, len, gap_ms, 0, received);
}

/* The same where as many characters arrive as were sent, with any pauses */
static int transfer_all(int from, const struct format *tx, int to, const struct format *rx,
			const void *data, size_t len, int gap_ms, struct received *received)
{
	return transfer_least(from, tx, to, rx, data, len, gap_ms, len, received);
}

static void all_bytes(unsigned char *data)
{
	int i;

	for (i = 0; i < ALL; i++)
		data[i] = i;
}

static const struct format f8n1 = { 19200, CS8 };
static const struct format f8n2 = { 19200, CS8 | CSTOPB };
static const struct format f8e1 = { 19200, CS8 | PARENB };
static const struct format f8o1 = { 19200, CS8 | PARENB | PARODD };
static const struct format f7e1 = { 19200, CS7 | PARENB };

/* Every byte intact, and wrong */
TEST_F(format, other_parity)
{
	unsigned char data[ALL];
	struct received received;

	all_bytes(data);
	ASSERT_EQ(0, transfer_all(self->a, &f8e1, self->b, &f8o1, data, ALL, 0, &received));
	ASSERT_EQ(ALL, received.len);
	EXPECT_EQ(0, memcmp(data, received.data, ALL));
	EXPECT_EQ(ALL, received.icount.parity);
	EXPECT_EQ(0, received.icount.frame);
	EXPECT_EQ(ALL, received.icount.rx);
}

/* A receiver without parity takes the parity bit for the eighth data bit */
TEST_F(format, parity_is_data)
{
	unsigned char data[128];
	struct received received;
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = i;
	ASSERT_EQ(0, transfer_all(self->a, &f7e1, self->b, &f8n1, data, 128, 0, &received));
	ASSERT_EQ(128, received.len);
	for (i = 0; i < 128; i++)
		EXPECT_EQ(i | (__builtin_parity(i) << 7), received.data[i]);
	EXPECT_EQ(0, received.icount.parity + received.icount.frame);
}

/* With time between characters the stop bit is the parity bit, and that is all */
TEST_F(format, no_parity_where_it_is_expected)
{
	static const unsigned char data[] = { 0x00, 0x01, 0x03, 0x07, 0xff };
	struct received received;

	ASSERT_EQ(0, transfer_all(self->a, &f8n1, self->b, &f8e1, data, sizeof(data), 5,
				  &received));
	ASSERT_EQ(sizeof(data), received.len);
	EXPECT_EQ(0, memcmp(data, received.data, sizeof(data)));
	/* Those of even weight, as the one that it finds makes the total odd */
	EXPECT_EQ(3, received.icount.parity);
	EXPECT_EQ(0, received.icount.frame);
}

/* Without it the stop bit that is looked for may be the next start bit */
TEST_F(format, no_parity_and_no_gap)
{
	unsigned char data[ALL];
	struct received received;

	all_bytes(data);
	ASSERT_EQ(0, transfer(self->a, &f8n1, self->b, &f8e1, data, ALL, 0, &received));
	EXPECT_LT(0, received.len);
	EXPECT_LT(0, received.icount.frame);
	EXPECT_EQ(received.len, received.icount.rx);
}

/* What is wrong in both ways counts as one, and the parity comes first */
TEST_F(format, parity_counts_before_frame)
{
	struct received received;

	/* The eighth data bit is no even parity, and the parity bit, 0, no stop bit */
	ASSERT_EQ(0, transfer(self->a, &f8o1, self->b, &f7e1, "\x01", 1, 5, &received));
	ASSERT_LE(1, received.len);
	EXPECT_EQ(1, received.data[0]);
	EXPECT_EQ(1, received.icount.parity);
	EXPECT_EQ(0, received.icount.frame);
}

/* Parity bits that are always the same */
TEST_F(format, stick_parity)
{
	static const struct format mark = { 19200, CS8 | PARENB | PARODD | CMSPAR };
	static const struct format space = { 19200, CS8 | PARENB | CMSPAR };
	unsigned char data[ALL];
	struct received received;
	struct termios2 tio;

	all_bytes(data);
	ASSERT_EQ(0, transfer_all(self->a, &mark, self->b, &space, data, ALL, 0, &received));
	ASSERT_EQ(0, serial_get(self->a, &tio));
	if (!(tio.c_cflag & CMSPAR))
		SKIP(return, "no stick parity");
	ASSERT_EQ(ALL, received.len);
	EXPECT_EQ(0, memcmp(data, received.data, ALL));
	EXPECT_EQ(ALL, received.icount.parity);
	ASSERT_EQ(0, transfer_all(self->a, &mark, self->b, &mark, data, ALL, 0, &received));
	ASSERT_EQ(ALL, received.len);
	EXPECT_EQ(0, received.icount.parity);
}

TEST_F(format, stop_bits_do_not_matter)
{
	unsigned char data[ALL];
	struct received received;

	all_bytes(data);
	ASSERT_EQ(0, transfer_all(self->a, &f8n2, self->b, &f8n1, data, ALL, 0, &received));
	ASSERT_EQ(ALL, received.len);
	EXPECT_EQ(0, memcmp(data, received.data, ALL));
	ASSERT_EQ(0, transfer_all(self->a, &f8n1, self->b, &f8n2, data, ALL, 0, &received));
	ASSERT_EQ(ALL, received.len);
	EXPECT_EQ(0, memcmp(data, received.data, ALL));
	EXPECT_EQ(0, received.icount.parity + received.icount.frame);
}

/* Garbage with errors, but not silence */
TEST_F(format, faster_sender)
{
	static const struct format fast = { 115200, CS8 };
	unsigned char data[ALL];
	struct received received;

	all_bytes(data);
	ASSERT_EQ(0, transfer(self->a, &fast, self->b, &f8n1, data, ALL, 0, &received));
	EXPECT_LT(0, received.len);
	EXPECT_GT(ALL, received.len);
	EXPECT_NE(0, memcmp(data, received.data, received.len));
	EXPECT_LT(0, received.icount.frame + received.icount.brk);
	EXPECT_EQ(received.len, received.icount.rx);
}

/* Autobaud detection: at twice the rate each bit of a U is sampled twice */
TEST_F(format, autobaud)
{
	static const struct format half = { 9600, CS8 };
	struct received received;

	ASSERT_EQ(0, transfer(self->a, &half, self->b, &f8n1, "U", 1, 5, &received));
	ASSERT_LE(1, received.len);
	EXPECT_EQ(0x66, received.data[0]);
	EXPECT_LE(1, received.icount.frame);
}

/* At least one character for each, and breaks where the line is low for long */
TEST_F(format, slower_sender)
{
	static const struct format slow = { 1200, CS8 };
	static const unsigned char data[] = { 0x00, 0x0f, 0xf0, 0x55, 0x00 };
	struct received received;

	ASSERT_EQ(0, transfer(self->a, &slow, self->b, &f8n1, data, sizeof(data), 0, &received));
	EXPECT_LE(sizeof(data), received.len);
	EXPECT_EQ(received.len, received.icount.rx);
	/* One for each 0x00, one or two for each of the next two */
	EXPECT_LE(4, received.icount.brk);
}

/* A difference of two percent does no harm */
TEST_F(format, nearly_the_same_rate)
{
	static const struct format near[] = {
		{ 19200 + 19200 / 50, CS8 }, { 19200 - 19200 / 50, CS8 },
	};
	unsigned char data[ALL];
	struct received received;
	int i;

	all_bytes(data);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, transfer_all(self->a, &near[i], self->b, &f8n1, data, ALL, 0,
					  &received));
		ASSERT_EQ(ALL, received.len);
		EXPECT_EQ(0, memcmp(data, received.data, ALL));
		EXPECT_EQ(0, received.icount.parity + received.icount.frame);
	}
}

/* The clock is not changed while there is a port */
static bool set_clock(struct serial_paths *paths, int *a, int *b, int ppm)
{
	bool set;

	serial_close_both(paths, *a, *b);
	*a = -1;
	*b = -1;
	set = serial_cable_set(paths, "live", 0) && serial_cable_set(paths, "port1/clock_ppm", ppm);

	return serial_cable_set(paths, "live", 1) && set && !serial_open_both(paths, a, b);
}

/* A receiver whose clock is off by what it can bear, and by more */
TEST_F(format, clock)
{
	unsigned char data[ALL];
	struct received received;

	if (!self->paths.emulated || geteuid())
		SKIP(return, "only an emulated port's clock can be set, by root");
	ASSERT_TRUE(set_clock(&self->paths, &self->a, &self->b, 30000));
	all_bytes(data);
	EXPECT_EQ(0, transfer(self->a, &f8n1, self->b, &f8n1, data, ALL, 0, &received));
	EXPECT_EQ(ALL, received.len);
	EXPECT_EQ(0, memcmp(data, received.data, ALL));
	EXPECT_EQ(0, received.icount.frame);

	ASSERT_TRUE(set_clock(&self->paths, &self->a, &self->b, 100000));
	EXPECT_EQ(0, transfer(self->a, &f8n1, self->b, &f8n1, data, ALL, 0, &received));
	EXPECT_NE(0, memcmp(data, received.data, ALL));
	EXPECT_LT(0, received.icount.frame);
	ASSERT_TRUE(set_clock(&self->paths, &self->a, &self->b, 0));
}

static int change_iflag(int fd, unsigned int iflag)
{
	return serial_change_iflag(fd, INPCK | IGNPAR | PARMRK | ISTRIP, iflag);
}

/* Without INPCK a wrong character is like any other; with it, it depends */
TEST_F(format, what_becomes_of_errors)
{
	static const unsigned char marked[] = { 0xff, 0x00, 'A' };
	struct received received;

	ASSERT_EQ(0, change_iflag(self->b, 0));
	ASSERT_EQ(0, transfer(self->a, &f8e1, self->b, &f8o1, "A", 1, 0, &received));
	ASSERT_EQ(1, received.len);
	EXPECT_EQ('A', received.data[0]);

	ASSERT_EQ(0, change_iflag(self->b, INPCK));
	ASSERT_EQ(0, transfer(self->a, &f8e1, self->b, &f8o1, "A", 1, 0, &received));
	ASSERT_EQ(1, received.len);
	EXPECT_EQ(0, received.data[0]);

	ASSERT_EQ(0, change_iflag(self->b, INPCK | IGNPAR));
	ASSERT_EQ(0, transfer(self->a, &f8e1, self->b, &f8o1, "A", 1, 0, &received));
	EXPECT_EQ(0, received.len);
	EXPECT_EQ(1, received.icount.parity);

	ASSERT_EQ(0, change_iflag(self->b, INPCK | PARMRK));
	ASSERT_EQ(0, transfer(self->a, &f8e1, self->b, &f8o1, "A", 1, 0, &received));
	ASSERT_EQ(sizeof(marked), received.len);
	EXPECT_EQ(0, memcmp(marked, received.data, sizeof(marked)));

	/* A character that is right, and looks like the mark */
	ASSERT_EQ(0, transfer(self->a, &f8e1, self->b, &f8e1, "\xff", 1, 0, &received));
	ASSERT_EQ(2, received.len);
	EXPECT_EQ(0, memcmp("\xff\xff", received.data, 2));
}

/* What is in the FIFO when a slow reader goes on comes at once, and so does what follows */
TEST_F(format, reader_goes_on)
{
	static const struct format fast = { 115200, CS8 };
	static char data[4200], back[sizeof(data)];
	struct serial_icounter_struct before, after;

	if (!self->paths.emulated)
		SKIP(return, "a real port's driver takes what it can, with time to spare");
	ASSERT_EQ(0, set_format(self->a, &fast));
	ASSERT_EQ(0, set_format(self->b, &fast));
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_EQ(sizeof(back), serial_read(self->b, back, sizeof(back)));
	before = serial_icount(self->b);
	ASSERT_EQ(200, serial_write(self->a, data, 200));
	EXPECT_EQ(200, serial_read(self->b, back, 200));
	after = serial_icount(self->b);
	EXPECT_EQ(before.overrun, after.overrun);
}

/* A program that does not read for a time stops no sender, and loses nothing */
TEST_F_TIMEOUT(format, slow_reader_loses_nothing, BULK_TIMEOUT)
{
	static const struct format fast = { 115200, CS8 };
	static unsigned char data[20000], back[sizeof(data)];
	struct serial_icounter_struct before, after;
	uint32_t seed = 1;

	ASSERT_EQ(0, set_format(self->a, &fast));
	ASSERT_EQ(0, set_format(self->b, &fast));
	serial_pattern(&seed, data, sizeof(data));
	before = serial_icount(self->b);
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_EQ(sizeof(data), serial_read(self->b, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(data, back, sizeof(data)));
	after = serial_icount(self->b);
	EXPECT_EQ(before.overrun, after.overrun);
	EXPECT_EQ(before.buf_overrun, after.buf_overrun);
}

/* An interrupt that comes late loses what the FIFO has no room for */
TEST_F(format, overrun)
{
	static const struct format fast = { 115200, CS8 };
	struct serial_icounter_struct before, after;
	char data[48], back[sizeof(data)];

	ASSERT_EQ(0, set_format(self->a, &fast));
	ASSERT_EQ(0, set_format(self->b, &fast));
	if (!serial_set_stall(&self->paths, 1, true))
		SKIP(return, "this port's interrupts cannot be held back");
	memset(data, 'x', sizeof(data));
	before = serial_icount(self->b);
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	EXPECT_TRUE(serial_set_stall(&self->paths, 1, false));
	/* Raw input has the overrun as a character, too */
	EXPECT_EQ(16 + 1, serial_read(self->b, back, 16 + 1));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	after = serial_icount(self->b);
	EXPECT_EQ(before.overrun + 1, after.overrun);
	EXPECT_EQ(before.buf_overrun, after.buf_overrun);

	/* And on it goes */
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	EXPECT_EQ(sizeof(data), serial_read(self->b, back, sizeof(back)));
}

TEST_HARNESS_MAIN
