// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for the serial console emulator.
 *
 * The suite serial_emu_cable tests the pure parts. The suite serial_emu_port
 * opens both ports of the first pair from inside the kernel, with this test in
 * the place of the line discipline.
 */

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/iopoll.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/serial_core.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_flip.h>
#include <linux/workqueue.h>

#include <kunit/test.h>

#include "../bus.h"
#include "../link.h"
#include "../port.h"
#include "../wire.h"
#include "../wiring.h"

struct wiring_case {
	const char *name;
	const struct emu_wiring *wiring;
	unsigned int self;
	unsigned int peer;
	unsigned int inputs;
};

static const struct emu_wiring wiring_fixed = {
	.cts	= EMU_ON,
	.dsr	= EMU_OFF,
	.dcd	= EMU_SELF_DTR,
	.ri	= EMU_PEER_OUT2,
};

static const struct wiring_case wiring_cases[] = {
	{ "null modem, idle", &emu_null_modem, 0, 0, 0 },
	{ "null modem, RTS", &emu_null_modem, 0, TIOCM_RTS, TIOCM_CTS },
	{ "null modem, DTR", &emu_null_modem, 0, TIOCM_DTR, TIOCM_DSR | TIOCM_CAR },
	{ "null modem, OUT1", &emu_null_modem, 0, TIOCM_OUT1, TIOCM_RNG },
	{ "null modem, OUT2", &emu_null_modem, 0, TIOCM_OUT2, 0 },
	{ "null modem, all", &emu_null_modem, 0, EMU_OUTPUTS, EMU_INPUTS },
	{ "null modem, its own", &emu_null_modem, EMU_OUTPUTS, 0, 0 },
	{ "loopback, idle", &emu_loopback, 0, 0, 0 },
	{ "loopback, RTS", &emu_loopback, TIOCM_RTS, 0, TIOCM_CTS },
	{ "loopback, DTR", &emu_loopback, TIOCM_DTR, 0, TIOCM_DSR },
	{ "loopback, OUT1", &emu_loopback, TIOCM_OUT1, 0, TIOCM_RNG },
	{ "loopback, OUT2", &emu_loopback, TIOCM_OUT2, 0, TIOCM_CAR },
	{ "loopback, all", &emu_loopback, EMU_OUTPUTS, 0, EMU_INPUTS },
	{ "loopback, the far end's", &emu_loopback, 0, EMU_OUTPUTS, 0 },
	{ "fixed, idle", &wiring_fixed, 0, 0, TIOCM_CTS },
	{ "fixed, all", &wiring_fixed, EMU_OUTPUTS, EMU_OUTPUTS,
	  TIOCM_CTS | TIOCM_CAR | TIOCM_RNG },
};

KUNIT_ARRAY_PARAM_DESC(wiring, wiring_cases, name);

static void wiring_inputs(struct kunit *test)
{
	const struct wiring_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, emu_wiring_inputs(c->wiring, c->self, c->peer), c->inputs);
}

/* An output that a connector does not have must not reach an input */
static void wiring_ignores_other_bits(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, emu_wiring_inputs(&emu_null_modem, ~EMU_OUTPUTS, ~EMU_OUTPUTS), 0);
	KUNIT_EXPECT_EQ(test, emu_wiring_inputs(&emu_loopback, ~EMU_OUTPUTS, ~EMU_OUTPUTS), 0);
}

struct source_case {
	enum emu_source source;
	unsigned int self;
	unsigned int peer;
};

static const struct source_case source_cases[] = {
	{ EMU_PEER_RTS, 0, TIOCM_RTS },
	{ EMU_PEER_DTR, 0, TIOCM_DTR },
	{ EMU_PEER_OUT1, 0, TIOCM_OUT1 },
	{ EMU_PEER_OUT2, 0, TIOCM_OUT2 },
	{ EMU_SELF_RTS, TIOCM_RTS, 0 },
	{ EMU_SELF_DTR, TIOCM_DTR, 0 },
	{ EMU_SELF_OUT1, TIOCM_OUT1, 0 },
	{ EMU_SELF_OUT2, TIOCM_OUT2, 0 },
};

