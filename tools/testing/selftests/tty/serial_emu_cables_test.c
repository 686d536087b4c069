// SPDX-License-Identifier: GPL-2.0-only
/*
 * The serial console emulator's cables, as they are made in configfs.
 */

#include "kselftest_harness.h"
#include "serial_test.h"
#include "serial_emu_cable.h"
#include "serial_emu_record.h"

#define DRIVER		"/sys/bus/platform/drivers/serial-emu/"
#define AUTOPROBE	"/sys/bus/platform/drivers_autoprobe"

/* More cables than there can be ports */
#define MAX_CABLES	1024

FIXTURE(cable)
{
	char dir[64];
	int a;
	int b;
};

FIXTURE_SETUP(cable)
{
	const char *why = why_no_cables();

	self->a = -1;
	self->b = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, make_cable(self->dir, sizeof(self->dir), "test"));
}

FIXTURE_TEARDOWN(cable)
{
	close(self->a);
	close(self->b);
	set(self->dir, "live", "0");
	unmake(self->dir, "a");
	unmake(self->dir, "b");
	EXPECT_EQ(0, rmdir(self->dir));
}

static int make_pair(const char *dir)
{
	return make(dir, "a") ?: make(dir, "b") ?: set(dir, "live", "1");
}

TEST_F(cable, joins_two_ports)
{
	ASSERT_EQ(0, make_pair(self->dir));
	EXPECT_STREQ("1", get(self->dir, "live"));
	self->a = open_end(self->dir, "a/tty");
	self->b = open_end(self->dir, "b/tty");
	ASSERT_LE(0, self->a);
	ASSERT_LE(0, self->b);
	ASSERT_EQ(4, serial_write(self->a, "to b", 4));
	EXPECT_TRUE(serial_arrives(self->b, "to b", 4));
	ASSERT_EQ(4, serial_write(self->b, "to a", 4));
	EXPECT_TRUE(serial_arrives(self->a, "to a", 4));
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS, SERIAL_INPUTS));
}

TEST_F(cable, comes_and_goes)
{
	char tty[64], path[128], device[128];
	int i;

	ASSERT_EQ(0, make_pair(self->dir));
	for (i = 0; i < 3; i++) {
		snprintf(tty, sizeof(tty), "%s", get(self->dir, "a/tty"));
		snprintf(path, sizeof(path), "/sys/class/tty/%s", tty);
		EXPECT_EQ(0, access(path, F_OK));
		/* What is so already stays so */
		EXPECT_EQ(0, set(self->dir, "live", "1"));
		EXPECT_STREQ(tty, get(self->dir, "a/tty"));
		snprintf(device, sizeof(device), GUARD_DEVICES "%s",
			 get(self->dir, "a/dev_name"));
		EXPECT_EQ(0, access(device, F_OK));
		ASSERT_EQ(0, set(self->dir, "live", "0"));
		EXPECT_EQ(0, set(self->dir, "live", "0"));
		EXPECT_STREQ("", get(self->dir, "a/tty"));
		EXPECT_STREQ("", get(self->dir, "a/dev_name"));
		EXPECT_NE(0, access(device, F_OK));
		EXPECT_NE(0, access(path, F_OK));
		ASSERT_EQ(0, set(self->dir, "live", "1"));
	}
}

TEST_F(cable, loopback)
{
	ASSERT_EQ(0, set(self->dir, "topology", "loopback"));
	EXPECT_STREQ("loopback", get(self->dir, "topology"));
	ASSERT_EQ(0, make(self->dir, "a"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->a = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->a);
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS, SERIAL_INPUTS));
	ASSERT_EQ(4, serial_write(self->a, "back", 4));
	EXPECT_TRUE(serial_arrives(self->a, "back", 4));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_RTS));
	EXPECT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));
}

/* What is looped has the pace of the cable, at any time */
TEST_F(cable, pace_of_a_loop)
{
	char data[60], got[60];
	long begin;

	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->a);
	ASSERT_EQ(0, serial_set_speed(self->a, 50));
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_LOOP));
	if (!(serial_lines(self->a) & TIOCM_LOOP))
		SKIP(return, "no loopback mode");
	memset(data, 'x', sizeof(data));
	/* Twelve seconds */
	begin = serial_now_ms();
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	EXPECT_EQ(sizeof(got), serial_read(self->a, got, sizeof(got)));
	EXPECT_GT(11000, serial_now_ms() - begin);
	EXPECT_EQ(0, memcmp(data, got, sizeof(got)));
}

/* Each input from either side's outputs, or always on or off */
TEST_F(cable, wiring)
{
	ASSERT_EQ(0, make(self->dir, "a"));
	EXPECT_STREQ("peer-rts", get(self->dir, "a/cts"));
	EXPECT_STREQ("peer-dtr", get(self->dir, "a/dsr"));
	EXPECT_STREQ("peer-dtr", get(self->dir, "a/dcd"));
	EXPECT_STREQ("peer-out1", get(self->dir, "a/ri"));
	ASSERT_EQ(0, set(self->dir, "a/cts", "self-rts"));
	ASSERT_EQ(0, set(self->dir, "a/dsr", "on"));
	ASSERT_EQ(0, set(self->dir, "a/dcd", "off"));
	ASSERT_EQ(0, set(self->dir, "a/ri", "peer-rts"));
	EXPECT_STREQ("self-rts", get(self->dir, "a/cts"));
	ASSERT_EQ(0, make(self->dir, "b"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->a = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->a);
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS | TIOCM_RNG, TIOCM_CTS | TIOCM_DSR));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_RTS));
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS | TIOCM_RNG, TIOCM_DSR));
	self->b = open_end(self->dir, "b/tty");
	ASSERT_LE(0, self->b);
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS | TIOCM_RNG, TIOCM_DSR | TIOCM_RNG));

	/* Without its plug it has nothing at all */
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS | TIOCM_RNG, 0));
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	EXPECT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS | TIOCM_RNG, TIOCM_DSR | TIOCM_RNG));
}

