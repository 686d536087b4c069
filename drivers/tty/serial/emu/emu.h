/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: the nouns.
 *
 * A port is one emulated UART. A cable joins two ports, or one with itself, or many
 * by a bus. A wire is one direction of a cable: it is fed by one transmitter and read
 * by one receiver. Whatever travels on a wire is an event: a character, a change of
 * the break condition or a change of the modem control outputs.
 *
 * Locking: the transmitter puts events on a wire under its own port lock, the
 * wire's work takes them off and runs under the receiver's port lock. No two
 * port locks are ever held at the same time. emu_wire::lock nests inside a port
 * lock, and no two of them are held at the same time either. Inside it, what serial core
 * does with a received character under the port lock is done as well, which sleeps
 * nowhere and takes neither a port lock nor a wire's.
 */

#ifndef _SERIAL_EMU_H
#define _SERIAL_EMU_H

#include <linux/bits.h>
#include <linux/configfs.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/hrtimer_types.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex_types.h>
#include <linux/serial.h>
#include <linux/serial_core.h>
#include <linux/spinlock_types.h>
#include <linux/termios.h>
#include <linux/types.h>
#include <linux/workqueue_types.h>

#include "frame.h"

struct device;
struct emu_bus;
struct emu_console;
struct emu_far;
struct emu_serdev;
struct emu_wiring;
struct fwnode_handle;
struct platform_device;
struct emu_port;

#define EMU_NAME		"serial-emu"
#define EMU_TTY_NAME		"ttyEMU"

#define EMU_NR_ENDS		2
/* As many as one driver of an RS-485 line can drive */
#define EMU_BUS_ENDS		32

/* Events that a wire can hold, a power of two */
#define EMU_WIRE_EVENTS		256

/* Edges of RTS on a bus that can be under way, a power of two */
#define EMU_WIRE_EDGES		8

/* Slots that characters leave free, so that an edge seldom has to wait */
#define EMU_WIRE_RESERVE	16

/* The FIFOs of a 16550A, and when its driver wants to be interrupted */
#define EMU_TX_FIFO		16
#define EMU_RX_FIFO		16
#define EMU_RX_TRIGGER		8
/* Characters' time without one, after which what is below the trigger is due */
#define EMU_RX_TIMEOUT		4
#define EMU_RX_TIMEOUT_MAX	1000

/*
 * When to look again whether a slow reader is still there. It says so itself
 * when it goes on, and when it closes the port, but not when it closes a port
 * that is a console: tty_port_shutdown() leaves such a port running.
 */
#define EMU_HOLD_DELAY		ms_to_ktime(500)

/* How far a port's clock can be off */
#define EMU_CLOCK_PPM_MAX	500000

/* The deepest FIFO of a receiver, a power of two */
#define EMU_RX_FIFO_MAX		256

/* As much as a device tree's usually have */
#define EMU_COMPATIBLE_SIZE	64

/* Percent of real time; 0 is as fast as the machine can */
#define EMU_PACE_DEFAULT	100
#define EMU_PACE_MAX		100000

/* What spd_cust divides is a sixteenth of it: a multiple of the usual rates up to 115200 */
#define EMU_UARTCLK		(16 * 115200000)
#define EMU_BAUD_MIN		50
#define EMU_BAUD_MAX		4000000

/* The modem control outputs that reach the cable's far end */
#define EMU_OUTPUTS		(TIOCM_DTR | TIOCM_RTS | TIOCM_OUT1 | TIOCM_OUT2)

/* Goes with them on the wire, for a program at the far end: somebody has the port open */
#define EMU_PORT_IS_OPEN	BIT(31)

/* The modem status inputs */
#define EMU_INPUTS		(TIOCM_CTS | TIOCM_DSR | TIOCM_CAR | TIOCM_RNG)