static void source_case_desc(const struct source_case *c, char *desc)
{
	strscpy(desc, emu_source_names[c->source], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(source, source_cases, source_case_desc);

/* Each of the sources drives, alone, whatever it is joined to, and nothing else does */
static void wiring_sources(struct kunit *test)
{
	const struct source_case *c = test->param_value;
	const struct emu_wiring wiring = { c->source, c->source, c->source, c->source };

	KUNIT_EXPECT_EQ(test, emu_wiring_inputs(&wiring, c->self, c->peer), EMU_INPUTS);
	KUNIT_EXPECT_EQ(test, emu_wiring_inputs(&wiring, EMU_OUTPUTS & ~c->self,
						EMU_OUTPUTS & ~c->peer), 0);
}

static void bus_levels(struct kunit *test)
{
	/* No driver, or one */
	KUNIT_EXPECT_TRUE(test, emu_bus_is_mark(0, 0));
	KUNIT_EXPECT_TRUE(test, emu_bus_is_mark(1, 0));
	KUNIT_EXPECT_FALSE(test, emu_bus_is_mark(0, 1));
	/* Drivers that agree, and drivers that do not */
	KUNIT_EXPECT_TRUE(test, emu_bus_is_mark(3, 0));
	KUNIT_EXPECT_FALSE(test, emu_bus_is_mark(0, 3));
	KUNIT_EXPECT_TRUE(test, emu_bus_is_mark(1, 1));
	KUNIT_EXPECT_TRUE(test, emu_bus_is_mark(2, 1));
	KUNIT_EXPECT_FALSE(test, emu_bus_is_mark(1, 2));
}

static struct kunit_case cable_cases[] = {
	KUNIT_CASE_PARAM(wiring_inputs, wiring_gen_params),
	KUNIT_CASE(wiring_ignores_other_bits),
	KUNIT_CASE_PARAM(wiring_sources, source_gen_params),
	KUNIT_CASE(bus_levels),
	{}
};

static struct kunit_suite cable_suite = {
	.name		= "serial_emu_cable",
	.test_cases	= cable_cases,
};

#define TEST_WAIT_US	(5 * USEC_PER_SEC)
#define TEST_BUF_SIZE	32768

/**
 * struct test_end - one open port
 * @tty: the open tty
 * @port: its tty_port
 * @client_ops: what was in the place of the test's operations
 * @client_data: what was in the place of @client_data of the test
 * @termios: the settings that were found, and are put back
 * @pace: the pace of its wire that was found, and is put back
 * @opened: whether the open is to be undone
 * @room: how much the test still accepts
 * @len: how much it received
 * @group: the most that it received at a time
 * @first: when it received the first of it
 * @last: when it received the last of it
 * @wakeups: how often its writer was woken up
 * @data: what it received
 * @flags: the flags that came with it, TTY_NORMAL if there were none
 */
struct test_end {
	struct tty_struct *tty;
	struct tty_port *port;
	const struct tty_port_client_operations *client_ops;
	void *client_data;
	struct ktermios termios;
	unsigned int pace;
	bool opened;
	size_t room;
	size_t len;
	size_t group;
	ktime_t first;
	ktime_t last;
	unsigned int wakeups;
	u8 data[TEST_BUF_SIZE];
	u8 flags[TEST_BUF_SIZE];
};

struct test_pair {
	struct test_end end[EMU_LINK_ENDS];
};

static size_t test_receive_buf(struct tty_port *port, const u8 *data, const u8 *flags,
			       size_t count)
{
	struct test_end *end = port->client_data;
	size_t len = end->len;

	count = min3(count, READ_ONCE(end->room), TEST_BUF_SIZE - len);
	memcpy(end->data + len, data, count);
	if (flags)
		memcpy(end->flags + len, flags, count);
	end->group = max(end->group, count);
	end->last = ktime_get();
	if (!len)
		end->first = end->last;
	WRITE_ONCE(end->room, end->room - count);
	/* Pairs with smp_load_acquire() in test_len() */
	smp_store_release(&end->len, len + count);

	return count;
}

static void test_write_wakeup(struct tty_port *port)
{
	struct test_end *end = port->client_data;

	WRITE_ONCE(end->wakeups, end->wakeups + 1);
}

static const struct tty_port_client_operations test_client_ops = {
	.receive_buf	= test_receive_buf,
	.write_wakeup	= test_write_wakeup,
};

static struct uart_port *test_uart(struct test_end *end)
{
	return container_of(end->port, struct uart_state, port)->uart_port;
}

static int test_open(struct test_end *end, unsigned int line)
{
	struct tty_driver *driver = emu_uart_driver.tty_driver;
	int ret;

	/* A built-in driver that refused its parameter */
	if (!driver)
		return -ENODEV;
	end->port = driver->ports[line];
	if (!end->port || !test_uart(end))
		return -ENODEV;
	/* A console is in use, and a break would be a sysrq sequence there */
	if (uart_console(test_uart(end)))
		return -EBUSY;

	end->tty = tty_kopen_exclusive(MKDEV(driver->major, driver->minor_start + line));
	if (IS_ERR(end->tty))
		return PTR_ERR(end->tty);

	end->room = TEST_BUF_SIZE;
	end->len = 0;
	end->group = 0;
	end->client_ops = end->port->client_ops;
	end->client_data = end->port->client_data;
	end->port->client_data = end;
	end->port->client_ops = &test_client_ops;
	end->opened = true;

	ret = end->tty->ops->open(end->tty, NULL);
	end->termios = end->tty->termios;
	tty_unlock(end->tty);
	tty_set_termios(end->tty, &driver->init_termios);

	return ret;
}

static void test_close(struct test_end *end)
{
	if (!end->opened)
		return;

	end->opened = false;
	tty_set_termios(end->tty, &end->termios);
	tty_lock(end->tty);
	if (end->tty->ops->close)
		end->tty->ops->close(end->tty, NULL);
	tty_unlock(end->tty);
	tty_kclose(end->tty);
	/* The flip buffer's work is done now */
	end->port->client_ops = end->client_ops;
	end->port->client_data = end->client_data;
}

static void test_set_pace(struct test_end *end, unsigned int pace)
{
	struct emu_port *ep = to_emu_port(test_uart(end));

	emu_wire_set_pace(ep->out, pace, ktime_get());
}

/* Have the receiver of a port take nothing, so that what is sent to it stays on the wire */
static void test_stall(struct test_end *end, bool stall)
{
	struct emu_port *ep = to_emu_port(test_uart(end));

	WRITE_ONCE(((struct emu_settings *)ep->settings)->rx_stall, stall);
	emu_wire_kick(ep->in);
}

static int port_init(struct kunit *test)
{
	struct test_pair *pair;
	int i, ret;

	pair = kunit_kzalloc(test, sizeof(*pair), GFP_KERNEL);
	if (!pair)
		return -ENOMEM;
	test->priv = pair;

	for (i = 0; i < EMU_LINK_ENDS; i++) {
		ret = test_open(&pair->end[i], i);
		if (ret == -ENODEV || ret == -EBUSY)
			kunit_skip(test, "ttyEMU%d is not there, or in use", i);
		if (ret) {
			kunit_err(test, "ttyEMU%d does not open: %pe\n", i, ERR_PTR(ret));
			return ret;
		}
		pair->end[i].pace = emu_wire_pace(to_emu_port(test_uart(&pair->end[i]))->out);
		test_set_pace(&pair->end[i], 0);
	}

	return 0;
}

static void port_exit(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	int i;

	for (i = 0; pair && i < EMU_LINK_ENDS; i++) {
		if (pair->end[i].opened)
			test_stall(&pair->end[i], false);
		if (pair->end[i].opened)
			test_set_pace(&pair->end[i], pair->end[i].pace);
		test_close(&pair->end[i]);
	}
}

/* Wait for a condition that a work of the driver brings about */
#define test_wait(cond) \
	(!poll_timeout_us(, cond, 1000, TEST_WAIT_US, false))

static size_t test_len(struct test_end *end)
{
	/* Pairs with smp_store_release() in test_receive_buf() */
	return smp_load_acquire(&end->len);
}

static void test_write(struct kunit *test, struct test_end *end, const char *text)
{
	size_t len = strlen(text);

	KUNIT_ASSERT_EQ(test, end->tty->ops->write(end->tty, text, len), len);
}

static void test_mctrl(struct test_end *end, unsigned int set, unsigned int clear)
{
	end->tty->ops->tiocmset(end->tty, set, clear);
}

static unsigned int test_inputs(struct test_end *end)
{
	return end->tty->ops->tiocmget(end->tty) & EMU_INPUTS;
}

static void port_carries_both_ways(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];

	test_write(test, a, "from a to b");
	test_write(test, b, "back");

	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 11));
	KUNIT_EXPECT_MEMEQ(test, b->data, "from a to b", 11);
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(a) == 4));
	KUNIT_EXPECT_MEMEQ(test, a->data, "back", 4);
}

