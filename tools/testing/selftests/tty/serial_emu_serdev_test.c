// SPDX-License-Identifier: GPL-2.0-only
/*
 * A serial device on a port of the serial console emulator: a driver in the kernel
 * has the port, and a program is the device.
 *
 * The driver is that of u-blox' GNSS receivers. What the program sends is what is read
 * from /dev/gnss0, and the other way round.
 */

#include "kselftest_harness.h"

#include <dirent.h>
#include <glob.h>

#include "serial_test.h"
#include "serial_emu_cable.h"
#include "serial_emu_record.h"

#define GNSS		"/sys/class/gnss"
#define SENTENCE	"$GPGGA,120000,5230.98,N,01322.66,E,1,08,0.9,34.0,M,45.0,M,,*40\r\n"

FIXTURE(serdev)
{
	char dir[64];
	char node[128];
	int fd;
	int gnss;
};

/* The receiver that has come, "gnss0" for example */
static bool find_gnss(char *name, size_t size)
{
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	name[0] = 0;
	dir = opendir(GNSS);
	while (dir && !found && (entry = readdir(dir))) {
		found = entry->d_name[0] != '.';
		if (found)
			snprintf(name, size, "/dev/%s", entry->d_name);
	}
	if (dir)
		closedir(dir);

	return found;
}

static bool wait_gnss(char *name, size_t size, bool there)
{
	long end = serial_now_ms() + serial_limit_ms();

	while (find_gnss(name, size) != there && serial_now_ms() < end)
		serial_sleep_ms(10);
	/* The device is in sysfs before it has a node */
	while (there && access(name, F_OK) && serial_now_ms() < end)
		serial_sleep_ms(10);

	return find_gnss(name, size) == there;
}

static int unmake_all(const char *dir)
{
	set(dir, "live", "0");
	unmake(dir, "a");
	unmake(dir, "b");

	return rmdir(dir);
}

FIXTURE_SETUP(serdev)
{
	const char *why = why_no_cables();

	self->fd = -1;
	self->gnss = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, make_cable(self->dir, sizeof(self->dir), "serdev"));
	ASSERT_EQ(0, make_end(self->dir, "a", "tty"));
	ASSERT_EQ(0, make_end(self->dir, "b", "chardev"));
	if (access(in_dir(self->dir, "a/serdev"), F_OK)) {
		/* There is no teardown after this */
		ASSERT_EQ(0, unmake_all(self->dir));
		SKIP(return, "no CONFIG_SERIAL_EMU_SERDEV");
	}
	snprintf(self->node, sizeof(self->node), "/dev/serial-emu/%s/b",
		 strrchr(self->dir, '/') + 1);
}

FIXTURE_TEARDOWN(serdev)
{
	close(self->gnss);
	close(self->fd);
	EXPECT_EQ(0, unmake_all(self->dir));
}

static int set_live(const char *dir, const char *node)
{
	int ret = set(dir, "live", "1");

	return ret ?: open_chardev(node);
}

/* So that the first test that needs it may load its driver */
static bool has_driver(void)
{
	return !system("modprobe -q gnss-ubx") && !access(GNSS, F_OK);
}

TEST_F(serdev, gnss_receiver)
{
	struct serial_emu_format format;
	char name[300], got[256];
	struct record record;
	glob_t found;

	if (!has_driver())
		SKIP(return, "no CONFIG_GNSS_UBX_SERIAL");
	ASSERT_EQ(0, set(self->dir, "a/serdev", "u-blox,neo-8\n"));
	EXPECT_STREQ("u-blox,neo-8", get(self->dir, "a/serdev"));
	self->fd = set_live(self->dir, self->node);
	ASSERT_LE(0, self->fd);
	/* The port's device is serial-emu.<number> */
	EXPECT_NE(0, glob("/sys/bus/platform/devices/serial-emu-*", 0, NULL, &found));
	ASSERT_TRUE(wait_gnss(name, sizeof(name), true));
	/* Only the driver can have the port */
	EXPECT_STREQ("", get(self->dir, "a/tty"));
	EXPECT_EQ(-EBUSY, set(self->dir, "a/serdev", "\n"));

	/* It opens the port when it is opened itself */
	self->gnss = open(name, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->gnss);
	do {
		ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_FORMAT, &record));
		memcpy(&format, record.payload, sizeof(format));
	} while (format.baud == 9600);
	EXPECT_EQ(4800, format.baud);

	ASSERT_EQ(0, put(self->fd, SERIAL_EMU_DATA, SENTENCE, strlen(SENTENCE)));
	ASSERT_EQ(strlen(SENTENCE), serial_read(self->gnss, got, strlen(SENTENCE)));
	EXPECT_EQ(0, memcmp(SENTENCE, got, strlen(SENTENCE)));
	ASSERT_EQ(5, write(self->gnss, "to it", 5));
	EXPECT_TRUE(find_data(self->fd, "to it"));
}

/* The port goes while the device is in use, and comes again */
TEST_F(serdev, goes_while_it_is_open)
{
	char name[300], c;
	int i;

	if (!has_driver())
		SKIP(return, "no CONFIG_GNSS_UBX_SERIAL");
	ASSERT_EQ(0, set(self->dir, "a/serdev", "u-blox,neo-8"));
	for (i = 0; i < 3; i++) {
		self->fd = set_live(self->dir, self->node);
		ASSERT_LE(0, self->fd);
		ASSERT_TRUE(wait_gnss(name, sizeof(name), true));
		self->gnss = open(name, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->gnss);
		ASSERT_EQ(0, set(self->dir, "live", "0"));
		EXPECT_TRUE(wait_gnss(name, sizeof(name), false));
		EXPECT_GE(0, read(self->gnss, &c, 1));
		close(self->gnss);
		self->gnss = -1;
		close(self->fd);
		self->fd = -1;
	}
}

/* A port with a device that no driver knows cannot be opened */
TEST_F(serdev, has_no_driver)
{
	struct record record;

	ASSERT_EQ(0, set(self->dir, "a/serdev", "nobody,knows-this"));
	self->fd = set_live(self->dir, self->node);
	ASSERT_LE(0, self->fd);
	ASSERT_TRUE(find_record(self->fd, SERIAL_EMU_OPEN, &record));
	EXPECT_EQ(0, record.payload[0]);
	EXPECT_STREQ("", get(self->dir, "a/tty"));
	ASSERT_EQ(0, set(self->dir, "live", "0"));

	/* Without the device it is an ordinary port again */
	ASSERT_EQ(0, set(self->dir, "a/serdev", "\n"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	EXPECT_STRNE("", get(self->dir, "a/tty"));
	EXPECT_EQ(0, access(in_dir("/dev", get(self->dir, "a/tty")), F_OK));
}

TEST_F(serdev, refuses_what_is_invalid)
{
	char text[80];

	memset(text, 'x', 64);
	text[64] = 0;
	EXPECT_EQ(-EINVAL, set(self->dir, "a/serdev", text));
	text[63] = 0;
	EXPECT_EQ(0, set(self->dir, "a/serdev", text));
	EXPECT_EQ(-EINVAL, set(self->dir, "a/serdev", "two words"));
	EXPECT_EQ(-EINVAL, set(self->dir, "a/serdev", "two\nlines"));
	EXPECT_EQ(-EINVAL, set(self->dir, "a/serdev", "\xe4"));
	EXPECT_EQ(0, set(self->dir, "a/serdev", "\n"));
	EXPECT_STREQ("", get(self->dir, "a/serdev"));
}

TEST_HARNESS_MAIN