/**
 * enum emu_event_type - what travels on a wire
 * @EMU_EV_DATA: a character out of the tty's buffer; the value is the character
 * @EMU_EV_CHAR: another character, of the console, or XON or XOFF; a flush of
 *	the tty's output does not remove it
 * @EMU_EV_BREAK: the break condition begins (value 1) or ends (value 0)
 * @EMU_EV_LINES: the modem control outputs change; the value is made of the
 *	EMU_OUTPUTS bits
 */
enum emu_event_type {
	EMU_EV_DATA,
	EMU_EV_CHAR,
	EMU_EV_BREAK,
	EMU_EV_LINES,
};

/**
 * struct emu_event - something that travels on a wire
 * @time: not before then it begins, and not before what was sent first has ended
 * @type: what it is
 * @value: depends on the type
 */
struct emu_event {
	ktime_t time;
	enum emu_event_type type;
	unsigned int value;
};

static inline bool emu_event_is_char(const struct emu_event *event)
{
	return event->type <= EMU_EV_CHAR;
}

/**
 * struct emu_clock - the time on a wire, which does not drift
 * @base: when the line was free last, or its speed changed
 * @half_bits: what was sent since, in halves of a bit
 * @speed: rate of the transmitter times pace; 0 if time means nothing
 */
struct emu_clock {
	ktime_t base;
	u64 half_bits;
	u64 speed;
};

/**
 * struct emu_wire - one direction of a cable
 * @lock: a leaf lock, protects what is above @running
 * @events: what was sent and is not received yet, in the order of sending. A
 *	transmitter's FIFO and shift register are here.
 * @chars: how many of them are characters
 * @tx: the port that feeds the wire, NULL while there is none
 * @rx: the port that reads the wire, NULL while there is none
 * @tx_far: the program that feeds the wire instead, NULL if there is none
 * @rx_far: the program that reads the wire instead, NULL if there is none
 * @bus: the line that looks at it instead of a work of its own, NULL if there is
 *	none; does not change
 * @edges: on a bus, the EMU_EV_LINES, which wait for nothing; not used elsewhere
 * @lines: the modem control outputs that the transmitter drives
 * @lines_sent: the same, as of the last EMU_EV_LINES in @events, or in @edges
 * @lines_far: the same, as the far end sees them
 * @brk: whether the transmitter drives a break
 * @brk_sent: the same, as of the last EMU_EV_BREAK in @events
 * @pace: percent of real time, 0 is as fast as the machine can
 * @unplugged: whether nothing of it gets to the receiver
 * @joined: when it was plugged in last
 * @format: what the transmitter is set to
 * @shifting: whether the first event is a character that has left the FIFO
 * @frame: the format of that character, or of what came before; changed by whoever
 *	holds @running, who reads it without @lock
 * @begun: when it began
 * @clock: when it ends, or when the one before it ended
 * @running: whoever takes events off the wire holds this; protects what is below.
 *	On a bus it is the lock of that name there.
 * @fed: up to when the receiver knows the line
 * @low: whether the line is at space because of a break
 * @cut: whether the receiver knows that the plug is pulled out
 * @sampler: the receiver's view of the line, if it is not simply the same
 * @timer: starts @work when something is due
 * @work: takes the events off the wire
 */
struct emu_wire {
	/* Nests inside a port lock; protects all down to @running */
	spinlock_t lock;
	DECLARE_KFIFO(events, struct emu_event, EMU_WIRE_EVENTS);
	unsigned int chars;
	struct emu_port *tx;
	struct emu_port *rx;
	struct emu_far *tx_far;
	struct emu_far *rx_far;
	struct emu_bus *bus;
	DECLARE_KFIFO(edges, struct emu_event, EMU_WIRE_EDGES);
	unsigned int lines;
	unsigned int lines_sent;
	unsigned int lines_far;
	bool brk;
	bool brk_sent;
	unsigned int pace;
	bool unplugged;
	ktime_t joined;
	struct emu_format format;
	bool shifting;
	struct emu_format frame;
	ktime_t begun;
	struct emu_clock clock;
	/*
	 * Nests inside the tty_port's mutex; port locks nest inside it. Protects
	 * what follows, but for the timer and the work.
	 */
	struct mutex running;
	ktime_t fed;
	bool low;
	bool cut;
	struct emu_sampler sampler;
	struct hrtimer timer;
	struct work_struct work;
};