static void port_counts(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	unsigned int tx = test_uart(a)->icount.tx, rx = test_uart(b)->icount.rx;

	test_write(test, a, "12345");

	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 5));
	KUNIT_EXPECT_EQ(test, test_uart(a)->icount.tx - tx, 5);
	KUNIT_EXPECT_EQ(test, test_uart(b)->icount.rx - rx, 5);
}

static void port_lines(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	unsigned int dsr, rng;

	test_mctrl(a, TIOCM_DTR | TIOCM_RTS, 0);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(b) == (TIOCM_CTS | TIOCM_DSR | TIOCM_CAR)));

	dsr = test_uart(b)->icount.dsr;
	test_mctrl(a, 0, TIOCM_DTR);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(b) == TIOCM_CTS));
	KUNIT_EXPECT_EQ(test, test_uart(b)->icount.dsr - dsr, 1);

	/* To set a line to what it is already is not an edge */
	test_mctrl(a, 0, TIOCM_DTR);
	test_mctrl(a, 0, TIOCM_RTS);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(b) == 0));
	KUNIT_EXPECT_EQ(test, test_uart(b)->icount.dsr - dsr, 1);

	/* A ring counts once, when it ends */
	rng = test_uart(b)->icount.rng;
	test_mctrl(a, TIOCM_OUT1, 0);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(b) == TIOCM_RNG));
	KUNIT_EXPECT_EQ(test, test_uart(b)->icount.rng - rng, 0);
	test_mctrl(a, 0, TIOCM_OUT1);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(b) == 0));
	KUNIT_EXPECT_EQ(test, test_uart(b)->icount.rng - rng, 1);
}

