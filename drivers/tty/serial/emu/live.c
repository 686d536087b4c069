// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: cables, and how their ports come and go.
 *
 * A cable and its ends are made and described first. Then it becomes live: its
 * ports get the lowest numbers that are free, and exist until it ceases to be
 * live, or the driver is unbound from one of them.
 */

#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/device.h>
#include <linux/device/driver.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/idr.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "emu.h"

/* The numbers of the ports that exist */
static DEFINE_IDA(emu_lines);

const char *const emu_topology_names[] = {
	[EMU_NULL_MODEM]	= "null-modem",
	[EMU_LOOPBACK]		= "loopback",
	[EMU_BUS]		= "bus",
	NULL
};

const char *const emu_kind_names[] = {
	[EMU_TTY]	= "tty",
	[EMU_FD]	= "fd",
	NULL
};

/* The most that a cable can have */
static unsigned int emu_cable_max_ends(struct emu_cable *cable)
{
	return cable->topology == EMU_BUS ? EMU_BUS_ENDS : EMU_NR_ENDS;
}

static bool emu_cable_has_all_ends(struct emu_cable *cable)
{
	switch (cable->topology) {
	case EMU_LOOPBACK:
		return cable->nr_ends == 1;
	case EMU_BUS:
		return cable->nr_ends >= 2;
	default:
		return cable->nr_ends == EMU_NR_ENDS;
	}
}

/**
 * emu_cable_alloc - make a cable without ends
 *
 * Context: process; may sleep.
 * Return: a null-modem cable that is not live, NULL without memory.
 */
struct emu_cable *emu_cable_alloc(void)
{
	struct emu_cable *cable;

	cable = kzalloc_obj(*cable);
	if (!cable)
		return NULL;

	mutex_init(&cable->lock);
	cable->topology = EMU_NULL_MODEM;
	cable->pace = EMU_PACE_DEFAULT;
	cable->plugged = true;

	return cable;
}

/**
 * emu_cable_free - undo emu_cable_alloc()
 * @cable: the cable, which is not live and whose ends are gone
 *
 * Context: process; may sleep.
 */
void emu_cable_free(struct emu_cable *cable)
{
	mutex_destroy(&cable->lock);
	kfree(cable);
}

/**
 * emu_cable_add_end - add an end to a cable
 * @cable: the cable
 *
 * Context: process; may sleep. Takes the cable's lock.
 * Return: the end, which its owner frees with kfree() after
 *	emu_cable_remove_end(), or the error: EBUSY if the cable is live, ENOSPC if
 *	it has as many ends as a cable can have, ENOMEM.
 */
struct emu_cable_end *emu_cable_add_end(struct emu_cable *cable)
{
	struct emu_cable_end *end;

	/* Until its ports are gone, for which nobody waits here */
	if (READ_ONCE(cable->live))
		return ERR_PTR(-EBUSY);

	guard(mutex)(&cable->lock);

	if (cable->live)
		return ERR_PTR(-EBUSY);
	if (cable->nr_ends >= emu_cable_max_ends(cable))
		return ERR_PTR(-ENOSPC);

	end = kzalloc_obj(*end);
	if (!end)
		return ERR_PTR(-ENOMEM);

	end->cable = cable;
	end->settings = (struct emu_settings) {
		.rx_fifo	= EMU_RX_FIFO,
		.rx_trigger	= EMU_RX_TRIGGER,
		.rx_timeout	= EMU_RX_TIMEOUT,
	};
	end->wiring = emu_null_modem;
	cable->end[cable->nr_ends++] = end;

	return end;
}

/**
 * emu_cable_remove_end - take an end away from its cable
 * @end: the end of a cable that is not live; the ends after it move up
 *
 * Context: process; may sleep. Takes the cable's lock.
 */
void emu_cable_remove_end(struct emu_cable_end *end)
{
	struct emu_cable *cable = end->cable;
	unsigned int i;

	guard(mutex)(&cable->lock);

	for (i = 0; cable->end[i] != end; i++)
		;
	cable->nr_ends--;
	memmove(&cable->end[i], &cable->end[i + 1],
		(cable->nr_ends - i) * sizeof(cable->end[0]));
}

/* Without the program it is not plugged in */
static bool emu_cable_has_far(struct emu_cable *cable)
{
	unsigned int i;

	for (i = 0; i < cable->nr_ends; i++)
		if (cable->end[i]->kind == EMU_FD)
			return true;

	return false;
}

