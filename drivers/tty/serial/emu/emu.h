/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: the nouns.
 *
 * A port is one emulated UART. A cable joins two ports. A wire is one direction
 * of a cable: it is fed by one transmitter and read by one receiver. Whatever
 * travels on a wire is an event: a character, a change of the break condition
 * or a change of the modem control outputs.
 *
 * Locking: the transmitter puts events on a wire under its own port lock, the
 * wire's work takes them off and runs under the receiver's port lock. No two
 * port locks are ever held at the same time. emu_wire::lock nests inside a port
 * lock. Nothing of serial core or of this driver nests inside it; in particular
 * no two of them are held at the same time either.
 */

#ifndef _SERIAL_EMU_H
#define _SERIAL_EMU_H

#include <linux/bits.h>
#include <linux/container_of.h>
#include <linux/kfifo.h>
#include <linux/mutex_types.h>
#include <linux/serial_core.h>
#include <linux/spinlock_types.h>
#include <linux/termios.h>
#include <linux/types.h>
#include <linux/workqueue_types.h>

struct console;
struct device;
struct emu_port;

#define EMU_NAME		"serial-emu"
#define EMU_TTY_NAME		"ttyEMU"

#define EMU_NR_ENDS		2

/* Events that a wire can hold, a power of two; also the transmit FIFO's depth */
#define EMU_WIRE_EVENTS		256

/* Slots that characters leave free, so that an edge seldom has to wait */
#define EMU_WIRE_RESERVE	16

/* The range that the usual divisors of a 64 MHz clock cover */
#define EMU_UARTCLK		(16 * 4000000)
#define EMU_BAUD_MIN		50
#define EMU_BAUD_MAX		4000000

/* The modem control outputs that reach the cable's far end */
#define EMU_OUTPUTS		(TIOCM_DTR | TIOCM_RTS | TIOCM_OUT1 | TIOCM_OUT2)

/* The modem status inputs */
#define EMU_INPUTS		(TIOCM_CTS | TIOCM_DSR | TIOCM_CAR | TIOCM_RNG)

/**
 * enum emu_event - what travels on a wire
 * @EMU_EV_DATA: a character out of the tty's buffer; the value is the character
 * @EMU_EV_CHAR: another character, of the console, or XON or XOFF; a flush of
 *	the tty's output does not remove it
 * @EMU_EV_BREAK: the break condition begins (value 1) or ends (value 0)
 * @EMU_EV_LINES: the modem control outputs change; the value is made of the
 *	EMU_OUTPUTS bits
 */
enum emu_event {
	EMU_EV_DATA,
	EMU_EV_CHAR,
	EMU_EV_BREAK,
	EMU_EV_LINES,
};

/**
 * struct emu_wire - one direction of a cable
 * @lock: protects everything but @running and @work; a leaf lock
 * @events: what was sent and is not received yet, in the order of sending; each
 *	element is an &enum emu_event in its topmost bits and the event's value
 * @tx: the port that feeds the wire, NULL while there is none
 * @rx: the port that reads the wire, NULL while there is none
 * @lines: the modem control outputs that the transmitter drives
 * @lines_sent: the same, as of the last EMU_EV_LINES in @events
 * @lines_far: the same, as the far end sees them
 * @brk: whether the transmitter drives a break
 * @brk_sent: the same, as of the last EMU_EV_BREAK in @events
 * @running: whoever takes events off the wire holds this
 * @work: takes the events off the wire
 */
struct emu_wire {
	/* Nests inside a port lock; protects all but @running and @work */
	spinlock_t lock;
	DECLARE_KFIFO(events, u32, EMU_WIRE_EVENTS);
	struct emu_port *tx;
	struct emu_port *rx;
	unsigned int lines;
	unsigned int lines_sent;
	unsigned int lines_far;
	bool brk;
	bool brk_sent;
	/* Nests inside the tty_port's mutex; port locks nest inside it */
	struct mutex running;
	struct delayed_work work;
};

/**
 * struct emu_port - one emulated UART
 * @port: what serial core knows of it
 * @out: the wire that it feeds; does not change
 * @in: the wire that it reads; does not change
 * @loop: the wire from its transmitter to its receiver under TIOCM_LOOP
 * @looped: whether @loop is in use instead of @out and @in; port lock
 * @brk: whether the transmitter is to drive a break; port lock
 * @started: whether the receiver is on; port lock
 * @tx_on: whether serial core wants its buffer sent; port lock
 * @char_mask: the data bits of the present format; port lock
 * @inputs: the modem status inputs as last reported; port lock
 */
