// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for a wire of the serial console emulator, and for what runs it and reads it.
 *
 * The suites serial_emu_wire and serial_emu_reports have this test in the place of the
 * medium, and serial_emu_bus in the place of the ends.
 */

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/iopoll.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/termios.h>
#include <linux/time64.h>
#include <linux/uio.h>

#include <uapi/linux/serial-emu.h>

#include <kunit/test.h>

#include "../bus.h"
#include "../frame.h"
#include "../line.h"
#include "../report.h"
#include "../wire.h"

#define TEST_WAIT_US	(5 * USEC_PER_SEC)

/* A character takes 200 ms: none is over before a test has set up the wire */
static const struct emu_format test_slow = {
	.rate		= 50ULL * EMU_RATE_UNIT,
	.data_bits	= 8,
	.half_stop_bits	= 2,
};

/**
 * struct wire_test - a wire without a medium
 * @wire: the wire
 * @arms: number of calls to arm()
 * @time: time of the last one
 */
struct wire_test {
	struct emu_wire wire;
	unsigned int arms;
	ktime_t time;
};

static void test_kick(struct emu_wire *wire)
{
}

static void test_arm(struct emu_wire *wire, ktime_t time)
{
	struct wire_test *priv = container_of(wire, struct wire_test, wire);

	priv->arms++;
	priv->time = time;
}

static const struct emu_medium_ops test_medium_ops = {
	.kick	= test_kick,
	.arm	= test_arm,
	.run	= test_kick,
};

static void test_wire_init(struct wire_test *priv)
{
	emu_wire_init(&priv->wire, &test_medium_ops, EMU_PACE_DEFAULT);
	emu_wire_set_format(&priv->wire, &test_slow);
}

static int wire_init(struct kunit *test)
{
	struct wire_test *priv;

	priv = kunit_kzalloc(test, sizeof(*priv), GFP_KERNEL);
	if (!priv)
		return -ENOMEM;
	test->priv = priv;
	test_wire_init(priv);

	return 0;
}

static void test_put(struct kunit *test, const char *text, ktime_t time)
{
	struct wire_test *priv = test->priv;

	emu_wire_put(&priv->wire, text, strlen(text), time);
}

/* Take the next item off the wire, however long it takes */
static bool test_take(struct kunit *test, struct emu_item *item)
{
	struct wire_test *priv = test->priv;
	struct emu_pass pass = { .now = KTIME_MAX, .pace = emu_wire_pace(&priv->wire) };

	if (!emu_wire_peek(&priv->wire, &pass, EMU_ITEM_CHARS, item))
		return false;
	emu_wire_skip(&priv->wire, item, item->count);

	return true;
}

static void wire_keeps_the_order(struct kunit *test)
{
	struct wire_test *priv = test->priv;
	struct emu_item item;

	test_put(test, "ab", 0);
	test_put(test, "c", 0);
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.count, 3);
	KUNIT_EXPECT_MEMEQ(test, item.chars, "abc", 3);
	KUNIT_EXPECT_FALSE(test, test_take(test, &item));
	KUNIT_EXPECT_TRUE(test, emu_wire_is_idle(&priv->wire));
}

static void wire_has_a_limit(struct kunit *test)
{
	static const u8 block[EMU_WIRE_CHARS];
	struct wire_test *priv = test->priv;
	struct emu_item item;

	emu_wire_set_pace(&priv->wire, 0, ktime_get());
	KUNIT_EXPECT_EQ(test, emu_wire_room(&priv->wire), EMU_WIRE_CHARS);
	emu_wire_put(&priv->wire, block, sizeof(block), 0);
	KUNIT_EXPECT_EQ(test, emu_wire_room(&priv->wire), 0);
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.count, EMU_ITEM_CHARS);
	KUNIT_EXPECT_EQ(test, emu_wire_room(&priv->wire), EMU_ITEM_CHARS);
}