/* An edge does not wait for what is in the FIFO, nor for what is in the buffer */
TEST_F(cable, edges_act_at_once)
{
	long begin;
	int cts;

	ASSERT_EQ(0, make(self->dir, "a"));
	ASSERT_EQ(0, make(self->dir, "b"));
	ASSERT_EQ(0, set(self->dir, "a/cts", "self-rts"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->a = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->a);
	ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, TIOCM_CTS));
	ASSERT_EQ(0, serial_set_speed(self->a, 50));
	cts = serial_icount(self->a).cts;
	/* Two seconds */
	begin = serial_now_ms();
	ASSERT_EQ(10, serial_write(self->a, "0123456789", 10));
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_RTS));
	EXPECT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));
	EXPECT_GT(1500, serial_now_ms() - begin);
	EXPECT_EQ(cts + 1, serial_icount(self->a).cts);
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_LE(2000, serial_now_ms() - begin);
}

TEST_F(cable, needs_all_of_its_ends)
{
	EXPECT_EQ(-ENODATA, set(self->dir, "live", "1"));
	ASSERT_EQ(0, make(self->dir, "a"));
	EXPECT_EQ(-ENODATA, set(self->dir, "live", "1"));
	ASSERT_EQ(0, make(self->dir, "b"));
	EXPECT_EQ(-ENOSPC, make(self->dir, "c"));
	ASSERT_EQ(0, set(self->dir, "topology", "loopback"));
	EXPECT_EQ(-ENODATA, set(self->dir, "live", "1"));
	EXPECT_STREQ("0", get(self->dir, "live"));
	EXPECT_STREQ("", get(self->dir, "a/tty"));

	/* The first one goes, the other one has its place */
	ASSERT_EQ(0, unmake(self->dir, "a"));
	EXPECT_EQ(0, set(self->dir, "live", "1"));
}

TEST_F(cable, is_frozen_while_it_is_live)
{
	static const char *const attrs[] = {
		"a/clock_ppm", "a/rx_fifo", "a/rx_trigger", "b/rx_timeout",
	};
	static const char *const sources[] = { "a/cts", "a/dsr", "b/dcd", "b/ri" };
	unsigned int i;

	ASSERT_EQ(0, make_pair(self->dir));
	EXPECT_EQ(-EBUSY, set(self->dir, "topology", "loopback"));
	for (i = 0; i < ARRAY_SIZE(attrs); i++)
		EXPECT_EQ(-EBUSY, set(self->dir, attrs[i], "1"));
	for (i = 0; i < ARRAY_SIZE(sources); i++)
		EXPECT_EQ(-EBUSY, set(self->dir, sources[i], "on"));
	EXPECT_EQ(-EBUSY, make(self->dir, "c"));
	EXPECT_EQ(-EBUSY, unmake(self->dir, "a"));
	EXPECT_EQ(-1, rmdir(self->dir));
	EXPECT_EQ(ENOTEMPTY, errno);
	EXPECT_EQ(0, set(self->dir, "pace", "1000"));
	EXPECT_EQ(0, set(self->dir, "plugged", "0"));

	ASSERT_EQ(0, set(self->dir, "live", "0"));
	for (i = 0; i < ARRAY_SIZE(attrs); i++)
		EXPECT_EQ(0, set(self->dir, attrs[i], "1"));
	for (i = 0; i < ARRAY_SIZE(sources); i++)
		EXPECT_EQ(0, set(self->dir, sources[i], "on"));
}

TEST_F(cable, refuses_what_is_invalid)
{
	const struct {
		const char *name;
		const char *value;
		int error;
	} cases[] = {
		{ "topology", "star", -EINVAL },
		{ "topology", "\n", -EINVAL },
		{ "pace", "-1", -EINVAL },
		{ "pace", "0", -EINVAL },
		{ "pace", "fast", -EINVAL },
		{ "pace", "100001", -EINVAL },
		{ "pace", "99999999999999999999", -ERANGE },
		{ "plugged", "2x", -EINVAL },
		{ "live", "maybe", -EINVAL },
		{ "a/tty", "ttyEMU0", -EACCES },
		{ "a/dev_name", "serial-emu.0", -EACCES },
		{ "a/cts", "rts", -EINVAL },
		{ "a/dsr", "peer-cts", -EINVAL },
		{ "a/dcd", "1", -EINVAL },
		{ "a/ri", "\n", -EINVAL },
		{ "a/clock_ppm", "500001", -EINVAL },
		{ "a/clock_ppm", "-500001", -EINVAL },
		{ "a/clock_ppm", "1 2", -EINVAL },
		{ "a/rx_fifo", "0", -EINVAL },
		{ "a/rx_fifo", "257", -EINVAL },
		{ "a/rx_trigger", "0", -EINVAL },
		{ "a/rx_trigger", "257", -EINVAL },
		{ "a/rx_timeout", "-1", -EINVAL },
		{ "a/rx_timeout", "1001", -EINVAL },
	};
	char before[64];
	unsigned int i;

	ASSERT_EQ(0, make(self->dir, "a"));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(before, sizeof(before), "%s", get(self->dir, cases[i].name));
		/* root may open what has no mode for writing */
		EXPECT_TRUE(set(self->dir, cases[i].name, cases[i].value) == cases[i].error ||
			    cases[i].error == -EACCES) {
			TH_LOG("%s = '%s'", cases[i].name, cases[i].value);
		}
		EXPECT_STREQ(before, get(self->dir, cases[i].name));
	}
}

