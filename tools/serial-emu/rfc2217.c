// SPDX-License-Identifier: GPL-2.0-only
/*
 * A serial port that is somewhere in the network, at the far end of an emulated one.
 *
 * There a server speaks RFC 2217, ser2net(8) for example. What is done to the
 * emulated port is done to that one: data, speed and format, DTR, RTS and breaks.
 * What that one receives this one receives, with its modem status and breaks. For
 * all four of the inputs the cable is wired like this:
 *
 *	cd /sys/kernel/config/serial-emu
 *	mkdir remote remote/port remote/net
 *	echo chardev > remote/net/kind
 *	echo peer-out2 > remote/port/dcd
 *	echo 1 > remote/live
 *	rfc2217 /dev/serial-emu/remote/net host.example.org 2217
 */

#include <arpa/inet.h>
#include <asm/termios.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial-emu.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Telnet, RFC 854 and the like */
enum telnet {
	OPT_BINARY	= 0,
	OPT_NO_GO_AHEAD	= 3,
	OPT_COM_PORT	= 44,
	TN_SE		= 240,
	TN_SB		= 250,
	TN_WILL		= 251,
	TN_WONT		= 252,
	TN_DO		= 253,
	TN_DONT		= 254,
	TN_IAC		= 255,
};

/* What is asked of the server by number, and comes from it with 100 more */
enum com_port {
	SET_BAUDRATE		= 1,
	SET_DATASIZE		= 2,
	SET_PARITY		= 3,
	SET_STOPSIZE		= 4,
	SET_CONTROL		= 5,
	NOTIFY_LINESTATE	= 6,
	NOTIFY_MODEMSTATE	= 7,
	FLOWCONTROL_SUSPEND	= 8,
	FLOWCONTROL_RESUME	= 9,
	SET_LINESTATE_MASK	= 10,
	SET_MODEMSTATE_MASK	= 11,
	FROM_SERVER		= 100,
};

enum control {
	NO_FLOW_CONTROL	= 1,
	BREAK_ON	= 5,
	BREAK_OFF	= 6,
	DTR_ON		= 8,
	DTR_OFF		= 9,
	RTS_ON		= 11,
	RTS_OFF		= 12,
};

#define LINESTATE_BREAK	0x10

#define MODEMSTATE_CTS	0x10
#define MODEMSTATE_DSR	0x20
#define MODEMSTATE_RI	0x40
#define MODEMSTATE_CD	0x80

#define QUEUE_SIZE	65536
/* With that much in the queue CTS of the port goes off */
#define QUEUE_HIGH	4096

#define MAX_PARAMETERS	64

/* Nothing else is done meanwhile, in nanoseconds */
#define MAX_BREAK	1000000000

/**
 * struct queue - what one side has not taken yet
 * @data: all of it
 * @length: how much that is
 */
struct queue {
	unsigned char data[QUEUE_SIZE];
	size_t length;
};

/**
 * struct bridge - the port on one side, the server on the other
 * @chardev: the character device, the far end of the port
 * @net: the connection
 * @to_chardev: records for the port
 * @to_net: what the server is to get
 * @agreed: whether the server speaks RFC 2217
 * @suspended: whether the server wants no data at present
 * @sent: the options that were offered to the server, and asked for
 * @format: what the port is set to
 * @lines: its outputs
 * @break_time: when a break began, as the port says
 * @break_sent: when that was sent to the server
 * @modem: the status of the other one, as the server says
 * @outputs: our outputs, as they were written last
 * @state: what is expected from the server next
 * @command: what the server says about an option, TN_WILL to TN_DONT
 * @parameters: of the subnegotiation
 * @count: of those
 */
struct bridge {
	int chardev;
	int net;
	struct queue to_chardev;
	struct queue to_net;
	bool agreed;
	bool suspended;
	bool sent[2][256];
	struct serial_emu_format format;
	uint32_t lines;
	int64_t break_time;
	int64_t break_sent;
	unsigned char modem;
	uint32_t outputs;
	enum { DATA, COMMAND, OPTION, PARAMETERS, PARAMETERS_COMMAND } state;
	unsigned char command;
	unsigned char parameters[MAX_PARAMETERS];
	size_t count;
};

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static bool put(struct queue *queue, const void *data, size_t length)
{
	if (length > sizeof(queue->data) - queue->length)
		return false;
	memcpy(queue->data + queue->length, data, length);
	queue->length += length;

	return true;
}

