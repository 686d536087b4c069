// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system console on a port of the serial console emulator, as seen from the
 * far end of the cable. Needs a kernel that was booted with console=ttyEMU0, or
 * any other port of the emulator; console=ttyEMU0,115200n8r makes a difference.
 */

#include "kselftest_harness.h"
#include "serial_test.h"
#include "serial_emu_console.h"

#define DRIVER		"/sys/bus/platform/drivers/serial-emu/"
#define SYSRQ		"/proc/sys/kernel/sysrq"

FIXTURE(console)
{
	char tty[SERIAL_PATH_MAX];
	char peer_path[SERIAL_PATH_MAX];
	char sysfs[2 * SERIAL_PATH_MAX];
	char device[SERIAL_PATH_MAX];
	char printk[SETTING_MAX];
	char sysrq[SETTING_MAX];
	int line;
	bool flow;
	int peer;
};

/* The number of the port that is the console, -1 if none is */
static int console_line(void)
{
	char text[4096], *found;

	if (!read_from("/proc/consoles", text, sizeof(text)))
		return -1;
	found = strstr(text, "ttyEMU");

	return found ? atoi(found + 6) : -1;
}

static bool wait_console_line(int line)
{
	long end = serial_now_ms() + serial_limit_ms();

	while (console_line() != line && serial_now_ms() < end)
		serial_sleep_ms(10);

	return console_line() == line;
}

FIXTURE_SETUP(console)
{
	char cmdline[4096], option[32];
	struct serial_paths paths = { };

	self->peer = -1;
	self->line = console_line();
	if (geteuid())
		SKIP(return, "needs root");
	if (self->line < 0)
		SKIP(return, "no console on ttyEMU, boot with console=ttyEMU0");

	snprintf(self->tty, sizeof(self->tty), "/dev/ttyEMU%d", self->line);
	ASSERT_TRUE(serial_find_cable(self->tty, paths.cable, self->peer_path));
	snprintf(self->sysfs, sizeof(self->sysfs), "/sys/class/tty/ttyEMU%d/console", self->line);
	snprintf(self->device, sizeof(self->device), "serial-emu.%d", self->line);
	snprintf(option, sizeof(option), "console=ttyEMU%d,", self->line);
	if (read_from("/proc/cmdline", cmdline, sizeof(cmdline)) && strstr(cmdline, option))
		self->flow = strcspn(strstr(cmdline, option), "\n ") > strlen(option) + 8;

	read_from(PRINTK, self->printk, sizeof(self->printk));
	read_from(SYSRQ, self->sysrq, sizeof(self->sysrq));
	serial_write_file(PRINTK, "8");

	/* A reader that pauses is to get everything nevertheless */
	serial_set_pace(&paths, SERIAL_PACE_MAX);
	self->peer = serial_open(self->peer_path);
	ASSERT_LE(0, self->peer);
	ASSERT_EQ(0, serial_set_raw(self->peer));
	hear_all(self->peer);
}

FIXTURE_TEARDOWN(console)
{
	if (self->peer >= 0) {
		ioctl(self->peer, TIOCCBRK);
		close(self->peer);
	}
	if (self->line < 0)
		return;
	if (access(self->tty, F_OK))
		serial_write_file(DRIVER "bind", self->device);
	if (console_line() < 0)
		serial_write_file(self->sysfs, "Y");
	serial_write_file(PRINTK, self->printk);
	serial_write_file(SYSRQ, self->sysrq);
}

/* The flow control of the console is that of its port */
static int set_console_raw(int fd, bool flow)
{
	return serial_set_raw(fd) || (flow && serial_change_cflag(fd, 0, CRTSCTS)) ? -1 : 0;
}

TEST_F(console, message_arrives)
{
	ASSERT_EQ(0, say("<3>a message for the far end"));
	ASSERT_TRUE(hear(self->peer, "a message for the far end\r\n"));
}

