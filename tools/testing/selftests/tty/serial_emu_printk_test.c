// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the console on a port of the serial console emulator does for printk, and
 * to it. The console is one that is enabled at run time.
 */

#include <sched.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "serial_test.h"
#include "serial_emu_cable.h"
#include "serial_emu_console.h"

/* More than the memory of a console, and the buffers of a tty, have room for */
#define FLOOD_LINES	6000
/* More than the memory of a console has room for */
#define BURST_LINES	2500
/* The memory has room for more */
#define TRICKLE_LINES	300
/* For so long it is observed whether processors go on, and how many of them are */
#define TICK_MS		5000
#define MAX_CPUS	4
#define SYSRQ		"/proc/sys/kernel/sysrq"
#define LONG_MESSAGE	"three seconds and more on a line of three hundred bits per second, as they were"
#define FLOOD_FORMAT	"<6>flood %05d, a line of some length so that it fills the buffers"

FIXTURE(printk)
{
	char dir[64];
	char sysfs[64];
	char printk[SETTING_MAX];
	char sysrq[SETTING_MAX];
	int line;
	int peer_line;
	int peer;
	int tty;
};

static int line_of(const char *dir, const char *end)
{
	int line;

	return sscanf(get(dir, end), "ttyEMU%d", &line) == 1 ? line : -1;
}

/* In /proc/consoles, where a name is followed by a space */
static bool is_console(int line)
{
	char text[4096], name[16];

	snprintf(name, sizeof(name), "ttyEMU%d ", line);

	return read_from("/proc/consoles", text, sizeof(text)) && strstr(text, name);
}

static int set_console(int line, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/tty/ttyEMU%d/console", line);

	return serial_write_file(path, value);
}

static long dropped(int line)
{
	char text[32];

	return read_from(debug_file(line, "dropped"), text, sizeof(text)) ? atol(text) : -1;
}

static bool is_in_file(const char *path, const char *text)
{
	return read_from(path, buf, BUF_SIZE) && strstr(buf, text);
}

/* Wait until the console has it in its memory */
static bool is_printed(int line, const char *text)
{
	long end = serial_now_ms() + serial_limit_ms();

	while (!is_in_file(debug_file(line, "console"), text) && serial_now_ms() < end)
		serial_sleep_ms(10);

	return strstr(buf, text);
}

FIXTURE_SETUP(printk)
{
	const char *why = why_no_cables();

	self->line = -1;
	self->peer = -1;
	self->tty = -1;
	if (why)
		SKIP(return, "%s", why);
	if (access("/sys/kernel/debug/serial-emu", F_OK))
		SKIP(return, "needs debugfs and CONFIG_SERIAL_EMU_CONSOLE");
	read_from(PRINTK, self->printk, sizeof(self->printk));
	read_from(SYSRQ, self->sysrq, sizeof(self->sysrq));
	serial_write_file(PRINTK, "8");

	ASSERT_EQ(0, make_cable(self->dir, sizeof(self->dir), "printk"));
	ASSERT_EQ(0, make(self->dir, "a"));
	ASSERT_EQ(0, make(self->dir, "b"));
	ASSERT_EQ(0, set(self->dir, "pace", "max"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->line = line_of(self->dir, "a/tty");
	self->peer_line = line_of(self->dir, "b/tty");
	self->tty = open_end(self->dir, "a/tty");
	self->peer = open_end(self->dir, "b/tty");
	ASSERT_LE(0, self->tty);
	ASSERT_LE(0, self->peer);
}

FIXTURE_TEARDOWN(printk)
{
	close(self->tty);
	close(self->peer);
	set(self->dir, "live", "0");
	unmake(self->dir, "a");
	unmake(self->dir, "b");
	if (self->printk[0])
		serial_write_file(PRINTK, self->printk);
	if (self->sysrq[0])
		serial_write_file(SYSRQ, self->sysrq);
	if (self->dir[0])
		EXPECT_EQ(0, rmdir(self->dir));
}

/*
 * With the log behind, which a new console prints first, and in which there may be
 * what an earlier test said.
 */
static bool begin_console(int line, int peer)
{
	char text[64];
	int len;

	len = snprintf(text, sizeof(text), "<3>a new console is here: %jd",
		       (intmax_t)serial_now_ns());
	if (set_console(line, "Y") || say(text))
		return false;
	snprintf(text + len, sizeof(text) - len, "\r\n");

	return hear(peer, text + strlen("<3>"));
}

TEST_F(printk, any_port_becomes_a_console)
{
	ASSERT_FALSE(is_console(self->line));
	ASSERT_TRUE(begin_console(self->line, self->peer));
	EXPECT_TRUE(is_console(self->line));
	EXPECT_EQ(0, set_console(self->line, "Y"));

	ASSERT_EQ(0, set_console(self->line, "N"));
	EXPECT_FALSE(is_console(self->line));
	hear_all(self->peer);
	ASSERT_EQ(0, say("<3>not for this console"));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));

	ASSERT_EQ(0, set_console(self->line, "Y"));
	ASSERT_EQ(0, say("<3>for this console again"));
	EXPECT_TRUE(hear(self->peer, "for this console again\r\n"));
	EXPECT_EQ(-EINVAL, set_console(self->line, "maybe"));
}

/* The last close leaves a port running only as long as it is a console */
TEST_F(printk, closed_port_ends_with_the_console)
{
	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_TRUE(serial_wait_lines(self->peer, TIOCM_DSR, TIOCM_DSR));
	close(self->tty);
	self->tty = -1;
	EXPECT_TRUE(serial_lines_stay(self->peer, TIOCM_DSR, TIOCM_DSR));
	ASSERT_EQ(0, set_console(self->line, "N"));
	EXPECT_TRUE(serial_wait_lines(self->peer, TIOCM_DSR, 0));

	self->tty = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->tty);
	hear_all(self->peer);
	ASSERT_EQ(4, serial_write(self->tty, "data", 4));
	EXPECT_TRUE(serial_arrives(self->peer, "data", 4));
}