/**
 * struct emu_round - one round of deliveries
 * @now: when it began
 * @from: not before then a character begins that has not begun yet
 * @due: when the next one is
 * @pace: the wire's pace
 * @unplugged: whether nothing gets to the receiver
 * @joined: since when it does
 * @far: the program that it gets to instead, NULL if there is none
 * @moved: whether anything came off the wire
 */
struct emu_round {
	ktime_t now;
	ktime_t from;
	ktime_t due;
	unsigned int pace;
	bool unplugged;
	ktime_t joined;
	struct emu_far *far;
	bool moved;
};

static inline void emu_round_due(struct emu_round *round, ktime_t time)
{
	if (ktime_before(time, round->due))
		round->due = time;
}

/**
 * struct emu_receiver - the receiver of a port; all of it under the port lock
 * @fifo: what was received and is not in the tty's buffer yet
 * @depth: how many characters the FIFO holds
 * @trigger: how many characters make it due
 * @timeout: without another one for so many characters' time it is due as well
 * @frame_time: how long a character takes, in nanoseconds
 * @limit: like @trigger, but no more than arrive in a millisecond
 * @overrun: whether a character was lost because the FIFO was full
 * @filled: whether there is something new in the tty's buffer
 * @due: when the FIFO is due, KTIME_MAX if not before more comes
 */
struct emu_receiver {
	DECLARE_KFIFO(fifo, struct emu_frame, EMU_RX_FIFO_MAX);
	unsigned int depth;
	unsigned int trigger;
	unsigned int timeout;
	u64 frame_time;
	unsigned int limit;
	bool overrun;
	bool filled;
	ktime_t due;
};

/**
 * struct emu_port - one emulated UART
 * @port: what serial core knows of it
 * @out: the wire that it feeds; does not change
 * @in: the wire that it reads; does not change
 * @settings: what it is; does not change
 * @wiring: what drives its inputs, but for the loopback mode; does not change
 * @console: the console that it can be; does not change
 * @loop: the wire from its transmitter to its receiver under TIOCM_LOOP
 * @looped: whether @loop is in use instead of @out and @in; port lock
 * @wakes: whether what arrives is to wake the system up; port lock
 * @brk: whether the transmitter is to drive a break; port lock
 * @started: whether the receiver is on; port lock
 * @tx_on: whether serial core wants its buffer sent; port lock
 * @backlog: whether the transmitter's FIFO had no room for all there was; port lock
 * @driving: whether the port drives its RS-485 line; port lock
 * @begins: when it may begin, or was allowed, to send something on it; port lock
 * @released: when it stops, or has stopped, to drive it; port lock
 * @address_due: whether the address of whom it sends to is to be sent; port lock
 * @addressed: whether what it receives is for it; port lock
 * @char_mask: the bits of a character of the tty's; port lock
 * @format: what the port is set to; port lock
 * @inputs: the modem status inputs as last reported; port lock
 * @rx: its receiver; port lock
 */
struct emu_port {
	struct uart_port port;
	struct emu_wire *out;
	struct emu_wire *in;
	const struct emu_settings *settings;
	const struct emu_wiring *wiring;
	struct emu_console *console;
	struct emu_wire loop;
	bool looped;
	bool wakes;
	bool brk;
	bool started;
	bool tx_on;
	bool backlog;
	bool driving;
	ktime_t begins;
	ktime_t released;
	bool address_due;
	bool addressed;
	u8 char_mask;
	struct emu_format format;
	unsigned int inputs;
	struct emu_receiver rx;
};

