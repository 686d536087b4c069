/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: the console of a port, and the ring of its output.
 */

#ifndef _SERIAL_EMU_CONSOLE_H
#define _SERIAL_EMU_CONSOLE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/console.h>
#include <linux/irq_work_types.h>
#include <linux/kfifo.h>
#include <linux/ktime.h>
#include <linux/mutex_types.h>
#include <linux/timer_types.h>
#include <linux/types.h>
#include <linux/wait.h>

struct dentry;
struct emu_console;
struct emu_port;
struct uart_port;

#ifdef CONFIG_SERIAL_EMU_CONSOLE
bool emu_console_has_output(struct emu_port *ep);
bool emu_console_transmit(struct emu_port *ep, ktime_t time);
bool emu_console_is_stalled(const struct emu_port *ep);
void emu_console_set_asleep(struct emu_port *ep, bool asleep);
int emu_console_create(struct emu_port *ep);
void emu_console_destroy(struct emu_port *ep);
void emu_console_show(struct emu_port *ep);
void emu_debugfs_add(struct emu_console *con);
void emu_debugfs_add_console(struct emu_console *con);
void emu_debugfs_remove(struct emu_console *con);
void emu_debugfs_init(void);
void emu_debugfs_exit(void);
#else
static inline bool emu_console_has_output(struct emu_port *ep)
{
	return false;
}

static inline bool emu_console_transmit(struct emu_port *ep, ktime_t time)
{
	return true;
}

static inline bool emu_console_is_stalled(const struct emu_port *ep)
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
static inline void emu_debugfs_add(struct emu_console *con) { }
static inline void emu_debugfs_remove(struct emu_console *con) { }
static inline void emu_debugfs_init(void) { }
static inline void emu_debugfs_exit(void) { }
#endif

/* poll.c: a debugger on a port */
#if defined(CONFIG_SERIAL_EMU_CONSOLE) && defined(CONFIG_CONSOLE_POLL)
void emu_poll_add_debugfs(struct emu_console *con);
#else
static inline void emu_poll_add_debugfs(struct emu_console *con) { }
#endif
int emu_poll_init(struct uart_port *port);
int emu_poll_get_char(struct uart_port *port);
void emu_poll_put_char(struct uart_port *port, unsigned char c);

#ifdef CONFIG_SERIAL_EMU_CONSOLE

#define EMU_RING_SIZE		BIT(CONFIG_SERIAL_EMU_CONSOLE_BUF_SHIFT)

/* Number of records, for lines of 64 characters on average */
#define EMU_RECORDS		(EMU_RING_SIZE / 64)

/**
 * enum emu_record_begin - state of the line at the begin of a record
 * @EMU_BEGIN_LINE: begin of a line
 * @EMU_BEGIN_TAKEOVER: unfinished line of a context that lost the console
 * @EMU_BEGIN_UNSAFE: unfinished line of a context that lost it in an unsafe section
 * @EMU_BEGIN_OPEN: line to be continued, as a debugger's prompt
 */
enum emu_record_begin {
	EMU_BEGIN_LINE,
	EMU_BEGIN_TAKEOVER,
	EMU_BEGIN_UNSAFE,
	EMU_BEGIN_OPEN,
};

/**
 * enum emu_record_end - state of the line at the end of a record
 * @EMU_END_LOST: record not complete: the console was taken over, or still prints it
 * @EMU_END_OPEN: line to be continued
 * @EMU_END_LINE: end of a line
 */
enum emu_record_end {
	EMU_END_LOST,
	EMU_END_OPEN,
	EMU_END_LINE,
};

/**
 * struct emu_record - a call of a write callback of the console
 * @time: time of the begin in nanoseconds, CLOCK_MONOTONIC
 * @ended: time of the last character in nanoseconds, CLOCK_MONOTONIC
 * @start: number of the first character in the ring
 * @len: number of characters, with two for a newline
 * @caller: PID of the task that called printk(), -1 if unknown
 * @cpu: CPU on which the callback ran
 * @prio: priority of the context, an enum nbcon_prio
 * @begin: state of the line at the begin, an enum emu_record_begin
 * @end: state of the line at the end, an enum emu_record_end
 * @atomic: the callback was write_atomic()
 */
struct emu_record {
	u64 time;
	u64 ended;
	unsigned long start;
	u32 len;
	s32 caller;
	u16 cpu;
	u8 prio;
	u8 begin;
	u8 end;
	bool atomic;
};

/**
 * struct emu_ring - last output of a console
 * @reserved: number of characters ever printed, with those being copied in
 * @head: number of characters ever printed
 * @first: number of the first character that is kept
 * @data: last characters
 * @records_reserved: number of records ever begun, with one being filled in
 * @records: number of records ever begun
 * @records_first: number of the first record that is kept
 * @record: last records
 * @cleared: number of the first character after the user's last clear
 * @records_cleared: number of the first record after the user's last clear
 *
 * Writers: the owner of the console, a boot console, and a debugger, which may interrupt
 * either; the user only clears. Readers take no
 * lock: they copy, and then discard what may have been overwritten according to
 * @reserved or @records_reserved. The numbers wrap around: only their differences have
 * a meaning.
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

/* Size of a debugger's script in characters, a power of two */
#define EMU_SCRIPT_SIZE		1024

/* Limits of stuck_ms and unsafe_us: ten seconds */
#define EMU_STUCK_MAX		10000
#define EMU_UNSAFE_MAX		10000000

/**
 * struct emu_console - the console of a port
 * @co: console of printk
 * @ep: port; does not change
 * @lock: protects the allocation of @ring, writes to @script, and @shown
 * @ring: output, NULL until the port is a console, is given to a debugger, or gets input
 *	for one; does not change afterwards
 * @kick: runs the transmitter from contexts that must not queue a work
 * @room: wait queue of the printing thread, for room in @ring
 * @sent: number of the next character to be transmitted; port lock
 * @dropped: number of characters that were overwritten untransmitted; port lock
 * @stalled: the printing thread does not wait for room until the transmitter resumes
 * @line_ended: last character was a newline; console ownership
 * @unfinished: last record is not complete; console ownership
 * @torn: an unsafe takeover has stopped the owner for good; console ownership
 * @asleep: the system is suspended, from before the first device is suspended until
 *	after the last one is resumed; written under the port lock
 * @stuck: the transmitter is stalled on request; port lock
 * @shown: files in @dir exist; @lock
 * @unsafe_us: duration of an unsafe section in each record, in microseconds, at most
 *	EMU_UNSAFE_MAX
 * @unstick: timer that resumes the transmitter
 * @script: input for a debugger, allocated by the first write; written under @lock
 * @dir: directory in debugfs; does not change
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
	bool shown;
	u32 unsafe_us;
	struct timer_list unstick;
	DECLARE_KFIFO_PTR(script, u8);
	struct dentry *dir;
};

/* The ring, initialised; NULL if the port was neither a console nor a debugger's */
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

struct emu_ring *emu_ring_alloc(void);
struct emu_ring *emu_ring_early(void);
void emu_ring_free(struct emu_ring *ring);
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
int emu_console_prepare_shown(struct emu_console *con);
void emu_console_kick_later(struct emu_console *con);

#endif /* CONFIG_SERIAL_EMU_CONSOLE */

#endif /* _SERIAL_EMU_CONSOLE_H */
