/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: one direction of a cable, a queue and a clock.
 *
 * A wire has an end (a port, a program) on each side, and a medium (a link, a bus) that
 * runs it. It knows them by the two tables of operations here.
 *
 * Locking: emu_wire::lock is a leaf lock and nests inside a port lock. No code holds two
 * wire locks. No code holds two port locks but emu_end_ops::accept(), which does not wait
 * for the second one.
 */

#ifndef _SERIAL_EMU_WIRE_H
#define _SERIAL_EMU_WIRE_H

#include <linux/bits.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

#include "frame.h"

struct emu_bus_levels;
struct emu_end;
struct emu_wire;

/* Characters that a wire can hold, a power of two */
#define EMU_WIRE_CHARS		256

/* Tags and control events that a wire can hold */
#define EMU_WIRE_TAGS		8
#define EMU_WIRE_CTRLS		16

/* Characters wait while fewer tags than this are free */
#define EMU_WIRE_RESERVE	4

/* Interval of attempts while a flip buffer is full: drivers are not notified of room */
#define EMU_WIRE_RETRY		ms_to_ktime(10)

/* Characters of an item */
#define EMU_ITEM_CHARS		64

/* The FIFO of a 16550A's transmitter */
#define EMU_TX_FIFO		16

/* Percent of real time; 0 is as fast as the machine can */
#define EMU_PACE_DEFAULT	100
#define EMU_PACE_MAX		100000

/* Sent with the modem control outputs, for a program as the far end: the port is open */
#define EMU_PORT_IS_OPEN	BIT(0)

/**
 * struct emu_clock - time on a wire, without drift
 * @base: end of the last idle period, or time of the last change of speed
 * @half_bits: halves of a bit that were sent since
 * @speed: rate of the transmitter times pace; 0 without a pace
 */
struct emu_clock {
	ktime_t base;
	u64 half_bits;
	u64 speed;
};

/**
 * enum emu_tag_type - kind of a tag
 * @EMU_TAG_RUN: the line was idle before this character
 * @EMU_TAG_FORMAT: a new format begins with this character
 * @EMU_TAG_ADDRESS: this character has its ninth bit set
 */
enum emu_tag_type {
	EMU_TAG_RUN,
	EMU_TAG_FORMAT,
	EMU_TAG_ADDRESS,
};

/**
 * struct emu_tag - property of the character at a position
 * @pos: position of the character
 * @type: kind of the tag
 * @time: earliest begin of a run
 * @format: new format
 */
struct emu_tag {
	unsigned int pos;
	enum emu_tag_type type;
	union {
		ktime_t time;
		struct emu_format format;
	};
};

/**
 * enum emu_item_type - kind of an item
 * @EMU_ITEM_CHARACTERS: consecutive characters of one format, without idle time
 * @EMU_ITEM_BREAK: control event: the break condition begins (value 1) or ends (value 0)
 * @EMU_ITEM_LINES: control event: the modem control outputs change; the value is made of
 *	the EMU_OUTPUTS bits and EMU_PORT_IS_OPEN
 */
enum emu_item_type {
	EMU_ITEM_CHARACTERS,
	EMU_ITEM_BREAK,
	EMU_ITEM_LINES,
};

/**
 * struct emu_ctrl - a control event
 * @time: time of the event, used with a pace
 * @pos: position of the next character, used without a pace
 * @value: new state
 * @type: an enum emu_item_type
 */
struct emu_ctrl {
	ktime_t time;
	unsigned int pos;
	u16 value;
	u8 type;
};

/**
 * struct emu_wire - one direction of a cable
 * @lock: a leaf lock, protects all of this
 * @head: position of the first of @chars; positions wrap around
 * @medium: operations of the medium; does not change
 * @tx: end that feeds the wire, or NULL
 * @rx: end that reads the wire, or NULL
 * @chars: characters that were sent and not received: a transmitter's FIFO and shift
 *	register
 * @tag: tags in the order of their positions
 * @ctrl: control events that have not taken effect, in their order
 * @nr_tags: number of tags
 * @nr_ctrls: number of control events
 * @brk: transmitter drives a break
 * @brk_sent: @brk as of the last EMU_ITEM_BREAK in @ctrl
 * @brk_seen: @brk as seen by the far end
 * @unplugged: nothing gets to the receiver
 * @looped: the transmitter's own receiver reads the wire
 * @held: the receiver had no room
 * @lines: modem control outputs of the transmitter
 * @lines_sent: @lines as of the last EMU_ITEM_LINES in @ctrl
 * @lines_seen: @lines as seen by the far end
 * @lost: number of changes of @lines and @brk that were superseded before there was room
 *	for a control event
 * @pace: percent of real time, 0 is as fast as the machine can
 * @joined: time at which the wire was plugged in last
 * @tx_format: format of the next character that is sent
 * @format: format of the first of @chars
 * @clock: begin of the first of @chars, unless its tag has a later time
 * @half_bits: length of a character in @format
 * @wanted: number of characters that reach the receiver's trigger
 * @slack: largest delay of a pass in nanoseconds: half a character at most, so that wires
 *	share an interrupt and groups of characters stay the same
 * @armed: time of the next pass, KTIME_MAX if the wire has to be kicked first
 */
