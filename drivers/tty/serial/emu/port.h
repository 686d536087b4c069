/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: a port, which is one emulated UART.
 */

#ifndef _SERIAL_EMU_PORT_H
#define _SERIAL_EMU_PORT_H

#include <linux/bits.h>
#include <linux/container_of.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/serial_core.h>
#include <linux/types.h>

#include "frame.h"
#include "wire.h"
#include "wiring.h"

struct device;
struct emu_console;

#define EMU_NAME		"serial-emu"
#define EMU_TTY_NAME		"ttyEMU"

/* The FIFO of a 16550A's receiver, and its trigger */
#define EMU_RX_FIFO		16
#define EMU_RX_TRIGGER		8
/* Time-out of the FIFO below its trigger, in characters */
#define EMU_RX_TIMEOUT		4
#define EMU_RX_TIMEOUT_MAX	1000

/* The deepest FIFO of a receiver, a power of two */
#define EMU_RX_FIFO_MAX		256

/* Largest deviation of a port's clock */
#define EMU_CLOCK_PPM_MAX	500000

/* spd_cust divides a sixteenth of it: a multiple of the usual rates up to 115200 */
#define EMU_UARTCLK		(16 * 115200000)
#define EMU_BAUD_MIN		50
#define EMU_BAUD_MAX		4000000

/**
 * struct emu_settings - properties of a port
 * @clock_ppm: deviation of the clock in parts per million, positive if it is too fast
 * @rx_fifo: depth of the receiver's FIFO, in characters
 * @rx_trigger: number of characters at which the FIFO is due
 * @rx_timeout: time without a character after which the FIFO is due, in characters
 * @rx_stall: the FIFO is not emptied; written and read at any time
 *
 * All but @rx_stall do not change while the port exists.
 */
struct emu_settings {
	int clock_ppm;
	int rx_fifo;
	int rx_trigger;
	int rx_timeout;
	int rx_stall;
};

/**
 * struct emu_port_data - platform data of a port
 * @out: wire that the port feeds
 * @in: wire that the port reads, NULL on a bus
 * @settings: properties of the port
 * @wiring: sources of the modem status inputs
 */
struct emu_port_data {
	struct emu_wire *out;
	struct emu_wire *in;
	const struct emu_settings *settings;
	const struct emu_wiring *wiring;
};

/**
 * struct emu_char - a character in a receiver's FIFO
 * @data: the character
 * @status: line status, made of the EMU_STATUS bits
 */
struct emu_char {
	u8 data;
	u8 status;
};

/**
 * struct emu_receiver - the receiver of a port; all of it under the port lock
 * @fifo: characters that are not in the flip buffer yet
 * @depth: number of characters that the FIFO holds
 * @trigger: number of characters at which the FIFO is due
 * @pace: pace of the wire, as of the last pass
 * @frame_time: length of a character at this pace, in nanoseconds
 * @overrun: a character was lost because the FIFO was full
 * @filled: the flip buffer has to be pushed
 * @due: time at which the FIFO is due, KTIME_MAX if another character has to come first
 */
struct emu_receiver {
	DECLARE_KFIFO_PTR(fifo, struct emu_char);
	unsigned int depth;
	unsigned int trigger;
	unsigned int pace;
	u64 frame_time;
	bool overrun;
	bool filled;
	ktime_t due;
};

/**
 * struct emu_line - the line as a receiver sees it; all of it under the port lock
 * @from: begin of the part of a character that the receiver sees
 * @known: time up to which @sampler has sampled the line
 * @low: the line is at space because of a break
 * @cut: the receiver is disconnected from the line
 * @sampler: state of the receiver where formats differ
 * @parts: on a bus, parts of a tick that were sampled since @known
 * @pace: on a bus, pace for which @parts is
 * @mark: on a bus, last level that was sampled
 */
struct emu_line {
	ktime_t from;
	ktime_t known;
	bool low;
	bool cut;
	struct emu_sampler sampler;
	u64 parts;
	unsigned int pace;
	bool mark;
};

/**
 * struct emu_port - one emulated UART
 * @port: the port of serial core
 * @end: end of its wires
 * @out: wire that it feeds; does not change
 * @in: wire that it reads, NULL on a bus; does not change
 * @settings: properties of the port
 * @wiring: sources of the inputs, but for the loopback mode; does not change
 * @console: console of the port; does not change
 * @looped: TIOCM_LOOP: the receiver reads @out; port lock
 * @unplugged: the plug is pulled out; port lock
 * @wakes: received characters wake up the system; port lock
 * @started: the receiver is on; port lock
 * @tx_on: serial core has started the transmitter; port lock
 * @tx_waits: the transmitter was started, or has more to send: a writer may wait; port
 *	lock
 * @backlog: the transmitter's FIFO had no room for all characters; port lock
 * @brk: the transmitter drives a break; port lock
 * @driving: RS-485 driver enabled; port lock
 * @drive_begin: time at which the RS-485 driver was enabled; port lock
 * @drive_end: time at which it was disabled; port lock
 * @send_begin: earliest begin of the first character after that; port lock
 * @address_due: the destination address has to be sent; port lock
 * @addressed: received characters are for this port; port lock
 * @char_mask: data bits of a character; port lock
 * @pace: pace of @out, as of the last pass; port lock
 * @format: format of the port; port lock
 * @outputs: modem control outputs; port lock
 * @driven: @outputs as of the last update of @inputs, some of which they may drive; port
 *	lock
 * @peer: modem control outputs of the far end; port lock
 * @inputs: modem status inputs as last reported; port lock
 * @rx: the receiver
 * @line: the line that the receiver reads
 */
struct emu_port {
	struct uart_port port;
	struct emu_end end;
	struct emu_wire *out;
	struct emu_wire *in;
	const struct emu_settings *settings;
	const struct emu_wiring *wiring;
	struct emu_console *console;
	bool looped;
	bool unplugged;
	bool wakes;
	bool started;
	bool tx_on;
	bool tx_waits;
	bool backlog;
	bool brk;
	bool driving;
	ktime_t drive_begin;
	ktime_t drive_end;
	ktime_t send_begin;
	bool address_due;
	bool addressed;
	u8 char_mask;
	unsigned int pace;
	struct emu_format format;
	unsigned int outputs;
	unsigned int driven;
	unsigned int peer;
	unsigned int inputs;
	struct emu_receiver rx;
	struct emu_line line;
};

static inline struct emu_port *to_emu_port(struct uart_port *port)
{
	return container_of(port, struct emu_port, port);
}

/* The wire that the receiver reads, NULL on a bus. Caller must hold the port lock. */
static inline struct emu_wire *emu_port_in(struct emu_port *ep)
{
	return ep->looped ? ep->out : ep->in;
}

/* Outputs as they are sent on the wire. Caller must hold the port lock. */
static inline unsigned int emu_port_lines(struct emu_port *ep, unsigned int outputs)
{
	return outputs | (ep->started ? EMU_PORT_IS_OPEN : 0);
}

/* Is the tty open? The last close does not shut down the port of a console. */
static inline bool emu_port_is_open(struct emu_port *ep)
{
	return READ_ONCE(ep->port.state->port.tty);
}

extern struct uart_driver emu_uart_driver;

/* port.c */
int emu_port_reset_tty(unsigned int line);
int emu_port_add(struct emu_port *ep, struct device *dev, unsigned int line,
		 const struct emu_port_data *data);
void emu_port_remove(struct emu_port *ep);

#endif /* _SERIAL_EMU_PORT_H */
