// SPDX-License-Identifier: GPL-2.0-only
/*
 * A chardev end of the serial console emulator: a program reads and writes the records of
 * include/uapi/linux/serial-emu.h at the far end of a port.
 */

#include <linux/serial-emu.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "serial_test.h"
#include "serial_emu_cable.h"
#include "serial_emu_record.h"

#define OUTPUTS		(TIOCM_DTR | TIOCM_RTS)

FIXTURE(chardev)
{
	char dir[64];
	char tty[64];
	char node[128];
	int port;
	int fd;
};

FIXTURE_SETUP(chardev)
{
	const char *why = why_no_cables();

	self->port = -1;
	self->fd = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, make_cable(self->dir, sizeof(self->dir), "chardev"));
	if (make_end(self->dir, "port", "tty") || make_end(self->dir, "program", "chardev"))
		SKIP(return, "no kind of end that is a program");
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	snprintf(self->node, sizeof(self->node), "/dev/serial-emu/%s/program",
		 strrchr(self->dir, '/') + 1);
	ASSERT_STRNE("", get(self->dir, "port/tty"));
	snprintf(self->tty, sizeof(self->tty), "/dev/%s", get(self->dir, "port/tty"));
	self->fd = open_chardev(self->node);
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", self->node, strerror(errno));
}

static int remove_cable(const char *dir)
{
	char path[PATH_MAX];

	set(dir, "live", "0");
	snprintf(path, sizeof(path), "%s/port", dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/program", dir);
	rmdir(path);

	return rmdir(dir);
}

FIXTURE_TEARDOWN(chardev)
{
	close(self->port);
	close(self->fd);
	EXPECT_EQ(0, remove_cable(self->dir));
}

static int put_lines(int fd, unsigned int lines)
{
	return put(fd, SERIAL_EMU_LINES, &lines, sizeof(lines));
}

static int put_break(int fd, unsigned char on)
{
	return put(fd, SERIAL_EMU_BREAK, &on, sizeof(on));
}

static int put_format(int fd, unsigned int baud, int bits, int parity)
{
	struct serial_emu_format format = {
		.baud = baud,
		.data_bits = bits,
		.half_stop_bits = 2,
		.parity = parity,
	};

	return put(fd, SERIAL_EMU_FORMAT, &format, sizeof(format));
}

TEST_F(chardev, reports_state)
{
	struct serial_emu_format format;
	unsigned int seen = 0;
	struct record record;
	struct stat st;
	int i;

	ASSERT_EQ(0, stat(self->node, &st));
	EXPECT_EQ(S_IFCHR | 0600, st.st_mode);
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(get_record(self->fd, &record));
		EXPECT_EQ(0, record.head.flags);
		seen |= 1 << record.head.type;
		if (record.head.type == SERIAL_EMU_OPEN)
			EXPECT_EQ(0, record.payload[0]);
		if (record.head.type == SERIAL_EMU_LINES)
			EXPECT_EQ(0, record_u32(&record));
		if (record.head.type == SERIAL_EMU_FORMAT) {
			ASSERT_EQ(sizeof(format), record.head.length);
			memcpy(&format, record.payload, sizeof(format));
			EXPECT_EQ(9600, format.baud);
			EXPECT_EQ(8, format.data_bits);
			EXPECT_EQ(2, format.half_stop_bits);
			EXPECT_EQ(SERIAL_EMU_PARITY_NONE, format.parity);
		}
	}
	EXPECT_EQ(1 << SERIAL_EMU_OPEN | 1 << SERIAL_EMU_LINES | 1 << SERIAL_EMU_FORMAT, seen);
	EXPECT_FALSE(get_record_ms(self->fd, &record, SERIAL_QUIET_MS));
}

/* Of a port that is open already, there is no edge that was not there */
TEST_F(chardev, reports_open_port)
{
	struct record record;

	close(self->fd);
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	serial_sleep_ms(SERIAL_QUIET_MS);
	self->fd = open_chardev(self->node);
	ASSERT_LE(0, self->fd);
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_LINES, &record));
	EXPECT_EQ(OUTPUTS, record_u32(&record) & OUTPUTS);
}

TEST_F(chardev, reports_changes)
{
	struct serial_emu_format format;
	struct record record;
	uint64_t time;

	put_all(self->fd);
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_OPEN, &record));
	EXPECT_EQ(1, record.payload[0]);
	put_all(self->fd);

	ASSERT_EQ(0, serial_set_speed(self->port, 19200));
	ASSERT_EQ(0, serial_change_cflag(self->port, CSIZE, CS7 | PARENB | PARODD | CSTOPB));
	/* Whether anything is sent or not */
	do {
		ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_FORMAT, &record));
		memcpy(&format, record.payload, sizeof(format));
	} while (format.data_bits != 7);
	EXPECT_EQ(19200, format.baud);
	EXPECT_EQ(SERIAL_EMU_PARITY_ODD, format.parity);
	EXPECT_EQ(4, format.half_stop_bits);
	ASSERT_EQ(5, serial_write(self->port, "hello", 5));
	EXPECT_TRUE(find_data(self->fd, "hello"));

	ASSERT_EQ(0, ioctl(self->port, TIOCSBRK));
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_BREAK, &record));
	EXPECT_EQ(1, record.payload[0]);
	time = record.head.time;
	serial_sleep_ms(100);
	ASSERT_EQ(0, ioctl(self->port, TIOCCBRK));
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_BREAK, &record));
	EXPECT_EQ(0, record.payload[0]);
	EXPECT_LE(100000000, record.head.time - time);

	close(self->port);
	self->port = -1;
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_OPEN, &record));
	EXPECT_EQ(0, record.payload[0]);
}

/* The character in progress when the format changes is still one of the old format */
TEST_F(chardev, reports_format_once)
{
	static const unsigned int types[] = {
		SERIAL_EMU_DATA, SERIAL_EMU_FORMAT, SERIAL_EMU_DATA,
	};
	struct record record;
	unsigned int i;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 50));
	serial_sleep_ms(50);
	put_all(self->fd);
	ASSERT_EQ(2, write(self->port, "ab", 2));
	serial_sleep_ms(20);
	ASSERT_EQ(0, serial_set_speed(self->port, 110));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_TRUE(get_record(self->fd, &record));
		EXPECT_EQ(types[i], record.head.type) TH_LOG("record %u", i);
	}
	EXPECT_FALSE(get_record_ms(self->fd, &record, SERIAL_QUIET_MS));
}