/* Milliseconds that so many characters take */
static long line_ms(size_t count, int baud)
{
	return count * 10000 / baud;
}

static int set_line(const char *dir, int a, int b, int baud)
{
	return set(dir, "pace", "100") ?: serial_set_speed(a, baud) ?: serial_set_speed(b, baud);
}

/* The last one, when the test has closed it */
static int task_close(void *arg)
{
	serial_sleep_ms(SERIAL_QUIET_MS);

	return close(*(int *)arg) ? -errno : 0;
}

/* close() waits for what is still to be sent, and nothing of it is lost */
TEST_F(printk, close_is_not_disturbed)
{
	struct serial_task task;
	char data[40], got[40];

	memset(data, 'x', sizeof(data));
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 110));
	/* Four seconds */
	ASSERT_EQ(sizeof(data), serial_write(self->tty, data, sizeof(data)));
	task = serial_start(task_close, &self->tty);
	close(self->tty);
	self->tty = -1;
	serial_sleep_ms(3 * SERIAL_QUIET_MS);
	EXPECT_TRUE(serial_task_stays(&task));
	EXPECT_EQ(0, set_console(self->line, "N"));
	EXPECT_EQ(0, serial_task_result_ms(&task, 3 * serial_limit_ms()));
	EXPECT_EQ(sizeof(got), serial_read(self->peer, got, sizeof(got)));
	EXPECT_EQ(0, memcmp(data, got, sizeof(got)));
	EXPECT_TRUE(serial_wait_lines(self->peer, TIOCM_DSR, 0));
}

TEST_F(printk, open_port_stays_open)
{
	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, set_console(self->line, "N"));
	hear_all(self->peer);
	ASSERT_EQ(4, serial_write(self->tty, "data", 4));
	EXPECT_TRUE(serial_arrives(self->peer, "data", 4));
	EXPECT_TRUE(serial_lines_stay(self->peer, TIOCM_DSR, TIOCM_DSR));
	close(self->tty);
	self->tty = -1;
	EXPECT_TRUE(serial_wait_lines(self->peer, TIOCM_DSR, 0));
}

TEST_F(printk, many_ports_are_consoles)
{
	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, set_console(self->peer_line, "Y"));
	EXPECT_TRUE(is_console(self->line));
	EXPECT_TRUE(is_console(self->peer_line));
	ASSERT_EQ(0, say("<3>for both of them"));
	EXPECT_TRUE(is_printed(self->line, "for both of them\r\n"));
	EXPECT_TRUE(is_printed(self->peer_line, "for both of them\r\n"));

	ASSERT_EQ(0, set_console(self->line, "N"));
	ASSERT_EQ(0, say("<3>for one of them"));
	EXPECT_TRUE(is_printed(self->peer_line, "for one of them\r\n"));
	EXPECT_FALSE(is_in_file(debug_file(self->line, "console"), "for one of them"));
}

TEST_F(printk, removed_port_is_no_console)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(begin_console(self->line, self->peer));
		close(self->tty);
		ASSERT_EQ(0, set(self->dir, "live", "0"));
		EXPECT_FALSE(is_console(self->line));
		ASSERT_EQ(0, say("<3>for no console"));
		close(self->peer);
		ASSERT_EQ(0, set(self->dir, "live", "1"));
		self->line = line_of(self->dir, "a/tty");
		EXPECT_FALSE(is_console(self->line));
		/* Nothing of the last one */
		EXPECT_FALSE(is_in_file(debug_file(self->line, "console"),
					"a new console is here"));
		self->tty = open_end(self->dir, "a/tty");
		self->peer = open_end(self->dir, "b/tty");
	}
}

/* The port was never open: its far end is to see that it is there */
TEST_F(printk, console_raises_dtr)
{
	close(self->tty);
	close(self->peer);
	ASSERT_EQ(0, set(self->dir, "live", "0"));
	ASSERT_EQ(0, set(self->dir, "live", "1"));
	self->tty = -1;
	self->line = line_of(self->dir, "a/tty");
	self->peer = open_end(self->dir, "b/tty");
	ASSERT_LE(0, self->peer);
	EXPECT_TRUE(serial_lines_stay(self->peer, TIOCM_DSR, 0));
	/* The settings of a tty that was never set */
	ASSERT_EQ(0, serial_set_speed(self->peer, 9600));
	ASSERT_TRUE(begin_console(self->line, self->peer));
	EXPECT_TRUE(serial_wait_lines(self->peer, TIOCM_DSR, TIOCM_DSR));
	ASSERT_EQ(0, set_console(self->line, "N"));
	/* The edge comes after what was printed */
	hear_all(self->peer);
	EXPECT_TRUE(serial_wait_lines(self->peer, TIOCM_DSR, 0));
}

