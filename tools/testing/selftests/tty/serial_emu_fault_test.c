// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation that is made while a port of the serial console emulator is
 * bound, fails once, and as many as time permits of those that are made while
 * the module is initialised. Nothing may break and nothing may remain. Whether
 * something leaks is for kmemleak to see.
 *
 * SERIAL_EMU_KO names the module, if it is not where it is usually installed.
 */

#include <dirent.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "kselftest_harness.h"
#include "serial_test.h"
#include "serial_emu_cable.h"

#define DRIVER		"/sys/bus/platform/drivers/serial-emu/"
#define DEVICE		"serial-emu.0"
#define FAILSLAB	"/sys/kernel/debug/failslab/"

/* There are not so many allocations anywhere, this is an error then */
#define MAX_NTH		5000

#define CABLE	"/sys/kernel/config/serial-emu/fault"

/* Loading takes long on a debug kernel: how often it is tried, or SERIAL_EMU_LOADS */
#define MAX_LOADS	40

/* More than the module loader allocates to clean up when the module does not want to load */
#define CLEANUP_ALLOCS	10

/* Characters that are written at a time, fewer than the smallest buffer of a tty's holds */
#define PIECE		200

/* What a buffer of a tty's comes from */
#define BUFFERS		"/sys/kernel/slab/kmalloc-1k/failslab"

/* More than any machine allocates in a second */
#define MANY		"100000000"

/* So many cables take the numbers that other tests have sent something with */
#define CABLES		12

FIXTURE(fault)
{
	struct serial_paths paths;
	int nth;
};

FIXTURE_SETUP(fault)
{
	self->nth = -1;
	if (geteuid())
		SKIP(return, "needs root");
	serial_find_paths(&self->paths);
	if (access(DRIVER "bind", W_OK) || !serial_paths_exist(&self->paths))
		SKIP(return, "no emulated ports");
	self->nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (self->nth < 0 || serial_write_file(FAILSLAB "ignore-gfp-wait", "N"))
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS and CONFIG_FAILSLAB");
	serial_write_file(FAILSLAB "verbose", "0");
}

FIXTURE_TEARDOWN(fault)
{
	if (self->nth >= 0)
		close(self->nth);
	serial_write_file(FAILSLAB "ignore-gfp-wait", "Y");
}

static void fail_set(int nth, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	if (pwrite(nth, text, len, 0) != len)
		abort();
}

/* Stop failing. False if the one that was to fail did not. */
static bool fail_was_met(int nth)
{
	char text[16] = "";

	if (pread(nth, text, sizeof(text) - 1, 0) < 1)
		abort();
	fail_set(nth, 0);

	return !atoi(text);
}

static bool port_works(const struct serial_paths *paths)
{
	int a = serial_open(paths->path[0]), b = serial_open(paths->path[1]);
	bool ok = false;

	if (a >= 0 && b >= 0) {
		ok = !serial_set_raw(a) && !serial_set_raw(b) &&
		     serial_write(a, "to b", 4) == 4 && serial_arrives(b, "to b", 4) &&
		     serial_write(b, "to a", 4) == 4 && serial_arrives(a, "to a", 4);
	}
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);

	return ok;
}

TEST_F_TIMEOUT(fault, bind, 600)
{
	int fd, n, failed = 0;
	ssize_t ret;
	bool met;

	fd = open(DRIVER "bind", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, serial_write_file(DRIVER "unbind", DEVICE));

	for (n = 1; n < MAX_NTH; n++) {
		fail_set(self->nth, n);
		ret = write(fd, DEVICE, strlen(DEVICE));
		met = fail_was_met(self->nth);
		if (ret < 0) {
			failed++;
			ASSERT_NE(0, access("/sys/class/tty/ttyEMU0", F_OK)) TH_LOG("%d", n);
		}
		if (!met)
			break;
		/* Some failures are survived */
		if (ret > 0)
			ASSERT_EQ(0, serial_write_file(DRIVER "unbind", DEVICE)) TH_LOG("%d", n);
	}
	close(fd);
	ASSERT_GT(MAX_NTH, n);
	ASSERT_LT(0, ret);
	EXPECT_LT(10, failed);
	TH_LOG("%d allocations, %d of them fatal", n, failed);
	EXPECT_TRUE(port_works(&self->paths));
}