/* Hold the reader, so that the order on the wire cannot come out right by luck */
static void port_edge_does_not_overtake(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];

	test_mctrl(a, TIOCM_DTR, 0);
	KUNIT_ASSERT_TRUE(test, test_wait(test_inputs(b) & TIOCM_DSR));

	test_stall(b, true);
	test_write(test, a, "before");
	test_mctrl(a, 0, TIOCM_DTR);
	msleep(50);
	KUNIT_EXPECT_EQ(test, test_len(b), 0);
	KUNIT_EXPECT_TRUE(test, test_inputs(b) & TIOCM_DSR);

	test_stall(b, false);
	KUNIT_EXPECT_TRUE(test, test_wait(!(test_inputs(b) & TIOCM_DSR)));
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 6));
}

/* More edges than the wire can hold: the last state arrives, and not too early */
static void port_edges_beyond_capacity(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	int i;

	test_stall(b, true);
	test_write(test, a, "x");
	for (i = 0; i < 4 * EMU_WIRE_CTRLS; i++) {
		test_mctrl(a, TIOCM_DTR, 0);
		test_mctrl(a, 0, TIOCM_DTR);
	}
	test_mctrl(a, TIOCM_DTR | TIOCM_RTS, 0);
	test_write(test, a, "y");
	msleep(50);
	KUNIT_EXPECT_EQ(test, test_len(b), 0);

	test_stall(b, false);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(b) == (TIOCM_CTS | TIOCM_DSR | TIOCM_CAR)));
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 2));
	KUNIT_EXPECT_MEMEQ(test, b->data, "xy", 2);
}

