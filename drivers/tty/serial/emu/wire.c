// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a wire, the queue and the clock of one direction.
 *
 * The queue holds the characters in a transmitter's FIFO and its shift register. Tags mark
 * characters that begin a run, have another format or are an address. Control events
 * (breaks, edges of the modem control lines) are kept beside the characters. With a pace,
 * the time of a control event decides between which characters it takes effect, because
 * the registers of a UART act at once. Without a pace, its position decides.
 *
 * All times are computed from the end of the last idle period, so that the mean rate is
 * exact however late a pass is.
 *
 * Context: Any context except NMI, unless a function says otherwise.
 */

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/serial_core.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>

#include <kunit/visibility.h>

#include "wire.h"

/* The most that a timer may be late, in nanoseconds */
#define EMU_WIRE_SLACK		(NSEC_PER_MSEC / 2)

/* The receiver's trigger before its first pass: that of a 16550A */
#define EMU_WIRE_WANTED		8

/**
 * emu_clock_ahead - time at which more halves of a bit will have been sent
 * @clock: the clock of a wire
 * @half_bits: their number
 *
 * Return: the first nanosecond after them.
 */
ktime_t emu_clock_ahead(const struct emu_clock *clock, u64 half_bits)
{
	u64 sent = clock->half_bits + half_bits;

	if (!sent || !clock->speed)
		return clock->base;

	return ktime_add_ns(clock->base,
			    mul_u64_u64_div_u64_roundup(sent, EMU_HALF_BIT_NS, clock->speed));
}

/**
 * emu_clock_now - end of the characters that were sent so far
 * @clock: the clock of a wire
 *
 * Return: the time.
 */
ktime_t emu_clock_now(const struct emu_clock *clock)
{
	return emu_clock_ahead(clock, 0);
}

/* The line is idle up to a time: start to count from there */
static void emu_clock_restart(struct emu_clock *clock, ktime_t time, u64 speed)
{
	clock->base = time;
	clock->half_bits = 0;
	clock->speed = speed;
}

/* Halves of a bit that have ended by a time, beyond those counted as sent */
static u64 emu_clock_sent(const struct emu_clock *clock, ktime_t time)
{
	u64 half_bits;

	if (time <= clock->base || !clock->speed)
		return 0;

	half_bits = mul_u64_u64_div_u64(ktime_sub(time, clock->base), clock->speed,
					EMU_HALF_BIT_NS);

	return half_bits > clock->half_bits ? half_bits - clock->half_bits : 0;
}

/* The queue */

static unsigned int emu_wire_tail(struct emu_wire *wire)
{
	return wire->head + kfifo_len(&wire->chars);
}

static void emu_wire_set_slack(struct emu_wire *wire)
{
	wire->slack = min(emu_format_time(&wire->format, wire->pace) / 2, EMU_WIRE_SLACK);
}

static void emu_wire_apply_format(struct emu_wire *wire, const struct emu_format *format)
{
	emu_clock_restart(&wire->clock, emu_clock_now(&wire->clock), format->rate * wire->pace);
	wire->format = *format;
	wire->half_bits = emu_format_half_bits(format);
	emu_wire_set_slack(wire);
}

static void emu_wire_apply_run(struct emu_wire *wire, ktime_t time)
{
	if (time > emu_clock_now(&wire->clock))
		emu_clock_restart(&wire->clock, time, wire->format.rate * wire->pace);
}

static void emu_wire_remove_tag(struct emu_wire *wire, unsigned int i)
{
	wire->nr_tags--;
	memmove(&wire->tag[i], &wire->tag[i + 1], (wire->nr_tags - i) * sizeof(wire->tag[0]));
}

/* Advance the clock to the begin of the first character; returns true if it is an address */
static bool emu_wire_apply_tags(struct emu_wire *wire)
{
	struct emu_tag *tag = wire->tag;

	while (wire->nr_tags && tag->pos == wire->head) {
		if (tag->type == EMU_TAG_ADDRESS)
			return true;
		if (tag->type == EMU_TAG_FORMAT)
			emu_wire_apply_format(wire, &tag->format);
		else if (wire->pace)
			emu_wire_apply_run(wire, tag->time);
		emu_wire_remove_tag(wire, 0);
	}

	return false;
}

/* Does @tag belong behind @new? An address is the last tag of its position. */
static bool emu_tag_is_behind(const struct emu_tag *tag, const struct emu_tag *new)
{
	if (tag->pos == new->pos)
		return tag->type == EMU_TAG_ADDRESS;

	return (int)(tag->pos - new->pos) > 0;
}

