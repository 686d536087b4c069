// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a serial device, a GNSS receiver for example, that a
 * driver in the kernel is to find on a port.
 *
 * Serial core looks for it among the children of the port's device tree node. So
 * there is such a node, with one child, for as long as the port exists. The machine
 * need not have a device tree of its own.
 */

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/of.h>
#include <linux/slab.h>
#include <linux/sprintf.h>

#include "emu.h"

/**
 * struct emu_serdev - what the device tree has for a port
 * @changes: how it got there
 * @port: the node of the port
 * @device: the node of the serial device on it
 */
struct emu_serdev {
	struct of_changeset changes;
	struct device_node *port;
	struct device_node *device;
};

static int emu_serdev_describe(struct emu_serdev *serdev, unsigned int line,
			       const char *compatible)
{
	char name[sizeof(EMU_NAME) + 11];
	struct device_node *root __free(device_node) = of_find_node_by_path("/");
	int ret;

	if (!root)
		return -ENODEV;

	snprintf(name, sizeof(name), "%s-%u", EMU_NAME, line);
	serdev->port = of_changeset_create_node(&serdev->changes, root, name);
	if (!serdev->port)
		return -ENOMEM;
	/* The port's device is made with it, the platform bus need not make another one */
	of_node_set_flag(serdev->port, OF_POPULATED);
	serdev->device = of_changeset_create_node(&serdev->changes, serdev->port, "device");
	if (!serdev->device)
		return -ENOMEM;
	ret = of_changeset_add_prop_string(&serdev->changes, serdev->device, "compatible",
					   compatible);
	if (ret)
		return ret;

	return of_changeset_apply(&serdev->changes);
}

static void emu_serdev_free(struct emu_serdev *serdev)
{
	of_changeset_destroy(&serdev->changes);
	of_node_put(serdev->device);
	of_node_put(serdev->port);
	kfree(serdev);
}

/**
 * emu_serdev_create - describe a serial device on a port that does not exist yet
 * @line: the number of the port
 * @compatible: what the device's driver goes by
 *
 * Context: process; may sleep.
 * Return: the description, or the error: ENOMEM, ENODEV without a root of the device
 *	tree, or that of of_changeset_apply().
 */
struct emu_serdev *emu_serdev_create(unsigned int line, const char *compatible)
{
	struct emu_serdev *serdev;
	int ret;

	serdev = kzalloc_obj(*serdev);
	if (!serdev)
		return ERR_PTR(-ENOMEM);

	of_changeset_init(&serdev->changes);
	ret = emu_serdev_describe(serdev, line, compatible);
	if (ret) {
		emu_serdev_free(serdev);
		return ERR_PTR(ret);
	}

	return serdev;
}

/**
 * emu_serdev_destroy - undo emu_serdev_create()
 * @serdev: the description of a serial device, whose port is gone
 *
 * Context: process; may sleep.
 */
void emu_serdev_destroy(struct emu_serdev *serdev)
{
	of_changeset_revert(&serdev->changes);
	emu_serdev_free(serdev);
}

/**
 * emu_serdev_fwnode - what describes the port
 * @serdev: the description of a serial device on it
 *
 * Context: any.
 * Return: the node, for the device of the port.
 */
struct fwnode_handle *emu_serdev_fwnode(struct emu_serdev *serdev)
{
	return of_fwnode_handle(serdev->port);
}