/* A receiver that takes nothing holds the writer back, and gets everything in the end */
static void port_holds_the_writer(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	static const u8 block[256] = { [0 ... 255] = 'z' };
	size_t written = 0;
	int i;

	test_stall(b, true);
	for (i = 0; i < 1024; i++)
		written += a->tty->ops->write(a->tty, block, sizeof(block));

	KUNIT_EXPECT_EQ(test, a->tty->ops->write_room(a->tty), 0);
	KUNIT_EXPECT_LE(test, written, UART_XMIT_SIZE + EMU_WIRE_CHARS);
	KUNIT_EXPECT_EQ(test, test_len(b), 0);
	KUNIT_EXPECT_FALSE(test, test_uart(a)->ops->tx_empty(test_uart(a)));

	test_stall(b, false);
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == written));
	KUNIT_EXPECT_TRUE(test, test_wait(test_uart(a)->ops->tx_empty(test_uart(a))));
}

/* A line discipline that takes nothing and does not throttle either */
static void port_survives_full_flip_buffer(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	static const u8 block[256] = { [0 ... 255] = 'z' };
	size_t limit = b->port->buf.mem_limit, written = 0;
	int i;

	/* The flip buffer's work asks again only when more comes */
	tty_buffer_set_limit(b->port, 4096);
	WRITE_ONCE(b->room, 0);
	for (i = 0; i < 200; i++) {
		written += a->tty->ops->write(a->tty, block, sizeof(block));
		if (!a->tty->ops->write_room(a->tty))
			fsleep(1000);
	}
	KUNIT_EXPECT_LT(test, written, TEST_BUF_SIZE);
	KUNIT_EXPECT_EQ(test, test_uart(b)->icount.buf_overrun, 0);

	WRITE_ONCE(b->room, TEST_BUF_SIZE);
	tty_flip_buffer_push(b->port);
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == written));
	KUNIT_EXPECT_EQ(test, test_len(b), written);
	tty_buffer_set_limit(b->port, limit);
}

/* What has left the tty's buffer is in the FIFO, and cannot be taken back */
static void port_flush_keeps_the_fifo(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	static const u8 block[2 * EMU_WIRE_CHARS] = { [0 ... 2 * EMU_WIRE_CHARS - 1] = 'z' };
	struct uart_port *port = test_uart(a);

	test_stall(b, true);
	a->tty->ops->write(a->tty, block, sizeof(block));
	KUNIT_EXPECT_EQ(test, a->tty->ops->chars_in_buffer(a->tty), EMU_WIRE_CHARS);
	a->tty->ops->flush_buffer(a->tty);
	KUNIT_EXPECT_EQ(test, a->tty->ops->chars_in_buffer(a->tty), 0);
	KUNIT_EXPECT_FALSE(test, port->ops->tx_empty(port));

	test_stall(b, false);
	KUNIT_EXPECT_TRUE(test, test_wait(port->ops->tx_empty(port)));
	test_write(test, a, "this");
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == EMU_WIRE_CHARS + 4));
	KUNIT_EXPECT_MEMEQ(test, b->data + EMU_WIRE_CHARS, "this", 4);
}

static void port_xchar_goes_first(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];

	a->tty->flow.stopped = true;
	test_write(test, a, "queued");
	a->tty->ops->send_xchar(a->tty, 0x13);
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 1));
	KUNIT_EXPECT_EQ(test, b->data[0], 0x13);

	a->tty->flow.stopped = false;
	a->tty->ops->start(a->tty);
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 7));
	KUNIT_EXPECT_MEMEQ(test, b->data, "\023queued", 7);
}

/* Where flow control stops the sender, the wire must let XON through */
static void port_xchar_reaches_slow_reader(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];

	b->tty->termios.c_iflag |= IXOFF;
	set_bit(TTY_THROTTLED, &b->tty->flags);
	test_write(test, a, "slack");
	a->tty->ops->send_xchar(a->tty, 0x11);
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 6));
	KUNIT_EXPECT_MEMEQ(test, b->data, "slack\021", 6);

	clear_bit(TTY_THROTTLED, &b->tty->flags);
	b->tty->termios.c_iflag &= ~IXOFF;
}