static void emu_wire_add_tag(struct emu_wire *wire, const struct emu_tag *tag)
{
	unsigned int i = wire->nr_tags;

	if (i == EMU_WIRE_TAGS)
		return;
	for (; i && emu_tag_is_behind(&wire->tag[i - 1], tag); i--)
		wire->tag[i] = wire->tag[i - 1];
	wire->tag[i] = *tag;
	wire->nr_tags++;
}

/* End of the character before a position, as far as is known now */
static ktime_t emu_wire_over(struct emu_wire *wire, unsigned int pos)
{
	unsigned int half_bits = wire->half_bits, at = wire->head, i;
	struct emu_clock clock = wire->clock;
	u64 rate = wire->format.rate;

	for (i = 0; i < wire->nr_tags && (int)(pos - wire->tag[i].pos) > 0; i++) {
		const struct emu_tag *tag = &wire->tag[i];

		clock.half_bits += (tag->pos - at) * half_bits;
		at = tag->pos;
		if (tag->type == EMU_TAG_FORMAT) {
			half_bits = emu_format_half_bits(&tag->format);
			rate = tag->format.rate;
			emu_clock_restart(&clock, emu_clock_now(&clock), rate * wire->pace);
		} else if (tag->type == EMU_TAG_RUN && tag->time > emu_clock_now(&clock)) {
			emu_clock_restart(&clock, tag->time, rate * wire->pace);
		}
	}

	return emu_clock_ahead(&clock, (pos - at) * half_bits);
}

/* Length of the first run of equal format; an address is a run of its own */
static unsigned int emu_wire_run_length(struct emu_wire *wire, bool address)
{
	unsigned int count = kfifo_len(&wire->chars);

	if (address)
		return 1;

	return wire->nr_tags ? min(count, wire->tag[0].pos - wire->head) : count;
}

/* Number of characters of the first run that have ended by a time */
static unsigned int emu_wire_ended(struct emu_wire *wire, ktime_t time, unsigned int max)
{
	u64 count = emu_clock_sent(&wire->clock, time);

	return min_t(u64, div_u64(count, wire->half_bits), max);
}

/* Control events */

static void emu_wire_add_ctrl(struct emu_wire *wire, enum emu_item_type type,
			      unsigned int value, ktime_t time)
{
	/* Events keep their order, also behind one whose time has not come */
	if (wire->nr_ctrls)
		time = max(time, wire->ctrl[wire->nr_ctrls - 1].time);
	wire->ctrl[wire->nr_ctrls++] = (struct emu_ctrl) {
		.time	= time,
		.pos	= emu_wire_tail(wire),
		.value	= value,
		.type	= type,
	};
}

/*
 * Queue the current state if it is not the last one that was queued. While the queue is
 * full a pulse may be lost, and is counted, but the last state always arrives.
 */
static void emu_wire_queue_changes(struct emu_wire *wire, ktime_t time)
{
	lockdep_assert_held(&wire->lock);

	if (wire->brk != wire->brk_sent && wire->nr_ctrls < EMU_WIRE_CTRLS) {
		emu_wire_add_ctrl(wire, EMU_ITEM_BREAK, wire->brk, time);
		wire->brk_sent = wire->brk;
	}
	if (wire->lines != wire->lines_sent && wire->nr_ctrls < EMU_WIRE_CTRLS) {
		emu_wire_add_ctrl(wire, EMU_ITEM_LINES, wire->lines, time);
		wire->lines_sent = wire->lines;
	}
}

/* A change that supersedes one which is not queued, or takes it back: then both are lost */
static void emu_wire_count_lost(struct emu_wire *wire, bool queued, bool back)
{
	lockdep_assert_held(&wire->lock);

	if (!queued)
		wire->lost += 1 + back;
}

static bool emu_wire_has_changes(struct emu_wire *wire)
{
	return wire->brk != wire->brk_sent || wire->lines != wire->lines_sent;
}

/* The transmitter's side */

static void emu_wire_arm(struct emu_wire *wire, ktime_t time)
{
	if (time >= wire->armed)
		return;

	wire->armed = time;
	wire->medium->arm(wire, time);
}

/* Schedule a pass for when the receiver's trigger is reached */
static void emu_wire_announce(struct emu_wire *wire)
{
	unsigned int count = min(wire->wanted, kfifo_len(&wire->chars));

	if (wire->pace)
		emu_wire_arm(wire, emu_wire_over(wire, wire->head + count));
	else
		emu_wire_kick(wire);
}