TEST_F(console, message_stays_in_the_ring)
{
	if (access(debug_file(self->line, "console"), R_OK))
		SKIP(return, "no debugfs");
	ASSERT_EQ(0, say("<3>a message for the ring"));
	ASSERT_TRUE(hear(self->peer, "a message for the ring\r\n"));
	ASSERT_TRUE(read_from(debug_file(self->line, "console"), buf, sizeof(buf)));
	EXPECT_NE(NULL, strstr(buf, "a message for the ring\r\n"));
	ASSERT_TRUE(read_from(debug_file(self->line, "dropped"), buf, sizeof(buf)));
	EXPECT_LE(0, atoi(buf));
}

TEST_F(console, message_with_the_tty_open)
{
	int tty = serial_open(self->tty);

	ASSERT_LE(0, tty);
	ASSERT_EQ(0, say("<3>a message beside the tty"));
	EXPECT_TRUE(hear(self->peer, "a message beside the tty\r\n"));
	close(tty);
	ASSERT_EQ(0, say("<3>a message after the tty"));
	EXPECT_TRUE(hear(self->peer, "a message after the tty\r\n"));
}

/* Remove the kernel's messages, each of which is whole. Returns their number. */
static int strip_messages(char *text)
{
	char *begin, *end;
	int count = 0;

	while ((begin = strchr(text, '['))) {
		end = strstr(begin, "\r\n");
		if (!end)
			break;
		memmove(begin, end + 2, strlen(end + 2) + 1);
		text = begin;
		count++;
	}

	return count;
}

#define LINES	100

static int task_write_lines(void *arg)
{
	char line[64];
	int i, len, fd = *(int *)arg;

	for (i = 0; i < LINES; i++) {
		len = snprintf(line, sizeof(line), "line %04d of what the tty has to say\n", i);
		if (write(fd, line, len) != len)
			return -errno;
	}
	if (write(fd, "the end\n", 8) != 8)
		return -errno;

	return serial_drain(fd);
}

/* No character of either is lost, and no message is torn apart */
TEST_F(console, tty_and_console_share_the_port)
{
	static char expected[LINES * 64];
	struct serial_task task;
	int i, tty, len = 0;
	char text[64];

	tty = serial_open(self->tty);
	ASSERT_LE(0, tty);
	ASSERT_EQ(0, set_console_raw(tty, self->flow));
	task = serial_start(task_write_lines, &tty);
	for (i = 0; i < LINES; i++) {
		len += sprintf(expected + len, "line %04d of what the tty has to say\n", i);
		snprintf(text, sizeof(text), "<3>message %04d of the kernel", i);
		ASSERT_EQ(0, say(text));
	}
	ASSERT_EQ(0, say("<3>message of the end"));
	strcat(expected, "the end\n");

	/* Neither is done before this is read; either may be ahead */
	ASSERT_TRUE(hear(self->peer, "message of the end\r\n"));
	ASSERT_TRUE(hear_more(self->peer, "the end\n"));
	EXPECT_EQ(0, serial_task_result(&task));
	for (i = 0; i < LINES; i++) {
		snprintf(text, sizeof(text), "] message %04d of the kernel\r\n", i);
		EXPECT_NE(NULL, strstr(buf, text)) TH_LOG("%s", text);
	}
	EXPECT_LE(LINES + 1, strip_messages(buf));
	EXPECT_STREQ(expected, buf);
	close(tty);
}

/* printk() does not wait for a far end that does not read */
TEST_F(console, slow_reader_stops_nobody)
{
	char text[112];
	long begin;
	int i;

	begin = serial_now_ms();
	for (i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "<3>message %04d that nobody reads, at %s", i,
			 "first, and that is of some length so that it fills buffers");
		ASSERT_EQ(0, say(text));
	}
	EXPECT_GT(20000, serial_now_ms() - begin);
	ASSERT_EQ(0, say("<3>the last one"));
	/* None is lost, since the ring is large enough */
	ASSERT_TRUE(hear(self->peer, "the last one\r\n"));
	for (i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "] message %04d", i);
		ASSERT_NE(NULL, strstr(buf, text)) TH_LOG("%s", text);
	}
}

