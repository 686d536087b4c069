// SPDX-License-Identifier: GPL-2.0-only
/*
 * Much data through a pair of serial ports, in both directions at once, with
 * readers that stop and go on. What arrives is compared byte for byte.
 *
 * SERIAL_PAIR names two ports that are joined by a null-modem cable, as for
 * serial_pair_test. SERIAL_STREAM_KIB says how much is sent in each direction,
 * SERIAL_SEED what is sent where that is random.
 */

#include <pthread.h>

#include "kselftest_harness.h"
#include "serial_test.h"

#define STREAM_KIB	2048
#define CHUNK		4096

/* A reader stops this often */
#define PAUSE_BYTES	200000
#define PAUSE_MS	20

/* A reader begins so late that without CTS its flip buffer would overflow, at 4000000 baud */
#define LATE_MS		4000

/* When to give up, if nothing moves */
#define STALL_MS	20000

/**
 * struct stream - one end of one direction
 * @fd: the port
 * @size: how much there is to send, or to receive
 * @seed: where the content begins
 * @late_ms: when a reader begins
 * @done: how much was sent, or received as it should be
 */
struct stream {
	int fd;
	uint64_t size;
	uint32_t seed;
	int late_ms;
	uint64_t done;
};

static void *stream_write(void *arg)
{
	struct stream *stream = arg;
	struct pollfd pfd = { .fd = stream->fd, .events = POLLOUT };
	size_t start = 0, end = 0;
	unsigned char buf[CHUNK];
	ssize_t count;

	while (stream->done < stream->size) {
		if (start == end) {
			start = 0;
			end = sizeof(buf);
			if (end > stream->size - stream->done)
				end = stream->size - stream->done;
			serial_pattern(&stream->seed, buf, end);
		}
		if (poll(&pfd, 1, STALL_MS) < 1)
			break;
		count = write(stream->fd, buf + start, end - start);
		if (count < 0 && errno != EAGAIN)
			break;
		if (count > 0) {
			start += count;
			stream->done += count;
		}
	}

	return NULL;
}

static void *stream_read(void *arg)
{
	struct stream *stream = arg;
	struct pollfd pfd = { .fd = stream->fd, .events = POLLIN };
	unsigned char buf[CHUNK], expected[CHUNK];
	uint64_t pause = PAUSE_BYTES;
	ssize_t count;

	serial_sleep_ms(stream->late_ms);
	while (stream->done < stream->size) {
		if (poll(&pfd, 1, STALL_MS) < 1)
			break;
		count = read(stream->fd, buf, sizeof(buf));
		if (count < 0 && errno == EAGAIN)
			continue;
		if (count <= 0)
			break;
		serial_pattern(&stream->seed, expected, count);
		if (memcmp(buf, expected, count))
			break;
		stream->done += count;
		if (stream->done > pause) {
			serial_sleep_ms(PAUSE_MS);
			pause += PAUSE_BYTES;
		}
	}

	return NULL;
}

FIXTURE(stream)
{
	struct serial_paths paths;
	int fd[2];
};

FIXTURE_VARIANT(stream)
{
	unsigned int cflag;
	unsigned int speed;
	bool lossless;
};

/* Only an emulated cable loses nothing without flow control */
FIXTURE_VARIANT_ADD(stream, no_flow_control)
{
	.lossless = true,
};

FIXTURE_VARIANT_ADD(stream, rtscts)
{
	.cflag = CRTSCTS,
	.speed = B4000000,
};

FIXTURE_SETUP(stream)
{
	/* What flow control has to hold back comes at a real pace only */
	int pace = variant->lossless ? SERIAL_PACE_MAX : SERIAL_PACE_DEFAULT, i;
	const char *why = serial_why_no_pair(&self->paths, pace);

	self->fd[0] = -1;
	self->fd[1] = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->fd[0], &self->fd[1]));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, serial_change_cflag(self->fd[i], variant->speed ? CBAUD : 0,
						 variant->cflag | variant->speed));
		ASSERT_EQ(0, serial_set_nonblock(self->fd[i], true));
	}
}

FIXTURE_TEARDOWN(stream)
{
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
	serial_close_both(&self->paths, self->fd[0], self->fd[1]);
}

static uint64_t stream_size(void)
{
	const char *kib = getenv("SERIAL_STREAM_KIB");

	return (uint64_t)(kib ? atoi(kib) : STREAM_KIB) << 10;
}