/**
 * emu_wire_room - number of characters that the wire can take
 * @wire: the wire
 *
 * Context: Without the transmitter's port lock the number is stale.
 * Return: the limit for the next emu_wire_put().
 */
unsigned int emu_wire_room(struct emu_wire *wire)
{
	unsigned int len;

	guard(spinlock_irqsave)(&wire->lock);

	if (wire->nr_tags > EMU_WIRE_TAGS - EMU_WIRE_RESERVE)
		return 0;
	len = kfifo_len(&wire->chars);
	if (wire->pace)
		return EMU_TX_FIFO + 1 - min(len, EMU_TX_FIFO + 1);
	if (emu_wire_has_changes(wire))
		return 0;

	return EMU_WIRE_CHARS - len;
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_room);

/* The line may have been idle before the characters that are put on it now */
static void emu_wire_begin_run(struct emu_wire *wire, ktime_t time)
{
	struct emu_tag tag = { .pos = emu_wire_tail(wire), .type = EMU_TAG_RUN, .time = time };

	if (!wire->pace || !time)
		return;
	if (kfifo_is_empty(&wire->chars))
		emu_wire_apply_run(wire, time);
	else if (time > emu_wire_over(wire, tag.pos))
		emu_wire_add_tag(wire, &tag);
}

/**
 * emu_wire_put - put characters on the wire
 * @wire: the wire
 * @chars: the characters
 * @count: their number, not more than emu_wire_room() said
 * @time: earliest begin of the first one; 0 if the transmitter was never idle since the
 *	last one, however late the call is
 *
 * Context: Caller must hold the transmitter's port lock.
 */
void emu_wire_put(struct emu_wire *wire, const u8 *chars, unsigned int count, ktime_t time)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (!count)
		return;

	emu_wire_begin_run(wire, time);
	kfifo_in(&wire->chars, chars, count);
	emu_wire_announce(wire);
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_put);

/**
 * emu_wire_put_address - put a character with the ninth bit set on the wire
 * @wire: the wire
 * @address: the other eight bits; emu_wire_room() must not be 0
 * @time: as for emu_wire_put()
 *
 * Context: Caller must hold the transmitter's port lock.
 */
void emu_wire_put_address(struct emu_wire *wire, u8 address, ktime_t time)
{
	struct emu_tag tag = { .type = EMU_TAG_ADDRESS };

	guard(spinlock_irqsave)(&wire->lock);

	emu_wire_begin_run(wire, time);
	tag.pos = emu_wire_tail(wire);
	emu_wire_add_tag(wire, &tag);
	kfifo_put(&wire->chars, address);
	emu_wire_announce(wire);
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_put_address);

static bool emu_wire_is_clear(struct emu_wire *wire)
{
	return !wire->pace && kfifo_is_empty(&wire->chars) && !wire->nr_ctrls &&
	       !emu_wire_has_changes(wire) && !wire->brk && !wire->unplugged && !wire->looped;
}

/**
 * emu_wire_hand_over - pass characters directly to the receiver
 * @wire: the wire
 * @chars: the characters
 * @count: their number
 *
 * This is possible without a pace, if the wire is empty and the receiver needs no bits to
 * be sampled.
 *
 * Context: Caller must hold the transmitter's port lock. Interrupts are disabled.
 * Return: the number of characters that the receiver took, or -EAGAIN if they have to go
 *	on the wire.
 */
int emu_wire_hand_over(struct emu_wire *wire, const u8 *chars, unsigned int count)
{
	int ret;

	guard(spinlock)(&wire->lock);

	if (!emu_wire_is_clear(wire) || !wire->rx || wire->rx == wire->tx ||
	    !wire->rx->ops->accept)
		return -EAGAIN;

	ret = wire->rx->ops->accept(wire->rx, wire, chars, count);
	if (!ret)
		wire->held = true;

	return ret;
}

/**
 * emu_wire_set_lines - drive the modem control outputs
 * @wire: the wire
 * @lines: the active outputs, made of the EMU_OUTPUTS bits and EMU_PORT_IS_OPEN
 */
void emu_wire_set_lines(struct emu_wire *wire, unsigned int lines)
{
	emu_wire_set_lines_at(wire, lines, ktime_get());
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_set_lines);

static void emu_wire_announce_ctrl(struct emu_wire *wire, ktime_t time)
{
	if (wire->pace && time > ktime_get())
		emu_wire_arm(wire, time);
	else
		emu_wire_kick(wire);
}