static int task_open(void *arg)
{
	int fd = open(arg, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

/* An open that waits for the carrier goes on waiting for it, and gets it */
TEST_F(printk, open_waits_while_the_console_ends)
{
	struct serial_task task;
	char path[64];

	snprintf(path, sizeof(path), "/dev/%s", get(self->dir, "a/tty"));
	/* First, or it would be hung up with it */
	close(self->peer);
	ASSERT_TRUE(serial_wait_lines(self->tty, TIOCM_CAR, 0));
	ASSERT_EQ(0, serial_change_cflag(self->tty, CLOCAL, 0));
	close(self->tty);
	self->tty = -1;
	task = serial_start(task_open, path);
	EXPECT_TRUE(serial_task_sleeps(&task));
	ASSERT_EQ(0, set_console(self->line, "Y"));
	ASSERT_EQ(0, set_console(self->line, "N"));
	EXPECT_TRUE(serial_task_stays(&task));
	self->peer = open_end(self->dir, "b/tty");
	ASSERT_LE(0, self->peer);
	EXPECT_EQ(0, serial_task_result(&task));
}

/**
 * struct record - a line of the file "records"
 * @number: of the record
 * @time: in nanoseconds
 * @cpu: that printed it
 * @context: thread or atomic
 * @prio: normal, emergency or panic
 * @begin: line, takeover or unsafe
 * @end: line, open or lost
 * @len: characters
 * @ended: in nanoseconds
 * @caller: PID of the caller of printk(), -1 if that is unknown
 */
struct record {
	unsigned long number;
	unsigned long long time;
	unsigned int cpu;
	char context[16];
	char prio[16];
	char begin[16];
	char end[16];
	unsigned int len;
	unsigned long long ended;
	int caller;
};

/* The record that has this text; false if there is none */
static bool find_record(int line, const char *text, struct record *record)
{
	char *found;

	if (!is_in_file(debug_file(line, "records"), text))
		return false;
	for (found = strstr(buf, text); found > buf && found[-1] != '\n'; found--)
		;

	return sscanf(found, "%lu %llu %u %15s %15s %15s %15s %u %llu %d", &record->number,
		      &record->time, &record->cpu, record->context, record->prio, record->begin,
		      record->end, &record->len, &record->ended, &record->caller) == 10;
}

TEST_F(printk, records_tell_how_it_was_printed)
{
	struct record first, second;
	char *text;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, say("<3>the first record"));
	ASSERT_EQ(0, say("<3>the second record"));
	ASSERT_TRUE(hear(self->peer, "the second record\r\n"));
	ASSERT_TRUE(find_record(self->line, "the first record\\r\\n", &first));
	ASSERT_TRUE(find_record(self->line, "the second record\\r\\n", &second));
	EXPECT_LT(first.number, second.number);
	EXPECT_LE(first.time, second.time);
	EXPECT_STREQ("thread", second.context);
	EXPECT_STREQ("normal", second.prio);
	EXPECT_STREQ("line", second.begin);
	EXPECT_STREQ("line", second.end);

	/* What is there is as long as it says: up to the newlines, which are escaped */
	text = strstr(buf, "the second record\\r\\n");
	while (text > buf && text[-1] != '[')
		text--;
	EXPECT_EQ(strcspn(text, "\n") + 1 - 2, second.len);
}

TEST_F(printk, memory_can_be_cleared)
{
	struct record record;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_TRUE(find_record(self->line, "a new console is here", &record));
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "clear"), "\n"));
	EXPECT_FALSE(is_in_file(debug_file(self->line, "console"), "a new console is here"));
	EXPECT_FALSE(find_record(self->line, "a new console is here", &record));

	ASSERT_EQ(0, say("<3>a message after that"));
	ASSERT_TRUE(hear(self->peer, "a message after that\r\n"));
	EXPECT_TRUE(find_record(self->line, "a message after that", &record));
	EXPECT_TRUE(is_in_file(debug_file(self->line, "console"), "a message after that"));
}

/* A kernel that is locked down refuses to read a file of debugfs that is more than this */
TEST_F(printk, memory_is_read_only)
{
	static const char *const names[] = { "console", "records", "dropped" };
	struct stat stat_buf;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, stat(debug_file(self->line, names[i]), &stat_buf));
		EXPECT_EQ(0400, stat_buf.st_mode & 07777) TH_LOG("%s", names[i]);
		EXPECT_NE(0, serial_write_file(debug_file(self->line, names[i]), "\n"));
	}
	ASSERT_EQ(0, stat(debug_file(self->line, "clear"), &stat_buf));
	EXPECT_EQ(0200, stat_buf.st_mode & 07777);
}

/* What is printed cannot be taken for an escape sequence */
TEST_F(printk, records_escape_backslashes)
{
	ASSERT_TRUE(begin_console(self->line, self->peer));
	/* /dev/kmsg prints a backslash as it is */
	ASSERT_EQ(0, say("<3>no newline: \\r\\n here"));
	ASSERT_TRUE(hear(self->peer, " here\r\n"));
	EXPECT_TRUE(is_in_file(debug_file(self->line, "records"),
			       "no newline: \\\\r\\\\n here\\r\\n\n"));
}

/* Other consoles of the machine may be slow, too */
#define FLOOD_TIMEOUT	300

/* A part of what printk's own buffer has room for: this is not about what that loses */
#define FLOOD_AHEAD	500

static bool is_flood_printed(int line, int number)
{
	char text[32];

	snprintf(text, sizeof(text), "] flood %05d,", number);

	return is_in_file(debug_file(line, "console"), text);
}

/* Wait until that line of the flood is printed, on a port that is a console for so long */
static void wait_for_flood(int line, int number)
{
	long end = serial_now_ms() + serial_limit_ms();

	while (!is_flood_printed(line, number) && is_console(line) && serial_now_ms() < end)
		serial_sleep_ms(5);
}

/**
 * struct flood - many lines that are said
 * @lines: how many
 * @line: the port that must not be left behind while it is a console, -1 if nothing is
 *	waited for
 * @stuck: whether the transmitter of that port is stuck all the time
 */
struct flood {
	int lines;
	int line;
	bool stuck;
};