/* Wires that have been in use before are to be as new */
static int emu_cable_init_wires(struct emu_cable *cable)
{
	unsigned int i;

	if (cable->topology == EMU_BUS) {
		cable->bus = emu_bus_create(cable->nr_ends, cable->pace, cable->plugged);
		return cable->bus ? 0 : -ENOMEM;
	}

	memset(cable->wire, 0, sizeof(cable->wire));
	for (i = 0; i < EMU_NR_ENDS; i++) {
		emu_wire_init(&cable->wire[i]);
		emu_wire_set_pace(&cable->wire[i], cable->pace);
		emu_wire_set_plugged(&cable->wire[i],
				     cable->plugged && !emu_cable_has_far(cable), ktime_get());
	}

	return 0;
}

/**
 * emu_cable_set_pace - let the wires of a cable know its pace
 * @cable: the cable, which is live
 *
 * Context: process; may sleep. The cable's lock is held.
 */
void emu_cable_set_pace(struct emu_cable *cable)
{
	unsigned int i;

	if (cable->bus) {
		emu_bus_set_pace(cable->bus, cable->pace);
		return;
	}
	for (i = 0; i < EMU_NR_ENDS; i++) {
		/* What is on it by now is as it was */
		emu_wire_run(&cable->wire[i]);
		emu_wire_set_pace(&cable->wire[i], cable->pace);
	}
}

/**
 * emu_cable_plug - let the wires of a cable know whether it is plugged in
 * @cable: the cable, which is live
 *
 * Context: process; may sleep. The cable's lock is held.
 */
void emu_cable_plug(struct emu_cable *cable)
{
	ktime_t now = ktime_get();
	unsigned int i;

	if (cable->bus) {
		emu_bus_set_plugged(cable->bus, cable->plugged);
		return;
	}
	for (i = 0; i < cable->nr_ends; i++) {
		if (cable->end[i]->far) {
			emu_far_set_plugged(cable->end[i]->far, cable->plugged);
			return;
		}
	}
	for (i = 0; i < EMU_NR_ENDS; i++)
		emu_wire_set_plugged(&cable->wire[i], cable->plugged, now);
}

static void emu_cable_exit_wires(struct emu_cable *cable)
{
	unsigned int i;

	if (cable->bus) {
		emu_bus_destroy(cable->bus);
		cable->bus = NULL;
		return;
	}
	for (i = 0; i < EMU_NR_ENDS; i++)
		emu_wire_exit(&cable->wire[i]);
}

/* The port is to find the serial device that is on it */
static int emu_end_describe(struct emu_cable_end *end)
{
	struct emu_serdev *serdev;

	if (!end->compatible[0])
		return 0;

	serdev = emu_serdev_create(end->line, end->compatible);
	if (IS_ERR(serdev))
		return PTR_ERR(serdev);
	end->serdev = serdev;

	return 0;
}

static void emu_end_undescribe(struct emu_cable_end *end)
{
	if (end->serdev)
		emu_serdev_destroy(end->serdev);
	end->serdev = NULL;
}

static void emu_end_remove_port(struct emu_cable_end *end)
{
	if (end->far) {
		emu_far_destroy(end->far);
		end->far = NULL;
		return;
	}

	platform_device_unregister(end->pdev);
	end->pdev = NULL;
	emu_end_undescribe(end);
	ida_free(&emu_lines, end->line);
}

static int emu_end_register(struct emu_cable_end *end, const struct emu_end *wires)
{
	const struct platform_device_info info = {
		.name		= EMU_NAME,
		.id		= end->line,
		.data		= wires,
		.size_data	= sizeof(*wires),
		.fwnode		= end->serdev ? emu_serdev_fwnode(end->serdev) : NULL,
	};
	struct platform_device *pdev;

	pdev = platform_device_register_full(&info);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);

	end->pdev = pdev;
	scoped_guard(device, &pdev->dev) {
		if (device_is_bound(&pdev->dev))
			return 0;
	}
	platform_device_unregister(pdev);
	end->pdev = NULL;

	return -ENXIO;
}

/*
 * The lowest number that is free. Who still has a port open that was removed has
 * its number, too: the tty would be the new port's as well, with its settings.
 */
