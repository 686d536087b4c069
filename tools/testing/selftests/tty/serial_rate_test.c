// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do characters take the time on the wire that their format says?
 *
 * SERIAL_RATE_SECONDS tells for how long each rate is measured, which is 2 seconds without
 * it. How far the mean rate may be off is 10 ppm in virtual time, or SERIAL_RATE_PPM. In real
 * time it is said, but not judged without that: a machine may have other things to do.
 */

#include <limits.h>

#include "kselftest_harness.h"
#include "serial_test.h"

/* Start bit, eight data bits, stop bit */
#define BITS	10

/**
 * struct direction - what goes one way
 * @from: the sender
 * @to: the receiver
 * @sent: the seed of what is sent next
 * @received: the seed of what has to come next
 * @begun: whether anything came
 * @first_ns: when the first of it came
 * @last_ns: when the last of it came
 * @count: how much came after the first
 * @total: how much came
 * @wrong: whether something else came than was sent
 */
struct direction {
	int from;
	int to;
	uint32_t sent;
	uint32_t received;
	bool begun;
	int64_t first_ns;
	int64_t last_ns;
	int64_t count;
	int64_t total;
	bool wrong;
};

static void send_some(struct direction *d)
{
	unsigned char buf[2048];
	uint32_t seed = d->sent;
	ssize_t count;

	serial_pattern(&seed, buf, sizeof(buf));
	count = write(d->from, buf, sizeof(buf));
	if (count > 0)
		serial_pattern(&d->sent, buf, count);
}

static void receive_some(struct direction *d)
{
	unsigned char buf[4096], want[4096];
	int64_t now;
	ssize_t count;

	count = read(d->to, buf, sizeof(buf));
	now = serial_now_ns();
	if (count <= 0)
		return;
	serial_pattern(&d->received, want, count);
	if (memcmp(buf, want, count))
		d->wrong = true;
	d->total += count;
	if (d->begun) {
		d->count += count;
		d->last_ns = now;
	} else {
		d->begun = true;
		d->first_ns = now;
	}
}

static void exchange(struct direction *d, int64_t end)
{
	struct pollfd pfd[2];
	int i;

	while (serial_now_ns() < end) {
		for (i = 0; i < 2; i++)
			pfd[i] = (struct pollfd) { .fd = d[i].from, .events = POLLIN | POLLOUT };
		if (poll(pfd, 2, 1000) <= 0)
			continue;
		for (i = 0; i < 2; i++) {
			if (pfd[i].revents & POLLOUT)
				send_some(&d[i]);
			if (pfd[i].revents & POLLIN)
				receive_some(&d[!i]);
		}
	}
}

static int env_int(const char *name, int value)
{
	const char *text = getenv(name);

	return text ? atoi(text) : value;
}

FIXTURE(rate) {
	struct serial_paths paths;
	int fd[2];
};

FIXTURE_VARIANT(rate) {
	unsigned int baud;
};

FIXTURE_VARIANT_ADD(rate, 300) { .baud = 300 };
FIXTURE_VARIANT_ADD(rate, 9600) { .baud = 9600 };
FIXTURE_VARIANT_ADD(rate, 115200) { .baud = 115200 };
FIXTURE_VARIANT_ADD(rate, 1000000) { .baud = 1000000 };
FIXTURE_VARIANT_ADD(rate, 4000000) { .baud = 4000000 };

FIXTURE_SETUP(rate)
{
	const char *why = serial_why_no_pair(&self->paths, SERIAL_PACE_DEFAULT);
	int i;

	self->fd[0] = -1;
	self->fd[1] = -1;
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, serial_open_both(&self->paths, &self->fd[0], &self->fd[1]));
	for (i = 0; i < 2; i++) {
		if (serial_set_speed(self->fd[i], variant->baud))
			SKIP(return, "%u baud cannot be set", variant->baud);
		serial_set_nonblock(self->fd[i], true);
	}
}

FIXTURE_TEARDOWN(rate)
{
	serial_close_both(&self->paths, self->fd[0], self->fd[1]);
}

TEST_F(rate, mean)
{
	struct direction d[2] = {
		{ .from = self->fd[0], .to = self->fd[1], .sent = 1, .received = 1 },
		{ .from = self->fd[1], .to = self->fd[0], .sent = 2, .received = 2 },
	};
	int limit = env_int("SERIAL_RATE_PPM", serial_time_is_virtual() ? 10 : INT_MAX);
	int64_t begin_ns = serial_now_ns(), ns, want, ppm;
	int i;

	exchange(d, begin_ns + env_int("SERIAL_RATE_SECONDS", 2) * 1000000000LL);
	for (i = 0; i < 2; i++) {
		ASSERT_FALSE(d[i].wrong);
		ASSERT_LT(0, d[i].count);
		ns = d[i].last_ns - d[i].first_ns;
		want = d[i].count * BITS * 1000000000LL / variant->baud;
		ppm = (ns - want) * 1000000 / want;
		TH_LOG("%u baud, %s: %lld characters in %lld us, %lld ppm too slow", variant->baud,
		       i ? "back" : "forth", (long long)d[i].count, (long long)ns / 1000,
		       (long long)ppm);
		EXPECT_GE(limit, ppm);
		EXPECT_LE(-limit, ppm);
		/* Nothing comes too early on any machine; 5 % are for the clock of a real port */
		EXPECT_LE(d[i].total * BITS * 1000000000LL / variant->baud / 100 * 95,
			  d[i].last_ns - begin_ns);
	}
}

TEST_HARNESS_MAIN