static int say_lines(const struct flood *flood)
{
	char text[112];
	int i, ret;

	for (i = 0; i < flood->lines; i++) {
		if (flood->stuck && i % 100 == 0)
			serial_write_file(debug_file(flood->line, "stuck_ms"), "10000");
		if (flood->line >= 0 && i && i % FLOOD_AHEAD == 0)
			wait_for_flood(flood->line, i - 1);
		snprintf(text, sizeof(text), FLOOD_FORMAT, i);
		ret = say(text);
		if (ret)
			return ret;
	}

	return say("<6>flood is over");
}

static int task_flood(void *arg)
{
	return say_lines(arg);
}

/* How many lines of the flood are there; -1 if they are not in order */
static int count_lines(void)
{
	char *text = buf;
	int count = 0, last = -1, number;

	while ((text = strstr(text, "] flood "))) {
		text += 8;
		if (sscanf(text, "%5d,", &number) != 1)
			continue;
		if (number <= last)
			return -1;
		last = number;
		count++;
	}

	return count;
}

/* Read all of it, waiting for more and then sleeping so long; returns how much it was */
static size_t hear_flood(int fd, int wait_ms, int sleep_ms)
{
	long end = serial_now_ms() + 240000;
	size_t done = 0;

	buf[0] = 0;
	while (!strstr(buf + (done > 4096 ? done - 4096 : 0), "flood is over\r\n") &&
	       done < BUF_SIZE - 2048 && serial_now_ms() < end) {
		done += serial_read_ms(fd, buf + done, 2048, wait_ms);
		buf[done] = 0;
		serial_sleep_ms(sleep_ms);
	}

	return done;
}

/* The thread that prints waits for a far end that is slow, so nothing is lost */
TEST_F_TIMEOUT(printk, slow_reader_gets_everything, FLOOD_TIMEOUT)
{
	struct flood flood = { .lines = FLOOD_LINES, .line = self->line };
	struct serial_task task;
	long before;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	before = dropped(self->line);
	serial_task_seconds = FLOOD_TIMEOUT;
	task = serial_start(task_flood, &flood);
	hear_flood(self->peer, 0, 40);
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_EQ(FLOOD_LINES, count_lines());
	EXPECT_EQ(before, dropped(self->line));
}

/* printk's backlog waits for the line as well, when the console's memory is full */
TEST_F_TIMEOUT(printk, line_has_a_speed, FLOOD_TIMEOUT)
{
	struct flood flood = { .lines = BURST_LINES, .line = self->line };
	struct serial_task task;
	long before, begin;
	size_t done;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	hear_all(self->peer);
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 115200));
	before = dropped(self->line);
	begin = serial_now_ms();
	serial_task_seconds = FLOOD_TIMEOUT;
	task = serial_start(task_flood, &flood);
	done = hear_flood(self->peer, 100, 0);
	begin = serial_now_ms() - begin;
	TH_LOG("%zu characters in %ld ms", done, begin);
	EXPECT_LE(line_ms(done, 115200), begin);
	EXPECT_EQ(0, serial_task_result(&task));
	EXPECT_EQ(BURST_LINES, count_lines());
	EXPECT_EQ(before, dropped(self->line));
}

/* The longest that nothing else could run on a processor, in milliseconds */
static int task_tick(void *arg)
{
	struct sched_param param = { .sched_priority = 10 };
	long last, now, worst = 0, end;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(*(int *)arg, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) ||
	    sched_setscheduler(0, SCHED_FIFO, &param))
		return -errno;
	last = serial_now_ms();
	for (end = last + TICK_MS; last < end; last = now) {
		serial_sleep_ms(1);
		now = serial_now_ms();
		if (now - last > worst)
			worst = now - last;
	}

	return worst;
}

/* No processor is held up for the time that a slow line takes */
TEST_F(printk, slow_line_holds_nobody_up)
{
	struct serial_task task[MAX_CPUS];
	int i, worst, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long begin;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	hear_all(self->peer);
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 300));
	hear_all(self->peer);
	for (i = 0; i < cpus && i < MAX_CPUS; i++)
		task[i] = serial_start(task_tick, &i);
	begin = serial_now_ms();
	ASSERT_EQ(0, say("<3>a message that takes " LONG_MESSAGE));
	EXPECT_TRUE(hear(self->peer, LONG_MESSAGE "\r\n"));
	begin = serial_now_ms() - begin;
	EXPECT_LE(line_ms(strlen(buf), 300), begin);
	while (i-- > 0) {
		worst = serial_task_result_ms(&task[i], 2 * TICK_MS);
		TH_LOG("processor %d: %d ms of %ld", i, worst, begin);
		EXPECT_LE(0, worst);
		EXPECT_GT(begin / 2, worst);
	}
}

/* It does not wait for one that is not there at all: the rest of the system lives */
TEST_F_TIMEOUT(printk, stuck_transmitter_stops_nobody, FLOOD_TIMEOUT)
{
	struct flood flood = { .lines = BURST_LINES, .line = self->line, .stuck = true };
	long before, begin, free;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(-EINVAL, serial_write_file(debug_file(self->line, "stuck_ms"), "10001"));
	ASSERT_EQ(-EINVAL, serial_write_file(debug_file(self->line, "stuck_ms"), "long"));
	before = dropped(self->line);
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "stuck_ms"), "10000"));
	hear_all(self->peer);
	ASSERT_EQ(0, say("<3>a message for later"));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));
	/* Nor is anything of the tty's sent */
	ASSERT_EQ(4, serial_write(self->tty, "data", 4));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));

	/* It takes no longer than without that console. The log may have a flood already. */
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "clear"), "\n"));
	begin = serial_now_ms();
	ASSERT_EQ(0, say_lines(&flood));
	EXPECT_TRUE(is_printed(self->line, "flood is over\r\n"));
	begin = serial_now_ms() - begin;
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "stuck_ms"), "0"));
	ASSERT_TRUE(hear(self->peer, "flood is over\r\n"));
	EXPECT_LT(before, dropped(self->line));
	EXPECT_LT(0, count_lines());
	EXPECT_NE(BURST_LINES, count_lines());

	ASSERT_EQ(0, set_console(self->line, "N"));
	flood = (struct flood){ .lines = BURST_LINES, .line = -1 };
	free = serial_now_ms();
	ASSERT_EQ(0, say_lines(&flood));
	free = serial_now_ms() - free;
	EXPECT_GT(2 * free + serial_limit_ms(), begin);
}