TEST_F(cable, names)
{
	char name[300];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	EXPECT_EQ(-ENAMETOOLONG, make(self->dir, name));
	EXPECT_EQ(-ENAMETOOLONG, make(TOP, name));
	ASSERT_EQ(0, make(self->dir, "a"));
	EXPECT_EQ(-EEXIST, make(self->dir, "a"));
	EXPECT_EQ(-EEXIST, make(self->dir, "pace"));
	EXPECT_EQ(-EEXIST, make(self->dir, "faults"));
	EXPECT_EQ(-EEXIST, make(self->dir, "tap"));
	EXPECT_EQ(-EEXIST, make(TOP, strrchr(self->dir, '/') + 1));
	EXPECT_EQ(-ENOENT, make(self->dir, "none/a"));

	/* A name as long as it can be is a name */
	name[100] = 0;
	ASSERT_EQ(0, make(self->dir, name));
	EXPECT_EQ(0, set(self->dir, "live", "1"));
	EXPECT_EQ(0, set(self->dir, "live", "0"));
	EXPECT_EQ(0, unmake(self->dir, name));
}

/* A name is part of a path in /dev and of a line of a uevent, whatever the end is */
TEST_F(cable, names_that_no_device_can_have)
{
	static const char *const names[] = {
		"!", "a!b", "\n", "a\nDEVNAME=null", "a\tb", "\033[2J", "a\177",
	};
	char name[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ(-EINVAL, make(self->dir, names[i])) TH_LOG("end %u", i);
		snprintf(name, sizeof(name), "%s%s", strrchr(self->dir, '/') + 1, names[i]);
		EXPECT_EQ(-EINVAL, make(TOP, name)) TH_LOG("cable %u", i);
		unmake(TOP, name);
		unmake(self->dir, names[i]);
	}
	EXPECT_EQ(0, make(self->dir, "a b=\\\303\244"));
	EXPECT_EQ(0, unmake(self->dir, "a b=\\\303\244"));
}

/* Those that are there without anybody having made them stay */
TEST_F(cable, the_first_ones_stay)
{
	if (access(TOP "/null-modem0", F_OK))
		SKIP(return, "the driver was loaded with null_modems=0");
	EXPECT_EQ(-EPERM, unmake(TOP, "null-modem0"));
	EXPECT_EQ(-EPERM, unmake(TOP, "null-modem0/port0"));
	EXPECT_EQ(-EPERM, make(TOP, "null-modem0/c"));
	EXPECT_EQ(-EEXIST, make(TOP, "null-modem0"));
	EXPECT_STREQ("1", get(TOP, "null-modem0/live"));
}

/* A port has nothing of the one that had its number before */
TEST_F(cable, begins_as_new)
{
	struct serial_icounter_struct count;
	struct serial_struct ss, old;
	struct termios2 fresh;

	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	self->b = open_end(self->dir, "b/tty");
	ASSERT_LE(0, self->a);
	ASSERT_LE(0, self->b);
	ASSERT_EQ(3, serial_write(self->b, "old", 3));
	ASSERT_EQ(0, serial_drain(self->b));
	ASSERT_EQ(2, serial_write(self->a, "as", 2));
	ASSERT_EQ(0, serial_drain(self->a));
	ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_RTS));
	ASSERT_TRUE(serial_wait_lines(self->a, TIOCM_CTS, 0));
	ASSERT_TRUE(serial_wait_counter(self->a, offsetof(struct serial_icounter_struct, rx), 3));
	count = serial_icount(self->a);
	ASSERT_EQ(2, count.tx);
	ASSERT_LT(0, count.cts);
	ASSERT_EQ(0, serial_set_speed(self->a, 1234));
	ASSERT_EQ(0, serial_change_cflag(self->a, 0, CSTOPB | PARENB));
	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &old));
	ss = old;
	ss.closing_wait = 1;
	ss.close_delay = 1;
	ASSERT_EQ(0, ioctl(self->a, TIOCSSERIAL, &ss));
	close(self->a);
	close(self->b);

	ASSERT_EQ(0, set(self->dir, "live", "0"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->a = serial_open(in_dir("/dev", get(self->dir, "a/tty")));
	ASSERT_LE(0, self->a);
	ASSERT_EQ(0, serial_get(self->a, &fresh));
	EXPECT_EQ(9600, fresh.c_ospeed);
	EXPECT_EQ(0, fresh.c_cflag & (CSTOPB | PARENB));
	EXPECT_EQ(CLOCAL, fresh.c_cflag & CLOCAL);
	ASSERT_EQ(0, ioctl(self->a, TIOCGSERIAL, &ss));
	EXPECT_EQ(old.closing_wait, ss.closing_wait);
	EXPECT_EQ(old.close_delay, ss.close_delay);
	count = serial_icount(self->a);
	EXPECT_EQ(0, count.rx);
	EXPECT_EQ(0, count.tx);
	EXPECT_EQ(0, count.cts);
	EXPECT_TRUE(serial_nothing_arrives(self->a));
}

/* Nor of one that was hung up and is still open */
TEST_F(cable, begins_as_new_beside_the_dead)
{
	char tty[64];
	int dead;

	ASSERT_EQ(0, make_pair(self->dir));
	snprintf(tty, sizeof(tty), "%s", get(self->dir, "a/tty"));
	dead = open_end(self->dir, "a/tty");
	ASSERT_LE(0, dead);
	ASSERT_EQ(0, serial_set_speed(dead, 1234));
	ASSERT_EQ(0, ioctl(dead, TIOCEXCL));
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	EXPECT_STRNE(tty, get(self->dir, "a/tty"));
	self->a = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->a);
	EXPECT_EQ(-1, write(dead, "x", 1));
	EXPECT_EQ(EIO, errno);

	/* It is free again when that is closed */
	close(dead);
	close(self->a);
	self->a = -1;
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	EXPECT_STREQ(tty, get(self->dir, "a/tty"));
}