static int emu_line_alloc(void)
{
	int line = -1;

	do {
		line = ida_alloc_range(&emu_lines, line + 1, CONFIG_SERIAL_EMU_NR_PORTS - 1,
				       GFP_KERNEL);
		if (line < 0 || !emu_port_tty_is_there(line))
			return line;
		ida_free(&emu_lines, line);
	} while (line + 1 < CONFIG_SERIAL_EMU_NR_PORTS);

	return -ENOSPC;
}

static int emu_end_add_far(struct emu_cable_end *end, const struct emu_end *wires)
{
	struct emu_cable *cable = end->cable;
	struct emu_far *far;

	far = emu_far_create(config_item_name(&cable->group.cg_item),
			     config_item_name(&end->group.cg_item), wires, cable->plugged);
	if (IS_ERR(far))
		return PTR_ERR(far);
	end->far = far;

	return 0;
}

static int emu_end_add_port(struct emu_cable_end *end, const struct emu_end *wires)
{
	int line, ret;

	if (end->kind == EMU_FD)
		return emu_end_add_far(end, wires);

	line = emu_line_alloc();
	if (line < 0)
		return line;

	end->line = line;
	ret = emu_end_describe(end);
	if (ret)
		goto err_free_line;
	ret = emu_end_register(end, wires);
	if (ret)
		goto err_undescribe;

	return 0;

err_undescribe:
	emu_end_undescribe(end);
err_free_line:
	ida_free(&emu_lines, line);

	return ret;
}

static int emu_cable_add_port(struct emu_cable *cable, unsigned int i)
{
	struct emu_end wires = {
		.settings	= &cable->end[i]->settings,
		.wiring		= &cable->end[i]->wiring,
	};

	if (cable->bus) {
		wires.out = emu_bus_up(cable->bus, i);
		wires.in = emu_bus_down(cable->bus, i);
	} else {
		wires.out = &cable->wire[i];
		wires.in = &cable->wire[cable->topology == EMU_LOOPBACK ? i : !i];
	}

	return emu_end_add_port(cable->end[i], &wires);
}

/* A cable between programs would be none of the kernel's business */
static bool emu_cable_has_port(struct emu_cable *cable)
{
	unsigned int i;

	for (i = 0; i < cable->nr_ends; i++)
		if (cable->end[i]->kind == EMU_TTY)
			return true;

	return false;
}

/**
 * emu_cable_activate - make the ports of a cable
 * @cable: the cable, which is not live
 *
 * Context: process; may sleep. The cable's lock is held.
 * Return: 0 or what failed: ENODATA if the cable has not as many ends as it joins,
 *	EINVAL if none of them is a port, or if a bus has no pace, EOPNOTSUPP if one of
 *	a bus is a program, ENOMEM, ENOSPC if there is no number left for a port, ENXIO
 *	if the driver does not take it, or the error of emu_far_create(),
 *	emu_serdev_create(), the driver core or serial core. There are no ports then.
 */
int emu_cable_activate(struct emu_cable *cable)
{
	unsigned int i;
	int ret;

	lockdep_assert_held(&cable->lock);

	if (!emu_cable_has_all_ends(cable))
		return -ENODATA;
	if (!emu_cable_has_port(cable))
		return -EINVAL;
	if (cable->topology == EMU_BUS && emu_cable_has_far(cable))
		return -EOPNOTSUPP;
	if (cable->topology == EMU_BUS && !cable->pace)
		return -EINVAL;

	ret = emu_cable_init_wires(cable);
	if (ret)
		return ret;

	/* Who has the lock sees nothing of that unless all of it succeeds */
	WRITE_ONCE(cable->live, true);
	for (i = 0; i < cable->nr_ends; i++) {
		ret = emu_cable_add_port(cable, i);
		if (ret)
			goto err_remove_ports;
	}

	return 0;

err_remove_ports:
	while (i--)
		emu_end_remove_port(cable->end[i]);
	emu_cable_exit_wires(cable);
	WRITE_ONCE(cable->live, false);

	return ret;
}

/**
 * emu_cable_deactivate - remove the ports of a cable
 * @cable: the cable, which is live
 *
 * Whoever sleeps on one of its ports wakes up.
 *
 * Context: process; may sleep. The cable's lock is held.
 */
void emu_cable_deactivate(struct emu_cable *cable)
{
	unsigned int i;

	lockdep_assert_held(&cable->lock);

	for (i = 0; i < cable->nr_ends; i++)
		emu_end_remove_port(cable->end[i]);
	emu_cable_exit_wires(cable);
	WRITE_ONCE(cable->live, false);
}