/* Without a pace all comes in the order in which it happened */
TEST_F(chardev, reports_in_order)
{
	static const unsigned int types[] = {
		SERIAL_EMU_DATA, SERIAL_EMU_LINES, SERIAL_EMU_DATA, SERIAL_EMU_BREAK,
		SERIAL_EMU_BREAK, SERIAL_EMU_DATA, SERIAL_EMU_LINES,
	};
	struct record record;
	uint64_t time = 0;
	unsigned int i;

	/* With one, lines and breaks act at once */
	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	serial_lines_on(self->port, OUTPUTS);
	serial_sleep_ms(50);
	put_all(self->fd);
	ASSERT_EQ(1, write(self->port, "a", 1));
	ASSERT_EQ(0, serial_lines_off(self->port, TIOCM_DTR));
	ASSERT_EQ(1, write(self->port, "b", 1));
	ASSERT_EQ(0, serial_send_break(self->port, 20));
	ASSERT_EQ(1, write(self->port, "c", 1));
	ASSERT_EQ(0, serial_lines_on(self->port, TIOCM_DTR));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_TRUE(get_record(self->fd, &record));
		EXPECT_EQ(types[i], record.head.type) TH_LOG("record %u", i);
		EXPECT_LE(time, record.head.time);
		time = record.head.time;
	}
}

TEST_F(chardev, sends_in_order)
{
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 50));
	ASSERT_TRUE(serial_wait_lines(self->port, TIOCM_CTS, TIOCM_CTS));
	/* Two seconds */
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "0123456789", 10));
	ASSERT_EQ(0, put_lines(self->fd, 0));
	EXPECT_TRUE(serial_lines_stay(self->port, TIOCM_CTS, TIOCM_CTS));
	EXPECT_TRUE(serial_wait_lines(self->port, TIOCM_CTS, 0));
	EXPECT_EQ(10, serial_icount(self->port).rx);
	EXPECT_TRUE(serial_arrives(self->port, "0123456789", 10));
}

/* Lines and breaks come behind the data that were written before, and before those after */
TEST_F(chardev, records_stay_in_order)
{
	static const char *const paces[] = { "100", "max" };
	struct serial_icounter_struct before, after;
	int i;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 2400));
	ASSERT_EQ(0, serial_change_iflag(self->port, 0, INPCK | PARMRK));
	ASSERT_TRUE(serial_wait_lines(self->port, TIOCM_CTS, TIOCM_CTS));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, set(self->dir, "pace", paces[i]));
		before = serial_icount(self->port);
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "first", 5));
		ASSERT_EQ(0, put_lines(self->fd, TIOCM_DTR));
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "second", 6));
		ASSERT_EQ(0, put_lines(self->fd, OUTPUTS));
		ASSERT_EQ(0, put_break(self->fd, 1));
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "hidden", 6));
		ASSERT_EQ(0, put_break(self->fd, 0));
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "third", 5));
		EXPECT_TRUE(serial_arrives(self->port, "firstsecond\377\0\0third", 19)) {
			TH_LOG("pace %s", paces[i]);
		}
		after = serial_icount(self->port);
		EXPECT_EQ(before.cts + 2, after.cts);
		EXPECT_EQ(before.brk + 1, after.brk);
		EXPECT_EQ(before.frame, after.frame);
	}
}

/* No pause between records that are written without one, and none is sent too early */
TEST_F(chardev, sends_at_line_rate)
{
	static unsigned char data[960];
	int64_t begin, took;
	unsigned int i;

	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	/* The driver looks at the wire when it is empty, which is too late to fill it in time */
	ASSERT_EQ(0, set(self->dir, "port/rx_fifo", "64"));
	ASSERT_EQ(0, set(self->dir, "port/rx_trigger", "64"));
	ASSERT_EQ(0, set(self->dir, "port/rx_timeout", "64"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	snprintf(self->tty, sizeof(self->tty), "/dev/%s", get(self->dir, "port/tty"));
	self->fd = open_chardev_as(self->node, O_RDWR);
	ASSERT_LE(0, self->fd);
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 9600));
	serial_sleep_ms(50);

	begin = serial_now_us();
	for (i = 0; i < sizeof(data); i += 40)
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, data, 40));
	ASSERT_EQ(0, fsync(self->fd));
	took = serial_now_us() - begin;
	EXPECT_LE(1000000, took);
	if (serial_time_is_virtual())
		EXPECT_GE(1001000, took) TH_LOG("%lld us", (long long)took);

	serial_sleep_ms(500);
	begin = serial_now_us();
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, data, 96));
	ASSERT_EQ(0, fsync(self->fd));
	took = serial_now_us() - begin;
	EXPECT_LE(100000, took);
	if (serial_time_is_virtual())
		EXPECT_GE(101000, took) TH_LOG("%lld us", (long long)took);
}

/* A port that was closed has no receiver for a break */
TEST_F(chardev, break_after_a_close)
{
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(1, serial_write(self->port, "x", 1));
	close(self->port);
	serial_sleep_ms(20);
	ASSERT_EQ(0, put_break(self->fd, 1));
	serial_sleep_ms(50);
	ASSERT_EQ(0, put_break(self->fd, 0));
	serial_sleep_ms(50);
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	EXPECT_TRUE(serial_nothing_arrives(self->port));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "data", 4));
	EXPECT_TRUE(serial_arrives(self->port, "data", 4));
}

TEST_F(chardev, speaks_to_the_port)
{
	struct serial_icounter_struct before;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, SERIAL_INPUTS));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "hello", 5));
	EXPECT_TRUE(serial_arrives(self->port, "hello", 5));

	ASSERT_EQ(0, put_lines(self->fd, TIOCM_RTS | TIOCM_OUT1));
	EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS | TIOCM_RNG,
				      TIOCM_CTS | TIOCM_RNG));
	ASSERT_EQ(0, put_lines(self->fd, OUTPUTS));
	EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS | TIOCM_RNG, SERIAL_INPUTS));

	before = serial_icount(self->port);
	ASSERT_EQ(0, put_break(self->fd, 1));
	EXPECT_TRUE(serial_arrives(self->port, "\0", 1));
	ASSERT_EQ(0, put_break(self->fd, 0));
	EXPECT_EQ(before.brk + 1, serial_icount(self->port).brk);
}

/* Without a format of its own it has the port's; with one there may be errors */
TEST_F(chardev, format)
{
	static const struct serial_emu_format ports;
	struct serial_icounter_struct before;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 4800));
	ASSERT_EQ(0, serial_change_cflag(self->port, 0, PARENB));
	before = serial_icount(self->port);
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->port, "abc", 3));
	EXPECT_EQ(before.parity, serial_icount(self->port).parity);

	/* What was written before a format is not in it */
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "abc", 3));
	ASSERT_EQ(0, put_format(self->fd, 4800, 8, SERIAL_EMU_PARITY_ODD));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->port, "abcabc", 6));
	EXPECT_EQ(before.parity + 3, serial_icount(self->port).parity);

	/* And back to that of the port, as it is now and as it will be */
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_FORMAT, &ports, sizeof(ports)));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->port, "abc", 3));
	ASSERT_EQ(0, serial_change_cflag(self->port, 0, PARODD));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->port, "abc", 3));
	EXPECT_EQ(before.parity + 3, serial_icount(self->port).parity);
}

