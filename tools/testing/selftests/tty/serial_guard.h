/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guard for what tests of the serial console emulator change in the system: a process
 * that waits until the last process of the test has ended, however it ended, and puts
 * everything back. What a test cleans up by itself is no work for it.
 */

#ifndef _SERIAL_GUARD_H
#define _SERIAL_GUARD_H

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GUARD_CONFIGFS	"/sys/kernel/config/serial-emu/"
#define GUARD_DEVICES	"/sys/bus/platform/devices/"

/* A cable with a fixed name that a test may make, beside those with its process ID */
#define GUARD_CABLE	GUARD_CONFIGFS "fault"

/* Settings that tests change */
static const char *const guard_settings[] = {
	"/proc/sys/kernel/printk",
	"/proc/sys/kernel/sysrq",
	"/sys/bus/platform/drivers_autoprobe",
	"/sys/class/tty/ttyEMU*/console",
	"/sys/kernel/debug/failslab/cache-filter",
	"/sys/kernel/debug/failslab/ignore-gfp-wait",
	"/sys/kernel/debug/failslab/probability",
	"/sys/kernel/debug/failslab/times",
	"/sys/kernel/debug/failslab/verbose",
	"/sys/kernel/slab/kmalloc-1k/failslab",
	GUARD_CONFIGFS "*/pace",
	GUARD_CONFIGFS "*/plugged",
	GUARD_CONFIGFS "*/*/rx_stall",
	NULL
};

/**
 * struct guard_setting - a setting as the test found it
 * @path: its file
 * @value: the first line of the file
 */
struct guard_setting {
	char path[PATH_MAX];
	char value[64];
};

/**
 * struct guard - the state of the guard
 * @owner: the process that runs the test program
 * @pid: the guard's process
 * @pipe: end of file on it tells the guard that the last process of the test ended
 * @settings: the settings that were found
 * @count: how many there are
 * @bound: the emulator's devices that were found, with a driver
 * @cable: whether a cable of the fixed name was found
 */
struct guard {
	pid_t owner;
	pid_t pid;
	int pipe;
	struct guard_setting *settings;
	size_t count;
	glob_t bound;
	bool cable;
};

static struct guard guard = { .pipe = -1 };

static inline bool guard_read(const char *path, char *value, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, value, size - 1);
	close(fd);
	if (len < 0)
		return false;
	value[len] = 0;
	value[strcspn(value, "\n")] = 0;

	return true;
}

/* The kernel's answer is no matter here: what cannot be put back stays as it is */
static inline void guard_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		perror(path);
	close(fd);
}

static inline void guard_save(const char *pattern)
{
	struct guard_setting *setting;
	glob_t found = { };
	size_t i;

	if (!glob(pattern, 0, NULL, &found)) {
		setting = reallocarray(guard.settings, guard.count + found.gl_pathc,
				       sizeof(*setting));
		if (!setting)
			abort();
		guard.settings = setting;
		for (i = 0; i < found.gl_pathc; i++) {
			setting = &guard.settings[guard.count];
			snprintf(setting->path, sizeof(setting->path), "%s", found.gl_pathv[i]);
			guard.count += guard_read(setting->path, setting->value,
						  sizeof(setting->value));
		}
	}
	globfree(&found);
}

static inline void guard_restore(const struct guard_setting *setting)
{
	char value[sizeof(setting->value)];

	if (guard_read(setting->path, value, sizeof(value)) && strcmp(value, setting->value))
		guard_write(setting->path, setting->value);
}

/* Remove the cables of that name, with their ends */
static inline void guard_remove_cables(const char *pattern)
{
	char path[PATH_MAX];
	glob_t cables = { }, ends = { };
	size_t i, j;

	glob(pattern, GLOB_ONLYDIR, NULL, &cables);
	for (i = 0; i < cables.gl_pathc; i++) {
		/* Those that the driver made */
		if (strstr(cables.gl_pathv[i], "/null-modem"))
			continue;
		snprintf(path, sizeof(path), "%s/live", cables.gl_pathv[i]);
		guard_write(path, "0");
		snprintf(path, sizeof(path), "%s/*/", cables.gl_pathv[i]);
		if (!glob(path, GLOB_ONLYDIR, NULL, &ends)) {
			for (j = 0; j < ends.gl_pathc; j++)
				rmdir(ends.gl_pathv[j]);
		}
		globfree(&ends);
		rmdir(cables.gl_pathv[i]);
	}
	globfree(&cables);
}

/* Bind what has lost its driver */
static inline void guard_bind(const char *device)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/driver", device);
	if (access(path, F_OK))
		guard_write("/sys/bus/platform/drivers/serial-emu/bind",
			    strrchr(device, '/') + 1);
}

static inline void guard_restore_all(void)
{
	char pattern[PATH_MAX];
	size_t i;

	/* With what may come behind it, but not as a part of another number */
	snprintf(pattern, sizeof(pattern), GUARD_CONFIGFS "*[a-z-]%d", guard.owner);
	guard_remove_cables(pattern);
	snprintf(pattern, sizeof(pattern), GUARD_CONFIGFS "*[a-z-]%d[!0-9]*", guard.owner);
	guard_remove_cables(pattern);
	if (!guard.cable)
		guard_remove_cables(GUARD_CABLE);
	for (i = 0; i < guard.bound.gl_pathc; i++) {
		*strrchr(guard.bound.gl_pathv[i], '/') = 0;
		guard_bind(guard.bound.gl_pathv[i]);
	}
	for (i = 0; i < guard.count; i++)
		guard_restore(&guard.settings[i]);
}

/* In a session of its own, where no terminal interrupts it; silent */
static inline void guard_run(int pipe)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char c;

	setsid();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	while (read(pipe, &c, 1) > 0)
		;
	guard_restore_all();
	_exit(0);
}

/* A test program that is done goes on when the guard is, but for a task that hangs */
static inline void guard_end(void)
{
	int i;

	if (getpid() != guard.owner)
		return;
	close(guard.pipe);
	for (i = 0; i < 500 && !waitpid(guard.pid, NULL, WNOHANG); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static void __attribute__((constructor)) guard_begin(void)
{
	size_t i;
	int fds[2];

	if (geteuid() || pipe2(fds, O_CLOEXEC))
		return;
	guard.owner = getpid();
	for (i = 0; guard_settings[i]; i++)
		guard_save(guard_settings[i]);
	glob(GUARD_DEVICES "serial-emu.*/driver", 0, NULL, &guard.bound);
	guard.cable = !access(GUARD_CABLE, F_OK);
	guard.pid = fork();
	if (!guard.pid) {
		close(fds[1]);
		guard_run(fds[0]);
	}
	close(fds[0]);
	guard.pipe = fds[1];
	atexit(guard_end);
}

#endif /* _SERIAL_GUARD_H */
