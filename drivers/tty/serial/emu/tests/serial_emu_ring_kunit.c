// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the memory of the serial console emulator's consoles.
 */

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/time64.h>

#include <kunit/test.h>

#include "../console.h"

struct ring_test {
	struct emu_ring ring;
	struct hrtimer timer;
	u8 buf[EMU_RING_SIZE];
	struct emu_record record[EMU_RECORDS];
};

static int ring_init(struct kunit *test)
{
	test->priv = kvzalloc_obj(struct ring_test);

	return test->priv ? 0 : -ENOMEM;
}

static void ring_exit(struct kunit *test)
{
	kvfree(test->priv);
}

static struct emu_ring *test_ring(struct kunit *test)
{
	struct ring_test *priv = test->priv;

	return &priv->ring;
}

static void test_print(struct kunit *test, const char *text)
{
	emu_ring_write(test_ring(test), text, strlen(text));
}

static size_t test_read(struct kunit *test, unsigned long *pos)
{
	struct ring_test *priv = test->priv;

	return emu_ring_read(&priv->ring, pos, priv->buf, sizeof(priv->buf));
}

static u8 test_pattern(unsigned long pos)
{
	return pos * 7 + pos / 251;
}

static void test_write_pattern(struct emu_ring *ring, unsigned long from, unsigned long to)
{
	unsigned int count, i;
	u8 chars[60];

	while (from < to) {
		count = min(to - from, sizeof(chars));
		for (i = 0; i < count; i++)
			chars[i] = test_pattern(from + i);
		emu_ring_write(ring, chars, count);
		from += count;
	}
}

static void test_print_pattern(struct kunit *test, unsigned long from, unsigned long to)
{
	test_write_pattern(test_ring(test), from, to);
}

/* How many of the characters that were read, each @step-th of them, are wrong */
static size_t test_wrong(struct kunit *test, unsigned long from, size_t count, size_t step)
{
	struct ring_test *priv = test->priv;
	size_t i, wrong = 0;

	for (i = 0; i < count; i += step)
		wrong += priv->buf[i] != test_pattern(from + i);

	return wrong;
}

static void test_expect_pattern(struct kunit *test, unsigned long from, size_t count)
{
	KUNIT_EXPECT_EQ(test, test_wrong(test, from, count, 1), 0);
}

static void ring_keeps(struct kunit *test)
{
	struct ring_test *priv = test->priv;
	unsigned long pos = 0;

	KUNIT_EXPECT_EQ(test, test_read(test, &pos), 0);
	test_print(test, "kept");
	KUNIT_EXPECT_EQ(test, test_read(test, &pos), 4);
	KUNIT_EXPECT_EQ(test, pos, 0);
	KUNIT_EXPECT_MEMEQ(test, priv->buf, "kept", 4);

	pos = 2;
	KUNIT_EXPECT_EQ(test, test_read(test, &pos), 2);
	KUNIT_EXPECT_MEMEQ(test, priv->buf, "pt", 2);
	pos = 4;
	KUNIT_EXPECT_EQ(test, test_read(test, &pos), 0);
}

static void ring_overwrites_the_oldest(struct kunit *test)
{
	unsigned long pos = 0;

	test_print_pattern(test, 0, EMU_RING_SIZE);
	KUNIT_EXPECT_EQ(test, test_ring(test)->first, 0);
	KUNIT_EXPECT_EQ(test, test_read(test, &pos), EMU_RING_SIZE);
	test_expect_pattern(test, 0, EMU_RING_SIZE);

	test_print_pattern(test, EMU_RING_SIZE, EMU_RING_SIZE + 100);
	KUNIT_EXPECT_EQ(test, test_ring(test)->first, 100);
	pos = 0;
	KUNIT_EXPECT_EQ(test, test_read(test, &pos), EMU_RING_SIZE);
	KUNIT_EXPECT_EQ(test, pos, 100);
	test_expect_pattern(test, 100, EMU_RING_SIZE);
}

static enum hrtimer_restart ring_timer(struct hrtimer *timer)
{
	struct ring_test *priv = container_of(timer, struct ring_test, timer);
	unsigned long head = priv->ring.head;