/* An edge takes effect between the characters between which it was sent */
static void wire_edges_keep_their_place(struct kunit *test)
{
	struct wire_test *priv = test->priv;
	struct emu_item item;

	emu_wire_set_pace(&priv->wire, 0, ktime_get());
	test_put(test, "ab", 0);
	emu_wire_set_lines(&priv->wire, TIOCM_DTR);
	test_put(test, "c", 0);
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.type, EMU_ITEM_CHARACTERS);
	KUNIT_EXPECT_EQ(test, item.count, 2);
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.type, EMU_ITEM_LINES);
	KUNIT_EXPECT_EQ(test, item.value, TIOCM_DTR);
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.type, EMU_ITEM_CHARACTERS);
	KUNIT_EXPECT_MEMEQ(test, item.chars, "c", 1);
}

/* While there is no room for edges, no character overtakes the last one */
static void wire_keeps_the_last_edge(struct kunit *test)
{
	struct wire_test *priv = test->priv;
	struct emu_item item = { };
	unsigned int i;

	emu_wire_set_pace(&priv->wire, 0, ktime_get());
	for (i = 0; i <= EMU_WIRE_CTRLS; i++)
		emu_wire_set_lines(&priv->wire, i % 2 ? 0 : TIOCM_RTS);
	KUNIT_EXPECT_EQ(test, emu_wire_room(&priv->wire), 0);
	while (test_take(test, &item))
		;
	KUNIT_EXPECT_EQ(test, item.value, TIOCM_RTS);
	KUNIT_EXPECT_EQ(test, emu_wire_room(&priv->wire), EMU_WIRE_CHARS);
}

/* A wire is looked at when there is something to be seen, also before the first pass */
static void wire_is_looked_at_in_time(struct kunit *test)
{
	struct wire_test *priv = test->priv;
	ktime_t now = ktime_get();

	test_put(test, "x", now);
	KUNIT_EXPECT_EQ(test, priv->arms, 1);
	KUNIT_EXPECT_EQ(test, priv->time, ktime_add_ms(now, 200));
	/* What follows does not change that */
	test_put(test, "yz", 0);
	KUNIT_EXPECT_EQ(test, priv->arms, 1);
}

/* A character in progress keeps the part that was sent */
static void wire_rescales_a_character(struct kunit *test)
{
	struct emu_pass pass = { .pace = 200 };
	struct wire_test *priv = test->priv;
	ktime_t begin = ktime_get();
	struct emu_item item;

	test_put(test, "x", begin);
	/* A quarter of 200 ms; the rest takes 75 ms */
	emu_wire_set_pace(&priv->wire, 200, ktime_add_ms(begin, 50));
	pass.now = ktime_add_ms(begin, 124);
	KUNIT_EXPECT_FALSE(test, emu_wire_peek(&priv->wire, &pass, 1, &item));
	pass.now = ktime_add_ms(begin, 125);
	KUNIT_EXPECT_TRUE(test, emu_wire_peek(&priv->wire, &pass, 1, &item));
}

/* A pass that has looked at characters when the pace changes takes as much of the time */
static void wire_pace_changes_in_a_pass(struct kunit *test)
{
	struct emu_pass pass = { .now = KTIME_MAX, .pace = EMU_PACE_DEFAULT };
	struct wire_test *priv = test->priv;
	ktime_t begin = ktime_get();
	struct emu_item item;

	test_put(test, "xy", begin);
	KUNIT_ASSERT_TRUE(test, emu_wire_peek(&priv->wire, &pass, 1, &item));
	emu_wire_set_pace(&priv->wire, 2 * EMU_PACE_DEFAULT, begin);
	emu_wire_skip(&priv->wire, &item, 1);
	/* 100 ms for each of the two */
	pass.pace = 2 * EMU_PACE_DEFAULT;
	pass.now = ktime_add_ms(begin, 199);
	KUNIT_EXPECT_FALSE(test, emu_wire_peek(&priv->wire, &pass, 1, &item));
	pass.now = ktime_add_ms(begin, 200);
	KUNIT_EXPECT_TRUE(test, emu_wire_peek(&priv->wire, &pass, 1, &item));
}

