// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the ring of a console's output.
 *
 * The ring is written without a lock, so that a console can print in any context.
 */

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/kconfig.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/types.h>
#include <linux/vmalloc.h>

#include <kunit/visibility.h>

#include "console.h"

/* Number of characters between two points at which the console can be taken over */
#define EMU_RING_CHUNK		64

/*
 * The ring of the first console can be found by this name in a crash dump. A module is
 * never a boot console: the compiler drops the variable there.
 */
static struct emu_ring emu_boot_ring;
static atomic_t emu_boot_ring_is_used;

/**
 * emu_ring_alloc - allocate the ring of a console
 *
 * Context: Process context. May sleep.
 * Return: the ring, empty but for the output of a boot console, NULL without memory.
 */
struct emu_ring *emu_ring_alloc(void)
{
	if (IS_BUILTIN(CONFIG_SERIAL_EMU) && !atomic_xchg(&emu_boot_ring_is_used, 1))
		return &emu_boot_ring;

	/* kvzalloc() would round up to a power of two */
	return vzalloc(sizeof(struct emu_ring));
}

#ifdef CONFIG_SERIAL_EMU_EARLYCON
/**
 * emu_ring_early - the ring of the boot console
 *
 * Context: Any context.
 * Return: the ring that the first call of emu_ring_alloc() returns.
 */
struct emu_ring *emu_ring_early(void)
{
	return &emu_boot_ring;
}
#endif

/**
 * emu_ring_free - undo emu_ring_alloc()
 * @ring: the ring, without readers and writers, or NULL
 *
 * Context: Process context. May sleep.
 */
void emu_ring_free(struct emu_ring *ring)
{
	if (!IS_BUILTIN(CONFIG_SERIAL_EMU) || ring != &emu_boot_ring) {
		vfree(ring);
		return;
	}

	ring->first = ring->head;
	ring->records_first = ring->records;
	/* Full barrier: the next user sees the ring as it is now */
	atomic_xchg(&emu_boot_ring_is_used, 0);
}

/**
 * emu_ring_write - print characters
 * @ring: the ring
 * @chars: the characters
 * @count: their number, at most EMU_RING_SIZE
 *
 * A debugger may interrupt a writer and write behind the reserved place of that writer.
 * Readers then may see the place before the interrupted writer has filled it.
 *
 * Context: Any context. Caller must own the console, or be a debugger.
 */
void emu_ring_write(struct emu_ring *ring, const u8 *chars, unsigned int count)
{
	unsigned long pos = atomic_long_fetch_add_relaxed(count, &ring->reserved);
	unsigned long end = pos + count, head;
	unsigned int start = pos % EMU_RING_SIZE;
	unsigned int part = min(count, EMU_RING_SIZE - start);

	if (end - READ_ONCE(ring->first) > EMU_RING_SIZE)
		WRITE_ONCE(ring->first, end - EMU_RING_SIZE);
	/* Pairs with smp_rmb() in emu_ring_read(): a reader of the new data sees this */
	smp_wmb();
	/* According to @reserved a concurrent reader discards characters overwritten here */
	data_race(memcpy(ring->data + start, chars, part));
	/* As above */
	data_race(memcpy(ring->data, chars + part, count - part));
	head = READ_ONCE(ring->head);
	/* A debugger may have stored a later one, also since it was read */
	while ((long)(end - head) > 0) {
		/* Pairs with smp_load_acquire() in emu_ring_read() */
		if (try_cmpxchg_release(&ring->head, &head, end))
			break;
	}
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_write);

/**
 * emu_ring_print - print a chunk of a message, with a carriage return before a newline
 * @ring: the ring
 * @text: the message
 * @len: its length, at least 1
 *
 * Between two chunks the console can be taken over.
 *
 * Context: Any context. Caller must own the console, or be a boot console.
 * Return: the number of characters of @text that were printed, at least 1.
 */
unsigned int emu_ring_print(struct emu_ring *ring, const char *text, unsigned int len)
{
	u8 chars[EMU_RING_CHUNK];
	unsigned int done, count = 0;

	for (done = 0; done < len && count < sizeof(chars) - 1; done++) {
		if (text[done] == '\n')
			chars[count++] = '\r';
		chars[count++] = text[done];
	}
	emu_ring_write(ring, chars, count);

	return done;
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_print);

/**
 * emu_ring_forget_torn - drop the reserved place of a writer that never resumes
 * @ring: the ring
 *
 * Context: Any context. Caller must own the console, or be a boot console in a panic.
 */
void emu_ring_forget_torn(struct emu_ring *ring)
{
	atomic_long_set(&ring->reserved, ring->head);
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_forget_torn);

/**
 * emu_ring_ends_line - is the last character a newline?
 * @ring: the ring
 *
 * Context: Any context. Caller must own the console, or be a boot console in a panic.
 * Return: true if it is, or if the ring is empty.
 */
bool emu_ring_ends_line(const struct emu_ring *ring)
{
	u8 last = ring->data[(ring->head - 1) % EMU_RING_SIZE];

	return !last || last == '\n';
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_ends_line);

/**
 * emu_ring_read - copy characters from the ring
 * @ring: the ring
 * @pos: number of the first character to copy; set to that of the first character that
 *	was copied, if others were overwritten
 * @buf: destination
 * @size: size of the destination
 *
 * Context: Any context except NMI.
 * Return: the number of characters that were copied.
 */