TEST_F(printk, stuck_for_a_time)
{
	long begin;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	hear_all(self->peer);
	begin = serial_now_ms();
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "stuck_ms"), "500"));
	ASSERT_EQ(0, say("<3>half a second later"));
	ASSERT_TRUE(hear(self->peer, "half a second later\r\n"));
	EXPECT_LE(500, serial_now_ms() - begin);
}

/* It does not catch up with what it might have sent meanwhile */
TEST_F(printk, stuck_is_lost_time)
{
	char data[40], got[40];
	long begin;

	/* So that there are the files of a console, and nothing is printed */
	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, set_console(self->line, "N"));
	hear_all(self->peer);
	memset(data, 'x', sizeof(data));
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 110));
	begin = serial_now_ms();
	ASSERT_EQ(sizeof(data), serial_write(self->tty, data, sizeof(data)));
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "stuck_ms"), "2000"));
	ASSERT_EQ(sizeof(got), serial_read(self->peer, got, sizeof(got)));
	/* But for the FIFO and the shift register, which were not stuck */
	EXPECT_LE(2000 + line_ms(sizeof(data) - 18, 110), serial_now_ms() - begin);
	EXPECT_EQ(0, memcmp(data, got, sizeof(got)));
}

/* Unregistering a console on a slow line does not wait for all its messages */
TEST_F_TIMEOUT(printk, slow_console_can_be_ended, FLOOD_TIMEOUT)
{
	struct flood flood = { .lines = BURST_LINES, .line = -1 };
	long begin;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	hear_all(self->peer);
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 50));
	ASSERT_EQ(0, say_lines(&flood));
	begin = serial_now_ms();
	ASSERT_EQ(0, set_console(self->line, "N"));
	begin = serial_now_ms() - begin;
	TH_LOG("%ld ms", begin);
	EXPECT_GT(3 * serial_limit_ms(), begin);
	EXPECT_FALSE(is_console(self->line));
}

/*
 * A transmitter takes characters in bursts, which at 50 baud are seconds apart, and more
 * so if there is no receiver whose FIFO has to be emptied meanwhile.
 */
TEST_F_TIMEOUT(printk, slow_console_is_not_stalled, FLOOD_TIMEOUT)
{
	char text[112];
	long before;
	int i;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	hear_all(self->peer);
	before = dropped(self->line);
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 50));
	close(self->peer);
	self->peer = -1;
	for (i = 0; i < BURST_LINES; i++) {
		snprintf(text, sizeof(text), FLOOD_FORMAT, i);
		ASSERT_EQ(0, say(text));
		/* printk's own memory is not to be the one that overflows */
		if (i % 50 == 0)
			serial_sleep_ms(50);
	}
	serial_sleep_ms(5000);
	EXPECT_EQ(before, dropped(self->line));
	EXPECT_EQ(0, set_console(self->line, "N"));
}

/* A message of 1400 characters and more, with what printk puts before each of its lines */
static int say_long(int number)
{
	char text[1024];
	int len;

	len = snprintf(text, sizeof(text), "<6>long message %05d, ", number);
	memset(text + len, 'x', 900);
	memset(text + len + 900, '\n', 30);
	text[len + 930] = 0;

	return serial_write_file("/dev/kmsg", text);
}

/* It waits if the memory has no room for another one */
static bool is_long_printed(int line, int number)
{
	char text[32];
	int i;

	snprintf(text, sizeof(text), "] long message %05d,", number);
	for (i = 0; i < 200 && !is_in_file(debug_file(line, "console"), text); i++)
		serial_sleep_ms(10);

	return i < 200;
}

/*
 * The wait for room has a limit, of 16 seconds here, in which 960 characters are sent. What
 * comes after it waits as well, or it would overwrite what is not sent.
 */
TEST_F_TIMEOUT(printk, slow_line_is_not_stalled_by_long_messages, FLOOD_TIMEOUT)
{
	int number = 0, i;
	long before;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	hear_all(self->peer);
	before = dropped(self->line);
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 600));
	close(self->peer);
	self->peer = -1;
	do {
		ASSERT_EQ(0, say_long(++number));
	} while (is_long_printed(self->line, number));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, say_long(++number));
	serial_sleep_ms(35000);
	EXPECT_EQ(before, dropped(self->line));
	EXPECT_EQ(0, set_console(self->line, "N"));
}

/* A port that becomes a console is as its tty is, not as it was when it was one before */
TEST_F(printk, settings_are_the_present_ones)
{
	struct termios2 tio;
	struct pollfd pfd;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	/* Serial core keeps what is set when a console's tty is hung up */
	ASSERT_EQ(0, serial_set_speed(self->tty, 300));
	ASSERT_EQ(0, serial_change_cflag(self->tty, CLOCAL, 0));
	close(self->peer);
	pfd = (struct pollfd){ .fd = self->tty };
	EXPECT_EQ(1, poll(&pfd, 1, serial_limit_ms()));
	close(self->tty);
	ASSERT_EQ(0, set_console(self->line, "N"));

	self->peer = open_end(self->dir, "b/tty");
	self->tty = open_end(self->dir, "a/tty");
	ASSERT_LE(0, self->tty);
	ASSERT_EQ(0, serial_set_speed(self->tty, 4800));
	close(self->tty);
	ASSERT_EQ(0, set_console(self->line, "Y"));
	self->tty = serial_open(in_dir("/dev", get(self->dir, "a/tty")));
	ASSERT_LE(0, self->tty);
	ASSERT_EQ(0, serial_get(self->tty, &tio));
	EXPECT_EQ(4800, tio.c_ospeed);
}