/* Hand over what there is, as far as it is taken */
static void flush_queue(struct queue *queue, int fd)
{
	ssize_t count;

	if (!queue->length)
		return;
	count = write(fd, queue->data, queue->length);
	if (count < 0 && errno != EAGAIN)
		die("write");
	if (count <= 0)
		return;
	queue->length -= count;
	memmove(queue->data, queue->data + count, queue->length);
}

/* The network */

static void net_option(struct bridge *bridge, unsigned char command, unsigned char option)
{
	const unsigned char text[] = { TN_IAC, command, option };
	bool *sent = &bridge->sent[command == TN_DO][option];

	if (command == TN_WILL || command == TN_DO) {
		if (*sent)
			return;
		*sent = true;
	}
	put(&bridge->to_net, text, sizeof(text));
}

static void net_data(struct bridge *bridge, const unsigned char *data, size_t length)
{
	static const unsigned char iac[] = { TN_IAC, TN_IAC };
	size_t i;

	for (i = 0; i < length; i++) {
		if (data[i] == TN_IAC)
			put(&bridge->to_net, iac, sizeof(iac));
		else
			put(&bridge->to_net, &data[i], 1);
	}
}

static void net_ask(struct bridge *bridge, enum com_port what, const void *value, size_t length)
{
	const unsigned char begin[] = { TN_IAC, TN_SB, OPT_COM_PORT, what };
	static const unsigned char end[] = { TN_IAC, TN_SE };

	if (!bridge->agreed)
		return;
	put(&bridge->to_net, begin, sizeof(begin));
	net_data(bridge, value, length);
	put(&bridge->to_net, end, sizeof(end));
}

static void net_ask_byte(struct bridge *bridge, enum com_port what, unsigned char value)
{
	net_ask(bridge, what, &value, 1);
}

static void net_ask_lines(struct bridge *bridge, uint32_t changed)
{
	if (changed & TIOCM_DTR)
		net_ask_byte(bridge, SET_CONTROL, bridge->lines & TIOCM_DTR ? DTR_ON : DTR_OFF);
	if (changed & TIOCM_RTS)
		net_ask_byte(bridge, SET_CONTROL, bridge->lines & TIOCM_RTS ? RTS_ON : RTS_OFF);
}

static void net_ask_format(struct bridge *bridge)
{
	static const unsigned char parities[] = {
		[SERIAL_EMU_PARITY_NONE]	= 1,
		[SERIAL_EMU_PARITY_ODD]		= 2,
		[SERIAL_EMU_PARITY_EVEN]	= 3,
		[SERIAL_EMU_PARITY_MARK]	= 4,
		[SERIAL_EMU_PARITY_SPACE]	= 5,
	};
	static const unsigned char stops[] = { [2] = 1, [3] = 3, [4] = 2 };
	uint32_t baud = htonl(bridge->format.baud);

	if (!baud)
		return;
	net_ask(bridge, SET_BAUDRATE, &baud, sizeof(baud));
	net_ask_byte(bridge, SET_DATASIZE, bridge->format.data_bits);
	net_ask_byte(bridge, SET_PARITY, parities[bridge->format.parity]);
	net_ask_byte(bridge, SET_STOPSIZE, stops[bridge->format.half_stop_bits]);
}

/* The port */

static void chardev_record(struct bridge *bridge, uint32_t type, const void *payload,
			   uint32_t length)
{
	struct serial_emu_record head = { .length = length, .type = type };
	unsigned char record[sizeof(head) + SERIAL_EMU_MAX_LENGTH];

	memcpy(record, &head, sizeof(head));
	memcpy(record + sizeof(head), payload, length);
	put(&bridge->to_chardev, record, sizeof(head) + length);
}

/* Its inputs are the other one's, and CTS goes off when the network does not keep up */
static void chardev_lines(struct bridge *bridge)
{
	uint32_t lines = 0;

	if (bridge->modem & MODEMSTATE_CTS && bridge->to_net.length < QUEUE_HIGH &&
	    !bridge->suspended)
		lines |= TIOCM_RTS;
	if (bridge->modem & MODEMSTATE_DSR)
		lines |= TIOCM_DTR;
	if (bridge->modem & MODEMSTATE_CD)
		lines |= TIOCM_OUT2;
	if (bridge->modem & MODEMSTATE_RI)
		lines |= TIOCM_OUT1;
	if (lines == bridge->outputs)
		return;
	bridge->outputs = lines;
	chardev_record(bridge, SERIAL_EMU_LINES, &lines, sizeof(lines));
}

static void pause_ns(int64_t ns)
{
	struct timespec time = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	if (ns > 0)
		nanosleep(&time, NULL);
}

static int64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);

	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* RFC 2217 does not report the length: a bit more than a character */