static int task_read_some(void *arg)
{
	char buf[16];
	ssize_t count = read(*(int *)arg, buf, sizeof(buf));

	return count < 0 ? -errno : count;
}

TEST_F(cable, sleepers_wake_up)
{
	struct serial_task task;

	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->a);
	task = serial_start(task_read_some, &self->a);
	ASSERT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	EXPECT_EQ(0, serial_task_result(&task));
}

/* The driver may have been unbound from a port before */
TEST_F(cable, without_its_driver)
{
	char number[80], tty[64];

	ASSERT_EQ(0, make_pair(self->dir));
	snprintf(tty, sizeof(tty), "%s", get(self->dir, "a/tty"));
	snprintf(number, sizeof(number), "serial-emu.%s", tty + strlen("ttyEMU"));
	ASSERT_EQ(0, serial_write_file(DRIVER "unbind", number));
	EXPECT_STREQ("", get(self->dir, "a/tty"));
	EXPECT_STRNE("", get(self->dir, "b/tty"));
	ASSERT_EQ(0, serial_write_file(DRIVER "bind", number));
	EXPECT_STREQ(tty, get(self->dir, "a/tty"));
	ASSERT_EQ(0, serial_write_file(DRIVER "unbind", number));
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	EXPECT_NE(0, strlen(get(self->dir, "a/tty")));
	ASSERT_EQ(0, set(self->dir, "live", "0"));

	ASSERT_EQ(0, serial_write_file(AUTOPROBE, "0"));
	EXPECT_EQ(-ENXIO, set(self->dir, "live", "1"));
	ASSERT_EQ(0, serial_write_file(AUTOPROBE, "1"));
	EXPECT_STREQ("0", get(self->dir, "live"));
	EXPECT_EQ(0, set(self->dir, "live", "1"));
}

/* An attribute that is open when its directory goes away is of no use any more */
TEST_F(cable, attribute_outlives_its_directory)
{
	int fd;

	ASSERT_EQ(0, make(self->dir, "a"));
	fd = open(in_dir(self->dir, "a/cts"), O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unmake(self->dir, "a"));
	EXPECT_EQ(-1, write(fd, "on", 2));
	EXPECT_EQ(ENOENT, errno);
	close(fd);
}

/* Concurrent mkdir, live, open, and writes to attributes */

static long stress_end;

static int task_make_ends(void *arg)
{
	while (serial_now_ms() < stress_end) {
		make(arg, "a");
		make(arg, "b");
		unmake(arg, "a");
		unmake(arg, "b");
	}

	return 0;
}

static int task_switch_live(void *arg)
{
	int ret;

	while (serial_now_ms() < stress_end) {
		ret = set(arg, "live", "1");
		if (ret && ret != -ENODATA && ret != -EBUSY)
			return ret;
		serial_sleep_ms(serial_now_ns() % 20);
		ret = set(arg, "live", "0");
		if (ret)
			return ret;
	}

	return 0;
}

/* If that end is a program just now */
static void use_chardev(const char *dir)
{
	static char data[SERIAL_EMU_READ_SIZE];
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/dev/serial-emu/%s/b", strrchr(dir, '/') + 1);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	serial_sleep_ms(serial_now_ns() % 5);
	while (read(fd, data, sizeof(data)) > 0)
		;
	if (!put(fd, SERIAL_EMU_DATA, "x", 1))
		fsync(fd);
	close(fd);
}

/* If that end is a port just now */
static void use_console(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/tty/%s/console", get(dir, "a/tty"));
	if (serial_write_file(path, "Y"))
		return;
	serial_sleep_ms(serial_now_ns() % 5);
	serial_write_file(path, "N");
}

static int task_use_ports(void *arg)
{
	static char data[5000];
	int fd;

	while (serial_now_ms() < stress_end) {
		use_chardev(arg);
		use_console(arg);
		fd = open_end(arg, serial_now_ns() % 2 ? "a/tty" : "b/tty");
		if (fd < 0)
			continue;
		serial_set_nonblock(fd, true);
		serial_lines_off(fd, TIOCM_DTR);
		if (write(fd, data, sizeof(data)) > 0)
			ioctl(fd, TIOCSBRK);
		serial_change_cflag(fd, CBAUD, serial_now_ns() % 2 ? B300 : B4000000);
		serial_icount(fd);
		serial_flush(fd, TCIOFLUSH);
		close(fd);
	}

	return 0;
}