/* A wait in the thread that prints does not block the unregistration of the console */
TEST_F_TIMEOUT(printk, stuck_console_can_be_ended, FLOOD_TIMEOUT)
{
	struct flood flood = { .lines = BURST_LINES, .line = self->line, .stuck = true };
	struct serial_task task;
	long begin;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "stuck_ms"), "10000"));
	serial_task_seconds = FLOOD_TIMEOUT;
	task = serial_start(task_flood, &flood);
	serial_sleep_ms(300);
	begin = serial_now_ms();
	ASSERT_EQ(0, set_console(self->line, "N"));
	/* Half of the time for which it is stuck, where no machine is slow */
	EXPECT_GT(serial_time_is_virtual() ? 5000 : 6 * serial_limit_ms(),
		  serial_now_ms() - begin);
	EXPECT_FALSE(is_console(self->line));
	EXPECT_EQ(0, serial_task_result_ms(&task, 240000));
}

/* As console=...r does at boot, if the tty has it */
TEST_F(printk, flow_control)
{
	ASSERT_EQ(0, serial_change_cflag(self->tty, 0, CRTSCTS));
	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, serial_lines_off(self->peer, TIOCM_RTS));
	ASSERT_TRUE(serial_wait_lines(self->tty, TIOCM_CTS, 0));
	hear_all(self->peer);
	ASSERT_EQ(0, say("<3>a message that waits"));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));
	ASSERT_EQ(0, serial_lines_on(self->peer, TIOCM_RTS));
	EXPECT_TRUE(hear(self->peer, "a message that waits\r\n"));
}

/* What waits for a reader does so when the port is no console any more */
TEST_F(printk, flow_control_outlives_the_console)
{
	ASSERT_EQ(0, serial_change_cflag(self->tty, 0, CRTSCTS));
	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, serial_lines_off(self->peer, TIOCM_RTS));
	ASSERT_TRUE(serial_wait_lines(self->tty, TIOCM_CTS, 0));
	hear_all(self->peer);
	ASSERT_EQ(0, say("<3>the last message that waits"));
	ASSERT_TRUE(is_printed(self->line, "the last message that waits\r\n"));
	ASSERT_EQ(0, set_console(self->line, "N"));
	/* Its transmitter looks at what there is to do */
	ASSERT_EQ(0, serial_lines_off(self->peer, TIOCM_DTR));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));
	ASSERT_EQ(0, serial_lines_on(self->peer, TIOCM_RTS | TIOCM_DTR));
	EXPECT_TRUE(hear(self->peer, "the last message that waits\r\n"));
}

/* Also on a port that was closed before it became a console: its receiver is off */
TEST_F(printk, flow_control_of_a_closed_port)
{
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 115200));
	ASSERT_EQ(0, serial_change_cflag(self->tty, 0, CRTSCTS));
	close(self->tty);
	self->tty = -1;
	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, serial_lines_off(self->peer, TIOCM_RTS));
	hear_all(self->peer);
	ASSERT_EQ(0, say("<3>a message of a closed port"));
	ASSERT_TRUE(is_printed(self->line, "a message of a closed port\r\n"));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));
	ASSERT_EQ(0, serial_lines_on(self->peer, TIOCM_RTS));
	EXPECT_TRUE(hear(self->peer, "a message of a closed port\r\n"));
}

/* The FIFO may have a break, the key behind it, and data before and after them */
TEST_F(printk, sysrq_among_data)
{
	/* Without sysctl it is as the kernel's configuration or command line says */
	serial_write_file(SYSRQ, "1");
	if (access("/proc/sysrq-trigger", F_OK))
		SKIP(return, "needs CONFIG_MAGIC_SYSRQ");
	ASSERT_TRUE(begin_console(self->line, self->peer));
	hear_all(self->peer);
	/* Eight characters, of 4.2 ms each, make the FIFO due */
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 2400));
	ASSERT_EQ(5, serial_write(self->peer, "first", 5));
	ASSERT_EQ(0, serial_drain(self->peer));
	ASSERT_EQ(0, ioctl(self->peer, TIOCSBRK));
	serial_sleep_ms(5);
	ASSERT_EQ(0, ioctl(self->peer, TIOCCBRK));
	ASSERT_EQ(16, serial_write(self->peer, "hdata of the tty", 16));
	EXPECT_TRUE(hear(self->peer, "sysrq: HELP"));
	EXPECT_TRUE(serial_arrives(self->tty, "firstdata of the tty", 20));
}

/* What is sent during a break would be hidden */
TEST_F(printk, break_has_the_console_wait)
{
	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, ioctl(self->tty, TIOCSBRK));
	hear_all(self->peer);
	ASSERT_EQ(0, say("<3>a message during a break"));
	ASSERT_TRUE(is_printed(self->line, "a message during a break\r\n"));
	EXPECT_TRUE(serial_nothing_arrives(self->peer));
	ASSERT_EQ(0, ioctl(self->tty, TIOCCBRK));
	EXPECT_TRUE(hear(self->peer, "a message during a break\r\n"));
}