static void chardev_break(struct bridge *bridge)
{
	unsigned char on = 1, off = 0;

	chardev_record(bridge, SERIAL_EMU_BREAK, &on, sizeof(on));
	flush_queue(&bridge->to_chardev, bridge->chardev);
	pause_ns(1000000 + (bridge->format.baud ? 16000000000LL / bridge->format.baud : 0));
	chardev_record(bridge, SERIAL_EMU_BREAK, &off, sizeof(off));
}

/* It is to be as long there as it was here, even if this program comes late to its begin */
static void net_break(struct bridge *bridge, const struct serial_emu_record *head, bool on)
{
	int64_t length;

	if (on) {
		bridge->break_time = head->time;
		bridge->break_sent = now_ns();
	} else {
		length = head->time - bridge->break_time;
		if (length > MAX_BREAK)
			length = MAX_BREAK;
		pause_ns(bridge->break_sent + length - now_ns());
	}
	net_ask_byte(bridge, SET_CONTROL, on ? BREAK_ON : BREAK_OFF);
	flush_queue(&bridge->to_net, bridge->net);
}

static void take_record(struct bridge *bridge, const struct serial_emu_record *head,
			const unsigned char *payload)
{
	uint32_t lines, changed;

	switch (head->type) {
	case SERIAL_EMU_DATA:
		net_data(bridge, payload, head->length);
		break;
	case SERIAL_EMU_BREAK:
		net_break(bridge, head, payload[0]);
		break;
	case SERIAL_EMU_LINES:
		memcpy(&lines, payload, sizeof(lines));
		changed = lines ^ bridge->lines;
		bridge->lines = lines;
		net_ask_lines(bridge, changed);
		break;
	case SERIAL_EMU_FORMAT:
		memcpy(&bridge->format, payload, sizeof(bridge->format));
		net_ask_format(bridge);
		break;
	}
}

static void take_records(struct bridge *bridge)
{
	struct serial_emu_record head;
	unsigned char buf[4096];
	ssize_t count, done;

	count = read(bridge->chardev, buf, sizeof(buf));
	if (count < 0 && errno == EAGAIN)
		return;
	if (count <= 0)
		die("read");
	for (done = 0; done < count; done += sizeof(head) + head.length) {
		memcpy(&head, buf + done, sizeof(head));
		take_record(bridge, &head, buf + done + sizeof(head));
	}
}

/* What the server says */

static void agree(struct bridge *bridge)
{
	if (bridge->agreed)
		return;
	bridge->agreed = true;
	net_ask_byte(bridge, SET_MODEMSTATE_MASK, 0xff);
	net_ask_byte(bridge, SET_LINESTATE_MASK, LINESTATE_BREAK);
	net_ask_byte(bridge, SET_CONTROL, NO_FLOW_CONTROL);
	net_ask_format(bridge);
	net_ask_lines(bridge, TIOCM_DTR | TIOCM_RTS);
}

static void take_option(struct bridge *bridge, unsigned char option)
{
	bool known = option == OPT_BINARY || option == OPT_NO_GO_AHEAD || option == OPT_COM_PORT;

	switch (bridge->command) {
	case TN_DO:
		net_option(bridge, known ? TN_WILL : TN_WONT, option);
		if (option == OPT_COM_PORT)
			agree(bridge);
		break;
	case TN_WILL:
		net_option(bridge, known ? TN_DO : TN_DONT, option);
		break;
	case TN_DONT:
		if (option == OPT_COM_PORT) {
			fprintf(stderr, "the server does not speak RFC 2217\n");
			exit(EXIT_FAILURE);
		}
		break;
	}
}

static void take_parameters(struct bridge *bridge)
{
	const unsigned char *text = bridge->parameters;

	if (bridge->count < 2 || text[0] != OPT_COM_PORT)
		return;
	switch (text[1] - FROM_SERVER) {
	case NOTIFY_MODEMSTATE:
		if (bridge->count > 2)
			bridge->modem = text[2];
		break;
	case NOTIFY_LINESTATE:
		if (bridge->count > 2 && text[2] & LINESTATE_BREAK)
			chardev_break(bridge);
		break;
	case FLOWCONTROL_SUSPEND:
		bridge->suspended = true;
		break;
	case FLOWCONTROL_RESUME:
		bridge->suspended = false;
		break;
	}
}

static void take_command(struct bridge *bridge, unsigned char c)
{
	bridge->state = DATA;
	if (c == TN_SB) {
		bridge->state = PARAMETERS;
		bridge->count = 0;
	} else if (c >= TN_WILL && c <= TN_DONT) {
		bridge->state = OPTION;
		bridge->command = c;
	}
}

