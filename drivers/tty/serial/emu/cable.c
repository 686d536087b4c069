// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: cables, and how their ports come and go.
 *
 * A cable and its ends are made and configured first. When the cable goes live, its ports
 * get the lowest free numbers. They exist until the cable is not live any more, or the
 * driver is unbound from a port.
 */

#include <linux/bitmap.h>
#include <linux/bitops.h>
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

#include "bus.h"
#include "cable.h"
#include "chardev.h"
#include "link.h"
#include "port.h"
#include "serdev.h"
#include "wire.h"
#include "wiring.h"

/* Numbers of existing ports, and of ports that were removed */
static DEFINE_IDA(emu_lines);
static DECLARE_BITMAP(emu_lines_used, CONFIG_SERIAL_EMU_NR_PORTS);

const char *const emu_topology_names[] = {
	[EMU_NULL_MODEM]	= "null-modem",
	[EMU_LOOPBACK]		= "loopback",
	[EMU_BUS]		= "bus",
	NULL
};

const char *const emu_kind_names[] = {
	[EMU_TTY]	= "tty",
	[EMU_CHARDEV]	= "chardev",
	NULL
};

/* Largest number of ends of a cable */
static unsigned int emu_cable_max_ends(struct emu_cable *cable)
{
	return cable->topology == EMU_BUS ? EMU_BUS_ENDS : EMU_LINK_ENDS;
}

static bool emu_cable_has_all_ends(struct emu_cable *cable)
{
	switch (cable->topology) {
	case EMU_LOOPBACK:
		return cable->nr_ends == 1;
	case EMU_BUS:
		return cable->nr_ends >= 2;
	default:
		return cable->nr_ends == EMU_LINK_ENDS;
	}
}

/**
 * emu_cable_alloc - make a cable without ends
 *
 * Context: Process context. May sleep.
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
 * Context: Process context. May sleep.
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
 * Context: Process context. May sleep. Takes the cable's lock.
 * Return: the end, to be freed with kfree() after emu_cable_remove_end(), -EBUSY if the
 *	cable is live, -ENOSPC if it has all ends that a cable can have, or -ENOMEM.
 */
struct emu_cable_end *emu_cable_add_end(struct emu_cable *cable)
{
	struct emu_cable_end *end;