/* The console drives the line only while it prints, as the tty does */
TEST_F(printk, rs485)
{
	struct serial_rs485 rs485 = { .flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND };
	int edges;

	ASSERT_EQ(0, ioctl(self->tty, TIOCSRS485, &rs485));
	ASSERT_TRUE(begin_console(self->line, self->peer));
	EXPECT_TRUE(serial_wait_lines(self->peer, TIOCM_CTS, 0));
	edges = serial_icount(self->peer).cts;
	ASSERT_EQ(0, say("<3>a message on a shared line"));
	EXPECT_TRUE(hear(self->peer, "a message on a shared line\r\n"));
	EXPECT_TRUE(serial_wait_lines(self->peer, TIOCM_CTS, 0));
	EXPECT_LE(edges + 2, serial_icount(self->peer).cts);
	EXPECT_TRUE(serial_lines_stay(self->peer, TIOCM_CTS, 0));
}

/* Nor does it drive a line on which it has to wait */
TEST_F(printk, rs485_during_a_break)
{
	struct serial_rs485 rs485 = { .flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND };

	ASSERT_EQ(0, ioctl(self->tty, TIOCSRS485, &rs485));
	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_TRUE(serial_wait_lines(self->peer, TIOCM_CTS, 0));
	ASSERT_EQ(0, ioctl(self->tty, TIOCSBRK));
	hear_all(self->peer);
	ASSERT_EQ(0, say("<3>a message during a break"));
	ASSERT_TRUE(is_printed(self->line, "a message during a break\r\n"));
	EXPECT_TRUE(serial_lines_stay(self->peer, TIOCM_CTS, 0));
	ASSERT_EQ(0, ioctl(self->tty, TIOCCBRK));
	EXPECT_TRUE(hear(self->peer, "a message during a break\r\n"));
	EXPECT_TRUE(serial_wait_lines(self->peer, TIOCM_CTS, 0));
}

TEST_F_TIMEOUT(printk, cts_is_never_given, FLOOD_TIMEOUT)
{
	struct flood flood = { .lines = BURST_LINES, .line = self->line };
	long before;

	ASSERT_EQ(0, serial_change_cflag(self->tty, 0, CRTSCTS));
	ASSERT_TRUE(begin_console(self->line, self->peer));
	before = dropped(self->line);
	ASSERT_EQ(0, serial_lines_off(self->peer, TIOCM_RTS));
	ASSERT_TRUE(serial_wait_lines(self->tty, TIOCM_CTS, 0));
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "clear"), "\n"));
	ASSERT_EQ(0, say_lines(&flood));
	/* The last of it is kept, and the oldest makes room for it */
	EXPECT_TRUE(is_printed(self->line, "flood is over\r\n"));
	/* It is counted when it is overwritten, not when it would have been sent */
	EXPECT_LT(before, dropped(self->line));
	before = dropped(self->line);
	ASSERT_EQ(0, serial_lines_on(self->peer, TIOCM_RTS));
	EXPECT_TRUE(hear(self->peer, "flood is over\r\n"));
	EXPECT_LE(before, dropped(self->line));
}

/* As a driver that stays in a section where the console cannot be taken over */
TEST_F(printk, lingers_where_it_is_unsafe)
{
	struct record first, second;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(-EINVAL, serial_write_file(debug_file(self->line, "unsafe_us"), "10000001"));
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "unsafe_us"), "400000"));
	ASSERT_EQ(0, say("<3>the first record"));
	ASSERT_EQ(0, say("<3>the second record"));
	ASSERT_TRUE(hear(self->peer, "the second record\r\n"));
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "unsafe_us"), "0"));
	ASSERT_TRUE(find_record(self->line, "the first record", &first));
	ASSERT_TRUE(find_record(self->line, "the second record", &second));
	/* A delay that is a loop of instructions may be shorter than what was asked for */
	EXPECT_LE(80000000, second.time - first.time);
	EXPECT_LE(80000000, first.ended - first.time);
	EXPECT_GE(second.time, first.ended);
}

/* All processors, one of which prints, are asked for their stacks, most by an NMI */
TEST_F_TIMEOUT(printk, nmi_while_the_thread_prints, FLOOD_TIMEOUT)
{
	struct flood flood = { .lines = TRICKLE_LINES, .line = -1 };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct serial_task task;
	char text[64];
	int i;

	if (cpus < 2)
		SKIP(return, "needs two processors");
	if (access("/proc/sysrq-trigger", W_OK))
		SKIP(return, "needs CONFIG_MAGIC_SYSRQ");
	ASSERT_TRUE(begin_console(self->line, self->peer));
	/* The log may have such lines already */
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "clear"), "\n"));
	/* It goes on for seconds when the task is done, and there is nothing else to do */
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "unsafe_us"), "20000"));
	serial_task_seconds = FLOOD_TIMEOUT;
	task = serial_start(task_flood, &flood);
	EXPECT_EQ(0, serial_task_result_ms(&task, 240000));
	/* Interrupts that had to wait come between two records: the NMI is not to be there */
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "unsafe_us"), "2000000"));
	serial_sleep_ms(500);
	ASSERT_EQ(0, serial_write_file("/proc/sysrq-trigger", "l"));
	ASSERT_EQ(0, serial_write_file(debug_file(self->line, "unsafe_us"), "0"));
	ASSERT_TRUE(is_printed(self->line, "flood is over\r\n"));
	/* The other processor's comes after that of the one that asks */
	if (!is_printed(self->line, "NMI backtrace for cpu"))
		SKIP(return, "this architecture has no such NMI");
	for (i = 0; i < cpus; i++) {
		snprintf(text, sizeof(text), "NMI backtrace for cpu %d", i);
		EXPECT_TRUE(is_printed(self->line, text));
	}
	/* It came when the thread was in such a section */
	EXPECT_TRUE(is_printed(self->line, "emu_console_write"));
	EXPECT_EQ(TRICKLE_LINES, count_lines());
}