TEST_F(chardev, addresses)
{
	struct serial_rs485 rs485 = {
		.flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND | SER_RS485_ADDRB |
			 SER_RS485_ADDR_DEST | SER_RS485_ADDR_RECV,
		.addr_dest = 17,
		.addr_recv = 5,
	};
	unsigned char address = 5, other = 6;
	struct record record;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	serial_sleep_ms(20);
	put_all(self->fd);
	ASSERT_EQ(0, ioctl(self->port, TIOCSRS485, &rs485));
	ASSERT_EQ(1, write(self->port, "x", 1));
	do {
		ASSERT_TRUE(get_record(self->fd, &record));
		/* It does not look as if the port were closed */
		EXPECT_NE(SERIAL_EMU_OPEN, record.head.type);
	} while (record.head.type != SERIAL_EMU_ADDRESS);
	EXPECT_EQ(17, record.payload[0]);
	EXPECT_TRUE(find_data(self->fd, "x"));
	serial_sleep_ms(20);

	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_ADDRESS, &other, 1));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "no", 2));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_ADDRESS, &address, 1));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "yes", 3));
	EXPECT_TRUE(serial_arrives(self->port, "yes", 3));
}

/* What is malformed is refused, and nothing of it is done */
TEST_F(chardev, refuses_malformed_records)
{
	static const struct {
		struct serial_emu_record head;
		unsigned char payload[8];
		size_t size;
	} cases[] = {
		{ { }, { }, 0 },
		{ { 0, SERIAL_EMU_DATA }, { }, 1 },
		{ { 0, SERIAL_EMU_DATA }, { }, HEAD - 1 },
		{ { 0, SERIAL_EMU_DATA }, { }, HEAD },
		{ { 2, SERIAL_EMU_DATA }, "x", HEAD + 1 },
		{ { 2049, SERIAL_EMU_DATA }, "x", HEAD + 8 },
		{ { 0xffffffff, SERIAL_EMU_DATA }, "x", HEAD + 8 },
		{ { 0, SERIAL_EMU_ADDRESS }, { }, HEAD },
		{ { 2, SERIAL_EMU_ADDRESS }, "xx", HEAD + 2 },
		{ { 1, SERIAL_EMU_BREAK }, { 2 }, HEAD + 1 },
		{ { 0, SERIAL_EMU_BREAK }, { }, HEAD },
		{ { 1, SERIAL_EMU_LINES }, { 2 }, HEAD + 1 },
		{ { 4, SERIAL_EMU_LINES }, { 0, 0, 0, 0x80 }, HEAD + 4 },
		{ { 4, SERIAL_EMU_LINES }, { 0x20 }, HEAD + 4 },
		{ { 4, SERIAL_EMU_FORMAT }, { 0x80, 0x25 }, HEAD + 4 },
		{ { 8, SERIAL_EMU_FORMAT }, { 0x80, 0x25, 0, 0, 4, 2, 0, 0 }, HEAD + 8 },
		{ { 8, SERIAL_EMU_FORMAT }, { 0x80, 0x25, 0, 0, 8, 1, 0, 0 }, HEAD + 8 },
		{ { 8, SERIAL_EMU_FORMAT }, { 0x80, 0x25, 0, 0, 8, 2, 5, 0 }, HEAD + 8 },
		{ { 8, SERIAL_EMU_FORMAT }, { 0x80, 0x25, 0, 0, 8, 2, 0, 1 }, HEAD + 8 },
		{ { 8, SERIAL_EMU_FORMAT }, { 10, 0, 0, 0, 8, 2, 0, 0 }, HEAD + 8 },
		{ { 1, SERIAL_EMU_OPEN }, { 1 }, HEAD + 1 },
		{ { 4, SERIAL_EMU_OVERRUN }, { 1 }, HEAD + 4 },
		{ { 1, 77 }, { 1 }, HEAD + 1 },
		{ { 8, SERIAL_EMU_FORMAT }, { 0, 0, 0, 0, 8, 2, 0, 0 }, HEAD + 8 },
		{ { 8, SERIAL_EMU_FORMAT }, { 0, 0, 0, 0, 0, 0, 0, 1 }, HEAD + 8 },
		{ { 1, SERIAL_EMU_DATA, 1 }, "x", HEAD + 1 },
		{ { 1, SERIAL_EMU_DATA, 0x8000 }, "x", HEAD + 1 },
		{ { 1, SERIAL_EMU_DATA, 0, 1 }, "x", HEAD + 1 },
	};
	unsigned int i;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	/* Nothing at all is nothing */
	EXPECT_EQ(0, write(self->fd, &cases[0], 0));
	for (i = 1; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(-1, write(self->fd, &cases[i], cases[i].size)) TH_LOG("case %u", i);
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_TRUE(serial_nothing_arrives(self->port));
	EXPECT_EQ(-1, syscall(SYS_write, self->fd, 1L, 100L));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "x", 1));
	EXPECT_TRUE(serial_arrives(self->port, "x", 1));
}

/* What comes before a malformed record counts */
TEST_F(chardev, takes_valid_records)
{
	unsigned char buf[2 * HEAD + 2] = { };
	struct serial_emu_record head = { .length = 1, .type = SERIAL_EMU_DATA };

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	memcpy(buf, &head, HEAD);
	buf[HEAD] = 'x';
	head.type = 99;
	memcpy(buf + HEAD + 1, &head, HEAD);
	EXPECT_EQ(HEAD + 1, write(self->fd, buf, sizeof(buf)));
	EXPECT_TRUE(serial_arrives(self->port, "x", 1));
}

TEST_F(chardev, never_splits_a_record)
{
	unsigned char small[HEAD], buf[256];
	struct serial_emu_record head;
	ssize_t count;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	serial_sleep_ms(50);
	EXPECT_EQ(0, read(self->fd, small, 0));
	EXPECT_EQ(-1, read(self->fd, small, sizeof(small)));
	EXPECT_EQ(EINVAL, errno);
	/* One fits, and a half: one comes */
	count = read(self->fd, buf, HEAD + 8 + 1);
	ASSERT_LT((ssize_t)HEAD, count);
	memcpy(&head, buf, HEAD);
	EXPECT_EQ(HEAD + head.length, count);
	EXPECT_EQ(-1, syscall(SYS_read, self->fd, 1L, 256L));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_LT(0, read(self->fd, buf, sizeof(buf)));
}