/**
 * emu_wire_set_lines_at - drive the modem control outputs from a time on
 * @wire: the wire
 * @lines: the active outputs, made of the EMU_OUTPUTS bits and EMU_PORT_IS_OPEN
 * @time: when they change
 */
void emu_wire_set_lines_at(struct emu_wire *wire, unsigned int lines, ktime_t time)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (lines == wire->lines)
		return;
	emu_wire_count_lost(wire, wire->lines == wire->lines_sent, lines == wire->lines_sent);
	wire->lines = lines;
	emu_wire_queue_changes(wire, time);
	emu_wire_announce_ctrl(wire, time);
}

/**
 * emu_wire_set_break - begin or end a break
 * @wire: the wire
 * @on: whether it begins
 */
void emu_wire_set_break(struct emu_wire *wire, bool on)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (on == wire->brk)
		return;
	emu_wire_count_lost(wire, wire->brk == wire->brk_sent, on == wire->brk_sent);
	wire->brk = on;
	emu_wire_queue_changes(wire, ktime_get());
	emu_wire_kick(wire);
}

/**
 * emu_wire_set_looped - connect the wire to the transmitter's own receiver, or to the
 *	far end again
 * @wire: the wire
 * @looped: which of the two
 */
void emu_wire_set_looped(struct emu_wire *wire, bool looped)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (wire->looped && !looped)
		wire->joined = ktime_get();
	wire->looped = looped;
	emu_wire_kick(wire);
}

/* A format of which no character was sent is replaced */
static void emu_wire_tag_format(struct emu_wire *wire, const struct emu_format *format,
				unsigned int pos)
{
	struct emu_tag tag = { .pos = pos, .type = EMU_TAG_FORMAT, .format = *format };
	unsigned int i = wire->nr_tags;

	while (i--) {
		if ((int)(wire->tag[i].pos - pos) < 0)
			break;
		if (wire->tag[i].type == EMU_TAG_FORMAT)
			emu_wire_remove_tag(wire, i);
	}
	emu_wire_add_tag(wire, &tag);
}

/* Position of the first character that has not begun by a time */
static unsigned int emu_wire_next_pos(struct emu_wire *wire, ktime_t time)
{
	unsigned int len = kfifo_len(&wire->chars), count = 0;

	if (!wire->pace)
		return wire->head + len;
	while (count < len && emu_wire_over(wire, wire->head + count) <= time)
		count++;

	return wire->head + count;
}

/**
 * emu_wire_set_format - set what the transmitter's characters look like
 * @wire: the wire
 * @format: the format; with a pace, of the next character that begins, without one of the
 *	next one that is put on the wire
 */
void emu_wire_set_format(struct emu_wire *wire, const struct emu_format *format)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (emu_format_is_equal(format, &wire->tx_format))
		return;
	wire->tx_format = *format;
	if (kfifo_is_empty(&wire->chars)) {
		/* An older format was for a character that was never sent */
		wire->nr_tags = 0;
		emu_wire_apply_format(wire, format);
	} else {
		emu_wire_tag_format(wire, format, emu_wire_next_pos(wire, ktime_get()));
	}
	/* A program gets a report without a character; and the time of the next pass may change */
	emu_wire_kick(wire);
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_set_format);

/**
 * emu_wire_format - what the transmitter's characters look like
 * @wire: the wire
 *
 * Return: the format of the next character.
 */
struct emu_format emu_wire_format(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return wire->tx_format;
}

/**
 * emu_wire_first_format - what the characters on the line look like
 * @wire: the wire
 *
 * Return: the format of the character in progress, or of the next one if there is none.
 */
struct emu_format emu_wire_first_format(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return kfifo_is_empty(&wire->chars) ? wire->tx_format : wire->format;
}

/**
 * emu_wire_idle_since - is the transmitter idle, and since when?
 * @wire: the wire
 * @time: set to the end of the last character if it is idle
 *
 * Return: true if FIFO and shift register are empty, whether or not the receiver has taken
 *	the characters.
 */
bool emu_wire_idle_since(struct emu_wire *wire, ktime_t *time)
{
	ktime_t now = ktime_get();

	guard(spinlock_irqsave)(&wire->lock);

	*time = now;
	if (!wire->pace)
		return kfifo_is_empty(&wire->chars);
	*time = emu_wire_over(wire, emu_wire_tail(wire));

	/* Without a character the clock can be ahead, if the next one has to begin later */
	return *time <= now || kfifo_is_empty(&wire->chars);
}

/**
 * emu_wire_is_idle - is the transmitter idle?
 * @wire: the wire
 *
 * Return: as emu_wire_idle_since().
 */
