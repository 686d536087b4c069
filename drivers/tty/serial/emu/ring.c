// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the memory of what a console printed.
 *
 * It is written without a lock, so that it can be in any context.
 */

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>

#include <kunit/visibility.h>

#include "console.h"

/* How much is printed before others may come in between */
#define EMU_RING_CHUNK		64

/*
 * The first console has this one, which can be found by name in a dump of a
 * machine that has crashed.
 */
static struct emu_ring emu_boot_ring;
static atomic_t emu_boot_ring_is_used;

/**
 * emu_ring_get - memory for a console
 *
 * Context: process; may sleep.
 * Return: the memory, in which nothing is kept but what was printed before there was
 *	a port, or NULL if there is none.
 */
struct emu_ring *emu_ring_get(void)
{
	if (!atomic_xchg(&emu_boot_ring_is_used, 1))
		return &emu_boot_ring;

	return kvzalloc_obj(struct emu_ring);
}

/**
 * emu_ring_early - memory for a console that is there before all others
 *
 * Context: any.
 * Return: what the first call of emu_ring_get() returns, or did.
 */
struct emu_ring *emu_ring_early(void)
{
	return &emu_boot_ring;
}

/**
 * emu_ring_put - give it back
 * @ring: the memory, or NULL
 *
 * Context: process; may sleep. Nobody writes to it or reads it any more.
 */
void emu_ring_put(struct emu_ring *ring)
{
	if (ring != &emu_boot_ring) {
		kvfree(ring);
		return;
	}

	ring->first = ring->head;
	ring->records_first = ring->records;
	/* Full barrier: the next user finds it as it was left */
	atomic_xchg(&emu_boot_ring_is_used, 0);
}

/**
 * emu_ring_write - print
 * @ring: the ring
 * @chars: what is printed
 * @count: how much of it, no more than fits
 *
 * A debugger may stop one that writes, write, and let it go on. It has its own
 * place then, behind what is being written, which readers may see too early.
 *
 * Context: any. The caller owns the console, or is alone on the machine.
 */
void emu_ring_write(struct emu_ring *ring, const u8 *chars, unsigned int count)
{
	unsigned long pos = atomic_long_fetch_add_relaxed(count, &ring->reserved);
	unsigned long end = pos + count;
	unsigned int start = pos % EMU_RING_SIZE;
	unsigned int part = min(count, EMU_RING_SIZE - start);

	if (end - READ_ONCE(ring->first) > EMU_RING_SIZE)
		WRITE_ONCE(ring->first, end - EMU_RING_SIZE);
	/* Pairs with smp_rmb() in emu_ring_read(): whoever sees the new data sees this */
	smp_wmb();
	memcpy(ring->data + start, chars, part);
	memcpy(ring->data, chars + part, count - part);
	if ((long)(end - ring->head) > 0) {
		/* Pairs with smp_load_acquire() in emu_ring_read() */
		smp_store_release(&ring->head, end);
	}
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_write);

/**
 * emu_ring_print - print one chunk of a message, with newlines as terminals want them
 * @ring: the ring
 * @text: the message
 * @len: its length, at least 1
 *
 * Between two chunks others may come in.
 *
 * Context: any. The caller owns the console, or is alone on the machine.
 * Return: how much of @text was printed, at least 1.
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

/**
 * emu_ring_forget_torn - begin again after what is whole
 * @ring: the ring
 *
 * Whoever was in emu_ring_write() will not return to it.
 *
 * Context: any. The caller owns the console.
 */
void emu_ring_forget_torn(struct emu_ring *ring)
{
	atomic_long_set(&ring->reserved, ring->head);
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_forget_torn);

/**
 * emu_ring_ends_line - is what was printed last the end of a line?
 * @ring: the ring
 *
 * Context: any. The caller owns the console.
 * Return: true if it is, or if there is nothing.
 */
bool emu_ring_ends_line(const struct emu_ring *ring)
{
	u8 last = ring->data[(ring->head - 1) % EMU_RING_SIZE];

	return !last || last == '\n';
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_ends_line);

/**
 * emu_ring_read - copy from the ring
 * @ring: the ring
 * @pos: number of the first character that is wanted; moved on to the number of
 *	the first character that was copied, if the wanted one is gone already
 * @buf: where to copy to
 * @size: its size
 *
 * Context: any but NMI.
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
		memcpy(buf, ring->data + start, part);
		memcpy(buf + part, ring->data, count - part);
		/* Pairs with smp_wmb() in emu_ring_write() */
		smp_rmb();
		gone = atomic_long_read(&ring->reserved) - *pos;
		if (gone <= EMU_RING_SIZE)
			return count;

		/* So much of it may have been overwritten meanwhile */
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
 * @record: what is known of it; where it starts is filled in here
 *
 * Context: any. The caller owns the console.
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
	*slot = *record;
	slot->start = atomic_long_read(&ring->reserved);
	/* Pairs with smp_load_acquire() in emu_ring_read_records() */
	smp_store_release(&ring->records, number + 1);

	return slot;
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_begin);

/**
 * emu_ring_grow - say that all that was printed since is of the record
 * @ring: the ring
 * @record: the last record in the ring
 * @end: how it would end if this was all
 *
 * Context: any. The caller owns the console, and did since emu_ring_begin().
 */
void emu_ring_grow(struct emu_ring *ring, struct emu_record *record, enum emu_record_end end)
{
	WRITE_ONCE(record->len, atomic_long_read(&ring->reserved) - record->start);
	WRITE_ONCE(record->end, end);
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_grow);

/**
 * emu_ring_read_records - copy the records
 * @ring: the ring
 * @pos: set to the number of the first record that was copied
 * @records: where to copy to, there is room for EMU_RECORDS
 *
 * Context: any but NMI.
 * Return: the number of records that were copied.
 */
unsigned int emu_ring_read_records(const struct emu_ring *ring, unsigned long *pos,
				   struct emu_record *records)
{
	unsigned long head, gone, i;
	unsigned int count;

	*pos = emu_ring_later(READ_ONCE(ring->records_first), READ_ONCE(ring->records_cleared));
	/* Pairs with smp_store_release() in emu_ring_begin() */
	head = smp_load_acquire(&ring->records);
	/* The writer may have gone on between the two, or while somebody cleared it */
	if (head - *pos > EMU_RECORDS)
		*pos = head - EMU_RECORDS;
	count = head - *pos;
	for (i = *pos; i != head; i++)
		records[i - *pos] = ring->record[i % EMU_RECORDS];
	/* Pairs with smp_wmb() in emu_ring_begin() */
	smp_rmb();
	gone = READ_ONCE(ring->records_reserved) - *pos;
	if (gone <= EMU_RECORDS)
		return count;

	/* So many may have been overwritten meanwhile */
	gone = min(gone - EMU_RECORDS, count);
	*pos += gone;
	memmove(records, records + gone, (count - gone) * sizeof(*records));

	return count - gone;
}
EXPORT_SYMBOL_IF_KUNIT(emu_ring_read_records);