/* A head and its payload need not be in one piece */
TEST_F(chardev, vectors)
{
	struct serial_emu_record head = { .length = 5, .type = SERIAL_EMU_DATA };
	struct iovec out[] = { { &head, HEAD }, { "he", 2 }, { "llo", 3 } };
	unsigned char buf[256];
	struct iovec in[] = { { &head, HEAD }, { buf, sizeof(buf) } };

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(HEAD + 5, writev(self->fd, out, ARRAY_SIZE(out)));
	EXPECT_TRUE(serial_arrives(self->port, "hello", 5));

	put_all(self->fd);
	ASSERT_EQ(5, serial_write(self->port, "world", 5));
	serial_sleep_ms(50);
	ASSERT_EQ(HEAD + 5, readv(self->fd, in, ARRAY_SIZE(in)));
	EXPECT_EQ(5, head.length);
	EXPECT_EQ(0, memcmp(buf, "world", 5));
}

TEST_F(chardev, splice)
{
	unsigned char buf[256];
	struct serial_emu_record head = { .length = 5, .type = SERIAL_EMU_DATA };
	int fds[2], memory;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, pipe(fds));
	memcpy(buf, &head, HEAD);
	memcpy(buf + HEAD, "hello", 5);
	ASSERT_EQ(HEAD + 5, write(fds[1], buf, HEAD + 5));
	EXPECT_EQ(HEAD + 5, splice(fds[0], NULL, self->fd, NULL, HEAD + 5, 0));
	EXPECT_TRUE(serial_arrives(self->port, "hello", 5));

	put_all(self->fd);
	ASSERT_EQ(5, serial_write(self->port, "world", 5));
	serial_sleep_ms(50);
	EXPECT_EQ(HEAD + 5, splice(self->fd, NULL, fds[1], NULL, sizeof(buf), 0));
	ASSERT_EQ(HEAD + 5, read(fds[0], buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf + HEAD, "world", 5));

	/* The answer is what was heard, without its time */
	memset(buf + offsetof(struct serial_emu_record, time), 0, sizeof(head.time));
	memory = memfd_create("records", 0);
	ASSERT_EQ(HEAD + 5, write(memory, buf, HEAD + 5));
	ASSERT_EQ(0, lseek(memory, 0, SEEK_SET));
	EXPECT_EQ(HEAD + 5, sendfile(self->fd, memory, NULL, HEAD + 5));
	EXPECT_TRUE(serial_arrives(self->port, "world", 5));
	close(memory);
	close(fds[0]);
	close(fds[1]);
}

static int task_read_small(void *arg)
{
	unsigned char small[HEAD];

	return read(*(int *)arg, small, sizeof(small)) < 0 ? -errno : 0;
}

/* No record is so small: there is nothing to wait for */
TEST_F(chardev, small_read_does_not_wait)
{
	struct serial_task task;

	put_all(self->fd);
	ASSERT_EQ(0, serial_set_nonblock(self->fd, false));
	task = serial_start(task_read_small, &self->fd);
	EXPECT_EQ(-EINVAL, serial_task_result(&task));
}

TEST_F(chardev, nonblock_and_poll)
{
	struct pollfd pfd = { .fd = self->fd, .events = POLLIN | POLLOUT };
	static unsigned char data[SERIAL_EMU_MAX_LENGTH];
	char buf[64];
	int i, ret = 0;

	put_all(self->fd);
	EXPECT_EQ(-1, read(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLOUT, pfd.revents);
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(1, poll(&pfd, 1, serial_limit_ms()));

	/* At 300 baud it takes a while */
	ASSERT_EQ(0, serial_set_speed(self->port, 300));
	for (i = 0; i < 10 && !ret; i++)
		ret = put(self->fd, SERIAL_EMU_DATA, data, sizeof(data));
	EXPECT_EQ(-EAGAIN, ret);
	pfd.events = POLLOUT;
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, serial_set_speed(self->port, 115200));
	EXPECT_EQ(1, poll(&pfd, 1, serial_limit_ms()));
	EXPECT_EQ(POLLOUT, pfd.revents);
}

/* More than there is room for */
static int task_put_much(void *arg)
{
	static unsigned char data[SERIAL_EMU_MAX_LENGTH];
	int i, ret = 0;

	for (i = 0; i < 10 && !ret; i++)
		ret = put(*(int *)arg, SERIAL_EMU_DATA, data, sizeof(data));

	return ret;
}

/* A slow port, and a writer that fills the FIFO and waits */
static bool writer_sleeps(int port, int *fd, struct serial_task *task)
{
	if (port < 0 || serial_set_speed(port, 300) || serial_set_nonblock(*fd, false))
		return false;
	*task = serial_start(task_put_much, fd);

	return serial_task_sleeps(task);
}

TEST_F(chardev, writer_waits_for_room)
{
	struct serial_task task;

	self->port = open_port(self->tty);
	ASSERT_TRUE(writer_sleeps(self->port, &self->fd, &task));
	EXPECT_TRUE(serial_task_stays(&task));
	ASSERT_EQ(0, serial_set_speed(self->port, 115200));
	EXPECT_EQ(0, serial_task_result_ms(&task, 2 * serial_limit_ms()));
}

TEST_F(chardev, writer_ends_with_the_cable)
{
	struct serial_task task;

	self->port = open_port(self->tty);
	ASSERT_TRUE(writer_sleeps(self->port, &self->fd, &task));
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	EXPECT_EQ(-ENODEV, serial_task_result(&task));
}

/* fsync() waits until all is sent, so that a break can have a length */
TEST_F(chardev, fsync_drains)
{
	struct serial_icounter_struct before;
	long begin;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 1200));
	before = serial_icount(self->port);
	begin = serial_now_ms();
	/* 25 characters are 208 ms */
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "1234567890123456789012345", 25));
	ASSERT_EQ(0, fsync(self->fd));
	EXPECT_LE(200, serial_now_ms() - begin);
	ASSERT_EQ(0, put_break(self->fd, 1));
	serial_sleep_ms(30);
	ASSERT_EQ(0, put_break(self->fd, 0));
	EXPECT_TRUE(serial_arrives(self->port, "1234567890123456789012345\0", 26));
	EXPECT_EQ(before.brk + 1, serial_icount(self->port).brk);
	EXPECT_EQ(0, fsync(self->fd));
}

/* A break that waits for the characters before it has its length nevertheless */
TEST_F(chardev, break_keeps_its_length)
{
	struct serial_icounter_struct before;
	int late;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 1200));
	ASSERT_EQ(0, serial_change_iflag(self->port, IGNBRK | BRKINT, PARMRK));
	before = serial_icount(self->port);
	/* 13 characters are 108 ms; the break ends before it can begin, or not */
	for (late = 0; late < 2; late++) {
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "0123456789abc", 13));
		ASSERT_EQ(0, put_break(self->fd, 1));
		serial_sleep_ms(60 + late * 50);
		ASSERT_EQ(0, put_break(self->fd, 0));
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "x", 1));
		EXPECT_TRUE(serial_arrives(self->port, "0123456789abc\377\0\0x", 17));
		EXPECT_EQ(before.brk + late + 1, serial_icount(self->port).brk);
	}
	EXPECT_EQ(before.rx + 30, serial_icount(self->port).rx);
	EXPECT_EQ(before.frame, serial_icount(self->port).frame);
}

