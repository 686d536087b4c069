// SPDX-License-Identifier: GPL-2.0-only
/*
 * A modem at the far end of an emulated serial port.
 *
 * It answers AT commands. Whatever number is dialled, the other side answers, and
 * sends back what it is sent. The carrier is OUT2, so the cable is wired like this:
 *
 *	cd /sys/kernel/config/serial-emu
 *	mkdir modem modem/port modem/line
 *	echo chardev > modem/line/kind
 *	echo peer-out2 > modem/port/dcd
 *	echo 1 > modem/live
 *	modem /dev/serial-emu/modem/line
 *
 * Commands: A, D, E0, E1, H, I, O, Z, and +++ to get from the line to the commands.
 * The computer hangs up by dropping DTR.
 */

#include <asm/termios.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial-emu.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SWITCHED_ON	(TIOCM_DTR | TIOCM_RTS)
#define CARRIER		TIOCM_OUT2

#define LINE_MAX_LENGTH	80

/**
 * struct modem - what the modem knows
 * @fd: the character device
 * @echo: whether commands are echoed
 * @online: whether what comes is data, and no commands
 * @connected: whether there is a connection
 * @baud: the speed of the port
 * @plus: how many plus signs came one after the other
 * @line: the command so far
 * @length: of it
 */
struct modem {
	int fd;
	bool echo;
	bool online;
	bool connected;
	unsigned int baud;
	unsigned int plus;
	char line[LINE_MAX_LENGTH];
	size_t length;
};

static void put_record(struct modem *modem, uint32_t type, const void *payload, uint32_t length)
{
	struct serial_emu_record head = { .length = length, .type = type };
	char buf[sizeof(head) + SERIAL_EMU_MAX_LENGTH];

	memcpy(buf, &head, sizeof(head));
	memcpy(buf + sizeof(head), payload, length);
	if (write(modem->fd, buf, sizeof(head) + length) < 0) {
		perror("write");
		exit(EXIT_FAILURE);
	}
}

static void put_data(struct modem *modem, const char *data, size_t length)
{
	if (length)
		put_record(modem, SERIAL_EMU_DATA, data, length);
}

static void say(struct modem *modem, const char *text)
{
	char buf[LINE_MAX_LENGTH];

	put_data(modem, buf, snprintf(buf, sizeof(buf), "\r\n%s\r\n", text));
}

static void set_carrier(struct modem *modem, bool on)
{
	uint32_t lines = SWITCHED_ON | (on ? CARRIER : 0);

	modem->connected = on;
	modem->online = on;
	modem->plus = 0;
	put_record(modem, SERIAL_EMU_LINES, &lines, sizeof(lines));
}

static void connect_it(struct modem *modem)
{
	char text[LINE_MAX_LENGTH];

	snprintf(text, sizeof(text), "CONNECT %u", modem->baud);
	say(modem, text);
	set_carrier(modem, true);
}

static void hang_up(struct modem *modem)
{
	if (modem->connected)
		set_carrier(modem, false);
	modem->online = false;
}

/* One command of a line; returns where the next one begins, NULL if it answered itself */
static const char *command(struct modem *modem, const char *text)
{
	switch (*text++) {
	case 'A':
	case 'D':
		connect_it(modem);
		return NULL;
	case 'E':
		modem->echo = *text != '0';
		return *text ? text + 1 : text;
	case 'H':
		hang_up(modem);
		return *text == '0' ? text + 1 : text;
	case 'I':
		say(modem, "emulated modem");
		return *text == '0' ? text + 1 : text;
	case 'O':
		if (!modem->connected) {
			say(modem, "NO CARRIER");
			return NULL;
		}
		connect_it(modem);
		return NULL;
	case 'Z':
		hang_up(modem);
		modem->echo = true;
		return *text == '0' ? text + 1 : text;
	default:
		say(modem, "ERROR");
		return NULL;
	}
}

static void command_line(struct modem *modem)
{
	const char *text = modem->line;

	modem->line[modem->length] = 0;
	modem->length = 0;
	if (!*text)
		return;
	if (strncmp(text, "AT", 2)) {
		say(modem, "ERROR");
		return;
	}
	text += 2;
	while (text && *text)
		text = command(modem, text);
	if (text)
		say(modem, "OK");
}

static void command_char(struct modem *modem, char c)
{
	if (modem->echo)
		put_data(modem, &c, 1);
	if (c == '\r') {
		command_line(modem);
	} else if (c == '\b' || c == 0x7f) {
		modem->length -= !!modem->length;
	} else if (c != '\n' && c != ' ' && modem->length < sizeof(modem->line) - 1) {
		if (c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		modem->line[modem->length++] = c;
	}
}

static void line_char(struct modem *modem, char c)
{
	put_data(modem, &c, 1);
	modem->plus = c == '+' ? modem->plus + 1 : 0;
	if (modem->plus == 3) {
		modem->online = false;
		say(modem, "OK");
	}
}

static void take_record(struct modem *modem, const struct serial_emu_record *head,
			const char *payload)
{
	struct serial_emu_format format;
	uint32_t lines, i;

	switch (head->type) {
	case SERIAL_EMU_DATA:
		for (i = 0; i < head->length; i++) {
			if (modem->online)
				line_char(modem, payload[i]);
			else
				command_char(modem, payload[i]);
		}
		break;
	case SERIAL_EMU_LINES:
		memcpy(&lines, payload, sizeof(lines));
		if (!(lines & TIOCM_DTR) && modem->connected) {
			hang_up(modem);
			say(modem, "NO CARRIER");
		}
		break;
	case SERIAL_EMU_FORMAT:
		memcpy(&format, payload, sizeof(format));
		modem->baud = format.baud;
		break;
	}
}

static int serve(struct modem *modem)
{
	struct serial_emu_record head;
	ssize_t count, done;
	char buf[4096];

	while ((count = read(modem->fd, buf, sizeof(buf))) > 0) {
		for (done = 0; done < count; done += sizeof(head) + head.length) {
			memcpy(&head, buf + done, sizeof(head));
			take_record(modem, &head, buf + done + sizeof(head));
		}
	}
	if (count < 0)
		perror("read");

	return count < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct modem modem = { .echo = true };

	if (argc != 2) {
		fprintf(stderr, "usage: %s /dev/serial-emu/CABLE/PORT\n", argv[0]);
		return EXIT_FAILURE;
	}
	modem.fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (modem.fd < 0) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return EXIT_FAILURE;
	}
	set_carrier(&modem, false);

	return serve(&modem);
}