/* A script for a debugger, which is not read */
TEST_F(printk, poll_input_refuses_bad_memory)
{
	int fd = open(debug_file(self->line, "poll_input"), O_WRONLY | O_CLOEXEC);
	void *nowhere;

	if (fd < 0)
		SKIP(return, "needs CONFIG_CONSOLE_POLL");
	nowhere = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, nowhere);
	EXPECT_EQ(-1, write(fd, nowhere, 1));
	EXPECT_EQ(EFAULT, errno);
	close(fd);
}

static int task_kill_cable(void *arg)
{
	return set(arg, "live", "0");
}

static int task_make_end(void *arg)
{
	return make(arg, "c");
}

/* The removal of a console waits for its output; making another cable does not */
TEST_F_TIMEOUT(printk, slow_removal_holds_up_no_other_cable, FLOOD_TIMEOUT)
{
	struct flood flood = { .lines = BURST_LINES, .line = -1 };
	struct serial_task removal, end;
	char dir[64];
	long begin;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	ASSERT_EQ(0, set_console(self->peer_line, "Y"));
	hear_all(self->peer);
	ASSERT_EQ(0, set_line(self->dir, self->tty, self->peer, 300));
	serial_task_seconds = FLOOD_TIMEOUT;
	ASSERT_EQ(0, say_lines(&flood));
	removal = serial_start(task_kill_cable, self->dir);
	ASSERT_TRUE(serial_task_stays(&removal));
	end = serial_start(task_make_end, self->dir);
	serial_sleep_ms(50);
	begin = serial_now_ms();
	ASSERT_EQ(0, make_cable(dir, sizeof(dir), "other"));
	begin = serial_now_ms() - begin;
	EXPECT_TRUE(serial_task_stays(&removal));
	EXPECT_EQ(-EBUSY, serial_task_result(&end));
	EXPECT_EQ(0, serial_task_result_ms(&removal, 240000));
	EXPECT_EQ(0, rmdir(dir));
	TH_LOG("%ld ms", begin);
}

#define WRITERS		4

struct writer {
	int number;
	int lines;
};

/* On a processor of its own, if there is one */
static int task_write(void *arg)
{
	struct writer *writer = arg;
	cpu_set_t cpus;
	char text[64];
	int i, ret = 0;

	CPU_ZERO(&cpus);
	CPU_SET(writer->number % sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (i = 0; i < writer->lines && !ret; i++) {
		snprintf(text, sizeof(text), "<6>writer %d line %07d.", writer->number, i);
		ret = say(text);
	}

	return ret;
}

/**
 * struct tally - what arrived of what the writers wrote
 * @next: the number of each one's next line
 * @lines: how many lines of theirs there were
 * @dropped: how many messages printk says that it dropped
 * @torn: how many lines were not whole, or not in order
 */
struct tally {
	int next[WRITERS];
	long lines;
	long dropped;
	long torn;
};

static void count_line(struct tally *tally, const char *line)
{
	int writer, number, end = 0;
	long dropped;
	char *text;

	if (sscanf(line, "** %ld printk messages dropped **", &dropped) == 1) {
		tally->dropped += dropped;
		return;
	}
	text = strstr(line, "] writer ");
	if (!text)
		return;
	if (line[0] != '[' ||
	    sscanf(text, "] writer %d line %7d.%n", &writer, &number, &end) != 2 ||
	    !end || text[end] || writer < 0 || writer >= WRITERS ||
	    number < tally->next[writer]) {
		tally->torn++;
		return;
	}
	tally->next[writer] = number + 1;
	tally->lines++;
}

/* Count the whole lines, and return how much is left of the last one */
static size_t count_all(struct tally *tally, size_t len)
{
	char *line = buf, *end;

	buf[len] = 0;
	while ((end = strstr(line, "\r\n"))) {
		*end = 0;
		count_line(tally, line);
		line = end + 2;
	}
	len -= line - buf;
	memmove(buf, line, len);

	return len;
}

/*
 * No line is lost but those that printk counts, none is torn, and each writer's come
 * in order. SERIAL_EMU_RECORDS says how many there are.
 */
TEST_F_TIMEOUT(printk, writers_on_all_processors, 3600)
{
	const char *records = getenv("SERIAL_EMU_RECORDS");
	long all = records ? atol(records) : 8000;
	struct serial_task task[WRITERS];
	struct writer writer[WRITERS];
	struct tally tally = { };
	size_t len = 0, count;
	long before;
	int i;

	ASSERT_TRUE(begin_console(self->line, self->peer));
	before = dropped(self->line);
	serial_task_seconds = 3600;
	for (i = 0; i < WRITERS; i++) {
		writer[i] = (struct writer) { .number = i, .lines = all / WRITERS };
		task[i] = serial_start(task_write, &writer[i]);
	}
	/* A long silence is the end */
	while ((count = serial_read_ms(self->peer, buf + len, 1, 3000))) {
		len += count;
		if (serial_inq(self->peer) > 0)
			len += serial_read_ms(self->peer, buf + len, serial_inq(self->peer), 0);
		len = count_all(&tally, len);
	}
	for (i = 0; i < WRITERS; i++)
		EXPECT_EQ(0, serial_task_result(&task[i]));
	TH_LOG("%ld lines, %ld dropped by printk", tally.lines, tally.dropped);
	EXPECT_EQ(0, tally.torn);
	EXPECT_LE(all - tally.lines, tally.dropped);
	EXPECT_LT(0, tally.lines);
	EXPECT_EQ(before, dropped(self->line));
}

TEST_HARNESS_MAIN