/* How long it takes until a change of the outputs has taken effect, in milliseconds */
static long lines_take_ms(int fd, unsigned int lines)
{
	long begin = serial_now_ms();

	return put_lines(fd, lines) || fsync(fd) ? -1 : serial_now_ms() - begin;
}

/* More changes than the wire holds at a time, in one write behind what has to be sent */
TEST_F(chardev, many_lines_at_once)
{
	struct serial_emu_record head = { .length = sizeof(int), .type = SERIAL_EMU_LINES };
	unsigned char changes[40][HEAD + sizeof(int)];
	struct serial_icounter_struct before;
	unsigned int i, lines;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 9600));
	ASSERT_TRUE(serial_wait_lines(self->port, TIOCM_CTS, TIOCM_CTS));
	before = serial_icount(self->port);
	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		lines = OUTPUTS | (i & 1 ? 0 : TIOCM_OUT1);
		memcpy(changes[i], &head, HEAD);
		memcpy(changes[i] + HEAD, &lines, sizeof(lines));
	}
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "data", 4));
	ASSERT_EQ(sizeof(changes), write(self->fd, changes, sizeof(changes)));
	ASSERT_EQ(0, fsync(self->fd));
	EXPECT_EQ(before.rng + ARRAY_SIZE(changes) / 2, serial_icount(self->port).rng);
}

/* When fsync() returns, the port sees what was written */
TEST_F(chardev, fsync_waits_for_lines)
{
	int i;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_TRUE(serial_wait_lines(self->port, TIOCM_CTS, TIOCM_CTS));
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, put_lines(self->fd, i & 1 ? OUTPUTS : TIOCM_DTR));
		ASSERT_EQ(0, fsync(self->fd));
		ASSERT_EQ(i & 1 ? TIOCM_CTS : 0, serial_lines(self->port) & TIOCM_CTS);
	}
}

/* In loopback mode the transmitter's pin is at mark */
TEST_F(chardev, break_stays_in_the_loop)
{
	struct record record;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_lines_on(self->port, TIOCM_LOOP));
	serial_sleep_ms(50);
	put_all(self->fd);
	ASSERT_EQ(0, ioctl(self->port, TIOCSBRK));
	serial_sleep_ms(50);
	ASSERT_EQ(0, ioctl(self->port, TIOCCBRK));
	while (get_record_ms(self->fd, &record, SERIAL_QUIET_MS))
		EXPECT_NE(SERIAL_EMU_BREAK, record.head.type);
}

/* Open a port with these delays of RS-485, of which all is reported */
static int open_rs485(const char *tty, int fd, unsigned int before, unsigned int after)
{
	int port = open_port(tty);

	if (port < 0 || serial_set_speed(port, 9600) ||
	    serial_set_rs485(port, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND, before, after))
		return -1;
	serial_sleep_ms(50);
	put_all(fd);

	return port;
}

/* What is sent during the delay after a message needs no new delay, and RTS stays on */
TEST_F(chardev, rs485_goes_on_during_the_delay)
{
	static const unsigned int types[] = {
		SERIAL_EMU_LINES, SERIAL_EMU_DATA, SERIAL_EMU_DATA, SERIAL_EMU_LINES,
	};
	struct record record;
	uint64_t time = 0;
	unsigned int i;

	self->port = open_rs485(self->tty, self->fd, 50, 100);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(1, write(self->port, "a", 1));
	ASSERT_EQ(0, serial_drain(self->port));
	/* In real time the machine may be late for the delay */
	if (!serial_time_is_virtual())
		return;
	ASSERT_EQ(1, write(self->port, "b", 1));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ASSERT_TRUE(get_record(self->fd, &record));
		ASSERT_EQ(types[i], record.head.type) TH_LOG("record %u", i);
		if (i == 2)
			EXPECT_GT(25000000, record.head.time - time);
		if (i == 3)
			EXPECT_EQ(100, (record.head.time - time) / 1000000);
		time = record.head.time;
	}
	EXPECT_EQ(0, record_u32(&record) & TIOCM_RTS);
	EXPECT_FALSE(get_record_ms(self->fd, &record, SERIAL_QUIET_MS));
}

/* A flush leaves nothing to send, and RTS on for both delays */
TEST_F(chardev, rs485_delay_after_a_flush)
{
	struct record record;
	uint64_t on;

	self->port = open_rs485(self->tty, self->fd, 50, 100);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(1, write(self->port, "a", 1));
	ASSERT_EQ(0, serial_flush(self->port, TCOFLUSH));
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_LINES, &record));
	ASSERT_EQ(TIOCM_RTS, record_u32(&record) & TIOCM_RTS);
	on = record.head.time;
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_LINES, &record));
	ASSERT_EQ(0, record_u32(&record) & TIOCM_RTS);
	EXPECT_LE(150000000, record.head.time - on);
}

/* An edge of RTS that is still to come does not hold up other changes */
TEST_F(chardev, rs485_break_during_the_delay)
{
	struct record record;
	uint64_t begin;

	self->port = open_rs485(self->tty, self->fd, 0, 100);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(1, write(self->port, "a", 1));
	ASSERT_EQ(0, serial_drain(self->port));
	ASSERT_EQ(0, serial_send_break(self->port, 20));
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_BREAK, &record));
	EXPECT_EQ(1, record.payload[0]);
	begin = record.head.time;
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_BREAK, &record));
	EXPECT_EQ(0, record.payload[0]);
	EXPECT_LE(20000000, record.head.time - begin);
}

TEST_F(chardev, lines_keep_their_distance)
{
	long begin, delay;
	int before;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 1200));
	ASSERT_TRUE(serial_wait_lines(self->port, TIOCM_CTS, TIOCM_CTS));
	before = serial_icount(self->port).cts;
	/* 108 ms */
	begin = serial_now_ms();
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "0123456789abc", 13));
	ASSERT_EQ(0, put_lines(self->fd, TIOCM_DTR));
	serial_sleep_ms(60);
	ASSERT_LE(0, lines_take_ms(self->fd, OUTPUTS));
	delay = serial_now_ms() - begin;
	EXPECT_LE(108 + 60 - 3, delay);
	EXPECT_TRUE(serial_wait_counter(self->port, offsetof(struct serial_icounter_struct, cts),
					before + 2));

	/* What takes a while anyway does not come later for it, nor what comes after fsync() */
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "0123456789abc", 13));
	ASSERT_EQ(0, put_lines(self->fd, 0));
	serial_sleep_ms(1200);
	delay = lines_take_ms(self->fd, OUTPUTS);
	EXPECT_LE(0, delay);
	if (serial_time_is_virtual())
		EXPECT_GT(5, delay);
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "0123456789abc", 13));
	ASSERT_LE(0, lines_take_ms(self->fd, 0));
	delay = lines_take_ms(self->fd, OUTPUTS);
	EXPECT_LE(0, delay);
	if (serial_time_is_virtual())
		EXPECT_GT(5, delay);
}