struct emu_port {
	struct uart_port port;
	struct emu_wire *out;
	struct emu_wire *in;
	struct emu_wire loop;
	bool looped;
	bool brk;
	bool started;
	bool tx_on;
	u8 char_mask;
	unsigned int inputs;
};

static inline struct emu_port *to_emu_port(struct uart_port *port)
{
	return container_of(port, struct emu_port, port);
}

/**
 * struct emu_end - what the platform device of a port carries
 * @out: the wire that the port feeds
 * @in: the wire that the port reads
 */
struct emu_end {
	struct emu_wire *out;
	struct emu_wire *in;
};

/**
 * enum emu_rx - how the receiver answers to what arrives
 * @EMU_RX_TAKE: it takes characters
 * @EMU_RX_SWALLOW: nobody listens, characters vanish
 * @EMU_RX_HOLD: the reader is slow, characters have to wait
 * @EMU_RX_FULL: the flip buffer is full, characters have to wait; nobody tells
 *	when this ends
 */
enum emu_rx {
	EMU_RX_TAKE,
	EMU_RX_SWALLOW,
	EMU_RX_HOLD,
	EMU_RX_FULL,
};

/* cable.c */

/**
 * struct emu_wiring - which outputs drive the inputs at the other end
 * @cts: outputs that drive Clear To Send
 * @dsr: outputs that drive Data Set Ready
 * @dcd: outputs that drive Data Carrier Detect
 * @ri: outputs that drive the Ring Indicator
 *
 * All are made of the EMU_OUTPUTS bits. An input is active while any of the
 * outputs that drive it is; an input that nothing drives is inactive.
 */
struct emu_wiring {
	unsigned int cts;
	unsigned int dsr;
	unsigned int dcd;
	unsigned int ri;
};

extern const struct emu_wiring emu_null_modem;
extern const struct emu_wiring emu_loopback;

unsigned int emu_wiring_inputs(const struct emu_wiring *wiring, unsigned int outputs);

/* wire.c */
void emu_wire_init(struct emu_wire *wire);
void emu_wire_exit(struct emu_wire *wire);
void emu_wire_set_tx(struct emu_wire *wire, struct emu_port *tx);
void emu_wire_set_rx(struct emu_wire *wire, struct emu_port *rx);
unsigned int emu_wire_room(struct emu_wire *wire);
void emu_wire_send(struct emu_wire *wire, enum emu_event type, const u8 *chars, unsigned int count);
void emu_wire_set_lines(struct emu_wire *wire, unsigned int lines);
void emu_wire_set_break(struct emu_wire *wire, bool on);
unsigned int emu_wire_lines(struct emu_wire *wire);
void emu_wire_reset(struct emu_wire *wire, unsigned int lines);
bool emu_wire_is_idle(struct emu_wire *wire);
void emu_wire_flush(struct emu_wire *wire);
void emu_wire_swallow(struct emu_wire *wire);
void emu_wire_kick(struct emu_wire *wire);
void emu_wire_run(struct emu_wire *wire);

/* port.c */
int emu_port_add(struct emu_port *ep, struct device *dev, unsigned int line,
		 const struct emu_end *end);
void emu_port_remove(struct emu_port *ep);
void emu_port_transmit(struct emu_port *ep);
enum emu_rx emu_port_rx_state(struct emu_port *ep, struct emu_wire *wire);
unsigned int emu_port_rx_chars(struct emu_port *ep, const u8 *chars, unsigned int count);
void emu_port_rx_break(struct emu_port *ep, struct emu_wire *wire);
void emu_port_rx_lines(struct emu_port *ep);

/* main.c */
extern struct uart_driver emu_uart_driver;

struct emu_port *emu_port_find(unsigned int line);

/* console.c */
#ifdef CONFIG_SERIAL_EMU_CONSOLE
extern struct console emu_console;
#define EMU_CONSOLE	(&emu_console)

bool emu_console_transmit(struct emu_port *ep, struct emu_wire *out);
void emu_console_forget(struct emu_port *ep);
void emu_console_debugfs(void);
void emu_console_debugfs_remove(void);
#else
#define EMU_CONSOLE	NULL

static inline bool emu_console_transmit(struct emu_port *ep, struct emu_wire *out)
{
	return true;
}

static inline void emu_console_forget(struct emu_port *ep) { }
static inline void emu_console_debugfs(void) { }
static inline void emu_console_debugfs_remove(void) { }
#endif

#endif /* _SERIAL_EMU_H */