static int task_set_attributes(void *arg)
{
	while (serial_now_ms() < stress_end) {
		set(arg, "pace", serial_now_ns() % 2 ? "max" : "1000");
		set(arg, "plugged", serial_now_ns() % 2 ? "0" : "1");
		set(arg, "a/cts", "self-rts");
		set(arg, "b/rx_fifo", "1");
		set(arg, "b/kind", serial_now_ns() % 2 ? "tty" : "chardev");
		get(arg, "a/tty");
	}

	return 0;
}

/* SERIAL_EMU_SECONDS says for how long */
TEST_F_TIMEOUT(cable, many_hands, 3600)
{
	int (*const hands[])(void *arg) = {
		task_make_ends, task_switch_live, task_use_ports, task_set_attributes,
		task_make_ends, task_switch_live, task_use_ports, task_set_attributes,
	};
	const char *text = getenv("SERIAL_EMU_SECONDS");
	int i, seconds = text ? atoi(text) : 3;
	struct serial_task tasks[8];

	if (serial_time_is_virtual())
		SKIP(return, "needs real time");
	stress_end = serial_now_ms() + 1000L * seconds;
	serial_task_seconds += seconds;
	for (i = 0; i < 8; i++)
		tasks[i] = serial_start(hands[i], self->dir);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(0, serial_task_result_ms(&tasks[i], 1000 * seconds + 60000));
	set(self->dir, "live", "0");
	unmake(self->dir, "a");
	unmake(self->dir, "b");
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	ASSERT_EQ(0, set(self->dir, "pace", "100"));
	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	self->b = open_end(self->dir, "b/tty");
	ASSERT_LE(0, self->a);
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

/* What is set before counts, too */
TEST_F(cable, begins_unplugged)
{
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	self->b = open_end(self->dir, "b/tty");
	EXPECT_TRUE(serial_lines_stay(self->b, SERIAL_INPUTS, 0));
	ASSERT_EQ(4, serial_write(self->a, "lost", 4));
	ASSERT_EQ(0, serial_drain(self->a));
	EXPECT_TRUE(serial_nothing_arrives(self->b));
	EXPECT_STREQ("max", get(self->dir, "pace"));

	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	EXPECT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
	ASSERT_EQ(4, serial_write(self->a, "kept", 4));
	EXPECT_TRUE(serial_arrives(self->b, "kept", 4));
}

/* When the attribute has been written, the plug has moved */
TEST_F(cable, plug_acts_at_once)
{
	static const char *const paces[] = { "100", "max" };
	int i;

	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	self->b = open_end(self->dir, "b/tty");
	ASSERT_TRUE(serial_wait_lines(self->b, SERIAL_INPUTS, SERIAL_INPUTS));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, set(self->dir, "pace", paces[i]));
		ASSERT_EQ(6, serial_write(self->a, "before", 6));
		ASSERT_EQ(0, serial_drain(self->a));
		ASSERT_EQ(0, set(self->dir, "plugged", "0"));
		EXPECT_EQ(0, serial_lines(self->b) & SERIAL_INPUTS);
		ASSERT_EQ(4, serial_write(self->a, "lost", 4));
		ASSERT_EQ(0, serial_drain(self->a));
		ASSERT_EQ(0, set(self->dir, "plugged", "1"));
		EXPECT_EQ(SERIAL_INPUTS, serial_lines(self->b) & SERIAL_INPUTS);
		EXPECT_TRUE(serial_arrives(self->b, "before", 6));
	}
}

/* Low bits that are zero, and then ones */
static bool is_cut(unsigned char c)
{
	return c && (c | (c - 1)) == 0xff;
}

/* Send a 0 and move the plug after a time: for how long the character had lasted then, or -1 */
static long plug_after_ms(const char *dir, int fd, const char *plugged, int ms)
{
	long begin = serial_now_ms();

	if (write(fd, "", 1) != 1)
		return -1;
	serial_sleep_ms(ms);
	if (set(dir, "plugged", plugged))
		return -1;

	return serial_now_ms() - begin;
}

/* What is left of a character when the plug is pulled out, or put in, looks like mark */
TEST_F(cable, plug_in_the_middle_of_a_character)
{
	unsigned char c;
	long ms;

	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	self->b = open_end(self->dir, "b/tty");
	/* A fifth of a second for a character, whose last data bit a slow machine may miss */
	ASSERT_EQ(0, serial_set_speed(self->a, 50));
	ASSERT_EQ(0, serial_set_speed(self->b, 50));
	ms = plug_after_ms(self->dir, self->a, "0", 90);
	ASSERT_LE(90, ms);
	ASSERT_EQ(1, serial_read(self->b, &c, 1));
	if (ms < 160)
		EXPECT_TRUE(is_cut(c)) TH_LOG("%02x", c);
	ASSERT_EQ(0, serial_drain(self->a));

	ms = plug_after_ms(self->dir, self->a, "1", 60);
	ASSERT_LE(60, ms);
	if (ms >= 160)
		return;
	ASSERT_EQ(1, serial_read(self->b, &c, 1));
	EXPECT_TRUE(is_cut(c)) TH_LOG("%02x", c);
	ASSERT_EQ(1, write(self->a, "x", 1));
	EXPECT_TRUE(serial_arrives(self->b, "x", 1));
}

/* Both ports of a live pair, at 9600 bits per second */
static bool open_pair(const char *dir, int *a, int *b)
{
	*a = open_end(dir, "a/tty");
	*b = open_end(dir, "b/tty");

	return *a >= 0 && *b >= 0 && !serial_set_speed(*a, 9600) && !serial_set_speed(*b, 9600);
}