	/* The lock is held while ports are removed: do not wait for that */
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

/* The cable's lock is held */
static unsigned int emu_cable_end_index(const struct emu_cable_end *end)
{
	unsigned int i;

	for (i = 0; end->cable->end[i] != end; i++)
		;

	return i;
}

/**
 * emu_cable_remove_end - take an end away from its cable
 * @end: the end of a cable that is not live; the ends after it move up
 *
 * Context: Process context. May sleep. Takes the cable's lock.
 */
void emu_cable_remove_end(struct emu_cable_end *end)
{
	struct emu_cable *cable = end->cable;
	unsigned int i;

	guard(mutex)(&cable->lock);

	i = emu_cable_end_index(end);
	cable->nr_ends--;
	memmove(&cable->end[i], &cable->end[i + 1],
		(cable->nr_ends - i) * sizeof(cable->end[0]));
}

/* A program is plugged in while it has its device open */
static bool emu_cable_has_chardev(struct emu_cable *cable)
{
	unsigned int i;

	for (i = 0; i < cable->nr_ends; i++)
		if (cable->end[i]->kind == EMU_CHARDEV)
			return true;

	return false;
}

static int emu_cable_create_medium(struct emu_cable *cable)
{
	bool plugged = cable->plugged && !emu_cable_has_chardev(cable);

	if (cable->topology == EMU_BUS)
		cable->bus = emu_bus_create(cable->nr_ends, cable->pace, plugged);
	else
		cable->link = emu_link_create(cable->pace, plugged);

	return cable->bus || cable->link ? 0 : -ENOMEM;
}

static void emu_cable_destroy_medium(struct emu_cable *cable)
{
	if (cable->bus)
		emu_bus_destroy(cable->bus);
	if (cable->link)
		emu_link_destroy(cable->link);
	cable->bus = NULL;
	cable->link = NULL;
}

/**
 * emu_cable_set_pace - apply a new pace to the medium
 * @cable: the cable, which is live
 *
 * Context: Process context. May sleep. Caller must hold the cable's lock.
 */
void emu_cable_set_pace(struct emu_cable *cable)
{
	if (cable->bus)
		emu_bus_set_pace(cable->bus, cable->pace);
	else
		emu_link_set_pace(cable->link, cable->pace);
}

/**
 * emu_cable_set_plugged - apply the state of the plug to the medium
 * @cable: the cable, which is live
 *
 * Context: Process context. May sleep. Caller must hold the cable's lock.
 */
void emu_cable_set_plugged(struct emu_cable *cable)
{
	unsigned int i;

	for (i = 0; i < cable->nr_ends; i++) {
		if (cable->end[i]->chardev) {
			emu_chardev_set_plugged(cable->end[i]->chardev, cable->plugged);
			return;
		}
	}
	if (cable->bus)
		emu_bus_set_plugged(cable->bus, cable->plugged);
	else
		emu_link_set_plugged(cable->link, cable->plugged);
}

/* The wires of an end; a bus has none that only one port reads */
static void emu_cable_wires(struct emu_cable *cable, unsigned int i, struct emu_wire **out,
			    struct emu_wire **in)
{
	if (cable->bus) {
		*out = emu_bus_wire(cable->bus, i);
		*in = NULL;
	} else {
		*out = emu_link_wire(cable->link, i);
		*in = emu_link_wire(cable->link, cable->topology == EMU_LOOPBACK ? i : !i);
	}
}

/**
 * emu_cable_set_stall - stall or resume the receiver of a port
 * @end: the end of a cable
 * @stall: whether it is stalled
 *
 * Context: Process context. Caller must hold the cable's lock.
 */
void emu_cable_set_stall(struct emu_cable_end *end, bool stall)
{
	struct emu_cable *cable = end->cable;
	struct emu_wire *out, *in;

	WRITE_ONCE(end->settings.rx_stall, stall);
	if (!cable->live)
		return;
	emu_cable_wires(cable, emu_cable_end_index(end), &out, &in);
	/* The receiver reads one of the two wires */
	emu_wire_kick(out);
	if (in)
		emu_wire_kick(in);
}

/**
 * emu_cable_end_has_tty - is there a tty at an end?
 * @end: the end of a cable
 *
 * Context: Process context. May sleep. Caller must hold the cable's lock.
 * Return: true while the cable is live, the end is a port without a serial device, and
 *	the driver is bound to it.
 */
bool emu_cable_end_has_tty(struct emu_cable_end *end)
{
	lockdep_assert_held(&end->cable->lock);

	if (!end->pdev || end->serdev)
		return false;

	guard(device)(&end->pdev->dev);

	return device_is_bound(&end->pdev->dev);
}

/* Create the device tree node of the serial device */
static int emu_end_describe(struct emu_cable_end *end)
{
	struct emu_serdev *serdev;

	if (!end->compatible)
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
	if (end->chardev) {
		emu_chardev_destroy(end->chardev);
		end->chardev = NULL;
		return;
	}

	platform_device_unregister(end->pdev);
	end->pdev = NULL;
	emu_end_undescribe(end);
	set_bit(end->line, emu_lines_used);
	ida_free(&emu_lines, end->line);
}

static int emu_end_register(struct emu_cable_end *end, const struct emu_port_data *data)
{
	const struct platform_device_info info = {
		.name		= EMU_NAME,
		.id		= end->line,
		.data		= data,
		.size_data	= sizeof(*data),
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
 * The lowest free number. The number of a removed port is not free while a process has its
 * tty open, which would become the tty of the new port.
 */
static int emu_line_alloc(void)
{
	int line = -1, ret;

	do {
		line = ida_alloc_range(&emu_lines, line + 1, CONFIG_SERIAL_EMU_NR_PORTS - 1,
				       GFP_KERNEL);
		if (line < 0)
			return line;
		/* Never during the module's init, which does not wait for ttys if it fails */
		ret = test_bit(line, emu_lines_used) ? emu_port_reset_tty(line) : 0;
		if (!ret)
			return line;
		ida_free(&emu_lines, line);
	} while (ret == -EBUSY && line + 1 < CONFIG_SERIAL_EMU_NR_PORTS);

	return ret == -EBUSY ? -ENOSPC : ret;
}

static int emu_end_add_chardev(struct emu_cable_end *end, const struct emu_port_data *data)
{
	struct emu_cable *cable = end->cable;
	struct emu_chardev *cd;

	cd = emu_chardev_create(config_item_name(&cable->group.cg_item),
				config_item_name(&end->group.cg_item), data->out, data->in,
				cable->plugged);
	if (IS_ERR(cd))
		return PTR_ERR(cd);
	end->chardev = cd;

	return 0;
}

static int emu_end_add_port(struct emu_cable_end *end, const struct emu_port_data *data)
{
	int line, ret;

	if (end->kind == EMU_CHARDEV)
		return emu_end_add_chardev(end, data);

	line = emu_line_alloc();
	if (line < 0)
		return line;

	end->line = line;
	ret = emu_end_describe(end);
	if (ret)
		goto err_free_line;
	ret = emu_end_register(end, data);
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
	struct emu_port_data data = {
		.settings	= &cable->end[i]->settings,
		.wiring		= &cable->end[i]->wiring,
	};

	emu_cable_wires(cable, i, &data.out, &data.in);

	return emu_end_add_port(cable->end[i], &data);
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
 * Context: Process context. May sleep. Caller must hold the cable's lock.
 * Return: 0, -ENODATA if the topology has more ends, -EINVAL if no end is a port, or if a
 *	bus has no pace, -EOPNOTSUPP for a program on a bus, -ENOMEM, -ENOSPC without a
 *	free number, -ENXIO if the driver does not bind, or the error of
 *	emu_chardev_create(), emu_serdev_create(), the driver core or serial core. No
 *	port exists after an error.
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
	if (cable->topology == EMU_BUS && emu_cable_has_chardev(cable))
		return -EOPNOTSUPP;
	if (cable->topology == EMU_BUS && !cable->pace)
		return -EINVAL;

	ret = emu_cable_create_medium(cable);
	if (ret)
		return ret;

	/* Under the lock, so that the state between is not visible */
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
	emu_cable_destroy_medium(cable);
	WRITE_ONCE(cable->live, false);

	return ret;
}

/**
 * emu_cable_deactivate - remove the ports of a cable
 * @cable: the cable, which is live
 *
 * Processes that sleep on one of the ports wake up.
 *
 * Context: Process context. May sleep. Caller must hold the cable's lock.
 */
void emu_cable_deactivate(struct emu_cable *cable)
{
	unsigned int i;

	lockdep_assert_held(&cable->lock);

	for (i = 0; i < cable->nr_ends; i++)
		emu_end_remove_port(cable->end[i]);
	emu_cable_destroy_medium(cable);
	WRITE_ONCE(cable->live, false);
}