/**
 * struct step - how a cable is made in configfs
 * @path: the directory to make, or the attribute to write to
 * @value: what to write, NULL to make a directory
 * @undo: what takes it back
 */
struct step {
	const char *path;
	const char *value;
	const char *undo;
};

static int step_do(const struct step *step)
{
	if (step->value)
		return serial_write_file(step->path, step->value);

	return mkdir(step->path, 0755) ? -errno : 0;
}

static int step_undo(const struct step *step)
{
	if (step->value)
		return serial_write_file(step->path, step->undo);

	return rmdir(step->path) ? -errno : 0;
}

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);

	return count;
}

/* How many there are of the things that a cable can leave behind */
static int count_things(void)
{
	return count_entries("/sys/class/tty") + count_entries("/sys/bus/platform/devices") +
	       count_entries("/sys/kernel/debug/serial-emu") +
	       count_entries("/dev/serial-emu") + count_entries("/dev/serial-emu/fault");
}

static bool step_left_nothing(const struct step *step, int things)
{
	char value = 0;
	int fd;

	if (count_things() != things)
		return false;
	if (!step->value)
		return access(step->path, F_OK);
	fd = open(step->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &value, 1) != 1)
		value = 0;
	close(fd);

	return value == *step->undo;
}

#define MAX_STEPS	8

/*
 * Ways to make cables of all kinds, but for those with a serial device: the core of
 * the device tree goes on without the directory in sysfs that it could not make, and
 * then looks into it.
 */
static const struct step ways[][MAX_STEPS] = {
	{
		{ CABLE }, { CABLE "/a" }, { CABLE "/b" },
		{ CABLE "/live", "1", "0" },
	}, {
		{ CABLE }, { CABLE "/topology", "loopback", "null-modem" },
		{ CABLE "/a" },
		{ CABLE "/live", "1", "0" },
	}, {
		{ CABLE }, { CABLE "/topology", "bus", "null-modem" },
		{ CABLE "/a" }, { CABLE "/b" }, { CABLE "/c" },
		{ CABLE "/live", "1", "0" },
	}, {
		{ CABLE }, { CABLE "/a" }, { CABLE "/b" },
		{ CABLE "/b/kind", "chardev", "tty" },
		{ CABLE "/live", "1", "0" },
	},
};

/*
 * The first allocations of a step are those of its own; of the many behind them, in the core of
 * drivers and of tty, every fifth is enough, or every SERIAL_EMU_STRIDE-th.
 */
static int next_nth(int n)
{
	const char *stride = getenv("SERIAL_EMU_STRIDE");

	return n < 40 ? n + 1 : n + (stride ? atoi(stride) : 5);
}

/* Do a step with its allocations failing, one at a time, and then without; how many there were */
static int step_fail(int nth, const struct step *step, int *failed)
{
	bool met = true, good = true;
	int things = count_things();
	int n, ret = 0;

	for (n = 1; n < MAX_NTH && good; n = next_nth(n)) {
		fail_set(nth, n);
		ret = step_do(step);
		met = fail_was_met(nth);
		*failed += !!ret;
		if (!met)
			break;
		/* Some failures are survived */
		good = ret ? step_left_nothing(step, things) : !step_undo(step);
	}
	if (met || !good || ret) {
		printf("# %s: allocation %d, %s\n", step->path, n, strerror(-ret));
		return -1;
	}

	return n - 1;
}

TEST_F_TIMEOUT(fault, cable, 1800)
{
	int i, way, count, failed = 0, all = 0;

	for (way = 0; way < (int)ARRAY_SIZE(ways); way++) {
		for (i = 0; i < MAX_STEPS && ways[way][i].path; i++) {
			count = step_fail(self->nth, &ways[way][i], &failed);
			ASSERT_LE(0, count);
			all += count;
		}
		while (i-- > 0)
			EXPECT_EQ(0, step_undo(&ways[way][i]));
	}
	EXPECT_LT(20, failed);
	TH_LOG("%d allocations, %d of them fatal", all, failed);
}