static void take_parameter(struct bridge *bridge, unsigned char c)
{
	if (bridge->count < sizeof(bridge->parameters))
		bridge->parameters[bridge->count++] = c;
	bridge->state = PARAMETERS;
}

/* True if it is data for the port */
static bool take_char(struct bridge *bridge, unsigned char c)
{
	switch (bridge->state) {
	case DATA:
		if (c == TN_IAC)
			bridge->state = COMMAND;
		return c != TN_IAC;
	case COMMAND:
		take_command(bridge, c);
		return c == TN_IAC;
	case OPTION:
		bridge->state = DATA;
		take_option(bridge, c);
		return false;
	case PARAMETERS:
		if (c == TN_IAC)
			bridge->state = PARAMETERS_COMMAND;
		else
			take_parameter(bridge, c);
		return false;
	case PARAMETERS_COMMAND:
		if (c == TN_IAC) {
			take_parameter(bridge, c);
		} else {
			bridge->state = DATA;
			take_parameters(bridge);
		}
		return false;
	}

	return false;
}

static void chardev_data(struct bridge *bridge, const unsigned char *data, size_t *length)
{
	if (*length)
		chardev_record(bridge, SERIAL_EMU_DATA, data, *length);
	*length = 0;
}

/* False if the server has ended the connection */
static bool take_net(struct bridge *bridge)
{
	unsigned char buf[SERIAL_EMU_MAX_LENGTH], data[SERIAL_EMU_MAX_LENGTH];
	ssize_t count, i;
	size_t length = 0;

	count = read(bridge->net, buf, sizeof(buf));
	if (count < 0 && errno == EAGAIN)
		return true;
	if (count < 0)
		die("read");
	for (i = 0; i < count; i++) {
		if (take_char(bridge, buf[i]))
			data[length++] = buf[i];
		else
			/* Whatever it is, it keeps its place among the data */
			chardev_data(bridge, data, &length);
	}
	chardev_data(bridge, data, &length);

	return count;
}

static void serve(struct bridge *bridge)
{
	struct pollfd fds[2] = { { .fd = bridge->chardev }, { .fd = bridge->net } };

	for (;;) {
		/* There is always room for what one reading can bring, doubled or with heads */
		fds[0].events = bridge->to_net.length < QUEUE_SIZE / 2 ? POLLIN : 0;
		fds[1].events = bridge->to_chardev.length < QUEUE_SIZE / 4 ? POLLIN : 0;
		fds[0].events |= bridge->to_chardev.length ? POLLOUT : 0;
		fds[1].events |= bridge->to_net.length ? POLLOUT : 0;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents & (POLLERR | POLLHUP)) {
			fprintf(stderr, "the cable is gone\n");
			return;
		}
		if (fds[0].revents & POLLIN)
			take_records(bridge);
		if (fds[1].revents & (POLLIN | POLLERR | POLLHUP) && !take_net(bridge)) {
			fprintf(stderr, "the server has ended the connection\n");
			return;
		}
		chardev_lines(bridge);
		flush_queue(&bridge->to_chardev, bridge->chardev);
		flush_queue(&bridge->to_net, bridge->net);
	}
}

static int connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *one;
	int fd = -1, error;

	error = getaddrinfo(host, port, &hints, &list);
	if (error) {
		fprintf(stderr, "%s: %s\n", host, gai_strerror(error));
		exit(EXIT_FAILURE);
	}
	for (one = list; one && fd < 0; one = one->ai_next) {
		fd = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
		if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen)) {
			error = errno;
			close(fd);
			errno = error;
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		die(host);

	return fd;
}

int main(int argc, char **argv)
{
	static struct bridge bridge;

	if (argc != 4) {
		fprintf(stderr, "usage: %s /dev/serial-emu/CABLE/PORT HOST PORT\n", argv[0]);
		return EXIT_FAILURE;
	}
	bridge.net = connect_to(argv[2], argv[3]);
	if (fcntl(bridge.net, F_SETFL, O_NONBLOCK))
		die("fcntl");
	bridge.chardev = open(argv[1], O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (bridge.chardev < 0)
		die(argv[1]);
	/* Until the server says something else all its inputs are off */
	bridge.outputs = ~0U;
	net_option(&bridge, TN_WILL, OPT_COM_PORT);
	net_option(&bridge, TN_WILL, OPT_BINARY);
	net_option(&bridge, TN_DO, OPT_BINARY);
	net_option(&bridge, TN_DO, OPT_NO_GO_AHEAD);
	serve(&bridge);

	return EXIT_FAILURE;
}