bool emu_wire_is_idle(struct emu_wire *wire)
{
	ktime_t time;

	return emu_wire_idle_since(wire, &time);
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_is_idle);

/**
 * emu_wire_is_drained - has all that was sent taken effect?
 * @wire: the wire
 *
 * Return: true if the transmitter is idle and no control event is on its way.
 */
bool emu_wire_is_drained(struct emu_wire *wire)
{
	if (!emu_wire_is_idle(wire))
		return false;

	guard(spinlock_irqsave)(&wire->lock);

	return !wire->nr_ctrls && !emu_wire_has_changes(wire);
}

/**
 * emu_wire_set_tx - connect a transmitter to the wire, or disconnect it
 * @wire: the wire
 * @tx: the transmitter, NULL for none
 *
 * On return the previous end is not in use any more.
 *
 * Context: Process context. May sleep.
 */
void emu_wire_set_tx(struct emu_wire *wire, struct emu_end *tx)
{
	scoped_guard(spinlock_irqsave, &wire->lock)
		wire->tx = tx;

	emu_wire_run(wire);
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_set_tx);

/* The cable */

/* Move the begin of the character in progress, so that the same part of it has been sent */
static void emu_wire_rescale(struct emu_wire *wire, unsigned int pace, ktime_t now)
{
	ktime_t begun = emu_clock_now(&wire->clock);

	if (begun < now)
		begun = now - div64_u64((now - begun) * wire->pace, pace);
	emu_clock_restart(&wire->clock, begun, wire->format.rate * pace);
}

/**
 * emu_wire_set_pace - set the pace of the wire
 * @wire: the wire; a pass has taken the characters that have ended
 * @pace: percent of real time, at most EMU_PACE_MAX; 0 is as fast as the machine
 *	can, and without loss
 * @time: time of the change, the same for all wires of a bus
 *
 * A character in progress continues at the new pace. It begins anew if one of the paces
 * is 0.
 */
void emu_wire_set_pace(struct emu_wire *wire, unsigned int pace, ktime_t time)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (pace && wire->pace && !kfifo_is_empty(&wire->chars))
		emu_wire_rescale(wire, pace, time);
	else
		emu_clock_restart(&wire->clock, time, wire->format.rate * pace);
	wire->pace = pace;
	emu_wire_set_slack(wire);
	emu_wire_kick(wire);
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_set_pace);

/**
 * emu_wire_pace - pace of the wire
 * @wire: the wire
 *
 * Return: percent of real time, 0 is as fast as the machine can.
 */
unsigned int emu_wire_pace(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return wire->pace;
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_pace);

/**
 * emu_wire_set_plugged - connect the wire to its receiver, or pull it out
 * @wire: the wire; a pass has taken the characters that have ended
 * @plugged: whether it is connected; while it is not, the receiver sees an idle line
 *	and inactive inputs
 * @time: time of the change, the same for all wires of a cable: an edge on one of them
 *	makes the other end send, which must not be lost
 */
void emu_wire_set_plugged(struct emu_wire *wire, bool plugged, ktime_t time)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (plugged && wire->unplugged)
		wire->joined = time;
	wire->unplugged = !plugged;
	emu_wire_kick(wire);
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_set_plugged);

/**
 * emu_wire_set_both_plugged - connect both wires of a cable, or pull them out, at once
 * @a: one of them
 * @b: the other one
 * @plugged: as for emu_wire_set_plugged()
 *
 * Context: Process context. May sleep.
 */
void emu_wire_set_both_plugged(struct emu_wire *a, struct emu_wire *b, bool plugged)
{
	ktime_t now;

	/* Characters that have ended by now are not affected */
	emu_wire_run(a);
	emu_wire_run(b);
	now = ktime_get();
	emu_wire_set_plugged(a, plugged, now);
	emu_wire_set_plugged(b, plugged, now);
	/* No pass from before delivers any more, and the inputs have changed */
	emu_wire_run(a);
	emu_wire_run(b);
}

/**
 * emu_wire_is_plugged - is the wire connected to its receiver?
 * @wire: the wire
 *
 * Return: true if it is.
 */
bool emu_wire_is_plugged(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return !wire->unplugged;
}

/**
 * emu_wire_reset - drop characters and events, and drive no outputs
 * @wire: the wire, which has no transmitter
 *
 * The far end still sees the end of a break.
 */