struct emu_wire {
	/* Nests inside a port lock */
	spinlock_t lock;
	unsigned int head;
	const struct emu_medium_ops *medium;
	struct emu_end *tx;
	struct emu_end *rx;
	DECLARE_KFIFO(chars, u8, EMU_WIRE_CHARS);
	struct emu_tag tag[EMU_WIRE_TAGS];
	struct emu_ctrl ctrl[EMU_WIRE_CTRLS];
	u8 nr_tags;
	u8 nr_ctrls;
	bool brk;
	bool brk_sent;
	bool brk_seen;
	bool unplugged;
	bool looped;
	bool held;
	unsigned int lines;
	unsigned int lines_sent;
	unsigned int lines_seen;
	unsigned int lost;
	unsigned int pace;
	ktime_t joined;
	struct emu_format tx_format;
	struct emu_format format;
	struct emu_clock clock;
	unsigned int half_bits;
	unsigned int wanted;
	u64 slack;
	ktime_t armed;
};

/**
 * struct emu_item - characters or a control event that are due
 * @type: kind of the item
 * @value: new state, of a control event
 * @pos: position on the wire
 * @time: time of the event, or end of the last character
 * @count: number of characters, 1 for a control event
 * @last: no other item is due
 * @address: ninth bit of the only character is set
 * @chars: characters
 * @format: format of the characters
 * @half_bits: length of a character
 * @clock: begin of the first character; a time that is over without a pace
 */
struct emu_item {
	enum emu_item_type type;
	unsigned int value;
	unsigned int pos;
	ktime_t time;
	unsigned int count;
	bool last;
	bool address;
	u8 chars[EMU_ITEM_CHARS];
	struct emu_format format;
	unsigned int half_bits;
	struct emu_clock clock;
};

/* A character with its ninth bit */
static inline u16 emu_item_data(const struct emu_item *item, unsigned int i)
{
	return item->chars[i] | (item->address ? BIT(8) : 0);
}

/**
 * struct emu_pass - a pass over a wire
 * @now: begin of the pass
 * @due: latest time of the next pass, KTIME_MAX if the wire has to be kicked first
 * @pace: pace of the wire
 * @unplugged: the plug is pulled out
 * @cut: the receiver is not connected, because of the plug or the loopback mode
 * @joined: time at which the wire was plugged in last
 * @lines: modem control outputs as the far end saw them before
 * @low: break as the far end saw it before
 * @lost: number of changes of the lines and of the break that were lost since the last pass
 * @wanted: number of characters that reach the receiver's trigger; set by receive()
 * @held: an item waits for room in the receiver; set by receive()
 * @retry: time of the next attempt, KTIME_MAX if the receiver kicks the wire
 * @levels: levels of a bus, to be received instead of the wire; NULL for a link
 * @tx: end that feeds the wire, or NULL
 * @rx: end that reads the wire, or NULL
 * @looped: the transmitter's own receiver reads the wire
 */
struct emu_pass {
	ktime_t now;
	ktime_t due;
	unsigned int pace;
	bool unplugged;
	bool cut;
	ktime_t joined;
	unsigned int lines;
	bool low;
	unsigned int lost;
	unsigned int wanted;
	bool held;
	ktime_t retry;
	struct emu_bus_levels *levels;
	struct emu_end *tx;
	struct emu_end *rx;
	bool looped;
};

static inline void emu_pass_due(struct emu_pass *pass, ktime_t time)
{
	if (ktime_before(time, pass->due))
		pass->due = time;
}

/**
 * struct emu_end_ops - operations of an end
 * @transmit: fill the wire as far as it has room, and set emu_pass::due if the end has
 *	more to send at a later time. Takes the end's own lock.
 * @receive: take all items that are due, or drop them if the end does not read this wire,
 *	and set emu_pass::due. Takes the end's own lock.
 * @accept: receive characters that were never on the wire, if a trylock gets the end's own
 *	lock. Returns the number of characters that were taken, 0 if there is no room,
 *	-EAGAIN if they have to go on the wire. Called with the sender's port lock and the
 *	wire's lock held. NULL if all characters go on the wire.
 *
 * Context: Any context except hard interrupts and NMI.
 */