/* What fsync() waited for has been sent, however soon the program is gone */
TEST_F(chardev, fsync_is_reliable)
{
	int i, count = 0;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 115200));
	ASSERT_EQ(0, serial_set_nonblock(self->fd, false));
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "first", 5));
		ASSERT_EQ(0, fsync(self->fd));
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "second", 6));
		ASSERT_EQ(0, fsync(self->fd));
		close(self->fd);
		count += 11;
		ASSERT_TRUE(serial_wait_counter(self->port,
						offsetof(struct serial_icounter_struct, rx),
						count)) TH_LOG("round %d", i);
		serial_flush(self->port, TCIFLUSH);
		self->fd = open_chardev_as(self->node, O_RDWR);
		ASSERT_LE(0, self->fd);
	}
}

/* Without a pace the program gets all that waited for it, from the first character on */
TEST_F(chardev, reads_waiting_characters)
{
	struct record record;
	char data[100];
	size_t count;
	int i;

	memset(data, 'x', sizeof(data));
	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	close(self->fd);
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_change_cflag(self->port, 0, CRTSCTS));
	for (i = 0; i < 100; i++) {
		ASSERT_TRUE(serial_wait_lines(self->port, TIOCM_CTS, 0));
		ASSERT_EQ(sizeof(data), write(self->port, data, sizeof(data)));
		self->fd = open_chardev(self->node);
		ASSERT_LE(0, self->fd);
		for (count = 0; count < sizeof(data); count += record.head.length)
			if (!find_record(self->fd, SERIAL_EMU_DATA, &record))
				break;
		ASSERT_EQ(sizeof(data), count) TH_LOG("round %d", i);
		/* What comes after it is not the next one's */
		put_all(self->fd);
		close(self->fd);
		self->fd = -1;
	}
}

/* What a program was given, and what to do with it before it is closed */
struct sender {
	const char *node;
	bool pause;
};

static char many[200];

/* Returns how long close() took, in milliseconds */
static int task_send_and_close(void *arg)
{
	const struct sender *sender = arg;
	int fd = open_chardev(sender->node);
	long begin = serial_now_ms();

	memset(many, 'x', sizeof(many));
	if (fd < 0 || put(fd, SERIAL_EMU_DATA, many, sizeof(many)))
		return -errno;
	if (sender->pause)
		pause();
	close(fd);

	return serial_now_ms() - begin;
}

static void task_kill(struct serial_task *task)
{
	kill(task->pid, SIGKILL);
	waitpid(task->pid, NULL, 0);
	close(task->pipe);
}

/* A program with much to send, the only opener */
static bool sender_runs(int *fd, struct sender *sender, struct serial_task *task)
{
	close(*fd);
	*fd = -1;
	*task = serial_start(task_send_and_close, sender);

	return !serial_task_ended(task, 200);
}

/* What was written is sent, and then the lines fall */
TEST_F(chardev, close_sends)
{
	static const char *const paces[] = { "100", "max" };
	unsigned int i;
	char buf[50];
	long begin;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 1200));
	memset(buf, 'x', sizeof(buf));
	for (i = 0; i < ARRAY_SIZE(paces); i++) {
		ASSERT_EQ(0, set(self->dir, "pace", paces[i]));
		ASSERT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, SERIAL_INPUTS));
		begin = serial_now_ms();
		ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, buf, sizeof(buf)));
		ASSERT_EQ(0, close(self->fd));
		/* 417 ms */
		if (!i)
			EXPECT_LE(410, serial_now_ms() - begin);
		EXPECT_TRUE(serial_arrives(self->port, buf, sizeof(buf)));
		EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, 0));
		self->fd = open_chardev(self->node);
		ASSERT_LE(0, self->fd);
	}
}

/* The port is closed, which takes no longer */
TEST_F(chardev, close_sends_to_nobody)
{
	long begin;

	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, many, sizeof(many)));
	begin = serial_now_ms();
	ASSERT_EQ(0, close(self->fd));
	if (serial_time_is_virtual())
		EXPECT_GT(250, serial_now_ms() - begin);
	self->fd = open_chardev(self->node);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, many, sizeof(many)));
	begin = serial_now_ms();
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;
	if (serial_time_is_virtual())
		EXPECT_GT(250, serial_now_ms() - begin);
}

/* A port that takes nothing is waited for, but not for ever, and need not wait */
TEST_F_TIMEOUT(chardev, close_has_a_limit, 120)
{
	struct sender sender = { .node = self->node };
	static char data[200000];
	struct serial_task task;
	int ms;

	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	ASSERT_EQ(0, set(self->dir, "port/rx_stall", "1"));
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_TRUE(sender_runs(&self->fd, &sender, &task));
	EXPECT_EQ(-1, open_chardev(self->node));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(sizeof(data), serial_write(self->port, data, sizeof(data)));
	ms = serial_task_result_ms(&task, 60000);
	EXPECT_LE(29900, ms);
	if (serial_time_is_virtual())
		EXPECT_GT(31000, ms);

	/* What was not sent is not the next one's */
	self->fd = open_chardev(self->node);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, set(self->dir, "port/rx_stall", "0"));
	EXPECT_TRUE(serial_nothing_arrives(self->port));
}

/* Whether it is killed in close() or before that, it does not wait any more */
TEST_F(chardev, close_ends_when_killed)
{
	struct sender sender = { .node = self->node };
	struct serial_task task;
	long begin;
	int i;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	/* 40 seconds */
	ASSERT_EQ(0, serial_set_speed(self->port, 50));
	for (i = 0; i < 2; i++) {
		sender.pause = i;
		ASSERT_TRUE(sender_runs(&self->fd, &sender, &task));
		EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, SERIAL_INPUTS));
		begin = serial_now_ms();
		task_kill(&task);
		EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, 0));
		EXPECT_GT(20000, serial_now_ms() - begin);
	}
}

TEST_F(chardev, close_ends_with_the_cable)
{
	struct sender sender = { .node = self->node };
	struct serial_task task;
	int ms;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 50));
	ASSERT_TRUE(sender_runs(&self->fd, &sender, &task));
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	ms = serial_task_result(&task);
	EXPECT_LE(0, ms);
	EXPECT_GT(25000, ms);
}