/* A line discipline may wait for its wakeup although the write took everything */
static void port_wakes_each_writer(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	unsigned int i, wakeups;

	for (i = 1; i <= 3; i++) {
		wakeups = READ_ONCE(a->wakeups);
		test_write(test, a, "x");
		KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == i));
		KUNIT_EXPECT_TRUE(test, test_wait(READ_ONCE(a->wakeups) > wakeups));
	}
}

/* A writer may wait since the port was stopped, however many passes there were meanwhile */
static void port_wakes_stopped_writer(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	unsigned int i, wakeups;

	test_write(test, a, "before");
	KUNIT_ASSERT_TRUE(test, test_wait(test_len(b) == 6));
	for (i = 1; i <= 2; i++) {
		a->tty->flow.stopped = true;
		a->tty->ops->stop(a->tty);
		/* A pass over its wire */
		if (i == 2) {
			test_mctrl(a, TIOCM_OUT1, 0);
			KUNIT_ASSERT_TRUE(test, test_wait(test_inputs(b) & TIOCM_RNG));
		}
		test_write(test, a, "queued");
		wakeups = READ_ONCE(a->wakeups);
		a->tty->flow.stopped = false;
		a->tty->ops->start(a->tty);
		KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 6 * (i + 1)));
		KUNIT_EXPECT_TRUE(test, test_wait(READ_ONCE(a->wakeups) > wakeups));
	}
	test_mctrl(a, 0, TIOCM_OUT1);
}

static void port_flush_keeps_xchar(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];

	test_stall(b, true);
	test_write(test, a, "first");
	a->tty->ops->send_xchar(a->tty, 0x11);
	a->tty->ops->flush_buffer(a->tty);
	test_stall(b, false);

	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 6));
	KUNIT_EXPECT_MEMEQ(test, b->data, "first\021", 6);
}

static void port_break(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	unsigned int brk = test_uart(b)->icount.brk;

	/* Without INPCK and the like a break is a plain NUL, see set_termios */
	test_uart(b)->read_status_mask = UINT_MAX;
	test_write(test, a, "a");
	a->tty->ops->break_ctl(a->tty, -1);
	test_write(test, a, "unseen");
	a->tty->ops->break_ctl(a->tty, 0);
	test_write(test, a, "b");

	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 3));
	KUNIT_EXPECT_MEMEQ(test, b->data, "a\0b", 3);
	KUNIT_EXPECT_EQ(test, b->flags[1], TTY_BREAK);
	KUNIT_EXPECT_EQ(test, test_uart(b)->icount.brk - brk, 1);
}

static void port_loopback(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	unsigned int cts, dcd;

	test_mctrl(a, TIOCM_DTR | TIOCM_RTS, 0);
	test_mctrl(b, TIOCM_DTR | TIOCM_RTS, 0);
	KUNIT_ASSERT_TRUE(test, test_wait(test_inputs(b) & TIOCM_CTS));
	KUNIT_ASSERT_TRUE(test, test_wait(test_inputs(a) == (TIOCM_CTS | TIOCM_DSR | TIOCM_CAR)));

	/* What is active before and after shows no edge in between */
	dcd = test_uart(a)->icount.dcd;
	cts = test_uart(a)->icount.cts;
	test_mctrl(a, TIOCM_LOOP | TIOCM_OUT2, 0);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(b) == 0));
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(a) == (TIOCM_CTS | TIOCM_DSR | TIOCM_CAR)));
	KUNIT_EXPECT_EQ(test, test_uart(a)->icount.dcd, dcd);
	KUNIT_EXPECT_EQ(test, test_uart(a)->icount.cts, cts);

	test_write(test, a, "echo");
	test_write(test, b, "lost");
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(a) == 4));
	KUNIT_EXPECT_MEMEQ(test, a->data, "echo", 4);
	KUNIT_EXPECT_EQ(test, test_len(b), 0);

	test_mctrl(a, 0, TIOCM_LOOP | TIOCM_OUT2);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(b) & TIOCM_CTS));
	test_write(test, a, "back");
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 4));
}