size_t emu_ring_read(const struct emu_ring *ring, unsigned long *pos, u8 *buf, size_t size)
{
	unsigned long head, start, count, part, gone;

	for (;;) {
		/* Pairs with smp_store_release() in emu_ring_write() */
		head = smp_load_acquire(&ring->head);
		if (head - *pos > EMU_RING_SIZE)
			*pos = head - EMU_RING_SIZE;
		count = min(head - *pos, size);
		start = *pos % EMU_RING_SIZE;
		part = min(count, EMU_RING_SIZE - start);
		/* Characters that a concurrent writer may have overwritten are discarded below */
		data_race(memcpy(buf, ring->data + start, part));
		/* As above */
		data_race(memcpy(buf + part, ring->data, count - part));
		/* Pairs with smp_wmb() in emu_ring_write() */
		smp_rmb();
		gone = atomic_long_read(&ring->reserved) - *pos;
		if (gone <= EMU_RING_SIZE)
			return count;

		/* The number of characters that may have been overwritten */
		gone -= EMU_RING_SIZE;
		*pos += gone;
		if (gone < count) {
			memmove(buf, buf + gone, count - gone);
			return count - gone;
		}
	}
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_read);

/**
 * emu_ring_begin - begin a record
 * @ring: the ring
 * @record: the record; its position and time are set here
 *
 * Context: Any context. Caller must own the console, or be a boot console.
 * Return: the record in the ring, for emu_ring_grow().
 */
struct emu_record *emu_ring_begin(struct emu_ring *ring, const struct emu_record *record)
{
	unsigned long number = ring->records;
	struct emu_record *slot = &ring->record[number % EMU_RECORDS];

	WRITE_ONCE(ring->records_reserved, number + 1);
	if (number + 1 - READ_ONCE(ring->records_first) > EMU_RECORDS)
		WRITE_ONCE(ring->records_first, number + 1 - EMU_RECORDS);
	/* Pairs with smp_rmb() in emu_ring_read_records() */
	smp_wmb();
	/* A concurrent reader of the overwritten record discards it */
	data_race(*slot = *record);
	WRITE_ONCE(slot->start, atomic_long_read(&ring->reserved));
	WRITE_ONCE(slot->time, ktime_get_mono_fast_ns());
	WRITE_ONCE(slot->ended, slot->time);
	/* Pairs with smp_load_acquire() in emu_ring_read_records() */
	smp_store_release(&ring->records, number + 1);

	return slot;
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_begin);

/**
 * emu_ring_grow - add all characters printed since emu_ring_begin() to the record
 * @ring: the ring
 * @record: the last record in the ring
 * @end: state of the line now
 *
 * Context: Any context. Caller must have owned the console, or been a boot console, since
 *	emu_ring_begin().
 */
void emu_ring_grow(struct emu_ring *ring, struct emu_record *record, enum emu_record_end end)
{
	WRITE_ONCE(record->len, atomic_long_read(&ring->reserved) - record->start);
	WRITE_ONCE(record->ended, ktime_get_mono_fast_ns());
	/* Pairs with smp_load_acquire() in emu_ring_copy_record() */
	smp_store_release(&record->end, end);
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_grow);

/*
 * @end is read first: its length was written before it. A length that is newer than @end
 * only shows that the record was still growing.
 */
static void emu_ring_copy_record(struct emu_record *copy, const struct emu_record *record)
{
	/* Pairs with smp_store_release() in emu_ring_grow() */
	u8 end = smp_load_acquire(&record->end);

	/* The caller discards records that may have been overwritten */
	data_race(*copy = *record);
	copy->end = end;
}

/**
 * emu_ring_read_records - copy records from the ring
 * @ring: the ring
 * @pos: set to the number of the first record that was copied
 * @records: destination, with room for EMU_RECORDS
 *
 * Context: Any context except NMI.
 * Return: the number of records that were copied.
 */
unsigned int emu_ring_read_records(const struct emu_ring *ring, unsigned long *pos,
				   struct emu_record *records)
{
	unsigned long head, gone, i;
	unsigned int count;

	/* Pairs with smp_store_release() in emu_clear_write(), as @records must not be older */
	*pos = smp_load_acquire(&ring->records_cleared);
	*pos = emu_ring_later(READ_ONCE(ring->records_first), *pos);
	/* Pairs with smp_store_release() in emu_ring_begin() */
	head = smp_load_acquire(&ring->records);
	/* The writer may have begun more records since, or since the user's last clear */
	if (head - *pos > EMU_RECORDS)
		*pos = head - EMU_RECORDS;
	count = head - *pos;
	for (i = *pos; i != head; i++)
		emu_ring_copy_record(&records[i - *pos], &ring->record[i % EMU_RECORDS]);
	/* Pairs with smp_wmb() in emu_ring_begin() */
	smp_rmb();
	gone = READ_ONCE(ring->records_reserved) - *pos;
	if (gone <= EMU_RECORDS)
		return count;

	/* The number of records that may have been overwritten */
	gone = min(gone - EMU_RECORDS, count);
	*pos += gone;
	memmove(records, records + gone, (count - gone) * sizeof(*records));

	return count - gone;
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_read_records);