TEST_F_TIMEOUT(stream, both_ways, 3600)
{
	struct serial_icounter_struct before[2], after[2];
	uint64_t size = stream_size();
	struct stream streams[4];
	pthread_t threads[4];
	long begin, ms;
	int i;

	for (i = 0; i < 2; i++)
		before[i] = serial_icount(self->fd[i]);
	begin = serial_now_ms();
	for (i = 0; i < 4; i++) {
		streams[i] = (struct stream){
			.fd = self->fd[i / 2],
			.size = size,
			/* 0 is sent by port 0 to 3, 2 by port 1 to 1 */
			.seed = i == 0 || i == 3 ? 0x12345678 : 0x9abcdef0,
			.late_ms = variant->cflag & CRTSCTS ? LATE_MS : 0,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, i % 2 ? stream_read : stream_write,
					    &streams[i]));
	}
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ms = serial_now_ms() - begin;

	for (i = 0; i < 4; i++)
		EXPECT_EQ(size, streams[i].done) {
			TH_LOG("port %d, %s", i / 2, i % 2 ? "read" : "write");
		}
	TH_LOG("%llu bytes each way in %ld ms, %llu bytes/s", (unsigned long long)size, ms,
	       (unsigned long long)size * 1000 / (ms + !ms));

	for (i = 0; i < 2; i++) {
		after[i] = serial_icount(self->fd[i]);
		EXPECT_EQ(before[i].overrun, after[i].overrun);
		EXPECT_EQ(before[i].buf_overrun, after[i].buf_overrun);
		EXPECT_EQ((int)size, after[i].rx - before[i].rx);
		EXPECT_EQ((int)size, after[i].tx - before[i].tx);
		if (variant->cflag & CRTSCTS)
			EXPECT_LT(before[i].cts, after[i].cts);
	}
}

/*
 * Everything that can be in the way of data at full speed, in between: nothing is lost,
 * and all stays in its order.
 */

/* Room for what is received, with three characters for each break */
#define MIX_SIZE	(16 << 20)
#define MIX_WRITE	5000
#define MIX_READ	8192
#define MIX_LOST	20

/**
 * struct mix - what is sent, with all else that is done to the port
 * @paths: the ports
 * @fd: the port that sends
 * @size: how much is to be sent
 * @seed: where the random numbers begin
 * @edges: how often DTR changed
 * @done: nothing more is sent
 * @failed: what failed, or NULL
 * @len: how much the other port receives
 * @expected: what it receives
 */
struct mix {
	struct serial_paths *paths;
	int fd;
	size_t size;
	uint32_t seed;
	unsigned int edges;
	bool done;
	const char *failed;
	size_t len;
	unsigned char expected[MIX_SIZE];
};

static unsigned int mix_random(uint32_t *seed, unsigned int limit)
{
	unsigned int number;

	serial_pattern(seed, (unsigned char *)&number, sizeof(number));

	return number % limit;
}

static bool mix_write(int fd, const unsigned char *buf, size_t size)
{
	return serial_write(fd, buf, size) == (ssize_t)size;
}

/* Not 255, which PARMRK doubles */
static bool mix_data(struct mix *mix)
{
	size_t size = 1 + mix_random(&mix->seed, mix_random(&mix->seed, 4) ? 64 : MIX_WRITE), i;
	unsigned char *buf = mix->expected + mix->len;

	for (i = 0; i < size; i++)
		buf[i] = mix_random(&mix->seed, 255);
	mix->len += size;

	return mix_write(mix->fd, buf, size);
}

static bool mix_unseen(struct mix *mix)
{
	static const unsigned char unseen[MIX_LOST] = "unseen";

	return mix_write(mix->fd, unseen, 1 + mix_random(&mix->seed, MIX_LOST)) &&
	       !serial_drain(mix->fd);
}

static bool mix_break(struct mix *mix)
{
	unsigned char *buf = mix->expected + mix->len;

	buf[0] = 0xff;
	buf[1] = 0;
	buf[2] = 0;
	mix->len += 3;

	return !ioctl(mix->fd, TIOCSBRK) && mix_unseen(mix) && !ioctl(mix->fd, TIOCCBRK);
}

static bool mix_lines(struct mix *mix)
{
	bool on = mix->edges++ % 2;

	return on ? !serial_lines_on(mix->fd, TIOCM_DTR) : !serial_lines_off(mix->fd, TIOCM_DTR);
}

/* A stop bit more or less, which the receiver does not see */
static bool mix_format(struct mix *mix)
{
	bool more = mix_random(&mix->seed, 2);

	return !serial_change_cflag(mix->fd, more ? 0 : CSTOPB, more ? CSTOPB : 0);
}

static bool mix_flush(struct mix *mix)
{
	return !serial_drain(mix->fd) && !serial_flush(mix->fd, TCOFLUSH);
}