/* A format that was set for a character that never came is not that of the next one */
static void wire_forgets_an_old_format(struct kunit *test)
{
	struct emu_format old = test_slow, last = test_slow;
	struct wire_test *priv = test->priv;
	struct emu_item item;

	old.parity = EMU_PARITY_EVEN;
	last.parity = EMU_PARITY_ODD;
	test_put(test, "x", ktime_get());
	emu_wire_set_format(&priv->wire, &old);
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.format.parity, EMU_PARITY_NONE);
	emu_wire_set_format(&priv->wire, &last);
	test_put(test, "y", ktime_get());
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.format.parity, EMU_PARITY_ODD);
}

/* A format that was to come later does not follow the one that was set last */
static void wire_replaces_a_format(struct kunit *test)
{
	struct emu_format first = test_slow, last = test_slow;
	struct wire_test *priv = test->priv;
	struct emu_item item;

	first.parity = EMU_PARITY_EVEN;
	last.parity = EMU_PARITY_ODD;
	/* Without a pace it comes behind all that is on the wire */
	emu_wire_set_pace(&priv->wire, 0, ktime_get());
	test_put(test, "wxy", 0);
	emu_wire_set_format(&priv->wire, &first);
	/* And with one behind the character that is under way */
	emu_wire_set_pace(&priv->wire, EMU_PACE_DEFAULT, ktime_get());
	emu_wire_set_format(&priv->wire, &last);
	test_put(test, "z", 0);

	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.format.parity, EMU_PARITY_NONE);
	KUNIT_EXPECT_EQ(test, item.count, 1);
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.format.parity, EMU_PARITY_ODD);
	KUNIT_EXPECT_EQ(test, item.count, 3);
}

static void wire_carries_the_data_bits_only(struct kunit *test)
{
	struct emu_format seven = test_slow;
	struct wire_test *priv = test->priv;
	struct emu_item item;

	seven.data_bits = 7;
	emu_wire_set_format(&priv->wire, &seven);
	test_put(test, "\xff", ktime_get());
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.chars[0], 0x7f);
}

/* An address may be the first character that has a format */
static void wire_format_of_an_address(struct kunit *test)
{
	struct wire_test *priv = test->priv;
	struct emu_format nine = test_slow;
	struct emu_item item;

	nine.data_bits = 9;
	test_put(test, "x", ktime_get());
	emu_wire_put_address(&priv->wire, 17, 0);
	test_put(test, "yz", 0);
	emu_wire_set_format(&priv->wire, &nine);

	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.format.data_bits, 8);
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.format.data_bits, 9);
	KUNIT_EXPECT_EQ(test, item.count, 1);
	KUNIT_EXPECT_EQ(test, emu_item_data(&item, 0), 17 | BIT(8));
	KUNIT_ASSERT_TRUE(test, test_take(test, &item));
	KUNIT_EXPECT_EQ(test, item.format.data_bits, 9);
	KUNIT_EXPECT_EQ(test, item.count, 2);
	KUNIT_EXPECT_EQ(test, emu_item_data(&item, 0), 'y');
	KUNIT_EXPECT_EQ(test, priv->wire.nr_tags, 0);
}

static struct kunit_case wire_cases[] = {
	KUNIT_CASE(wire_keeps_the_order),
	KUNIT_CASE(wire_has_a_limit),
	KUNIT_CASE(wire_edges_keep_their_place),
	KUNIT_CASE(wire_keeps_the_last_edge),
	KUNIT_CASE(wire_is_looked_at_in_time),
	KUNIT_CASE(wire_rescales_a_character),
	KUNIT_CASE(wire_pace_changes_in_a_pass),
	KUNIT_CASE(wire_forgets_an_old_format),
	KUNIT_CASE(wire_replaces_a_format),
	KUNIT_CASE(wire_carries_the_data_bits_only),
	KUNIT_CASE(wire_format_of_an_address),
	{}
};

static struct kunit_suite wire_suite = {
	.name		= "serial_emu_wire",
	.init		= wire_init,
	.test_cases	= wire_cases,
};

static const struct emu_format test_fast = {
	.rate		= 300ULL * EMU_RATE_UNIT,
	.data_bits	= 8,
	.half_stop_bits	= 2,
};

/**
 * struct reports_test - a wire without a medium that reports read
 * @wire: the wire
 * @reports: the reports
 * @buf: what was read
 */
struct reports_test {
	struct wire_test wire;
	struct emu_reports reports;
	u8 buf[1024];
};

