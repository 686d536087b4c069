// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the serial console emulator: frames and how they are sampled.
 */

#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/module.h>
#include <linux/string.h>

#include <kunit/test.h>

#include "../frame.h"

#define FORMAT(_baud, _data_bits, _parity, _half_stop_bits)	\
	{							\
		.rate		= (_baud) * EMU_RATE_UNIT,	\
		.data_bits	= _data_bits,			\
		.half_stop_bits	= _half_stop_bits,		\
		.parity		= EMU_PARITY_##_parity,		\
	}

/**
 * struct line - a receiver, and what it received
 * @sampler: the receiver
 * @count: number of characters that it received
 * @frames: the first of them
 */
struct line {
	struct emu_sampler sampler;
	unsigned int count;
	struct emu_frame frames[64];
};

static void line_init(struct line *line, const struct emu_format *tx, const struct emu_format *rx)
{
	emu_sampler_init(&line->sampler, rx, false);
	emu_sampler_retime(&line->sampler, tx);
	line->count = 0;
}

static void line_feed(struct line *line, bool level, u64 duration)
{
	struct emu_frame frame;

	emu_sampler_feed(&line->sampler, level, duration);
	while (emu_sampler_run(&line->sampler, &frame)) {
		if (line->count < ARRAY_SIZE(line->frames))
			line->frames[line->count] = frame;
		line->count++;
	}
}

/* In bits of the transmitter */
static void line_level(struct line *line, bool level, unsigned int bits)
{
	line_feed(line, level, 2 * bits * emu_sampler_half_bit(&line->sampler));
}

static void line_send(struct line *line, const struct emu_format *tx, u16 data)
{
	unsigned int count, i;
	u32 bits;

	bits = emu_frame_bits(tx, data, &count);
	for (i = 0; i < count; i++)
		line_level(line, bits & BIT(i), 1);
	line_feed(line, true, tx->half_stop_bits * emu_sampler_half_bit(&line->sampler));
}

/* Until whatever was begun is over */
static void line_rest(struct line *line)
{
	line_feed(line, true, 2 * 16 * EMU_OVERSAMPLING * line->sampler.tick);
}

static bool line_has_errors(const struct line *line)
{
	unsigned int i;

	for (i = 0; i < line->count; i++) {
		if (line->frames[i].parity_error || line->frames[i].frame_error)
			return true;
	}

	return false;
}

struct same_case {
	const char *name;
	struct emu_format tx;
	struct emu_format rx;
};

/* Pairs of formats between which nothing is lost or wrong */
static const struct same_case same_cases[] = {
	{ "8N1", FORMAT(115200, 8, NONE, 2), FORMAT(115200, 8, NONE, 2) },
	{ "8E1", FORMAT(9600, 8, EVEN, 2), FORMAT(9600, 8, EVEN, 2) },
	{ "8O2", FORMAT(9600, 8, ODD, 4), FORMAT(9600, 8, ODD, 4) },
	{ "8M1", FORMAT(9600, 8, MARK, 2), FORMAT(9600, 8, MARK, 2) },
	{ "8S1", FORMAT(9600, 8, SPACE, 2), FORMAT(9600, 8, SPACE, 2) },
	{ "two stop bits to one", FORMAT(9600, 8, NONE, 4), FORMAT(9600, 8, NONE, 2) },
	{ "one stop bit to two", FORMAT(9600, 8, NONE, 2), FORMAT(9600, 8, NONE, 4) },
	{ "mark parity to two stop bits", FORMAT(9600, 8, MARK, 2), FORMAT(9600, 8, NONE, 4) },
	{ "4 percent too fast", FORMAT(10400, 8, NONE, 4), FORMAT(10000, 8, NONE, 2) },
	{ "4 percent too slow", FORMAT(9600, 8, NONE, 2), FORMAT(10000, 8, NONE, 2) },
	{ "a clock that is 3 percent off", FORMAT(9600, 8, NONE, 4), {
		.rate = 9600 * (EMU_RATE_UNIT - 30000),
		.data_bits = 8,
		.half_stop_bits = 2,
	} },
};