	/* So much that it is seen wherever in the ring the reader is, or nearly so */
	test_write_pattern(&priv->ring, head, head + min(EMU_RING_SIZE / 2, SZ_64K));
	hrtimer_forward_now(timer, NSEC_PER_MSEC);

	return HRTIMER_RESTART;
}

/* Interrupts print while it is read */
static void ring_is_read_while_written(struct kunit *test)
{
	unsigned long first, pos, end = jiffies + 60 * HZ;
	unsigned int overtaken = 0, wrong = 0;
	struct ring_test *priv = test->priv;
	size_t count;

	test_print_pattern(test, 0, EMU_RING_SIZE);
	hrtimer_setup(&priv->timer, ring_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hrtimer_start(&priv->timer, NSEC_PER_MSEC, HRTIMER_MODE_REL);
	while (overtaken < 100 && time_before(jiffies, end)) {
		first = READ_ONCE(priv->ring.first);
		pos = first;
		count = test_read(test, &pos);
		overtaken += pos != first;
		/* Some of it, so that most interrupts come while it is read */
		wrong += !!test_wrong(test, pos, count, 61);
		cond_resched();
	}
	hrtimer_cancel(&priv->timer);
	KUNIT_EXPECT_EQ(test, overtaken, 100);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

/* The numbers do not fit into a long any more */
static void ring_numbers_wrap_around(struct kunit *test)
{
	struct emu_ring *ring = test_ring(test);
	unsigned long start = -1000UL, pos = start;

	atomic_long_set(&ring->reserved, start);
	ring->head = start;
	ring->first = start;
	test_print(test, "before");
	atomic_long_set(&ring->reserved, -2UL);
	ring->head = -2UL;
	test_print(test, "after");
	KUNIT_EXPECT_EQ(test, ring->head, 3);
	KUNIT_EXPECT_EQ(test, test_read(test, &pos), 1003);
	KUNIT_EXPECT_EQ(test, pos, start);
}

/* A debugger stops the owner of the console in the middle of a write */
static void ring_debugger_writes_behind(struct kunit *test)
{
	struct ring_test *priv = test->priv;
	unsigned long pos = 0;

	test_print(test, "done ");
	atomic_long_add(5, &test_ring(test)->reserved);
	test_print(test, "kdb");
	memcpy(priv->ring.data + 5, "late ", 5);
	KUNIT_EXPECT_EQ(test, test_read(test, &pos), 13);
	KUNIT_EXPECT_MEMEQ(test, priv->buf, "done late kdb", 13);
}

/* The owner of the console was stopped for good */
static void ring_forgets_what_is_torn(struct kunit *test)
{
	struct ring_test *priv = test->priv;
	unsigned long pos = 0;

	test_print(test, "done ");
	atomic_long_add(5, &test_ring(test)->reserved);
	emu_ring_forget_torn(test_ring(test));
	test_print(test, "panic");
	KUNIT_EXPECT_EQ(test, test_read(test, &pos), 10);
	KUNIT_EXPECT_MEMEQ(test, priv->buf, "done panic", 10);
}

static void ring_knows_where_lines_end(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, emu_ring_ends_line(test_ring(test)));
	test_print(test, "half");
	KUNIT_EXPECT_FALSE(test, emu_ring_ends_line(test_ring(test)));
	test_print(test, " a line\r\n");
	KUNIT_EXPECT_TRUE(test, emu_ring_ends_line(test_ring(test)));
}

/* A message of @len characters, with a newline at @newline and at the end */
static void test_print_lines(struct kunit *test, unsigned int len, unsigned int newline)
{
	struct ring_test *priv = test->priv;
	unsigned int done = 0, count = 0, i;
	char text[200], expected[400];
	unsigned long pos;

	for (i = 0; i < len; i++) {
		text[i] = i == newline || i == len - 1 ? '\n' : 'a' + i % 26;
		if (text[i] == '\n')
			expected[count++] = '\r';
		expected[count++] = text[i];
	}
	pos = priv->ring.head;
	while (done < len)
		done += emu_ring_print(test_ring(test), text + done, len - done);
	KUNIT_EXPECT_EQ(test, done, len);
	KUNIT_ASSERT_EQ(test, test_read(test, &pos), count);
	KUNIT_EXPECT_MEMEQ(test, priv->buf, expected, count);
}

/* Wherever a newline is, also between two chunks */
static void ring_prints_lines(struct kunit *test)
{
	unsigned int len, newline;

	for (len = 1; len < 200; len++)
		for (newline = 0; newline < len; newline++)
			test_print_lines(test, len, newline);
}

static void test_record(struct kunit *test, unsigned int number, const char *text)
{
	struct emu_record record = { .cpu = number };
	struct emu_record *slot;

	slot = emu_ring_begin(test_ring(test), &record);
	test_print(test, text);
	emu_ring_grow(test_ring(test), slot, EMU_END_LINE);
}

static unsigned int test_read_records(struct kunit *test, unsigned long *pos)
{
	struct ring_test *priv = test->priv;

	return emu_ring_read_records(&priv->ring, pos, priv->record);
}

static void ring_keeps_records(struct kunit *test)
{
	const struct emu_record lost = { .begin = EMU_BEGIN_TAKEOVER };
	struct ring_test *priv = test->priv;
	unsigned long pos;

	KUNIT_EXPECT_EQ(test, test_read_records(test, &pos), 0);
	test_record(test, 0, "first\r\n");
	emu_ring_begin(test_ring(test), &lost);
	test_print(test, "lost");
	test_record(test, 2, "third\r\n");

	KUNIT_ASSERT_EQ(test, test_read_records(test, &pos), 3);
	KUNIT_EXPECT_EQ(test, pos, 0);
	KUNIT_EXPECT_EQ(test, priv->record[0].start, 0);
	KUNIT_EXPECT_EQ(test, priv->record[0].len, 7);
	KUNIT_EXPECT_EQ(test, priv->record[0].end, EMU_END_LINE);
	KUNIT_EXPECT_EQ(test, priv->record[1].start, 7);
	KUNIT_EXPECT_EQ(test, priv->record[1].begin, EMU_BEGIN_TAKEOVER);
	KUNIT_EXPECT_EQ(test, priv->record[1].end, EMU_END_LOST);
	KUNIT_EXPECT_EQ(test, priv->record[2].start, 11);
	KUNIT_EXPECT_EQ(test, priv->record[2].cpu, 2);
}

static void ring_overwrites_the_oldest_records(struct kunit *test)
{
	struct ring_test *priv = test->priv;
	unsigned long pos;
	unsigned int i;

	for (i = 0; i < EMU_RECORDS + 10; i++)
		test_record(test, i, "x");
	KUNIT_ASSERT_EQ(test, test_read_records(test, &pos), EMU_RECORDS);
	KUNIT_EXPECT_EQ(test, pos, 10);
	KUNIT_EXPECT_EQ(test, priv->record[0].cpu, 10);
	KUNIT_EXPECT_EQ(test, priv->record[EMU_RECORDS - 1].cpu, EMU_RECORDS + 9);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(ring_keeps),
	KUNIT_CASE(ring_overwrites_the_oldest),
	KUNIT_CASE(ring_is_read_while_written),
	KUNIT_CASE(ring_numbers_wrap_around),
	KUNIT_CASE(ring_debugger_writes_behind),
	KUNIT_CASE(ring_forgets_what_is_torn),
	KUNIT_CASE(ring_knows_where_lines_end),
	KUNIT_CASE(ring_prints_lines),
	KUNIT_CASE(ring_keeps_records),
	KUNIT_CASE(ring_overwrites_the_oldest_records),
	{}
};

static struct kunit_suite ring_suite = {
	.name		= "serial_emu_ring",
	.init		= ring_init,
	.exit		= ring_exit,
	.test_cases	= ring_cases,
};

kunit_test_suite(ring_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for the memory of the serial console emulator's consoles");
MODULE_LICENSE("GPL");