static int reports_init(struct kunit *test)
{
	struct reports_test *priv;
	int ret;

	priv = kunit_kzalloc(test, sizeof(*priv), GFP_KERNEL);
	if (!priv)
		return -ENOMEM;
	test_wire_init(&priv->wire);
	ret = emu_reports_init(&priv->reports, &priv->wire.wire);
	if (ret)
		return ret;
	emu_reports_reset(&priv->reports);
	test->priv = priv;

	return 0;
}

static void reports_exit(struct kunit *test)
{
	struct reports_test *priv = test->priv;

	if (priv)
		emu_reports_free(&priv->reports);
}

/* Report all that has ended by a time */
static void test_report(struct reports_test *priv, ktime_t time)
{
	struct emu_pass pass = { .now = time, .pace = EMU_PACE_DEFAULT };

	emu_reports_receive(&priv->reports, &pass);
}

/* Write down the records: F for a format, and the characters of one in brackets */
static void test_describe(struct reports_test *priv, char *text, size_t size)
{
	struct kvec vec = { .iov_base = priv->buf, .iov_len = sizeof(priv->buf) };
	struct serial_emu_record head;
	struct iov_iter iter;
	ssize_t count, at;

	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, vec.iov_len);
	count = emu_reports_read(&priv->reports, &iter);
	text[0] = '\0';
	for (at = 0; at < count; at += sizeof(head) + head.length) {
		size_t used = strlen(text);

		memcpy(&head, priv->buf + at, sizeof(head));
		if (head.type == SERIAL_EMU_FORMAT)
			scnprintf(text + used, size - used, "F");
		else if (head.type == SERIAL_EMU_DATA)
			scnprintf(text + used, size - used, "[%.*s]", (int)head.length,
				  priv->buf + at + sizeof(head));
	}
}

/* However late the pass is, what was sent after a pause has its own record and time */
static void reports_keep_runs_apart(struct kunit *test)
{
	struct reports_test *priv = test->priv;
	ktime_t begin = ktime_add_ms(ktime_get(), 1000);
	char text[32];

	emu_wire_put(&priv->wire.wire, "ab", 2, begin);
	emu_wire_put(&priv->wire.wire, "c", 1, 0);
	emu_wire_put(&priv->wire.wire, "de", 2, ktime_add_ms(begin, 1000));
	test_report(priv, KTIME_MAX);
	test_describe(priv, text, sizeof(text));
	KUNIT_EXPECT_STREQ(test, text, "F[abc][de]");
}

/* The character in progress when the format changes still has the old one */
static void reports_change_the_format_once(struct kunit *test)
{
	struct reports_test *priv = test->priv;
	char text[32];

	emu_wire_put(&priv->wire.wire, "ab", 2, 0);
	emu_wire_set_format(&priv->wire.wire, &test_fast);
	test_report(priv, ktime_get());
	test_report(priv, KTIME_MAX);
	test_describe(priv, text, sizeof(text));
	KUNIT_EXPECT_STREQ(test, text, "F[a]F[b]");
}

/* Nothing has to be sent for the report of a format */
static void reports_format_of_an_idle_line(struct kunit *test)
{
	struct reports_test *priv = test->priv;
	char text[32];

	test_report(priv, ktime_get());
	emu_wire_set_format(&priv->wire.wire, &emu_format_default);
	test_report(priv, ktime_get());
	test_describe(priv, text, sizeof(text));
	KUNIT_EXPECT_STREQ(test, text, "FF");
}

/* A change that had no room comes before what was sent after it */
static void reports_change_before_characters(struct kunit *test)
{
	struct reports_test *priv = test->priv;
	char text[32];
	int i;

	for (i = 0; i < 4000; i++) {
		emu_wire_set_lines(&priv->wire.wire, i & 1 ? TIOCM_DTR : 0);
		test_report(priv, ktime_get());
	}
	emu_wire_set_format(&priv->wire.wire, &test_fast);
	test_report(priv, ktime_get());
	while (!emu_reports_is_empty(&priv->reports))
		test_describe(priv, text, sizeof(text));
	emu_wire_put(&priv->wire.wire, "a", 1, 0);
	test_report(priv, KTIME_MAX);
	test_describe(priv, text, sizeof(text));
	KUNIT_EXPECT_STREQ(test, text, "F[a]");
}