/* Characters that are over when the plug is pulled out are received */
TEST_F(cable, plug_spares_what_is_over)
{
	unsigned char data[12] = { }, got[sizeof(data)];
	size_t count, i;

	ASSERT_EQ(0, make_pair(self->dir));
	ASSERT_TRUE(open_pair(self->dir, &self->a, &self->b));
	/* A character takes 4.2 ms: five of them, and a half */
	ASSERT_EQ(0, serial_set_speed(self->a, 2400));
	ASSERT_EQ(0, serial_set_speed(self->b, 2400));
	ASSERT_EQ(8, serial_write(self->a, data, 8));
	serial_sleep_ms(23);
	ASSERT_EQ(0, set(self->dir, "plugged", "0"));
	count = serial_read_ms(self->b, got, sizeof(got), SERIAL_QUIET_MS);
	EXPECT_LE(6, count);
	for (i = 0; i + 1 < count; i++)
		EXPECT_EQ(0, got[i]);
	if (serial_time_is_virtual()) {
		EXPECT_EQ(6, count);
		EXPECT_TRUE(is_cut(got[count - 1])) TH_LOG("%02x", got[count - 1]);
	}

	/* A character of ones without its start bit looks like an idle line */
	memset(data, 0xff, sizeof(data));
	ASSERT_EQ(0, serial_drain(self->a));
	ASSERT_EQ(12, serial_write(self->a, data, 12));
	serial_sleep_ms(23);
	ASSERT_EQ(0, set(self->dir, "plugged", "1"));
	count = serial_read_ms(self->b, got, sizeof(got), SERIAL_QUIET_MS);
	EXPECT_GE(6, count);
	EXPECT_EQ(0, memcmp(data, got, count));
	if (serial_time_is_virtual())
		EXPECT_EQ(6, count);
}

static bool hears_itself(int fd, const char *text)
{
	return serial_write(fd, text, strlen(text)) == strlen(text) &&
	       serial_arrives(fd, text, strlen(text));
}

/* The loopback mode is inside the UART: the plug does not matter to it */
TEST_F(cable, loop_without_the_plug)
{
	static const char *const paces[] = { "100", "max" };
	int i;

	ASSERT_EQ(0, make_pair(self->dir));
	ASSERT_TRUE(open_pair(self->dir, &self->a, &self->b));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, set(self->dir, "pace", paces[i]));
		ASSERT_EQ(0, set(self->dir, "plugged", "0"));
		ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_LOOP));
		EXPECT_TRUE(hears_itself(self->a, "inside"));
		EXPECT_EQ(0, serial_send_break(self->a, 20));
		EXPECT_TRUE(serial_arrives(self->a, "\0", 1));
		ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_LOOP));
		ASSERT_EQ(4, serial_write(self->a, "lost", 4));
		ASSERT_EQ(0, serial_drain(self->a));
		EXPECT_TRUE(serial_nothing_arrives(self->a));
		EXPECT_TRUE(serial_nothing_arrives(self->b));

		ASSERT_EQ(0, set(self->dir, "plugged", "1"));
		ASSERT_EQ(7, serial_write(self->a, "outside", 7));
		EXPECT_TRUE(serial_arrives(self->b, "outside", 7));
		ASSERT_EQ(7, serial_write(self->b, "outside", 7));
		EXPECT_TRUE(serial_arrives(self->a, "outside", 7));
	}
}

/* Characters that are over when the loopback mode begins or ends are received */
TEST_F(cable, loop_in_the_middle)
{
	unsigned char data[300], got[sizeof(data)];
	size_t looped, rest;

	/* Characters of ones have no edge but that of the start bit, by which all are found */
	memset(data, 0xff, sizeof(data));
	ASSERT_EQ(0, make_pair(self->dir));
	ASSERT_TRUE(open_pair(self->dir, &self->a, &self->b));
	ASSERT_TRUE(serial_wait_lines(self->a, SERIAL_INPUTS, SERIAL_INPUTS));
	/* With all of these no input changes that would have the FIFO emptied */
	ASSERT_EQ(0, serial_lines_on(self->a, SERIAL_OUTPUTS | TIOCM_OUT2 | TIOCM_LOOP));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	serial_sleep_ms(4);
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_LOOP));
	if (serial_time_is_virtual())
		EXPECT_TRUE(serial_arrives(self->a, "abc", 3));
	serial_flush(self->a, TCIOFLUSH);

	/* The character that is under way may be lost to both, and one that begins just then */
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_LOOP));
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	serial_sleep_ms(100);
	ASSERT_EQ(0, serial_lines_off(self->a, TIOCM_LOOP));
	ASSERT_EQ(0, serial_drain(self->a));
	looped = serial_read_ms(self->a, got, sizeof(got), SERIAL_QUIET_MS);
	rest = serial_read_ms(self->b, got, sizeof(got), SERIAL_QUIET_MS);
	EXPECT_LE(sizeof(data) - 2, looped + rest) TH_LOG("%zu and %zu", looped, rest);

	ASSERT_EQ(sizeof(data), serial_write(self->b, data, sizeof(data)));
	serial_sleep_ms(100);
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_LOOP));
	rest = serial_read_ms(self->a, got, sizeof(got), SERIAL_QUIET_MS);
	/* One takes 1.04 ms, where no transmitter is late */
	if (serial_time_is_virtual())
		EXPECT_LE(95, rest) TH_LOG("%zu", rest);
	ASSERT_EQ(0, serial_drain(self->b));
}