struct emu_end_ops {
	void (*transmit)(struct emu_end *end, struct emu_wire *wire, struct emu_pass *pass);
	void (*receive)(struct emu_end *end, struct emu_wire *wire, struct emu_pass *pass);
	int (*accept)(struct emu_end *end, struct emu_wire *wire, const u8 *chars,
		      unsigned int count);
};

/**
 * struct emu_end - an end of a wire
 * @ops: operations of the end
 */
struct emu_end {
	const struct emu_end_ops *ops;
};

/**
 * struct emu_medium_ops - operations of a medium
 * @kick: run a pass soon. Any context except NMI; the wire's lock may be held.
 * @arm: run a pass at a time. Called with the wire's lock held.
 * @run: run a pass now. On return an end that was disconnected before is not in use any
 *	more. Process context without a port lock.
 */
struct emu_medium_ops {
	void (*kick)(struct emu_wire *wire);
	void (*arm)(struct emu_wire *wire, ktime_t time);
	void (*run)(struct emu_wire *wire);
};

static inline void emu_wire_kick(struct emu_wire *wire)
{
	wire->medium->kick(wire);
}

static inline void emu_wire_run(struct emu_wire *wire)
{
	wire->medium->run(wire);
}

ktime_t emu_clock_ahead(const struct emu_clock *clock, u64 half_bits);
ktime_t emu_clock_now(const struct emu_clock *clock);

void emu_wire_init(struct emu_wire *wire, const struct emu_medium_ops *medium,
		   unsigned int pace);

/* The transmitter's side */
void emu_wire_set_tx(struct emu_wire *wire, struct emu_end *tx);
void emu_wire_set_format(struct emu_wire *wire, const struct emu_format *format);
struct emu_format emu_wire_format(struct emu_wire *wire);
struct emu_format emu_wire_first_format(struct emu_wire *wire);
unsigned int emu_wire_room(struct emu_wire *wire);
void emu_wire_put(struct emu_wire *wire, const u8 *chars, unsigned int count, ktime_t time);
void emu_wire_put_address(struct emu_wire *wire, u8 address, ktime_t time);
int emu_wire_hand_over(struct emu_wire *wire, const u8 *chars, unsigned int count);
void emu_wire_set_lines(struct emu_wire *wire, unsigned int lines);
void emu_wire_set_lines_at(struct emu_wire *wire, unsigned int lines, ktime_t time);
void emu_wire_set_break(struct emu_wire *wire, bool on);
void emu_wire_set_looped(struct emu_wire *wire, bool looped);
bool emu_wire_is_idle(struct emu_wire *wire);
bool emu_wire_is_drained(struct emu_wire *wire);
bool emu_wire_idle_since(struct emu_wire *wire, ktime_t *time);

/* The cable */
void emu_wire_set_pace(struct emu_wire *wire, unsigned int pace, ktime_t time);
unsigned int emu_wire_pace(struct emu_wire *wire);
void emu_wire_set_plugged(struct emu_wire *wire, bool plugged, ktime_t time);
void emu_wire_set_both_plugged(struct emu_wire *a, struct emu_wire *b, bool plugged);
bool emu_wire_is_plugged(struct emu_wire *wire);
void emu_wire_reset(struct emu_wire *wire);

/* The receiver's side */
void emu_wire_set_rx(struct emu_wire *wire, struct emu_end *rx);
void emu_wire_retry(struct emu_wire *wire);
unsigned int emu_wire_lines(struct emu_wire *wire);
bool emu_wire_is_low(struct emu_wire *wire);
void emu_wire_begin_pass(struct emu_wire *wire, struct emu_pass *pass);
bool emu_wire_peek(struct emu_wire *wire, const struct emu_pass *pass, unsigned int max,
		   struct emu_item *item);
void emu_wire_skip(struct emu_wire *wire, const struct emu_item *item, unsigned int count);
void emu_wire_discard(struct emu_wire *wire, const struct emu_pass *pass);
bool emu_wire_next(struct emu_wire *wire, struct emu_item *item);
bool emu_wire_shifting(struct emu_wire *wire, ktime_t time, struct emu_item *item);
ktime_t emu_wire_due(struct emu_wire *wire, unsigned int wanted);
bool emu_wire_end_pass(struct emu_wire *wire, const struct emu_pass *pass);
int emu_wire_poll(struct emu_wire *wire);

#endif /* _SERIAL_EMU_WIRE_H */