/* The lines must follow even when no output is active that could make an edge */
static void port_loopback_without_outputs(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];

	test_mctrl(b, TIOCM_DTR | TIOCM_RTS, 0);
	test_mctrl(a, 0, TIOCM_DTR | TIOCM_RTS);
	KUNIT_ASSERT_TRUE(test, test_wait(test_inputs(a) == (TIOCM_CTS | TIOCM_DSR | TIOCM_CAR)));

	test_mctrl(a, TIOCM_LOOP, 0);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(a) == 0));
	test_mctrl(a, 0, TIOCM_LOOP);
	KUNIT_EXPECT_TRUE(test, test_wait(test_inputs(a) == (TIOCM_CTS | TIOCM_DSR | TIOCM_CAR)));
}

static bool test_is_quiet(struct test_end *end)
{
	struct emu_link_dir *dir = to_emu_link_dir(to_emu_port(test_uart(end))->out);

	return !work_busy(&dir->work) && !hrtimer_is_queued(&dir->timer);
}

/* A break that begins on one side of the loopback mode must not outlive it */
static void port_loopback_during_break(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];

	a->tty->ops->break_ctl(a->tty, -1);
	test_mctrl(a, TIOCM_LOOP, 0);
	a->tty->ops->break_ctl(a->tty, 0);
	test_mctrl(a, 0, TIOCM_LOOP);
	KUNIT_EXPECT_TRUE(test, test_wait(test_is_quiet(a)));

	test_write(test, a, "seen");
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) >= 4));
	KUNIT_EXPECT_MEMEQ(test, b->data + test_len(b) - 4, "seen", 4);
}

/* A line on which nothing happens costs nothing, whether its reader is slow or not */
static void port_idle_is_quiet(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	int i;

	test_write(test, a, "something");
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 9));
	set_bit(TTY_THROTTLED, &b->tty->flags);
	KUNIT_EXPECT_TRUE(test, test_wait(test_is_quiet(a) && test_is_quiet(b)));

	for (i = 0; i < 20; i++) {
		fsleep(1000);
		KUNIT_EXPECT_TRUE(test, test_is_quiet(a));
		KUNIT_EXPECT_TRUE(test, test_is_quiet(b));
	}
}

static void port_closed_swallows(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];

	/* Held back on the wire when the port closes */
	test_stall(b, true);
	test_write(test, a, "old");
	test_close(b);
	test_write(test, a, "older");
	KUNIT_EXPECT_TRUE(test, test_wait(test_uart(a)->ops->tx_empty(test_uart(a))));

	KUNIT_ASSERT_EQ(test, test_open(b, 1), 0);
	test_stall(b, false);
	test_write(test, a, "new");
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 3));
	KUNIT_EXPECT_MEMEQ(test, b->data, "new", 3);
}

static void test_set_format(struct test_end *end, unsigned int baud, tcflag_t cflag)
{
	struct ktermios old = end->tty->termios;

	end->tty->termios.c_cflag = cflag | CREAD | CLOCAL;
	tty_encode_baud_rate(end->tty, baud, baud);
	end->tty->ops->set_termios(end->tty, &old);
}

/* 200 characters of 10 bits at 10000 bits per second are 200 ms */
static void port_takes_time(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	static const u8 text[200] = { [0 ... 199] = 'U' };
	ktime_t start;
	s64 us;

	test_set_pace(a, 100);
	test_set_format(a, 10000, CS8);
	test_set_format(b, 10000, CS8);
	start = ktime_get();
	KUNIT_ASSERT_EQ(test, a->tty->ops->write(a->tty, text, sizeof(text)), sizeof(text));
	msleep(50);
	/* Unless this thread was left waiting for much longer */
	KUNIT_EXPECT_TRUE(test, !test_uart(a)->ops->tx_empty(test_uart(a)) ||
			  ktime_us_delta(ktime_get(), start) >= 200 * USEC_PER_MSEC);
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == sizeof(text)));
	KUNIT_EXPECT_TRUE(test, test_uart(a)->ops->tx_empty(test_uart(a)));
	KUNIT_EXPECT_MEMEQ(test, b->data, text, sizeof(text));

	us = ktime_us_delta(b->last, start);
	KUNIT_EXPECT_GE(test, us, 200 * USEC_PER_MSEC);
	us = ktime_us_delta(b->first, start);
	KUNIT_EXPECT_GE(test, us, USEC_PER_MSEC);
}

