// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: the console before there is a port.
 *
 * It prints into the memory that the first port to be a console takes over, with
 * all that is in it, and then transmits. While both are consoles they do not write
 * at the same time: as long as there is a boot console, printk prints on all of
 * them under its console_lock.
 */

#include <linux/console.h>
#include <linux/init.h>
#include <linux/sched/clock.h>
#include <linux/serial_core.h>
#include <linux/smp.h>

#include "console.h"

/* The one who calls does not say in which context, or with which priority */
static void emu_early_write(struct console *co, const char *text, unsigned int len)
{
	const struct emu_record record = {
		.time	= local_clock(),
		.cpu	= raw_smp_processor_id(),
		.prio	= NBCON_PRIO_NONE,
		.begin	= EMU_BEGIN_LINE,
		.atomic	= true,
	};
	struct emu_ring *ring = emu_ring_early();
	struct emu_record *slot;
	unsigned int done = 0;

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