/* The far end takes nothing off the wire of a port in loopback mode */
TEST_F(cable, loop_stands_still)
{
	static const char *const paces[] = { "100", "max" };
	char data[200];
	int i, count;

	memset(data, 'x', sizeof(data));
	ASSERT_EQ(0, make_pair(self->dir));
	ASSERT_TRUE(open_pair(self->dir, &self->a, &self->b));
	ASSERT_EQ(0, serial_lines_on(self->a, TIOCM_LOOP));
	for (i = 0; i < 2; i++) {
		/* With a pace there is room in the FIFO for so many */
		count = i ? sizeof(data) : 16;
		ASSERT_EQ(0, set(self->dir, "pace", paces[i]));
		ASSERT_EQ(0, set(self->dir, "a/rx_stall", "1"));
		ASSERT_EQ(count, serial_write(self->a, data, count));
		EXPECT_TRUE(serial_nothing_arrives(self->a));
		/* Have the driver look at both wires */
		ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_RTS));
		ASSERT_EQ(0, serial_lines_on(self->b, TIOCM_RTS));
		/* And the far end read its own wire, and this one again */
		ASSERT_EQ(0, serial_lines_on(self->b, TIOCM_LOOP));
		ASSERT_EQ(0, serial_lines_off(self->b, TIOCM_LOOP));
		EXPECT_TRUE(serial_nothing_arrives(self->b));
		ASSERT_EQ(0, set(self->dir, "a/rx_stall", "0"));
		EXPECT_TRUE(serial_arrives(self->a, data, count));
		EXPECT_TRUE(serial_nothing_arrives(self->b));
	}
}

/* A character without a receiver costs no interrupt of its own, and takes its time */
TEST_F(cable, far_end_was_never_open)
{
	static char data[3840];
	long begin, count;

	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->a);
	ASSERT_EQ(0, serial_set_speed(self->a, 9600));
	begin = serial_now_ms();
	count = kernel_counter("/proc/softirqs", "HRTIMER:");
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));
	begin = serial_now_ms() - begin;
	count = kernel_counter("/proc/softirqs", "HRTIMER:") - count;
	EXPECT_LE(4000, begin);
	/* Others have timers as well, and in real time they are late */
	if (!serial_time_is_virtual())
		return;
	EXPECT_GE(4030, begin) TH_LOG("%ld ms", begin);
	EXPECT_LT(0, count);
	EXPECT_GE((long)sizeof(data) / 8, count);
}

/* The receiver of a port that is opened is due as early as at any other time */
TEST_F(cable, open_while_data_arrive)
{
	char data[60];
	size_t count;
	long begin;
	int i;

	memset(data, 'x', sizeof(data));
	ASSERT_EQ(0, make_pair(self->dir));
	ASSERT_TRUE(open_pair(self->dir, &self->a, &self->b));
	for (i = 0; i < 8; i++) {
		close(self->b);
		ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
		serial_sleep_ms(20 + 2 * i);
		begin = serial_now_ms();
		self->b = serial_open(in_dir("/dev", get(self->dir, "b/tty")));
		ASSERT_LE(0, self->b);
		count = serial_read_ms(self->b, data, 1, SERIAL_QUIET_MS);
		begin = serial_now_ms() - begin;
		/* Eight characters, after the rest of the one that is under way */
		if (serial_time_is_virtual()) {
			EXPECT_EQ(1, count);
			EXPECT_GE(10, begin) TH_LOG("%ld ms", begin);
		}
		ASSERT_EQ(0, serial_drain(self->a));
		serial_sleep_ms(20);
		ASSERT_EQ(0, serial_flush(self->b, TCIFLUSH));
	}
}

/* A receiver that drops what it gets does so although the buffers of its tty are full */
TEST_F(cable, cread_off_stalls_no_sender)
{
	/* A flip buffer has 640 KiB, or twice as many plain characters */
	static char data[2000000];

	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	self->b = open_end(self->dir, "b/tty");
	ASSERT_GT(sizeof(data), serial_fill(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_change_cflag(self->b, CREAD, 0));
	ASSERT_EQ(sizeof(data), serial_write(self->a, data, sizeof(data)));
	ASSERT_EQ(0, serial_drain(self->a));

	while (serial_read_ms(self->b, data, sizeof(data), SERIAL_QUIET_MS))
		;
	ASSERT_EQ(0, serial_change_cflag(self->b, 0, CREAD));
	ASSERT_EQ(3, serial_write(self->a, "abc", 3));
	EXPECT_TRUE(serial_arrives(self->b, "abc", 3));
}

/* Without a pace it is not known when a far end's character was sent: it is always received */
TEST_F(cable, rs485_without_a_pace)
{
	static char data[20000];

	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	ASSERT_EQ(0, make_pair(self->dir));
	self->a = open_end(self->dir, "a/tty");
	self->b = open_end(self->dir, "b/tty");
	ASSERT_EQ(0, serial_set_rs485(self->a, SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND, 0, 0));
	/* What the far end does not take keeps the driver on */
	ASSERT_EQ(0, set(self->dir, "b/rx_stall", "1"));
	ASSERT_GT(sizeof(data), serial_fill(self->a, data, sizeof(data)));
	ASSERT_TRUE(serial_wait_lines(self->b, TIOCM_CTS, TIOCM_CTS));
	ASSERT_EQ(6, serial_write(self->b, "answer", 6));
	EXPECT_TRUE(serial_arrives(self->a, "answer", 6));
	/* Also where the bits of a character have to be sampled */
	ASSERT_EQ(0, serial_change_cflag(self->b, CSIZE, CS7));
	ASSERT_EQ(1, serial_write(self->b, "x", 1));
	EXPECT_TRUE(serial_arrives(self->a, "\xf8", 1));
}

/* The wire that comes back has the port's own characters, with a pace or without one */
TEST_F(cable, rs485_in_a_loop)
{
	unsigned int flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND;
	static const char *const paces[] = { "100", "max" };
	int i;

	ASSERT_EQ(0, set(self->dir, "topology", "loopback"));
	ASSERT_EQ(0, make(self->dir, "a"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->a = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->a);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, set(self->dir, "pace", paces[i]));
		ASSERT_EQ(0, serial_set_rs485(self->a, flags, 0, 0));
		ASSERT_EQ(7, serial_write(self->a, "unheard", 7));
		EXPECT_TRUE(serial_nothing_arrives(self->a));
		ASSERT_EQ(0, serial_set_rs485(self->a, flags | SER_RS485_RX_DURING_TX, 0, 0));
		EXPECT_TRUE(hears_itself(self->a, "heard"));
	}
}