/* Without sysctl it is as the kernel's configuration or command line says */
static bool allow_sysrq(void)
{
	serial_write_file(SYSRQ, "1");

	return !access("/proc/sysrq-trigger", F_OK);
}

static void send_sysrq(int fd, const char *key)
{
	ioctl(fd, TIOCSBRK);
	serial_sleep_ms(20);
	ioctl(fd, TIOCCBRK);
	serial_write(fd, key, strlen(key));
}

#define SYSRQ_HELP	"sysrq: HELP"

TEST_F(console, sysrq_by_break)
{
	int tty;

	if (!allow_sysrq())
		SKIP(return, "needs CONFIG_MAGIC_SYSRQ");
	tty = serial_open(self->tty);
	ASSERT_LE(0, tty);
	ASSERT_EQ(0, set_console_raw(tty, self->flow));

	/* The break and the key are not data, what comes next is */
	send_sysrq(self->peer, "hx");
	EXPECT_TRUE(hear(self->peer, SYSRQ_HELP));
	EXPECT_TRUE(serial_arrives(tty, "x", 1));

	/* Nor is a key without a break a command */
	hear_all(self->peer);
	ASSERT_EQ(1, serial_write(self->peer, "h", 1));
	EXPECT_TRUE(serial_arrives(tty, "h", 1));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));
	close(tty);
}

TEST_F(console, sysrq_with_the_tty_closed)
{
	int tty;

	if (!allow_sysrq())
		SKIP(return, "needs CONFIG_MAGIC_SYSRQ");
	send_sysrq(self->peer, "h");
	EXPECT_TRUE(hear(self->peer, SYSRQ_HELP));

	/* The rest vanishes */
	ASSERT_EQ(4, serial_write(self->peer, "lost", 4));
	ASSERT_EQ(0, serial_drain(self->peer));
	/* The last of it is in a FIFO for a moment */
	serial_sleep_ms(50);
	tty = serial_open(self->tty);
	ASSERT_LE(0, tty);
	EXPECT_TRUE(serial_nothing_arrives(tty));
	close(tty);
}

TEST_F(console, break_on_the_other_port_is_data)
{
	int tty;

	if (!allow_sysrq())
		SKIP(return, "needs CONFIG_MAGIC_SYSRQ");
	tty = serial_open(self->tty);
	ASSERT_LE(0, tty);
	ASSERT_EQ(0, set_console_raw(tty, self->flow));
	hear_all(self->peer);
	send_sysrq(tty, "h");
	EXPECT_TRUE(serial_arrives(self->peer, "\0h", 2));
	close(tty);
}

/* The last close of a console's port does not lower its lines */
TEST_F(console, close_keeps_the_lines)
{
	int tty = serial_open(self->tty);

	ASSERT_LE(0, tty);
	ASSERT_TRUE(serial_wait_lines(self->peer, TIOCM_DSR | TIOCM_CTS, TIOCM_DSR | TIOCM_CTS));
	close(tty);
	EXPECT_TRUE(serial_lines_stay(self->peer, TIOCM_DSR | TIOCM_CTS, TIOCM_DSR | TIOCM_CTS));
}

/* The last settings of the tty are those of the console, and of the next open */
TEST_F(console, close_keeps_the_settings)
{
	int tty = serial_open(self->tty);
	struct termios2 tio;

	ASSERT_LE(0, tty);
	ASSERT_EQ(0, serial_set_speed(tty, 9600));
	ASSERT_EQ(0, serial_set_speed(self->peer, 9600));
	close(tty);
	ASSERT_EQ(0, say("<3>a message at another rate"));
	EXPECT_TRUE(hear(self->peer, "a message at another rate\r\n"));

	tty = serial_open(self->tty);
	ASSERT_LE(0, tty);
	ASSERT_EQ(0, serial_get(tty, &tio));
	EXPECT_EQ(9600, tio.c_ospeed);
	EXPECT_EQ(0, serial_set_speed(tty, 115200));
	close(tty);
}