void emu_wire_reset(struct emu_wire *wire)
{
	ktime_t now = ktime_get();

	guard(spinlock_irqsave)(&wire->lock);

	/* Invalidates the item that a concurrent pass has peeked at */
	wire->head = emu_wire_tail(wire) + 1;
	kfifo_reset(&wire->chars);
	wire->nr_tags = 0;
	wire->nr_ctrls = 0;
	wire->lines = 0;
	wire->lines_sent = 0;
	wire->lines_seen = 0;
	wire->brk = false;
	wire->brk_sent = wire->brk_seen;
	wire->lost = 0;
	emu_clock_restart(&wire->clock, now, wire->tx_format.rate * wire->pace);
	emu_wire_apply_format(wire, &wire->tx_format);
	emu_wire_queue_changes(wire, now);
	emu_wire_kick(wire);
}

/* The receiver's side; there is one pass over a wire at a time */

/**
 * emu_wire_set_rx - connect a receiver to the wire, or disconnect it
 * @wire: the wire
 * @rx: the receiver, NULL for none
 *
 * On return the previous end is not in use any more.
 *
 * Context: Process context. May sleep.
 */
void emu_wire_set_rx(struct emu_wire *wire, struct emu_end *rx)
{
	scoped_guard(spinlock_irqsave, &wire->lock)
		wire->rx = rx;

	emu_wire_run(wire);
}

/**
 * emu_wire_retry - the receiver may have room again
 * @wire: the wire
 */
void emu_wire_retry(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	if (wire->held)
		emu_wire_kick(wire);
}

/**
 * emu_wire_lines - the modem control outputs as the far end sees them
 * @wire: the wire
 *
 * Return: the active outputs, made of the EMU_OUTPUTS bits and EMU_PORT_IS_OPEN.
 */
unsigned int emu_wire_lines(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	/* A program knows that the port is open without a plug */
	return wire->lines_seen & (wire->unplugged ? EMU_PORT_IS_OPEN : ~0U);
}

/**
 * emu_wire_is_low - does the far end see a break?
 * @wire: the wire
 *
 * Return: true if it does.
 */
bool emu_wire_is_low(struct emu_wire *wire)
{
	guard(spinlock_irqsave)(&wire->lock);

	return wire->brk_seen && (wire->looped || !wire->unplugged);
}

/**
 * emu_wire_begin_pass - begin a pass
 * @wire: the wire
 * @pass: set to the state of the wire
 */
void emu_wire_begin_pass(struct emu_wire *wire, struct emu_pass *pass)
{
	guard(spinlock_irqsave)(&wire->lock);

	wire->armed = KTIME_MAX;
	wire->held = false;
	pass->now = ktime_get();
	pass->due = KTIME_MAX;
	pass->pace = wire->pace;
	pass->unplugged = wire->unplugged;
	pass->cut = wire->unplugged;
	pass->joined = wire->joined;
	pass->lines = wire->lines_seen;
	pass->low = wire->brk_seen;
	pass->lost = wire->lost;
	wire->lost = 0;
	pass->wanted = EMU_TX_FIFO + 1;
	pass->held = false;
	pass->retry = KTIME_MAX;
	pass->levels = NULL;
	pass->tx = wire->tx;
	pass->rx = wire->rx;
	pass->looped = wire->looped;
}

/* Is it time for the first control event, or is its position reached? */
static bool emu_wire_ctrl_is_due(struct emu_wire *wire, const struct emu_pass *pass)
{
	const struct emu_ctrl *ctrl = wire->ctrl;

	if (!wire->nr_ctrls)
		return false;

	return pass->pace ? ctrl->time <= pass->now : (int)(ctrl->pos - wire->head) <= 0;
}

/* Only the data bits of a character are on the line */
static void emu_wire_mask_chars(struct emu_item *item)
{
	unsigned int i;

	if (item->format.data_bits >= 8)
		return;
	for (i = 0; i < item->count; i++)
		item->chars[i] &= GENMASK(item->format.data_bits - 1, 0);
}

static void emu_wire_copy_chars(struct emu_wire *wire, const struct emu_pass *pass,
				struct emu_item *item, unsigned int count)
{
	item->type = EMU_ITEM_CHARACTERS;
	item->count = kfifo_out_peek(&wire->chars, item->chars, count);
	item->format = wire->format;
	emu_wire_mask_chars(item);
	item->half_bits = wire->half_bits;
	item->clock = wire->clock;
	item->time = pass->now;
	if (pass->pace)
		item->time = emu_clock_ahead(&wire->clock, count * wire->half_bits);
}