/* What one program has not sent yet, the next one's port does not receive */
TEST_F(chardev, starts_anew)
{
	struct sender sender = { .node = self->node, .pause = true };
	struct serial_task task;
	struct record record;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 300));
	ASSERT_TRUE(sender_runs(&self->fd, &sender, &task));
	task_kill(&task);
	self->fd = open_chardev(self->node);
	ASSERT_LE(0, self->fd);
	serial_sleep_ms(100);
	serial_flush(self->port, TCIFLUSH);
	EXPECT_FALSE(serial_read_ms(self->port, &record, 1, 500));

	/* The state is reported before anything else */
	close(self->fd);
	ASSERT_EQ(0, serial_set_speed(self->port, 115200));
	self->fd = open_chardev(self->node);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(4, serial_write(self->port, "data", 4));
	ASSERT_TRUE(get_record(self->fd, &record));
	EXPECT_EQ(SERIAL_EMU_FORMAT, record.head.type);
}

/* A write-only program does not stall the port */
TEST_F(chardev, write_only)
{
	static char data[200000];

	close(self->fd);
	self->fd = open_chardev_as(self->node, O_WRONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	EXPECT_EQ(sizeof(data), serial_write(self->port, data, sizeof(data)));
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "x", 1));
	EXPECT_TRUE(serial_arrives(self->port, "x", 1));
}

/* Random bytes, or random records that look better than that */
static size_t make_noise(uint32_t *seed, unsigned char *buf, size_t size)
{
	struct serial_emu_record head = { };
	unsigned char dice[4];
	size_t length;

	serial_pattern(seed, dice, sizeof(dice));
	length = dice[0];
	serial_pattern(seed, buf, size);
	if (dice[1] < 64)
		return length;
	head.type = dice[1] % 8;
	head.length = dice[2] < 128 ? dice[3] % 9 : length;
	memcpy(buf, &head, HEAD);

	return dice[2] % 8 ? HEAD + head.length : length;
}

/*
 * Whatever is written is taken or refused, and the next program finds all as it should
 * be. SERIAL_EMU_SECONDS says for how long this goes on, and not how often.
 */
TEST_F_TIMEOUT(chardev, random_records, 3600)
{
	const char *seconds = getenv("SERIAL_EMU_SECONDS");
	long end = serial_now_ms() + 1000L * (seconds ? atoi(seconds) : 3600);
	long rounds = seconds ? LONG_MAX : 20000;
	unsigned char buf[1024], back[4096];
	uint32_t seed = 0x5eed;
	long taken = 0, refused = 0;
	ssize_t ret;
	size_t size;

	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	serial_set_nonblock(self->port, true);
	while (rounds-- && serial_now_ms() < end) {
		size = make_noise(&seed, buf, sizeof(buf));
		ret = write(self->fd, buf, size);
		ASSERT_GE((ssize_t)size, ret);
		if (ret < 0)
			ASSERT_TRUE(errno == EINVAL || errno == EAGAIN) TH_LOG("%d", errno);
		taken += ret > 0;
		refused += ret < 0;
		while (read(self->port, back, sizeof(back)) > 0)
			;
		if (seed % 64 == 0)
			EXPECT_LE(-1, write(self->port, buf, 100));
		while (read(self->fd, back, sizeof(back)) > 0)
			;
	}
	TH_LOG("%ld writes were taken, %ld refused", taken, refused);
	EXPECT_LT(0, taken);
	EXPECT_LT(0, refused);

	close(self->port);
	close(self->fd);
	self->fd = open_chardev(self->node);
	ASSERT_LE(0, self->fd);
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, SERIAL_INPUTS));
	serial_flush(self->port, TCIOFLUSH);
	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, "x", 1));
	EXPECT_TRUE(serial_arrives(self->port, "x", 1));
}

TEST_F(chardev, one_opener)
{
	EXPECT_EQ(-1, open_chardev(self->node));
	EXPECT_EQ(EBUSY, errno);
	close(self->fd);
	self->fd = open_chardev(self->node);
	EXPECT_LE(0, self->fd);
}

/* Without the program the cable is as if its plug were pulled out */
TEST_F(chardev, is_unplugged_without_a_program)
{
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, SERIAL_INPUTS));
	close(self->fd);
	self->fd = -1;
	EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, 0));
	ASSERT_EQ(4, serial_write(self->port, "lost", 4));
	ASSERT_EQ(0, serial_drain(self->port));

	/* The next program hears nothing of it, but is heard */
	self->fd = open_chardev(self->node);
	ASSERT_LE(0, self->fd);
	EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, SERIAL_INPUTS));
	ASSERT_EQ(3, serial_write(self->port, "new", 3));
	EXPECT_TRUE(find_data(self->fd, "new"));

	/* And so it is when it is */
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, 0));
	EXPECT_TRUE(find_lines(self->fd, 0));
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	EXPECT_TRUE(serial_wait_lines(self->port, SERIAL_INPUTS, SERIAL_INPUTS));
	EXPECT_TRUE(find_lines(self->fd, OUTPUTS));
}

/* A program that does not read holds the writer back, if time means nothing */
TEST_F(chardev, slow_reader)
{
	static unsigned char data[500000];
	struct record record;
	uint32_t seed = 1;
	size_t sent, got = 0;

	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	serial_pattern(&seed, data, sizeof(data));
	sent = serial_fill(self->port, data, sizeof(data));
	ASSERT_GT(sizeof(data), sent);
	ASSERT_LT(4096, sent);
	while (got < sent) {
		ASSERT_TRUE(get_record(self->fd, &record));
		ASSERT_NE(SERIAL_EMU_OVERRUN, record.head.type);
		if (record.head.type != SERIAL_EMU_DATA)
			continue;
		ASSERT_EQ(0, memcmp(data + got, record.payload, record.head.length));
		got += record.head.length;
	}
	EXPECT_EQ(sent, got);
	/* It went on meanwhile, as far as the port's own buffer had some */
	EXPECT_TRUE(serial_write(self->port, data, 10) == 10);
}

/* Otherwise it loses, and how much is reported */
TEST_F(chardev, overrun)
{
	static char data[40000];
	struct record record;
	size_t got = 0;

	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 1000000));
	ASSERT_EQ(sizeof(data), serial_write(self->port, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->port));
	/* Characters that come one by one fill it up */
	ASSERT_EQ(0, serial_set_speed(self->port, 115200));
	serial_sleep_ms(20);
	while (get_record_ms(self->fd, &record, 200)) {
		if (record.head.type == SERIAL_EMU_DATA)
			got += record.head.length;
		if (record.head.type == SERIAL_EMU_OVERRUN)
			got += record_overrun(&record).characters;
	}
	EXPECT_EQ(sizeof(data), got);
}