static inline struct emu_port *to_emu_port(struct uart_port *port)
{
	return container_of(port, struct emu_port, port);
}

/**
 * struct emu_settings - what a port is
 * @clock_ppm: by how many parts per million its clock is too fast
 * @rx_fifo: depth of the receiver's FIFO, in characters
 * @rx_trigger: how many characters in it make it due
 * @rx_timeout: without another one for so many characters' time it is due as well
 *
 * They do not change while the port exists.
 */
struct emu_settings {
	int clock_ppm;
	int rx_fifo;
	int rx_trigger;
	int rx_timeout;
};

/**
 * enum emu_source - what drives a modem status input
 * @EMU_OFF: nothing, it is inactive
 * @EMU_ON: it is always active
 * @EMU_PEER_RTS: the far end's Request To Send
 * @EMU_PEER_DTR: its Data Terminal Ready
 * @EMU_PEER_OUT1: its OUT1, which is no pin of the connector
 * @EMU_PEER_OUT2: its OUT2
 * @EMU_SELF_RTS: the port's own Request To Send
 * @EMU_SELF_DTR: its own Data Terminal Ready
 * @EMU_SELF_OUT1: its own OUT1
 * @EMU_SELF_OUT2: its own OUT2
 */
enum emu_source {
	EMU_OFF,
	EMU_ON,
	EMU_PEER_RTS,
	EMU_PEER_DTR,
	EMU_PEER_OUT1,
	EMU_PEER_OUT2,
	EMU_SELF_RTS,
	EMU_SELF_DTR,
	EMU_SELF_OUT1,
	EMU_SELF_OUT2,
};

/**
 * struct emu_wiring - what drives the modem status inputs of an end
 * @cts: what drives Clear To Send
 * @dsr: what drives Data Set Ready
 * @dcd: what drives Data Carrier Detect
 * @ri: what drives the Ring Indicator
 */
struct emu_wiring {
	enum emu_source cts;
	enum emu_source dsr;
	enum emu_source dcd;
	enum emu_source ri;
};

/**
 * struct emu_end - what the platform device of a port carries
 * @out: the wire that the port feeds
 * @in: the wire that the port reads
 * @settings: what it shall be
 * @wiring: what drives its inputs
 */
struct emu_end {
	struct emu_wire *out;
	struct emu_wire *in;
	const struct emu_settings *settings;
	const struct emu_wiring *wiring;
};

/**
 * enum emu_kind - what is at the end of a cable
 * @EMU_TTY: a port
 * @EMU_FD: a program, by way of a character device
 */
enum emu_kind {
	EMU_TTY,
	EMU_FD,
};

/**
 * struct emu_cable_end - one end of a cable, whether a port is there or not
 * @group: the directory in configfs
 * @cable: the cable; does not change
 * @kind: what is there while the cable is live; the cable's lock, not changed while
 *	it is live
 * @pdev: the device of the port while the cable is live; the cable's lock
 * @far: the program's end while the cable is live; the cable's lock
 * @line: the number in ttyEMU<number> while the cable is live; the cable's lock
 * @settings: what the port shall be; the cable's lock, not changed while it is live
 * @wiring: what drives its inputs; the cable's lock, not changed while it is live
 * @compatible: what the driver of a serial device on the port goes by, empty if there
 *	is none but a tty; the cable's lock, not changed while it is live
 * @serdev: the description of that device while the cable is live; the cable's lock
 */
struct emu_cable_end {
	struct config_group group;
	struct emu_cable *cable;
	enum emu_kind kind;
	struct platform_device *pdev;
	struct emu_far *far;
	unsigned int line;
	struct emu_settings settings;
	struct emu_wiring wiring;
	char compatible[EMU_COMPATIBLE_SIZE];
	struct emu_serdev *serdev;
};

/**
 * enum emu_topology - what a cable joins
 * @EMU_NULL_MODEM: two ports
 * @EMU_LOOPBACK: a port with itself
 * @EMU_BUS: many ports, by a line that all of them share
 */