static struct kunit_case reports_cases[] = {
	KUNIT_CASE(reports_keep_runs_apart),
	KUNIT_CASE(reports_change_the_format_once),
	KUNIT_CASE(reports_format_of_an_idle_line),
	KUNIT_CASE(reports_change_before_characters),
	{}
};

static struct kunit_suite reports_suite = {
	.name		= "serial_emu_reports",
	.init		= reports_init,
	.exit		= reports_exit,
	.test_cases	= reports_cases,
};

#define TEST_NODES	2

/**
 * struct test_node - an end of a bus
 * @end: what the bus knows of it
 * @kick: the wire that it kicks when it transmits the next time, or NULL
 * @transmitted: how often it was asked for what it has to send
 */
struct test_node {
	struct emu_end end;
	struct emu_wire *kick;
	unsigned int transmitted;
};

/**
 * struct bus_test - a bus without ports
 * @bus: the bus
 * @node: its ends
 */
struct bus_test {
	struct emu_bus *bus;
	struct test_node node[TEST_NODES];
};

static void test_transmit(struct emu_end *end, struct emu_wire *wire, struct emu_pass *pass)
{
	struct test_node *node = container_of(end, struct test_node, end);
	struct emu_wire *kick = xchg(&node->kick, NULL);

	WRITE_ONCE(node->transmitted, node->transmitted + 1);
	if (kick)
		emu_wire_kick(kick);
}

static void test_receive(struct emu_end *end, struct emu_wire *wire, struct emu_pass *pass)
{
	pass->levels->next = pass->levels->count;
}

static const struct emu_end_ops test_end_ops = {
	.transmit	= test_transmit,
	.receive	= test_receive,
};

static int bus_init(struct kunit *test)
{
	struct bus_test *priv;
	unsigned int i;

	priv = kunit_kzalloc(test, sizeof(*priv), GFP_KERNEL);
	if (!priv)
		return -ENOMEM;
	test->priv = priv;
	priv->bus = emu_bus_create(TEST_NODES, EMU_PACE_DEFAULT, true);
	if (!priv->bus)
		return -ENOMEM;
	for (i = 0; i < TEST_NODES; i++) {
		priv->node[i].end.ops = &test_end_ops;
		emu_wire_set_tx(emu_bus_wire(priv->bus, i), &priv->node[i].end);
	}

	return 0;
}

static void bus_exit(struct kunit *test)
{
	struct bus_test *priv = test->priv;
	unsigned int i;

	if (!priv || !priv->bus)
		return;
	for (i = 0; i < TEST_NODES; i++)
		emu_wire_set_tx(emu_bus_wire(priv->bus, i), NULL);
	emu_bus_destroy(priv->bus);
}

/* Wait for a condition that the work of the bus brings about */
#define test_wait(cond) \
	(!poll_timeout_us(, cond, 1000, TEST_WAIT_US, false))

/* A port that is kicked while the bus is looked at is asked in the next run */
static void bus_remembers_a_kick(struct kunit *test)
{
	struct bus_test *priv = test->priv;
	struct test_node *a = &priv->node[0], *b = &priv->node[1];
	unsigned int transmitted;

	transmitted = READ_ONCE(b->transmitted);
	WRITE_ONCE(a->kick, emu_bus_wire(priv->bus, 1));
	emu_wire_kick(emu_bus_wire(priv->bus, 0));
	KUNIT_EXPECT_TRUE(test, test_wait(!READ_ONCE(a->kick)));
	KUNIT_EXPECT_TRUE(test, test_wait(READ_ONCE(b->transmitted) > transmitted));
}

static struct kunit_case bus_cases[] = {
	KUNIT_CASE(bus_remembers_a_kick),
	{}
};

static struct kunit_suite bus_suite = {
	.name		= "serial_emu_bus",
	.init		= bus_init,
	.exit		= bus_exit,
	.test_cases	= bus_cases,
};

kunit_test_suites(&wire_suite, &reports_suite, &bus_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for the wires of the serial console emulator");
MODULE_LICENSE("GPL");