/* Begin and end breaks, as fast as that goes */
static int send_edges(int port, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (ioctl(port, i % 2 ? TIOCCBRK : TIOCSBRK))
			return -errno;

	return 0;
}

/* How many edges there are records of, and how many were lost */
static int count_edges(int fd, unsigned int type, unsigned int *lost, bool *last)
{
	struct record record;
	int count = 0;

	*lost = 0;
	while (get_record_ms(fd, &record, 200)) {
		if (record.head.type == SERIAL_EMU_OVERRUN)
			*lost += record_overrun(&record).changes;
		if (record.head.type != type)
			continue;
		*last = type == SERIAL_EMU_LINES ? record_u32(&record) & TIOCM_RTS :
						   record.payload[0];
		count++;
	}

	return count;
}

/* More edges than the program has room for: all are there or counted */
TEST_F(chardev, lost_edges)
{
	static const char *const paces[] = { "100", "max" };
	static char data[40000];
	unsigned int lost, i;
	bool last;
	int count;

	for (i = 0; i < ARRAY_SIZE(paces); i++) {
		ASSERT_EQ(0, set(self->dir, "pace", paces[i]));
		self->port = open_port(self->tty);
		ASSERT_LE(0, self->port);
		put_all(self->fd);
		last = false;
		ASSERT_EQ(0, send_edges(self->port, 121));
		count = count_edges(self->fd, SERIAL_EMU_BREAK, &lost, &last);
		EXPECT_EQ(121, count + lost) TH_LOG("%d and %u", count, lost);
		EXPECT_LT(0, count);
		EXPECT_TRUE(last);
		ASSERT_EQ(0, ioctl(self->port, TIOCCBRK));
		EXPECT_EQ(1, count_edges(self->fd, SERIAL_EMU_BREAK, &lost, &last));
		EXPECT_EQ(0, lost);
		close(self->port);
		self->port = -1;
	}

	/* The program is full of characters */
	ASSERT_EQ(0, set(self->dir, "pace", "100"));
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_set_speed(self->port, 1000000));
	ASSERT_EQ(sizeof(data), serial_write(self->port, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->port));
	for (i = 0; i < 60; i++) {
		ASSERT_EQ(0, send_edges(self->port, 2));
		serial_sleep_ms(1);
	}
	count = count_edges(self->fd, SERIAL_EMU_BREAK, &lost, &last);
	EXPECT_EQ(120, count + lost) TH_LOG("%d and %u", count, lost);
	EXPECT_LT(0, lost);
	EXPECT_FALSE(last);
}

/* More than the wire has room for, which waits for the program */
TEST_F(chardev, lost_edges_on_the_wire)
{
	static char data[500000];
	unsigned int lost;
	bool last = false;
	int i, count;

	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	ASSERT_EQ(0, serial_lines_off(self->port, TIOCM_RTS));
	put_all(self->fd);
	ASSERT_GT(sizeof(data), serial_fill(self->port, data, sizeof(data)));
	for (i = 0; i < 121; i++)
		ASSERT_EQ(0, i % 2 ? serial_lines_off(self->port, TIOCM_RTS) :
				     serial_lines_on(self->port, TIOCM_RTS));
	count = count_edges(self->fd, SERIAL_EMU_LINES, &lost, &last);
	EXPECT_EQ(121, count + lost) TH_LOG("%d and %u", count, lost);
	EXPECT_LT(0, lost);
	EXPECT_TRUE(last);
}

static int task_read_all(void *arg)
{
	char buf[4096];
	ssize_t count;

	do {
		count = read(*(int *)arg, buf, sizeof(buf));
	} while (count > 0);

	return count < 0 ? -errno : count;
}

/* A cable that is taken down lets go of the program */
TEST_F(chardev, ends_with_the_cable)
{
	struct pollfd pfd = { .fd = self->fd, .events = POLLIN | POLLOUT };
	struct stat st, next;
	struct serial_task task;

	ASSERT_EQ(0, stat(self->node, &st));
	ASSERT_EQ(0, serial_set_nonblock(self->fd, false));
	task = serial_start(task_read_all, &self->fd);
	ASSERT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_EQ(-ENODEV, put(self->fd, SERIAL_EMU_DATA, "x", 1));
	ASSERT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLHUP | POLLERR, pfd.revents & (POLLHUP | POLLERR));
	EXPECT_EQ(-1, stat(self->node, &next));

	/*
	 * Another one takes its place, and its number, while the old one is still open:
	 * open files do not use up the numbers.
	 */
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->port = open_chardev(self->node);
	EXPECT_LE(0, self->port);
	ASSERT_EQ(0, stat(self->node, &next));
	EXPECT_EQ(st.st_rdev, next.st_rdev);
}

TEST_F(chardev, long_names)
{
	static char name[300];
	char path[PATH_MAX];

	memset(name, 'x', 200);
	memcpy(name, strrchr(self->dir, '/') + 1, strlen(strrchr(self->dir, '/') + 1));
	snprintf(path, sizeof(path), "%s/%s", TOP, name);
	ASSERT_EQ(0, mkdir(path, 0755));
	ASSERT_EQ(0, make_end(path, "port", "tty"));
	ASSERT_EQ(0, make_end(path, name, "chardev"));
	EXPECT_EQ(-ENAMETOOLONG, set(path, "live", "1"));
	strcat(path, "/");
	ASSERT_EQ(0, rmdir(strcat(path, name)));
	path[strlen(path) - 201] = 0;
	remove_cable(path);
}

/* Without the program nothing is joined to the port, not even for a moment */
TEST_F(chardev, plug_does_not_flicker)
{
	int dcd;

	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	ASSERT_EQ(0, set(self->dir, "port/dcd", "on"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->port = open_port(self->tty);
	ASSERT_LE(0, self->port);
	dcd = serial_icount(self->port).dcd;
	EXPECT_EQ(0, dcd);
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	serial_sleep_ms(20);
	EXPECT_EQ(dcd, serial_icount(self->port).dcd);
}

TEST_F(chardev, kinds)
{
	ASSERT_EQ(-EBUSY, set(self->dir, "port/kind", "chardev"));
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	EXPECT_EQ(-EINVAL, set(self->dir, "port/kind", "pty"));
	EXPECT_EQ(-EINVAL, set(self->dir, "port/kind", "fd"));
	ASSERT_EQ(0, set(self->dir, "port/kind", "chardev"));
	EXPECT_EQ(-EINVAL, set(self->dir, "live", "1"));
	ASSERT_EQ(0, set(self->dir, "program/kind", "tty"));
	EXPECT_EQ(0, set(self->dir, "live", "1"));
}

TEST_HARNESS_MAIN
