/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: the console of a port, and the memory of what it printed.
 */

#ifndef _SERIAL_EMU_CONSOLE_H
#define _SERIAL_EMU_CONSOLE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/console.h>
#include <linux/irq_work_types.h>
#include <linux/kfifo.h>
#include <linux/mutex_types.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct dentry;
struct emu_port;

#define EMU_RING_SIZE		BIT(CONFIG_SERIAL_EMU_CONSOLE_BUF_SHIFT)

/* A line of 64 characters is a short one */
#define EMU_RECORDS		(EMU_RING_SIZE / 64)

/**
 * enum emu_record_begin - what a record found where it began
 * @EMU_BEGIN_LINE: the begin of a line
 * @EMU_BEGIN_TAKEOVER: a line that somebody else did not get to end
 * @EMU_BEGIN_UNSAFE: the same, by force, while that one was in the middle of a change
 * @EMU_BEGIN_OPEN: a line that goes on, as a debugger's prompt does with what is typed
 */
enum emu_record_begin {
	EMU_BEGIN_LINE,
	EMU_BEGIN_TAKEOVER,
	EMU_BEGIN_UNSAFE,
	EMU_BEGIN_OPEN,
};

/**
 * enum emu_record_end - how a record ended
 * @EMU_END_LOST: it did not: the console was taken over, or it is still being printed
 * @EMU_END_OPEN: the line goes on
 * @EMU_END_LINE: with the end of a line
 */
enum emu_record_end {
	EMU_END_LOST,
	EMU_END_OPEN,
	EMU_END_LINE,
};

/**
 * struct emu_record - a call to one of the console's write callbacks
 * @time: when, in nanoseconds, by the clock that printk has
 * @start: the number of the first character in the ring
 * @len: the number of characters, a newline is two
 * @cpu: the processor that printed it
 * @prio: the priority with which it was printed, an enum nbcon_prio
 * @begin: what it found, an enum emu_record_begin
 * @end: how it ended, an enum emu_record_end
 * @atomic: whether it was printed by write_atomic()
 */
struct emu_record {
	u64 time;
	unsigned long start;
	u32 len;
	u16 cpu;
	u8 prio;
	u8 begin;
	u8 end;
	bool atomic;
};

/**
 * struct emu_ring - what a console printed last
 * @reserved: number of characters ever printed, with those being copied in
 * @head: number of characters ever printed
 * @first: number of the first character that is kept
 * @data: the last of them
 * @records_reserved: number of records that ever began, with one being filled in
 * @records: number of records that ever began
 * @records_first: number of the first record that is kept
 * @record: the last of them
 * @cleared: number of the first character that the user wants to see
 * @records_cleared: number of the first record that the user wants to see
 *
 * Only the owner of the console writes, but for what the user cleared. Readers take
 * no lock: they copy, and look afterwards at @reserved to see what may have been
 * overwritten meanwhile. The numbers wrap around; only differences of them mean
 * anything.
 */
struct emu_ring {
	atomic_long_t reserved;
	unsigned long head;
	unsigned long first;
	u8 data[EMU_RING_SIZE];
	unsigned long records_reserved;
	unsigned long records;
	unsigned long records_first;
	struct emu_record record[EMU_RECORDS];
	unsigned long cleared;
	unsigned long records_cleared;
};

/* What a debugger can be given to read, a power of two */
#define EMU_SCRIPT_SIZE		1024

/* Ten seconds, for either of them */
#define EMU_STUCK_MAX		10000
#define EMU_UNSAFE_MAX		10000000

/**
 * struct emu_console - the console that a port can be
 * @co: what printk knows of it
 * @ep: the port; does not change
 * @lock: protects the making of @ring, and the writing to @script
 * @ring: what was printed, NULL until the port is made a console; does not change
 *	then as long as there is the port
 * @kick: starts the transmitter from contexts in which nothing else can be done
 * @room: where the thread that prints waits for room in the ring
 * @sent: how much of the ring went on the wire; port lock
 * @dropped: characters that were overwritten before they went; port lock
 * @stalled: whether nobody waits for room until the transmitter goes on
 * @line_ended: whether the last character was a newline; console ownership
 * @unfinished: whether the last record is not printed to its end; console ownership
 * @torn: whether the console was taken over from one that will not return; console
 *	ownership
 * @asleep: whether the system is suspended, from before the first device is until after
 *	the last one is resumed; written under the port lock
 * @stuck: whether the transmitter does nothing; port lock
 * @unstick: ends that
 * @unsafe_us: how long each record stays where nobody can take the console over,
 *	in microseconds, no more than EMU_UNSAFE_MAX
 * @script: what a debugger will read; written under @lock
 * @dir: its directory in debugfs; does not change
 */
struct emu_console {
	struct console co;
	struct emu_port *ep;
	/* Nests inside the locks of printk's list of consoles */
	struct mutex lock;
	struct emu_ring *ring;
	struct irq_work kick;
	wait_queue_head_t room;
	unsigned long sent;
	unsigned long dropped;
	bool stalled;
	bool line_ended;
	bool unfinished;
	bool torn;
	bool asleep;
	bool stuck;
	struct delayed_work unstick;
	u32 unsafe_us;
	DECLARE_KFIFO(script, u8, EMU_SCRIPT_SIZE);
	struct dentry *dir;
};

/* The ring, and with it all that was set up before it; NULL if there is none yet */
static inline struct emu_ring *emu_console_ring(struct emu_console *con)
{
	/* Pairs with smp_store_release() in emu_console_prepare() */
	return smp_load_acquire(&con->ring);
}

/* The later of two numbers in a ring */
static inline unsigned long emu_ring_later(unsigned long a, unsigned long b)
{
	return (long)(a - b) > 0 ? a : b;
}

/* ring.c */
static inline unsigned long emu_ring_head(const struct emu_ring *ring)
{
	return READ_ONCE(ring->head);
}

struct emu_ring *emu_ring_get(void);
struct emu_ring *emu_ring_early(void);
void emu_ring_put(struct emu_ring *ring);
void emu_ring_write(struct emu_ring *ring, const u8 *chars, unsigned int count);
unsigned int emu_ring_print(struct emu_ring *ring, const char *text, unsigned int len);
void emu_ring_forget_torn(struct emu_ring *ring);
bool emu_ring_ends_line(const struct emu_ring *ring);
size_t emu_ring_read(const struct emu_ring *ring, unsigned long *pos, u8 *buf, size_t size);
struct emu_record *emu_ring_begin(struct emu_ring *ring, const struct emu_record *record);
void emu_ring_grow(struct emu_ring *ring, struct emu_record *record, enum emu_record_end end);
unsigned int emu_ring_read_records(const struct emu_ring *ring, unsigned long *pos,
				   struct emu_record *records);

/* console.c */
int emu_console_prepare(struct emu_console *con);
void emu_console_stick(struct emu_console *con, unsigned int ms);

/* poll.c */
ssize_t emu_poll_type(struct emu_console *con, const char __user *buf, size_t count);

/* debugfs.c */
void emu_debugfs_add(struct emu_console *con);
void emu_debugfs_remove(struct emu_console *con);

#endif /* _SERIAL_EMU_CONSOLE_H */