enum emu_topology {
	EMU_NULL_MODEM,
	EMU_LOOPBACK,
	EMU_BUS,
};

/**
 * struct emu_cable - wires, and the ports at their ends
 * @group: the directory in configfs
 * @node: in the list of the cables that are there without anybody having made them
 * @lock: protects what follows; nests inside configfs' locks, and serial core's
 *	nest inside it
 * @topology: what it joins; not changed while it is live
 * @pace: percent of real time, 0 is as fast as the machine can
 * @plugged: whether it is joined to its ports
 * @live: whether its ports exist
 * @permanent: whether it is there without anybody having made it; does not change
 * @nr_ends: how many ends there are
 * @end: the ends; not changed while the cable is live
 * @wire: the directions; end i of a null-modem cable feeds wire[i] and reads the
 *	other one, that of a loopback feeds and reads wire[0]. They exist while the
 *	cable is live.
 * @bus: the line that the ports of a bus share, in the place of @wire; it exists
 *	while the cable is live
 */
struct emu_cable {
	struct config_group group;
	struct list_head node;
	/* Serial core's locks nest inside it */
	struct mutex lock;
	enum emu_topology topology;
	unsigned int pace;
	bool plugged;
	bool live;
	bool permanent;
	unsigned int nr_ends;
	struct emu_cable_end *end[EMU_BUS_ENDS];
	struct emu_wire wire[EMU_NR_ENDS];
	struct emu_bus *bus;
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
extern const char *const emu_source_names[];
extern const struct emu_wiring emu_null_modem;
extern const struct emu_wiring emu_loopback;

unsigned int emu_wiring_inputs(const struct emu_wiring *wiring, unsigned int self,
			       unsigned int peer);

/* wire.c: the transmitter's side */
ktime_t emu_clock_ahead(const struct emu_clock *clock, u64 half_bits);
ktime_t emu_clock_now(const struct emu_clock *clock);
void emu_clock_restart(struct emu_clock *clock, ktime_t time, u64 speed);
void emu_wire_init(struct emu_wire *wire);
void emu_wire_exit(struct emu_wire *wire);
void emu_wire_set_tx(struct emu_wire *wire, struct emu_port *tx);
void emu_wire_set_rx(struct emu_wire *wire, struct emu_port *rx);
void emu_wire_set_far_tx(struct emu_wire *wire, struct emu_far *far);
void emu_wire_set_far_rx(struct emu_wire *wire, struct emu_far *far);
void emu_wire_set_format(struct emu_wire *wire, const struct emu_format *format);
struct emu_format emu_wire_format(struct emu_wire *wire);
void emu_wire_set_pace(struct emu_wire *wire, unsigned int pace);
void emu_wire_set_pace_at(struct emu_wire *wire, unsigned int pace, ktime_t time);
unsigned int emu_wire_pace(struct emu_wire *wire);
void emu_wire_set_plugged(struct emu_wire *wire, bool plugged, ktime_t time);
bool emu_wire_is_plugged(struct emu_wire *wire);
unsigned int emu_wire_room(struct emu_wire *wire);
void emu_wire_send(struct emu_wire *wire, enum emu_event_type type, const u8 *chars,
		   unsigned int count, ktime_t time);
void emu_wire_send_one(struct emu_wire *wire, enum emu_event_type type, u16 data, ktime_t time);
void emu_wire_set_lines(struct emu_wire *wire, unsigned int lines);
void emu_wire_set_lines_at(struct emu_wire *wire, unsigned int lines, ktime_t time);
void emu_wire_set_break(struct emu_wire *wire, bool on);
unsigned int emu_wire_lines(struct emu_wire *wire);
void emu_wire_reset(struct emu_wire *wire, unsigned int lines);
bool emu_wire_is_idle(struct emu_wire *wire);
ktime_t emu_wire_free(struct emu_wire *wire);
void emu_wire_flush(struct emu_wire *wire);
void emu_wire_swallow(struct emu_wire *wire);
void emu_wire_queue_changes(struct emu_wire *wire);
void emu_wire_kick(struct emu_wire *wire);
int emu_wire_poll(struct emu_wire *wire);

/* deliver.c: the receiver's side */
void emu_wire_run(struct emu_wire *wire);
bool emu_wire_take_char(struct emu_wire *wire, struct emu_round *round, unsigned int wanted,
			struct emu_event *event);
bool emu_wire_take_mark(struct emu_wire *wire, struct emu_round *round, struct emu_event *mark);

/* bus.c */
bool emu_bus_is_mark(unsigned int marks, unsigned int spaces);
struct emu_bus *emu_bus_create(unsigned int nr_nodes, unsigned int pace, bool plugged);
void emu_bus_destroy(struct emu_bus *bus);
struct emu_wire *emu_bus_up(struct emu_bus *bus, unsigned int i);
struct emu_wire *emu_bus_down(struct emu_bus *bus, unsigned int i);
void emu_bus_set_pace(struct emu_bus *bus, unsigned int pace);
void emu_bus_set_plugged(struct emu_bus *bus, bool plugged);
void emu_bus_run(struct emu_bus *bus);
void emu_bus_kick(struct emu_bus *bus);

/* port.c */
bool emu_port_tty_is_there(unsigned int line);
int emu_port_add(struct emu_port *ep, struct device *dev, unsigned int line,
		 const struct emu_end *end);
void emu_port_remove(struct emu_port *ep);
struct emu_wire *emu_port_in(struct emu_port *ep);
ktime_t emu_port_feed(struct emu_port *ep, struct emu_wire *wire, unsigned int pace);
void emu_port_rx_lines(struct emu_port *ep);
unsigned int emu_port_lines(struct emu_port *ep, unsigned int outputs);

/* pm.c */
void emu_port_prepare(struct emu_port *ep);
void emu_port_complete(struct emu_port *ep);
int emu_port_suspend(struct emu_port *ep);
int emu_port_resume(struct emu_port *ep);
void emu_port_wake(struct emu_port *ep);

/* rs485.c */
void emu_rs485_init(struct emu_port *ep);
void emu_rs485_set_cflag(const struct serial_rs485 *rs485, tcflag_t *cflag);
unsigned int emu_rs485_outputs(struct emu_port *ep, unsigned int outputs);
bool emu_rs485_is_deaf(struct emu_port *ep);
bool emu_rs485_has_no_echo(struct emu_port *ep);
bool emu_rs485_begin(struct emu_port *ep, struct emu_wire *out, ktime_t now);
void emu_rs485_end(struct emu_port *ep, struct emu_wire *out);
bool emu_rs485_rx(struct emu_port *ep, u16 *data);

/* receive.c */
void emu_rx_init(struct emu_port *ep);
void emu_rx_start(struct emu_port *ep);
void emu_rx_set_termios(struct emu_port *ep, const struct ktermios *termios);
void emu_rx_set_pace(struct emu_port *ep, unsigned int pace);
enum emu_rx emu_rx_state(struct emu_port *ep, struct emu_wire *wire);
bool emu_rx_takes_all(struct emu_port *ep, struct emu_wire *wire);
int emu_rx_chars(struct emu_port *ep, const u8 *chars, unsigned int count);
void emu_rx_frame(struct emu_port *ep, struct emu_wire *wire, const struct emu_frame *frame,
		  ktime_t time);
void emu_rx_drain(struct emu_port *ep);
ktime_t emu_rx_service(struct emu_port *ep, struct emu_wire *wire, ktime_t now);
unsigned int emu_rx_wanted(struct emu_port *ep);
void emu_rx_push(struct emu_port *ep);
void emu_rx_resume(struct emu_port *ep);
void emu_rx_stop(struct emu_port *ep);

/* far.c */
int emu_far_init(void);
void emu_far_exit(void);
struct emu_far *emu_far_create(const char *cable, const char *port, const struct emu_end *end,
			       bool plugged);
void emu_far_destroy(struct emu_far *far);
void emu_far_set_plugged(struct emu_far *far, bool plugged);
void emu_far_char(struct emu_far *far, const struct emu_format *format, u16 data, ktime_t time);
void emu_far_mark(struct emu_far *far, const struct emu_event *mark, ktime_t time);
void emu_far_flush(struct emu_far *far, ktime_t time);
bool emu_far_is_full(struct emu_far *far);
void emu_far_transmit(struct emu_far *far);

/* live.c */
extern const char *const emu_topology_names[];
extern const char *const emu_kind_names[];

struct emu_cable *emu_cable_alloc(void);
void emu_cable_free(struct emu_cable *cable);
struct emu_cable_end *emu_cable_add_end(struct emu_cable *cable);
void emu_cable_remove_end(struct emu_cable_end *end);
int emu_cable_activate(struct emu_cable *cable);
void emu_cable_deactivate(struct emu_cable *cable);
void emu_cable_plug(struct emu_cable *cable);
void emu_cable_set_pace(struct emu_cable *cable);

/* serdev.c */
#ifdef CONFIG_SERIAL_EMU_SERDEV
struct emu_serdev *emu_serdev_create(unsigned int line, const char *compatible);
void emu_serdev_destroy(struct emu_serdev *serdev);
struct fwnode_handle *emu_serdev_fwnode(struct emu_serdev *serdev);
#else
static inline struct emu_serdev *emu_serdev_create(unsigned int line, const char *compatible)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void emu_serdev_destroy(struct emu_serdev *serdev) { }

static inline struct fwnode_handle *emu_serdev_fwnode(struct emu_serdev *serdev)
{
	return NULL;
}
#endif

/* configfs.c */
void emu_configfs_init(void);
int emu_configfs_register(void);
void emu_configfs_unregister(void);
struct emu_cable *emu_configfs_add_cable(unsigned int number);
void emu_configfs_remove_cable(struct emu_cable *cable);

/* main.c */
extern struct uart_driver emu_uart_driver;

/* console.c, debugfs.c */
#ifdef CONFIG_SERIAL_EMU_CONSOLE
bool emu_console_has_output(struct emu_port *ep);
bool emu_console_transmit(struct emu_port *ep, struct emu_wire *out, ktime_t time);
bool emu_console_is_stuck(const struct emu_port *ep);
void emu_console_set_asleep(struct emu_port *ep, bool asleep);
int emu_console_create(struct emu_port *ep);
void emu_console_destroy(struct emu_port *ep);
void emu_console_show(struct emu_port *ep);
void emu_console_hide(struct emu_port *ep);
void emu_debugfs_init(void);
void emu_debugfs_exit(void);
#else
static inline bool emu_console_has_output(struct emu_port *ep)
{
	return false;
}

static inline bool emu_console_transmit(struct emu_port *ep, struct emu_wire *out,
					ktime_t time)
{
	return true;
}

static inline bool emu_console_is_stuck(const struct emu_port *ep)
{
	return false;
}

static inline int emu_console_create(struct emu_port *ep)
{
	return 0;
}

static inline void emu_console_set_asleep(struct emu_port *ep, bool asleep) { }
static inline void emu_console_destroy(struct emu_port *ep) { }
static inline void emu_console_show(struct emu_port *ep) { }
static inline void emu_console_hide(struct emu_port *ep) { }
static inline void emu_debugfs_init(void) { }
static inline void emu_debugfs_exit(void) { }
#endif

/* poll.c */
int emu_poll_init(struct uart_port *port);
int emu_poll_get_char(struct uart_port *port);
void emu_poll_put_char(struct uart_port *port, unsigned char c);

#endif /* _SERIAL_EMU_H */