KUNIT_ARRAY_PARAM_DESC(same, same_cases, name);

static void frame_same(struct kunit *test)
{
	const struct same_case *c = test->param_value;
	struct line line;
	unsigned int i;

	line_init(&line, &c->tx, &c->rx);
	for (i = 0; i < 256; i++) {
		line.count = 0;
		line_send(&line, &c->tx, i);
		line_level(&line, true, 3);
		KUNIT_EXPECT_EQ(test, line.count, 1);
		KUNIT_EXPECT_EQ(test, line.frames[0].data, i);
		KUNIT_EXPECT_FALSE(test, line_has_errors(&line));
	}
}

/* Up to the end of so many half bits of the transmitter, in parts of the receiver's ticks */
static void line_feed_until(struct line *line, bool level, const struct emu_format *tx,
			    u64 half_bits, u64 *fed)
{
	u64 ns = emu_half_bits_time(half_bits, tx->rate * 100);
	u64 parts = emu_sampler_parts(&line->sampler, ns, 100);

	line_feed(line, level, parts - *fed);
	*fed = parts;
}

/* The same, without a transmitter whose bits it could be compared with */
static void frame_same_by_time(struct kunit *test)
{
	const struct same_case *c = test->param_value;
	u64 half_bits = 0, fed = 0;
	unsigned int count, i, j;
	struct line line;
	u32 bits;

	line_init(&line, &c->tx, &c->rx);
	emu_sampler_divide(&line.sampler);
	for (i = 0; i < 200; i++) {
		line.count = 0;
		bits = emu_frame_bits(&c->tx, i, &count);
		for (j = 0; j < count; j++) {
			half_bits += 2;
			line_feed_until(&line, bits & BIT(j), &c->tx, half_bits, &fed);
		}
		half_bits += c->tx.half_stop_bits;
		line_feed_until(&line, true, &c->tx, half_bits, &fed);

		KUNIT_ASSERT_EQ(test, line.count, 1);
		KUNIT_EXPECT_EQ(test, line.frames[0].data, i);
		KUNIT_EXPECT_FALSE(test, line_has_errors(&line));
	}
}

struct time_case {
	const char *name;
	struct emu_format format;
	unsigned int pace;
	u64 ns;
};

