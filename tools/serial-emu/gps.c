// SPDX-License-Identifier: GPL-2.0-only
/*
 * A GPS receiver at the far end of an emulated serial port.
 *
 * It sends NMEA 0183 sentences once a second, as long as the port is open, and
 * always is in the same place, where it is the time that the computer has:
 *
 *	cd /sys/kernel/config/serial-emu
 *	mkdir gps gps/port gps/line
 *	echo chardev > gps/line/kind
 *	echo 1 > gps/live
 *	gps /dev/serial-emu/gps/line 52.5163 13.3777
 *
 * The first sentence of a second begins with it.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/serial-emu.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SENTENCE_MAX	82

/**
 * struct gps - what the receiver knows
 * @fd: the character device
 * @timer: expires once a second
 * @open: the port is open
 * @latitude: in degrees north
 * @longitude: in degrees east
 */
struct gps {
	int fd;
	int timer;
	bool open;
	double latitude;
	double longitude;
};

static void put_data(struct gps *gps, const char *data, uint32_t length)
{
	struct serial_emu_record head = { .length = length, .type = SERIAL_EMU_DATA };
	char buf[sizeof(head) + SENTENCE_MAX + 1];

	memcpy(buf, &head, sizeof(head));
	memcpy(buf + sizeof(head), data, length);
	if (write(gps->fd, buf, sizeof(head) + length) < 0) {
		perror("write");
		exit(EXIT_FAILURE);
	}
}

/* Send a sentence, to which what begins and ends it is added */
static void sentence(struct gps *gps, const char *format, ...)
{
	char text[SENTENCE_MAX + 1], buf[SENTENCE_MAX + 1];
	unsigned char sum = 0;
	va_list args;
	char *c;

	va_start(args, format);
	vsnprintf(text, sizeof(text) - 6, format, args);
	va_end(args);
	for (c = text; *c; c++)
		sum ^= *c;
	put_data(gps, buf, snprintf(buf, sizeof(buf), "$%.76s*%02X\r\n", text, sum));
}

/* Degrees and minutes, as in 5230.9780,N */
static void angle(char *buf, size_t size, double value, int digits, const char *signs)
{
	double degrees, minutes = modf(fabs(value), &degrees) * 60;

	snprintf(buf, size, "%0*.0f%07.4f,%c", digits, degrees, minutes, signs[value < 0]);
}

static void fix(struct gps *gps)
{
	char latitude[32], longitude[32], hour[16], date[16];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(hour, sizeof(hour), "%H%M%S.00", &tm);
	strftime(date, sizeof(date), "%d%m%y", &tm);
	angle(latitude, sizeof(latitude), gps->latitude, 2, "NS");
	angle(longitude, sizeof(longitude), gps->longitude, 3, "EW");
	sentence(gps, "GPRMC,%s,A,%s,%s,0.0,0.0,%s,,,A", hour, latitude, longitude, date);
	sentence(gps, "GPGGA,%s,%s,%s,1,08,1.0,34.0,M,44.0,M,,", hour, latitude, longitude);
	sentence(gps, "GPGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.8,1.0,1.5");
}

/* Only OPEN records matter */
static bool take_records(struct gps *gps)
{
	struct serial_emu_record head;
	ssize_t count, done;
	char buf[4096];

	count = read(gps->fd, buf, sizeof(buf));
	for (done = 0; done < count; done += sizeof(head) + head.length) {
		memcpy(&head, buf + done, sizeof(head));
		if (head.type == SERIAL_EMU_OPEN)
			gps->open = buf[done + sizeof(head)];
	}

	return count > 0;
}

static void serve(struct gps *gps)
{
	struct pollfd pfd[2] = {
		{ .fd = gps->fd, .events = POLLIN },
		{ .fd = gps->timer, .events = POLLIN },
	};
	uint64_t ticks;

	while (poll(pfd, 2, -1) > 0) {
		if (pfd[0].revents && !take_records(gps))
			break;
		if (!pfd[1].revents || read(gps->timer, &ticks, sizeof(ticks)) < 0)
			continue;
		if (gps->open)
			fix(gps);
	}
}

/* At the beginning of each second */
static int start_timer(void)
{
	struct itimerspec spec = {
		.it_interval.tv_sec = 1,
		.it_value.tv_sec = time(NULL) + 1,
	};
	int timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);

	if (timer >= 0 && timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL)) {
		close(timer);
		timer = -1;
	}

	return timer;
}

int main(int argc, char **argv)
{
	struct gps gps = { };

	if (argc != 4) {
		fprintf(stderr, "usage: %s /dev/serial-emu/CABLE/PORT LATITUDE LONGITUDE\n",
			argv[0]);
		return EXIT_FAILURE;
	}
	gps.latitude = atof(argv[2]);
	gps.longitude = atof(argv[3]);
	if (fabs(gps.latitude) > 90 || fabs(gps.longitude) > 180) {
		fprintf(stderr, "there is no such place\n");
		return EXIT_FAILURE;
	}
	gps.fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (gps.fd < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return EXIT_FAILURE;
	}
	gps.timer = start_timer();
	if (gps.timer < 0) {
		perror("timer");
		return EXIT_FAILURE;
	}
	serve(&gps);

	return EXIT_SUCCESS;
}