/* Number of characters that come off the wire before the next control event */
static unsigned int emu_wire_due_chars(struct emu_wire *wire, const struct emu_pass *pass,
				       unsigned int max)
{
	const struct emu_ctrl *ctrl = wire->ctrl;

	if (!pass->pace)
		return wire->nr_ctrls ? min_t(int, max, ctrl->pos - wire->head) : max;

	return emu_wire_ended(wire, wire->nr_ctrls ? min(pass->now, ctrl->time) : pass->now,
			      max);
}

/**
 * emu_wire_peek - look at the next item that is due
 * @wire: the wire
 * @pass: the pass
 * @max: limit of characters; 0 finds only edges of the modem lines, for which the receiver
 *	needs no room
 * @item: set to the item
 *
 * Return: true if there is one; emu_wire_skip() removes it.
 */
bool emu_wire_peek(struct emu_wire *wire, const struct emu_pass *pass, unsigned int max,
		   struct emu_item *item)
{
	const struct emu_ctrl *ctrl = wire->ctrl;
	int count, most;

	guard(spinlock_irqsave)(&wire->lock);

	item->pos = wire->head;
	item->address = emu_wire_apply_tags(wire);
	most = min3(max, emu_wire_run_length(wire, item->address), EMU_ITEM_CHARS);
	count = most ? emu_wire_due_chars(wire, pass, most) : 0;
	if (count > 0) {
		emu_wire_copy_chars(wire, pass, item, count);
		item->last = pass->pace && count < most && !wire->nr_ctrls;
		return true;
	}

	if (!emu_wire_ctrl_is_due(wire, pass) || (!max && ctrl->type != EMU_ITEM_LINES))
		return false;
	item->type = ctrl->type;
	item->value = ctrl->value;
	item->count = 1;
	item->last = false;
	item->format = wire->format;
	item->time = pass->pace ? ctrl->time : pass->now;

	return true;
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_peek);

/* After a break the line is at mark for a bit, or the next start bit would not be seen */
static void emu_wire_end_break(struct emu_wire *wire, ktime_t time)
{
	if (!wire->pace)
		return;
	if (!kfifo_is_empty(&wire->chars) && emu_clock_now(&wire->clock) < time)
		return;

	emu_wire_apply_run(wire, ktime_add_ns(time, emu_half_bits_time(2, wire->clock.speed)));
}

static void emu_wire_skip_ctrl(struct emu_wire *wire, const struct emu_item *item)
{
	wire->nr_ctrls--;
	memmove(&wire->ctrl[0], &wire->ctrl[1], wire->nr_ctrls * sizeof(wire->ctrl[0]));
	if (item->type == EMU_ITEM_LINES) {
		wire->lines_seen = item->value;
		return;
	}

	wire->brk_seen = item->value;
	if (!item->value)
		emu_wire_end_break(wire, item->time);
}

static void emu_wire_skip_chars(struct emu_wire *wire, const struct emu_item *item,
				unsigned int count)
{
	if (item->address)
		emu_wire_remove_tag(wire, 0);
	kfifo_skip_count(&wire->chars, count);
	wire->head += count;
	/* emu_wire_set_pace() started to count anew if one of the paces is 0 */
	if (!wire->clock.speed == !item->clock.speed)
		wire->clock.half_bits += count * item->half_bits;
}

/**
 * emu_wire_skip - remove the first item
 * @wire: the wire
 * @item: the item that emu_wire_peek() found
 * @count: number of its characters to remove
 */
void emu_wire_skip(struct emu_wire *wire, const struct emu_item *item, unsigned int count)
{
	guard(spinlock_irqsave)(&wire->lock);

	/* The wire may have been reset since */
	if (wire->head != item->pos)
		return;
	if (item->type == EMU_ITEM_CHARACTERS)
		emu_wire_skip_chars(wire, item, count);
	else
		emu_wire_skip_ctrl(wire, item);
	if (emu_wire_has_changes(wire))
		emu_wire_queue_changes(wire, ktime_get());
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_skip);

/**
 * emu_wire_discard - remove all items that are due, as there is no receiver
 * @wire: the wire
 * @pass: the pass
 */
void emu_wire_discard(struct emu_wire *wire, const struct emu_pass *pass)
{
	struct emu_item item;

	while (emu_wire_peek(wire, pass, EMU_ITEM_CHARS, &item))
		emu_wire_skip(wire, &item, item.count);
}

/**
 * emu_wire_next - look at the first character, whether it has begun or not
 * @wire: the wire, which has a pace
 * @item: set to the character
 *
 * Return: true if there is one.
 */