/* MemAvailable, in KiB */
static long available(void)
{
	char line[128];
	long kib = 0;
	FILE *file;

	file = fopen("/proc/meminfo", "re");
	while (file && !kib && fgets(line, sizeof(line), file))
		sscanf(line, "MemAvailable: %ld", &kib);
	if (file)
		fclose(file);

	return kib;
}

/* How many numbers the driver has for ports, and how many are not in use */
static int count_free_ports(void)
{
	char line[128], path[64];
	int i, first, last, count = 0;
	FILE *file;

	file = fopen("/proc/tty/drivers", "re");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s /dev/ttyEMU %*d %d-%d", &first, &last) != 2)
			continue;
		for (i = 0; i <= last - first; i++) {
			snprintf(path, sizeof(path), "/sys/class/tty/ttyEMU%d", i);
			count += !!access(path, F_OK);
		}
	}
	fclose(file);

	return count;
}

/* The names of the ports' directories, so that no two rounds have the same order */
static void nth_cable(char *dir, size_t size, const char *prefix, int i, int count, int round)
{
	/* No number of cables is a multiple of this prime */
	snprintf(dir, size, "%s-%d", prefix, (int)((i * 7919LL + round) % count));
}

/* Returns how many became live, or what was wrong */
static int make_cables(const char *prefix, int count, int round)
{
	char dir[128];
	int i, ret;

	for (i = 0; i < count; i++) {
		nth_cable(dir, sizeof(dir), prefix, i, count, round);
		ret = set(dir, "live", "1");
		if (ret)
			return ret == -ENOSPC ? i : ret;
	}

	return count;
}

static int unmake_cables(const char *prefix, int count, int round)
{
	char dir[128];
	int i, ret = 0;

	for (i = 0; !ret && i < count; i++) {
		nth_cable(dir, sizeof(dir), prefix, i, count, round);
		ret = set(dir, "live", "0");
	}

	return ret;
}

/*
 * Make cables until there is no number left; what then fails leaves nothing behind.
 * With SERIAL_EMU_ROUNDS all of them come and go as often as it says once more.
 */
TEST_F_TIMEOUT(cable, as_many_as_there_are_numbers, 7200)
{
	const char *env = getenv("SERIAL_EMU_ROUNDS");
	int64_t begin, up = 0, down = 0;
	int i, count, ret = 0, round, ports = count_free_ports();
	long before, used, lost;
	char dir[128];

	for (count = 0; count < MAX_CABLES && !ret; count++) {
		snprintf(dir, sizeof(dir), "%s-%d", self->dir, count);
		ASSERT_EQ(0, mkdir(dir, 0755));
		ret = make_pair(dir);
	}
	TH_LOG("%d cables, %d ports are free", count - 1, ports);
	EXPECT_EQ(ports / 2, count - 1);
	EXPECT_EQ(-ENOSPC, ret);
	EXPECT_STREQ("0", get(dir, "live"));
	EXPECT_STREQ("", get(dir, "a/tty"));
	EXPECT_STREQ("", get(dir, "b/tty"));
	ASSERT_EQ(0, unmake(dir, "b"));
	ASSERT_EQ(0, unmake(dir, "a"));
	ASSERT_EQ(0, rmdir(dir));
	count--;

	ASSERT_EQ(0, unmake_cables(self->dir, count, 0));
	serial_sleep_ms(SERIAL_QUIET_MS);
	before = available();
	used = before;
	for (round = 0; round < (env ? atoi(env) : 0); round++) {
		begin = serial_now_us();
		ASSERT_EQ(count, make_cables(self->dir, count, round));
		up += serial_now_us() - begin;
		if (!round)
			used -= available();
		begin = serial_now_us();
		ASSERT_EQ(0, unmake_cables(self->dir, count, 2 * round));
		down += serial_now_us() - begin;
	}
	if (round) {
		TH_LOG("%d ports, %d times: %lld us up, %lld us down, %ld bytes for each",
		       2 * count, round, (long long)up / round / count / 2,
		       (long long)down / round / count / 2, used * 1024 / count / 2);
		serial_sleep_ms(2000);
		lost = before - available();
		TH_LOG("%ld KiB less are available than before", lost);
		EXPECT_GT(used / 10, lost);
	}

	for (i = 0; i < count; i++) {
		snprintf(dir, sizeof(dir), "%s-%d", self->dir, i);
		EXPECT_EQ(0, unmake(dir, "b"));
		EXPECT_EQ(0, unmake(dir, "a"));
		EXPECT_EQ(0, rmdir(dir));
	}
}

TEST_HARNESS_MAIN
