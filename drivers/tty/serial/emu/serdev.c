// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: a serial device on a port, a GNSS receiver for example, for a
 * driver in the kernel.
 *
 * Serial core looks for the serial device among the children of the port's device tree
 * node. So such a node with one child exists as long as the port does. The machine need
 * not have a device tree of its own.
 */

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/of.h>
#include <linux/slab.h>
#include <linux/sprintf.h>

#include "cable.h"
#include "serdev.h"

/**
 * struct emu_serdev - device tree nodes of a port
 * @changes: changes that create the nodes
 * @port: node of the port
 * @device: node of the serial device on the port
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
	/* The port's device uses this node: the platform bus must not create another one */
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
 * emu_serdev_create - create the nodes of a port, which does not exist yet
 * @line: number of the port
 * @compatible: compatible string of the serial device
 *
 * Context: Process context. May sleep.
 * Return: the nodes, -ENOMEM, -ENODEV without a root of the device tree, or the error of
 *	of_changeset_apply().
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
 * @serdev: the nodes of a port that was removed
 *
 * Context: Process context. May sleep.
 */
void emu_serdev_destroy(struct emu_serdev *serdev)
{
	of_changeset_revert(&serdev->changes);
	emu_serdev_free(serdev);
}

/**
 * emu_serdev_fwnode - firmware node of the port's device
 * @serdev: the nodes of the port
 *
 * Return: the firmware node.
 */
struct fwnode_handle *emu_serdev_fwnode(struct emu_serdev *serdev)
{
	return of_fwnode_handle(serdev->port);
}
