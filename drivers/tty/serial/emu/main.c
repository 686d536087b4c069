// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: UARTs with no hardware behind them, whose ports are
 * joined by emulated cables.
 *
 * Each port is a platform device: udev and port enumeration find it, it can have a
 * firmware node, and the attributes bind and unbind remove it and bring it back.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/serial_core.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <kunit/visibility.h>

#include "cable.h"
#include "chardev.h"
#include "configfs.h"
#include "console.h"
#include "link.h"
#include "pm.h"
#include "port.h"

#define EMU_MAX_NULL_MODEMS	(CONFIG_SERIAL_EMU_NR_PORTS / EMU_LINK_ENDS)

static unsigned int null_modems = 1;
module_param(null_modems, uint, 0444);
MODULE_PARM_DESC(null_modems, "Number of null-modem cables, each joins two ports (default: 1)");

/* Written at module init and exit only */
static LIST_HEAD(emu_cables);

struct uart_driver emu_uart_driver = {
	.owner		= THIS_MODULE,
	.driver_name	= "serial_emu",
	.dev_name	= EMU_TTY_NAME,
	.nr		= CONFIG_SERIAL_EMU_NR_PORTS,
};
EXPORT_SYMBOL_IF_KUNIT(emu_uart_driver);

static int emu_probe(struct platform_device *pdev)
{
	const struct emu_port_data *data = dev_get_platdata(&pdev->dev);
	struct emu_port *ep;
	int ret;

	/* A device of another origin has other platform data, or none */
	if (!data || strcmp(pdev->name, EMU_NAME))
		return -ENODEV;

	ep = devm_kzalloc(&pdev->dev, sizeof(*ep), GFP_KERNEL);
	if (!ep)
		return -ENOMEM;

	ret = devm_device_init_wakeup(&pdev->dev);
	if (ret)
		return ret;

	ret = emu_port_add(ep, &pdev->dev, pdev->id, data);
	if (ret)
		return ret;

	platform_set_drvdata(pdev, ep);

	return 0;
}

static void emu_remove(struct platform_device *pdev)
{
	emu_port_remove(platform_get_drvdata(pdev));
}

static int emu_prepare(struct device *dev)
{
	emu_port_prepare(dev_get_drvdata(dev));

	return 0;
}

static void emu_complete(struct device *dev)
{
	emu_port_complete(dev_get_drvdata(dev));
}

static int emu_suspend(struct device *dev)
{
	return emu_port_suspend(dev_get_drvdata(dev));
}

static int emu_resume(struct device *dev)
{
	return emu_port_resume(dev_get_drvdata(dev));
}

static const struct dev_pm_ops emu_pm_ops = {
	.prepare	= pm_sleep_ptr(emu_prepare),
	.complete	= pm_sleep_ptr(emu_complete),
	SYSTEM_SLEEP_PM_OPS(emu_suspend, emu_resume)
};

static struct platform_driver emu_platform_driver = {
	.probe	= emu_probe,
	.remove	= emu_remove,
	.driver	= {
		.name		= EMU_NAME,
		.pm		= pm_sleep_ptr(&emu_pm_ops),
		/* emu_end_register() reports whether the port exists */
		.probe_type	= PROBE_FORCE_SYNCHRONOUS,
	},
};

static void emu_cables_destroy(void)
{
	struct emu_cable *cable, *next;

	list_for_each_entry_safe(cable, next, &emu_cables, node)
		emu_configfs_remove_cable(cable);
}

static int emu_cables_create(void)
{
	struct emu_cable *cable;
	unsigned int i;

	for (i = 0; i < null_modems; i++) {
		cable = emu_configfs_add_cable(i);
		if (IS_ERR(cable)) {
			emu_cables_destroy();
			return PTR_ERR(cable);
		}
		list_add(&cable->node, &emu_cables);
	}

	return 0;
}

static int __init emu_init(void)
{
	int ret;

	if (null_modems > EMU_MAX_NULL_MODEMS) {
		pr_err("null_modems=%u is out of range 0..%u\n", null_modems, EMU_MAX_NULL_MODEMS);
		return -EINVAL;
	}

	ret = uart_register_driver(&emu_uart_driver);
	if (ret)
		return ret;

	ret = platform_driver_register(&emu_platform_driver);
	if (ret)
		goto err_uart_driver;

	ret = emu_chardev_init();
	if (ret)
		goto err_platform_driver;

	emu_debugfs_init();
	emu_configfs_init();
	ret = emu_cables_create();
	if (ret)
		goto err_chardev;

	/* Last: from then on users can make cables, which a failure would have to take down */
	ret = emu_configfs_register();
	if (ret)
		goto err_cables;

	return 0;

err_cables:
	emu_cables_destroy();
err_chardev:
	emu_debugfs_exit();
	emu_chardev_exit();
err_platform_driver:
	platform_driver_unregister(&emu_platform_driver);
err_uart_driver:
	uart_unregister_driver(&emu_uart_driver);

	return ret;
}
module_init(emu_init);

static void __exit emu_exit(void)
{
	emu_configfs_unregister();
	emu_cables_destroy();
	emu_debugfs_exit();
	emu_chardev_exit();
	platform_driver_unregister(&emu_platform_driver);
	uart_unregister_driver(&emu_uart_driver);
}
module_exit(emu_exit);

MODULE_DESCRIPTION("Serial console emulator");
MODULE_LICENSE("GPL");