TEST_F(console, sysfs_switch)
{
	char text[8];

	ASSERT_TRUE(read_from(self->sysfs, text, sizeof(text)));
	EXPECT_STREQ("Y\n", text);
	ASSERT_EQ(0, serial_write_file(self->sysfs, "N"));
	EXPECT_EQ(-1, console_line());
	hear_all(self->peer);
	ASSERT_EQ(0, say("<3>not for this console"));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));

	ASSERT_EQ(0, serial_write_file(self->sysfs, "Y"));
	EXPECT_EQ(self->line, console_line());
	ASSERT_EQ(0, say("<3>for this console again"));
	EXPECT_TRUE(hear(self->peer, "for this console again\r\n"));
}

TEST_F(console, unbind_unregisters)
{
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, serial_write_file(DRIVER "unbind", self->device));
		EXPECT_EQ(-1, console_line());
		ASSERT_EQ(0, say("<3>for no console"));
		ASSERT_EQ(0, serial_write_file(DRIVER "bind", self->device));
		ASSERT_TRUE(wait_console_line(self->line));
		ASSERT_EQ(0, say("<3>for the console that is back"));
		EXPECT_TRUE(hear(self->peer, "for the console that is back\r\n"));
	}
}

/* With a tty that is open, busy and hung up */
TEST_F(console, unbind_with_the_tty_open)
{
	int tty = serial_open(self->tty);

	ASSERT_LE(0, tty);
	ASSERT_EQ(0, set_console_raw(tty, self->flow));
	ASSERT_EQ(4, serial_write(tty, "data", 4));
	ASSERT_EQ(0, serial_write_file(DRIVER "unbind", self->device));
	EXPECT_EQ(-1, write(tty, "x", 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, console_line());
	ASSERT_EQ(0, serial_write_file(DRIVER "bind", self->device));
	ASSERT_TRUE(wait_console_line(self->line));
	close(tty);

	tty = serial_open(self->tty);
	ASSERT_LE(0, tty);
	ASSERT_EQ(0, set_console_raw(tty, self->flow));
	ASSERT_EQ(0, say("<3>for the console that is back"));
	EXPECT_TRUE(hear(self->peer, "for the console that is back\r\n"));
	ASSERT_EQ(2, serial_write(self->peer, "in", 2));
	EXPECT_TRUE(serial_arrives(tty, "in", 2));
	close(tty);
}

/* Messages wait for CTS, if the console has flow control */
TEST_F(console, flow_control)
{
	if (!self->flow)
		SKIP(return, "boot with console=ttyEMU0,115200n8r");
	close(self->peer);
	serial_sleep_ms(50);
	ASSERT_EQ(0, say("<3>a message that waits"));
	serial_sleep_ms(SERIAL_QUIET_MS);
	self->peer = serial_open(self->peer_path);
	ASSERT_LE(0, self->peer);
	EXPECT_TRUE(hear(self->peer, "a message that waits\r\n"));

	ASSERT_EQ(0, serial_lines_off(self->peer, TIOCM_RTS));
	serial_sleep_ms(50);
	hear_all(self->peer);
	ASSERT_EQ(0, say("<3>another one that waits"));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));
	ASSERT_EQ(0, serial_lines_on(self->peer, TIOCM_RTS));
	EXPECT_TRUE(hear(self->peer, "another one that waits\r\n"));
}

/* And vanish, if it has none */
TEST_F(console, nobody_listens)
{
	if (self->flow)
		SKIP(return, "the console has flow control");
	close(self->peer);
	ASSERT_EQ(0, say("<3>a message for nobody"));
	serial_sleep_ms(2 * SERIAL_QUIET_MS);
	self->peer = serial_open(self->peer_path);
	ASSERT_LE(0, self->peer);
	ASSERT_EQ(0, say("<3>a message for all"));
	EXPECT_TRUE(hear(self->peer, "a message for all\r\n"));
	EXPECT_EQ(NULL, strstr(buf, "a message for nobody"));
}

TEST_HARNESS_MAIN