bool emu_wire_next(struct emu_wire *wire, struct emu_item *item)
{
	struct emu_pass pass = { };

	guard(spinlock_irqsave)(&wire->lock);

	if (!wire->pace || kfifo_is_empty(&wire->chars))
		return false;
	pass.pace = wire->pace;
	item->pos = wire->head;
	item->address = emu_wire_apply_tags(wire);
	emu_wire_copy_chars(wire, &pass, item, 1);

	return true;
}

/**
 * emu_wire_shifting - look at the character in progress at a time
 * @wire: the wire; a pass has taken the characters that had ended by then
 * @time: the time
 * @item: set to the character
 *
 * Return: true if there is one.
 */
bool emu_wire_shifting(struct emu_wire *wire, ktime_t time, struct emu_item *item)
{
	return emu_wire_next(wire, item) && emu_clock_now(&item->clock) < time;
}

static ktime_t emu_wire_due_locked(struct emu_wire *wire, unsigned int wanted)
{
	unsigned int count = min(wanted, kfifo_len(&wire->chars));
	ktime_t due = KTIME_MAX;

	if (count)
		due = emu_wire_over(wire, wire->head + count);
	if (wire->nr_ctrls)
		due = min(due, wire->ctrl[0].time);

	return due;
}

/**
 * emu_wire_due - time of the next item
 * @wire: the wire, which has a pace
 * @wanted: number of characters to wait for, or all if there are fewer
 *
 * Return: the end of these characters, or the time of the first control event if that is
 *	earlier, or KTIME_MAX.
 */
ktime_t emu_wire_due(struct emu_wire *wire, unsigned int wanted)
{
	guard(spinlock_irqsave)(&wire->lock);

	return emu_wire_due_locked(wire, wanted);
}

/* Time of the next pass */
static ktime_t emu_wire_next_pass(struct emu_wire *wire, const struct emu_pass *pass)
{
	if (wire->pace)
		return min(pass->due, emu_wire_due_locked(wire, pass->wanted));
	if (kfifo_is_empty(&wire->chars) && !wire->nr_ctrls)
		return pass->due;

	return pass->held ? min(pass->due, pass->retry) : 0;
}

/**
 * emu_wire_end_pass - end a pass, and schedule the next one
 * @wire: the wire
 * @pass: the pass
 *
 * Return: true if the next pass is due now.
 */
bool emu_wire_end_pass(struct emu_wire *wire, const struct emu_pass *pass)
{
	ktime_t due;

	guard(spinlock_irqsave)(&wire->lock);

	wire->wanted = pass->wanted;
	wire->held |= pass->held;
	due = emu_wire_next_pass(wire, pass);
	if (due <= pass->now)
		return true;
	emu_wire_arm(wire, due);

	return false;
}

/**
 * emu_wire_init - make a wire
 * @wire: zeroed memory
 * @medium: operations of what runs the wire
 * @pace: percent of real time, 0 is as fast as the machine can
 */
void emu_wire_init(struct emu_wire *wire, const struct emu_medium_ops *medium,
		   unsigned int pace)
{
	spin_lock_init(&wire->lock);
	INIT_KFIFO(wire->chars);
	wire->medium = medium;
	wire->pace = pace;
	wire->tx_format = emu_format_default;
	wire->wanted = EMU_WIRE_WANTED;
	wire->armed = KTIME_MAX;
	emu_clock_restart(&wire->clock, ktime_get(), 0);
	emu_wire_apply_format(wire, &emu_format_default);
}
EXPORT_SYMBOL_IF_KUNIT(emu_wire_init);

#ifdef CONFIG_CONSOLE_POLL
/**
 * emu_wire_poll - take a character off the wire for a debugger
 * @wire: the wire
 *
 * Control events stay for the receiver that runs when the debugger has ended.
 *
 * Context: Any context, with all other processors stopped.
 * Return: the character, or NO_POLL_CHAR.
 */
int emu_wire_poll(struct emu_wire *wire)
{
	struct emu_item item = { .count = 1 };
	int c = NO_POLL_CHAR;

	/* A stopped processor may hold the lock */
	if (!spin_trylock(&wire->lock))
		return c;

	item.address = emu_wire_apply_tags(wire);
	item.half_bits = wire->half_bits;
	item.clock = wire->clock;
	if (kfifo_out_peek(&wire->chars, item.chars, 1)) {
		emu_wire_skip_chars(wire, &item, 1);
		c = item.chars[0];
	}
	spin_unlock(&wire->lock);

	return c;
}
#endif
