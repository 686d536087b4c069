// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs frame.c of the driver, in user space, on what standard input says:
 *
 *	R rate data_bits parity edge_start
 *		a receiver
 *	T rate data_bits parity half_stop_bits ticks count character...
 *		what a transmitter sends to it within a number of ticks; at the
 *		end of them the line is idle again
 *
 * and prints, for each T, a line with the characters that were received and
 * their errors. Compiled by frame-oracle, which puts the few things that frame.c
 * wants from the kernel in its place.
 */

#include <stdio.h>
#include <stdlib.h>

#include "frame.h"

static struct emu_sampler sampler;

static void feed(bool level, u64 duration)
{
	struct emu_frame frame;

	emu_sampler_feed(&sampler, level, duration);
	while (emu_sampler_run(&sampler, &frame))
		printf(" %x%s%s%s", frame.data, frame.parity_error ? "P" : "",
		       frame.frame_error ? "F" : "", frame.brk ? "B" : "");
}

static u64 feed_character(const struct emu_format *format, unsigned int data)
{
	u64 half = emu_sampler_half_bit(&sampler);
	unsigned int count, i;
	u32 bits;

	bits = emu_frame_bits(format, data, &count);
	for (i = 0; i < count; i++)
		feed(bits & BIT(i), 2 * half);
	feed(true, format->half_stop_bits * half);

	return emu_format_half_bits(format) * half;
}

static void receiver(void)
{
	struct emu_format format = { };
	unsigned long long rate;
	unsigned int data_bits, parity, edge_start;

	if (scanf("%llu %u %u %u", &rate, &data_bits, &parity, &edge_start) != 4)
		exit(1);
	format.rate = rate;
	format.data_bits = data_bits;
	format.parity = parity;
	format.half_stop_bits = 2;
	emu_sampler_init(&sampler, &format, false);
	sampler.edge_start = edge_start;
}

static void transmitter(void)
{
	struct emu_format format = { };
	unsigned long long rate, ticks;
	unsigned int data_bits, parity, half_stop_bits, count, data;
	u64 left;

	if (scanf("%llu %u %u %u %llu %u", &rate, &data_bits, &parity, &half_stop_bits,
		  &ticks, &count) != 6)
		exit(1);
	format.rate = rate;
	format.data_bits = data_bits;
	format.parity = parity;
	format.half_stop_bits = half_stop_bits;
	emu_sampler_retime(&sampler, &format);
	left = ticks * sampler.tick;
	while (count--) {
		if (scanf("%u", &data) != 1)
			exit(1);
		left -= feed_character(&format, data);
	}
	feed(true, left);
	putchar('\n');
}

int main(void)
{
	char what[2];

	while (scanf("%1s", what) == 1) {
		if (*what == 'R')
			receiver();
		else
			transmitter();
	}

	return 0;
}