/* Wait until all is over that is on its way to a port */
static void hear_out(const char *path)
{
	int fd = serial_open(path);
	char buf[4096];

	if (fd < 0)
		return;
	serial_set_raw(fd);
	while (serial_read_ms(fd, buf, sizeof(buf), 4 * SERIAL_QUIET_MS))
		;
	close(fd);
}

/* A port becomes a console */
TEST_F_TIMEOUT(fault, console, 600)
{
	struct step step = {
		.path	= "/sys/class/tty/ttyEMU0/console",
		.value	= "Y",
		.undo	= "N",
	};
	int failed = 0;

	if (access(step.path, W_OK))
		SKIP(return, "needs CONFIG_SERIAL_EMU_CONSOLE");
	if (!step_left_nothing(&step, count_things()))
		SKIP(return, "is a console");
	/* The far end is closed: its output vanishes, and it is over soon */
	ASSERT_TRUE(serial_set_pace(&self->paths, SERIAL_PACE_MAX));
	ASSERT_LE(0, step_fail(self->nth, &step, &failed));
	EXPECT_LT(0, failed);
	EXPECT_EQ(0, step_undo(&step));
	hear_out(self->paths.path[1]);
	EXPECT_TRUE(port_works(&self->paths));
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
}

FIXTURE(memory)
{
	char dir[CABLES][64];
	int a;
	int b;
};

static int make_live(char *dir, size_t size, int i)
{
	char name[16];

	snprintf(name, sizeof(name), "memory%d-", i);

	return make_cable(dir, size, name) ?: make(dir, "a") ?: make(dir, "b") ?:
	       set(dir, "pace", "max") ?: set(dir, "live", "1");
}

static int remove_cables(char (*dir)[64])
{
	int i, ret = 0;

	for (i = 0; i < CABLES && dir[i][0]; i++) {
		set(dir[i], "live", "0");
		unmake(dir[i], "a");
		unmake(dir[i], "b");
		ret |= rmdir(dir[i]);
	}

	return ret;
}

FIXTURE_SETUP(memory)
{
	const char *why = why_no_cables();
	int i, ret;

	self->a = -1;
	self->b = -1;
	if (why)
		SKIP(return, "%s", why);
	if (access(BUFFERS, W_OK) || access(FAILSLAB, F_OK))
		SKIP(return, "needs CONFIG_FAULT_INJECTION_DEBUG_FS and CONFIG_FAILSLAB");
	for (i = 0; i < CABLES; i++) {
		ret = make_live(self->dir[i], sizeof(self->dir[i]), i);
		if (ret == -ENOSPC) {
			remove_cables(self->dir);
			SKIP(return, "needs a larger CONFIG_SERIAL_EMU_NR_PORTS");
		}
		ASSERT_EQ(0, ret);
	}
	self->a = open_end(self->dir[CABLES - 1], "a/tty");
	self->b = open_end(self->dir[CABLES - 1], "b/tty");
	ASSERT_LE(0, self->a);
	ASSERT_LE(0, self->b);
}

FIXTURE_TEARDOWN(memory)
{
	close(self->a);
	close(self->b);
	EXPECT_EQ(0, remove_cables(self->dir));
}

/* Those fail that cannot wait for memory */
static int fail_buffers(void)
{
	return serial_write_file(BUFFERS, "1") ?:
	       serial_write_file(FAILSLAB "cache-filter", "Y") ?:
	       serial_write_file(FAILSLAB "times", MANY) ?:
	       serial_write_file(FAILSLAB "probability", "100");
}

/* How many there were that failed */
static int fail_no_buffers(void)
{
	int left;

	serial_write_file(FAILSLAB "probability", "0");
	left = atoi(get(FAILSLAB, "times"));
	serial_write_file(FAILSLAB "times", "1");
	serial_write_file(FAILSLAB "cache-filter", "N");
	serial_write_file(BUFFERS, "0");

	return atoi(MANY) - left;
}