static bool mix_plug(struct mix *mix)
{
	return !serial_drain(mix->fd) && serial_cable_set(mix->paths, "plugged", 0) &&
	       mix_unseen(mix) && serial_cable_set(mix->paths, "plugged", 1);
}

static const struct {
	const char *name;
	bool (*run)(struct mix *mix);
	unsigned int weight;
} mix_steps[] = {
	{ "data", mix_data, 60 },
	{ "lines", mix_lines, 15 },
	{ "format", mix_format, 10 },
	{ "break", mix_break, 6 },
	{ "flush", mix_flush, 6 },
	{ "plug", mix_plug, 3 },
};

static void *mix_send(void *arg)
{
	struct mix *mix = arg;
	unsigned int i, number;

	while (mix->len < mix->size && !mix->failed) {
		number = mix_random(&mix->seed, 100);
		for (i = 0; number >= mix_steps[i].weight; i++)
			number -= mix_steps[i].weight;
		if (!mix_steps[i].run(mix))
			mix->failed = mix_steps[i].name;
	}
	serial_drain(mix->fd);
	__atomic_store_n(&mix->done, true, __ATOMIC_RELEASE);

	return NULL;
}

/* With pauses while more may be sent, then all that is left, and whatever comes behind it */
static size_t mix_receive(struct mix *mix, int fd, unsigned char *buf, size_t size)
{
	uint32_t seed = ~mix->seed;
	size_t done = 0;

	while (!__atomic_load_n(&mix->done, __ATOMIC_ACQUIRE) && done < size - MIX_READ) {
		if (!mix_random(&seed, 100))
			serial_sleep_ms(mix_random(&seed, 30));
		done += serial_read_ms(fd, buf + done, 1 + mix_random(&seed, MIX_READ), 100);
	}
	/* @len is final now */
	if (done < mix->len)
		done += serial_read(fd, buf + done, mix->len - done);

	return done + serial_read_ms(fd, buf + done, size - done, SERIAL_QUIET_MS);
}

FIXTURE(mix)
{
	struct serial_paths paths;
	int fd[2];
};

FIXTURE_SETUP(mix)
{
	const char *why = serial_why_no_pair(&self->paths, SERIAL_PACE_MAX);

	self->fd[0] = -1;
	self->fd[1] = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->fd[0], &self->fd[1]));
	ASSERT_TRUE(serial_wait_lines(self->fd[1], SERIAL_INPUTS, SERIAL_INPUTS));
	ASSERT_EQ(0, serial_change_iflag(self->fd[1], IGNBRK | BRKINT | IGNPAR, PARMRK));
}

FIXTURE_TEARDOWN(mix)
{
	serial_cable_set(&self->paths, "plugged", 1);
	serial_set_pace(&self->paths, SERIAL_PACE_DEFAULT);
	serial_close_both(&self->paths, self->fd[0], self->fd[1]);
}

TEST_F_TIMEOUT(mix, everything_in_order, 3600)
{
	static unsigned char back[MIX_SIZE + MIX_READ];
	const char *seed = getenv("SERIAL_SEED");
	static struct mix mix;
	uint64_t size = stream_size();
	unsigned int dsr, edges;
	pthread_t thread;
	size_t got, i;

	mix.paths = &self->paths;
	mix.fd = self->fd[0];
	mix.size = size < MIX_SIZE / 2 ? size : MIX_SIZE / 2;
	mix.seed = seed ? strtoul(seed, NULL, 0) : time(NULL);
	TH_LOG("SERIAL_SEED=%u", mix.seed);
	dsr = serial_icount(self->fd[1]).dsr;
	ASSERT_EQ(0, pthread_create(&thread, NULL, mix_send, &mix));
	got = mix_receive(&mix, self->fd[1], back, sizeof(back));
	pthread_join(thread, NULL);

	EXPECT_EQ(NULL, mix.failed) {
		TH_LOG("failed: %s", mix.failed);
	}
	for (i = 0; i < got && i < mix.len && back[i] == mix.expected[i]; i++)
		;
	EXPECT_EQ(mix.len, got);
	EXPECT_EQ(mix.len, i) {
		TH_LOG("differs from %zu on", i);
	}
	/* An edge that is over at once may be lost, with its end, but nothing else */
	edges = serial_icount(self->fd[1]).dsr - dsr;
	EXPECT_EQ(mix.edges % 2, edges % 2);
	EXPECT_EQ(mix.edges % 2 ? 0 : TIOCM_DSR, serial_lines(self->fd[1]) & TIOCM_DSR);
}

TEST_HARNESS_MAIN