static const struct time_case time_cases[] = {
	{ "300 8N1", FORMAT(300, 8, NONE, 2), 100, 33333333 },
	{ "9600 8N1", FORMAT(9600, 8, NONE, 2), 100, 1041666 },
	{ "9600 8E2", FORMAT(9600, 8, EVEN, 4), 100, 1250000 },
	{ "50 5N1.5", FORMAT(50, 5, NONE, 3), 100, 150000000 },
	{ "4000000 8N1", FORMAT(4000000, 8, NONE, 2), 100, 2500 },
	{ "9600 8N1, ten times faster", FORMAT(9600, 8, NONE, 2), 1000, 104166 },
	{ "9600 8N1, half as fast", FORMAT(9600, 8, NONE, 2), 50, 2083333 },
	{ "9600 8N1, no time", FORMAT(9600, 8, NONE, 2), 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(time, time_cases, name);

static void frame_time(struct kunit *test)
{
	const struct time_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, emu_format_time(&c->format, c->pace), c->ns);
}

/* Every byte is intact and every one has the error */
static void frame_parity_differs(struct kunit *test)
{
	static const struct emu_format tx = FORMAT(9600, 8, EVEN, 2);
	static const struct emu_format rx = FORMAT(9600, 8, ODD, 2);
	struct line line;
	unsigned int i;

	line_init(&line, &tx, &rx);
	for (i = 0; i < 256; i++) {
		line.count = 0;
		line_send(&line, &tx, i);
		KUNIT_EXPECT_EQ(test, line.count, 1);
		KUNIT_EXPECT_EQ(test, line.frames[0].data, i);
		KUNIT_EXPECT_TRUE(test, line.frames[0].parity_error);
		KUNIT_EXPECT_FALSE(test, line.frames[0].frame_error);
	}
}

/* The parity bit is taken for the eighth data bit */
static void frame_7e1_to_8n1(struct kunit *test)
{
	static const struct emu_format tx = FORMAT(9600, 7, EVEN, 2);
	static const struct emu_format rx = FORMAT(9600, 8, NONE, 2);
	struct line line;

	line_init(&line, &tx, &rx);
	line_send(&line, &tx, 'A');
	line_send(&line, &tx, 'C');
	KUNIT_EXPECT_EQ(test, line.count, 2);
	KUNIT_EXPECT_EQ(test, line.frames[0].data, 'A');
	KUNIT_EXPECT_EQ(test, line.frames[1].data, 'C' | 0x80);
	KUNIT_EXPECT_FALSE(test, line_has_errors(&line));
}

/* The stop bit is taken for the parity bit, the next start bit for the stop bit */
static void frame_8n1_to_8e1(struct kunit *test)
{
	static const struct emu_format tx = FORMAT(9600, 8, NONE, 2);
	static const struct emu_format rx = FORMAT(9600, 8, EVEN, 2);
	struct line line;

	line_init(&line, &tx, &rx);
	line_send(&line, &tx, 'A');
	line_send(&line, &tx, 'C');
	line_rest(&line);
	KUNIT_EXPECT_EQ(test, line.count, 2);
	KUNIT_EXPECT_EQ(test, line.frames[0].data, 'A');
	KUNIT_EXPECT_TRUE(test, line.frames[0].parity_error);
	KUNIT_EXPECT_TRUE(test, line.frames[0].frame_error);
	KUNIT_EXPECT_EQ(test, line.frames[1].data, 'C');
	KUNIT_EXPECT_FALSE(test, line.frames[1].parity_error);
	KUNIT_EXPECT_FALSE(test, line.frames[1].frame_error);
}

/* At twice the speed, 'U' is square waves; that is how rates are found out */
static void frame_autobaud(struct kunit *test)
{
	static const struct emu_format tx = FORMAT(9600, 8, NONE, 2);
	static const struct emu_format rx = FORMAT(19200, 8, NONE, 2);
	struct line line;

	line_init(&line, &tx, &rx);
	line_send(&line, &tx, 'U');
	line_rest(&line);
	KUNIT_EXPECT_EQ(test, line.count, 2);
	/* Two bits of each level, and a start bit that is half of one */
	KUNIT_EXPECT_EQ(test, line.frames[0].data, 0x66);
}

/* One character of a much slower sender, at its rate, is a break */
static void frame_slow_sender_breaks(struct kunit *test)
{
	static const struct emu_format tx = FORMAT(300, 8, NONE, 2);
	static const struct emu_format rx = FORMAT(9600, 8, NONE, 2);
	struct line line;

	line_init(&line, &tx, &rx);
	line_send(&line, &tx, 0x0f);
	line_rest(&line);
	KUNIT_EXPECT_EQ(test, line.count, 2);
	KUNIT_EXPECT_TRUE(test, line.frames[0].brk);
	KUNIT_EXPECT_TRUE(test, line.frames[1].brk);
}

static void frame_fast_sender(struct kunit *test)
{
	static const struct emu_format tx = FORMAT(115200, 8, NONE, 2);
	static const struct emu_format rx = FORMAT(9600, 8, NONE, 2);
	struct line line;
	unsigned int i;

	line_init(&line, &tx, &rx);
	for (i = 0; i < 120; i++)
		line_send(&line, &tx, 0x00);
	line_rest(&line);
	KUNIT_EXPECT_GE(test, line.count, 1);
	KUNIT_EXPECT_LE(test, line.count, 12);
}

/* A break of any length is one break, and nothing is received before mark */
static void frame_break(struct kunit *test)
{
	static const struct emu_format format = FORMAT(9600, 8, NONE, 2);
	struct line line;

	line_init(&line, &format, &format);
	line_level(&line, false, 9);
	KUNIT_EXPECT_EQ(test, line.count, 0);
	line_level(&line, false, 1);
	KUNIT_EXPECT_EQ(test, line.count, 1);
	KUNIT_EXPECT_TRUE(test, line.frames[0].brk);
	KUNIT_EXPECT_EQ(test, line.frames[0].data, 0);
	line_level(&line, false, 1000);
	KUNIT_EXPECT_EQ(test, line.count, 1);
	line_level(&line, true, 1);
	line_send(&line, &format, 'x');
	KUNIT_EXPECT_EQ(test, line.count, 2);
	KUNIT_EXPECT_EQ(test, line.frames[1].data, 'x');
	KUNIT_EXPECT_FALSE(test, line.frames[1].frame_error);
}

/* What is shorter than a character is no break */
static void frame_short_break(struct kunit *test)
{
	static const struct emu_format format = FORMAT(9600, 8, NONE, 2);
	struct line line;

	line_init(&line, &format, &format);
	line_level(&line, false, 5);
	line_rest(&line);
	KUNIT_EXPECT_EQ(test, line.count, 1);
	KUNIT_EXPECT_EQ(test, line.frames[0].data, 0xf0);
	KUNIT_EXPECT_FALSE(test, line_has_errors(&line));
}

static void frame_false_start(struct kunit *test)
{
	static const struct emu_format format = FORMAT(9600, 8, NONE, 2);
	struct line line;

	line_init(&line, &format, &format);
	line_feed(&line, false, EMU_OVERSAMPLING / 2 * line.sampler.tick);
	line_rest(&line);
	KUNIT_EXPECT_EQ(test, line.count, 0);
	line_send(&line, &format, 'x');
	KUNIT_EXPECT_EQ(test, line.count, 1);
}

/* When a character will be there is known before it is */
static void frame_pending(struct kunit *test)
{
	static const struct emu_format format = FORMAT(9600, 8, EVEN, 2);
	struct line line;
	u64 ticks;

	line_init(&line, &format, &format);
	KUNIT_EXPECT_EQ(test, emu_sampler_pending(&line.sampler, true), 0);
	ticks = emu_sampler_pending(&line.sampler, false);
	line_feed(&line, false, (ticks - 1) * line.sampler.tick);
	KUNIT_EXPECT_EQ(test, line.count, 0);
	KUNIT_EXPECT_EQ(test, emu_sampler_pending(&line.sampler, false), 1);
	line_feed(&line, false, line.sampler.tick);
	KUNIT_EXPECT_EQ(test, line.count, 1);
	KUNIT_EXPECT_EQ(test, emu_sampler_pending(&line.sampler, false), 0);

	for (ticks = 1; ticks < 1000; ticks += 37)
		KUNIT_EXPECT_GE(test, emu_sampler_ticks(&line.sampler,
							emu_sampler_ticks_time(&line.sampler,
									       ticks, 100),
							100), ticks);
}

static struct kunit_case frame_cases[] = {
	KUNIT_CASE_PARAM(frame_same, same_gen_params),
	KUNIT_CASE_PARAM(frame_same_by_time, same_gen_params),
	KUNIT_CASE_PARAM(frame_time, time_gen_params),
	KUNIT_CASE(frame_parity_differs),
	KUNIT_CASE(frame_7e1_to_8n1),
	KUNIT_CASE(frame_8n1_to_8e1),
	KUNIT_CASE(frame_autobaud),
	KUNIT_CASE(frame_slow_sender_breaks),
	KUNIT_CASE(frame_fast_sender),
	KUNIT_CASE(frame_break),
	KUNIT_CASE(frame_short_break),
	KUNIT_CASE(frame_false_start),
	KUNIT_CASE(frame_pending),
	{}
};

static struct kunit_suite frame_suite = {
	.name		= "serial_emu_frame",
	.test_cases	= frame_cases,
};

kunit_test_suite(frame_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for frames of the serial console emulator");
MODULE_LICENSE("GPL");
