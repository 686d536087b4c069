// SPDX-License-Identifier: GPL-2.0-only
/*
 * Much data through a pair of serial ports, in both directions at once, with
 * readers that stop and go on. What arrives is compared byte for byte.
 *
 * SERIAL_PAIR names two ports that are joined by a null-modem cable, as for
 * serial_pair_test. SERIAL_STREAM_KIB says how much is sent in each direction.
 */

#include <pthread.h>

#include "kselftest_harness.h"
#include "serial_test.h"

#define STREAM_KIB	2048
#define CHUNK		4096

/* A reader stops this often */
#define PAUSE_BYTES	200000
#define PAUSE_MS	20

/* When to give up, if nothing moves */
#define STALL_MS	20000

/**
 * struct stream - one end of one direction
 * @fd: the port
 * @size: how much there is to send, or to receive
 * @seed: where the content begins
 * @done: how much was sent, or received as it should be
 */
struct stream {
	int fd;
	uint64_t size;
	uint32_t seed;
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
	int pace = variant->lossless ? 0 : SERIAL_PACE_DEFAULT, i;
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
	}
}

TEST_HARNESS_MAIN