static void port_pace_scales(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	static const u8 text[200] = { [0 ... 199] = 'U' };
	ktime_t start;

	/* In real time they take 40 seconds, longer than the test waits */
	test_set_pace(a, 10000);
	test_set_format(a, 50, CS8);
	test_set_format(b, 50, CS8);
	start = ktime_get();
	a->tty->ops->write(a->tty, text, sizeof(text));
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == sizeof(text)));
	KUNIT_EXPECT_GE(test, ktime_us_delta(b->last, start), 400 * USEC_PER_MSEC);
}

static void port_rates_differ(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	unsigned int frame = test_uart(b)->icount.frame, i;
	static const unsigned int paces[] = { 100, 0 };

	test_set_format(a, 19200, CS8);
	test_set_format(b, 9600, CS8);
	for (i = 0; i < ARRAY_SIZE(paces); i++) {
		test_set_pace(a, paces[i]);
		b->len = 0;
		test_write(test, a, "\x80");
		/* Eight bits at space are four, and nothing is wrong with the rest */
		KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 1));
		KUNIT_EXPECT_EQ(test, b->data[0], 0xf8);
	}
	KUNIT_EXPECT_EQ(test, test_uart(b)->icount.frame, frame);
}

/* What is sent once the plug is in arrives, however late the wire's work is */
static void port_plugged_in_late(struct kunit *test)
{
	struct test_pair *pair = test->priv;
	struct test_end *a = &pair->end[0], *b = &pair->end[1];
	struct emu_wire *wire = to_emu_port(test_uart(a))->out;
	ssize_t count;

	test_set_pace(a, 100);
	test_set_format(a, 10000, CS8);
	test_set_format(b, 10000, CS8);
	emu_wire_set_plugged(wire, false, ktime_get());
	KUNIT_EXPECT_TRUE(test, test_wait(test_is_quiet(a)));
	test_write(test, a, "unheard");
	KUNIT_EXPECT_TRUE(test, test_wait(test_uart(a)->ops->tx_empty(test_uart(a))));

	/* No pass can run meanwhile */
	scoped_guard(spinlock_bh, &to_emu_link_dir(wire)->running) {
		emu_wire_set_plugged(wire, true, ktime_get());
		count = a->tty->ops->write(a->tty, "heard", 5);
		mdelay(20);
	}
	KUNIT_EXPECT_EQ(test, count, 5);
	KUNIT_EXPECT_TRUE(test, test_wait(test_len(b) == 5));
	KUNIT_EXPECT_MEMEQ(test, b->data, "heard", 5);
}

static struct kunit_case port_cases[] = {
	KUNIT_CASE(port_carries_both_ways),
	KUNIT_CASE(port_counts),
	KUNIT_CASE(port_lines),
	KUNIT_CASE(port_edge_does_not_overtake),
	KUNIT_CASE(port_edges_beyond_capacity),
	KUNIT_CASE(port_holds_the_writer),
	KUNIT_CASE_SLOW(port_survives_full_flip_buffer),
	KUNIT_CASE(port_flush_keeps_the_fifo),
	KUNIT_CASE(port_xchar_goes_first),
	KUNIT_CASE(port_xchar_reaches_slow_reader),
	KUNIT_CASE(port_wakes_each_writer),
	KUNIT_CASE(port_wakes_stopped_writer),
	KUNIT_CASE(port_flush_keeps_xchar),
	KUNIT_CASE(port_break),
	KUNIT_CASE(port_loopback),
	KUNIT_CASE(port_loopback_without_outputs),
	KUNIT_CASE(port_loopback_during_break),
	KUNIT_CASE(port_idle_is_quiet),
	KUNIT_CASE(port_closed_swallows),
	KUNIT_CASE(port_takes_time),
	KUNIT_CASE(port_pace_scales),
	KUNIT_CASE(port_rates_differ),
	KUNIT_CASE(port_plugged_in_late),
	{}
};

static struct kunit_suite port_suite = {
	.name		= "serial_emu_port",
	.init		= port_init,
	.exit		= port_exit,
	.test_cases	= port_cases,
};

kunit_test_suites(&cable_suite, &port_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for the serial console emulator");
MODULE_LICENSE("GPL");
