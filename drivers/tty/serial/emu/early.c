// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the boot console, before a port exists.
 *
 * The boot console prints into the ring that the first port to become a console takes
 * over, and then transmits. Both do not write at the same time: while a boot console is
 * registered, printk prints on all consoles under console_lock.
 */

#include <linux/console.h>
#include <linux/init.h>
#include <linux/panic.h>
#include <linux/serial_core.h>
#include <linux/smp.h>

#include "console.h"

/*
 * In a panic printk ignores console_lock once the other CPUs are stopped. A stopped CPU,
 * or the context that the panic interrupted, may have left an unfinished line.
 */
static void emu_early_mend(struct emu_ring *ring, struct emu_record *record)
{
	if (!panic_on_this_cpu())
		return;

	emu_ring_forget_torn(ring);
	if (emu_ring_ends_line(ring))
		return;

	emu_ring_print(ring, "\n", 1);
	record->begin = EMU_BEGIN_UNSAFE;
}

/* A boot console does not get the context and priority of its caller */
static void emu_early_write(struct console *co, const char *text, unsigned int len)
{
	struct emu_record record = {
		.caller	= -1,
		.cpu	= raw_smp_processor_id(),
		.prio	= NBCON_PRIO_NONE,
		.begin	= EMU_BEGIN_LINE,
		.atomic	= true,
	};
	struct emu_ring *ring = emu_ring_early();
	struct emu_record *slot;
	unsigned int done = 0;

	emu_early_mend(ring, &record);
	slot = emu_ring_begin(ring, &record);
	while (done < len)
		done += emu_ring_print(ring, text + done, len - done);
	emu_ring_grow(ring, slot, EMU_END_LINE);
}

static int __init emu_early_setup(struct earlycon_device *device, const char *options)
{
	device->con->write = emu_early_write;

	return 0;
}

EARLYCON_DECLARE(serial_emu, emu_early_setup);