/* Without a pace characters wait while there is no memory for them */
TEST_F(memory, is_short_for_a_time)
{
	char data[2000], got[sizeof(data)];
	int failed;
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = i * 7 + i / 251;
	if (fail_buffers()) {
		fail_no_buffers();
		SKIP(return, "these allocations cannot be made to fail");
	}
	/* In pieces that fit in the smallest buffer: larger ones come from another cache */
	for (i = 0; i < sizeof(data); i += PIECE)
		EXPECT_EQ(PIECE, serial_write(self->a, data + i, PIECE));
	serial_sleep_ms(2 * SERIAL_QUIET_MS);
	failed = fail_no_buffers();
	EXPECT_EQ(sizeof(got), serial_read(self->b, got, sizeof(got)));
	EXPECT_EQ(0, memcmp(data, got, sizeof(got)));
	EXPECT_EQ(0, serial_icount(self->b).buf_overrun);
	/* The tty keeps buffers that it had once */
	if (!failed)
		SKIP(return, "an earlier run had the memory");
}

static int open_module(void)
{
	const char *name = getenv("SERIAL_EMU_KO");
	char path[PATH_MAX];
	struct utsname uts;

	if (!name) {
		uname(&uts);
		snprintf(path, sizeof(path),
			 "/lib/modules/%s/kernel/drivers/tty/serial/emu/serial-emu.ko",
			 uts.release);
		name = path;
	}

	return open(name, O_RDONLY | O_CLOEXEC);
}

static int load_module(int fd, const char *params)
{
	return syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
}

static int unload_module(void)
{
	return syscall(SYS_delete_module, "serial_emu", O_NONBLOCK) ? -errno : 0;
}

/* How many allocations are made while this is done */
static int count_load(int nth, int fd, const char *params)
{
	char text[16] = "";
	int ret;

	fail_set(nth, MAX_NTH);
	ret = load_module(fd, params);
	if (pread(nth, text, sizeof(text) - 1, 0) < 1)
		abort();
	fail_set(nth, 0);
	if (!ret)
		unload_module();

	return MAX_NTH - atoi(text);
}

TEST_F_TIMEOUT(fault, load, 600)
{
	int fd, n, first, count, step, ret, failed = 0;
	const char *loads = getenv("SERIAL_EMU_LOADS");
	bool met;

	fd = open_module();
	if (fd < 0)
		SKIP(return, "no serial-emu.ko");
	ret = unload_module();
	if (ret)
		SKIP(return, "cannot unload: %s", strerror(-ret));

	/* What the loader does before the module is initialised is its own affair */
	first = count_load(self->nth, fd, "null_modems=4294967295") - CLEANUP_ALLOCS;
	count = count_load(self->nth, fd, "");
	ASSERT_LT(0, first);
	ASSERT_LT(first, count);
	ASSERT_GT(MAX_NTH, count);
	step = 1 + (count - first) / (loads ? atoi(loads) : MAX_LOADS);

	for (n = first; n <= count; n += step) {
		fail_set(self->nth, n);
		ret = load_module(fd, "");
		met = fail_was_met(self->nth);
		if (ret) {
			failed++;
			ASSERT_NE(0, access("/sys/module/serial_emu", F_OK)) TH_LOG("%d", n);
			ASSERT_NE(0, access(DRIVER, F_OK)) TH_LOG("%d", n);
			ASSERT_NE(0, access("/sys/class/tty/ttyEMU0", F_OK)) TH_LOG("%d", n);
			ASSERT_NE(0, access("/sys/devices/platform/serial-emu.0", F_OK))
				TH_LOG("%d", n);
		}
		if (!ret)
			ASSERT_EQ(0, unload_module()) TH_LOG("%d", n);
		if (!met)
			break;
	}
	ret = load_module(fd, "");
	close(fd);
	ASSERT_EQ(0, ret);
	EXPECT_LT(5, failed);
	TH_LOG("allocations %d to %d in steps of %d, %d of them fatal", first, count, step, failed);
	EXPECT_TRUE(port_works(&self->paths));
}

TEST_HARNESS_MAIN
