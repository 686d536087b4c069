// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: what the user can see and set, in configfs.
 *
 *	serial-emu/<cable>/{pace,plugged}
 *	serial-emu/<cable>/port<end>/{tty,clock_ppm,rx_fifo,rx_trigger,rx_timeout}
 */

#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/configfs.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sysfs.h>

#include "emu.h"

/* What is set in both directions of a cable is the same in both */
static DEFINE_MUTEX(emu_configfs_lock);

static struct emu_cable *to_emu_cable(struct config_item *item)
{
	return container_of(to_config_group(item), struct emu_cable, group);
}

static struct emu_cable_end *to_emu_cable_end(struct config_item *item)
{
	return container_of(to_config_group(item), struct emu_cable_end, group);
}

static ssize_t emu_cable_pace_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", emu_wire_pace(&to_emu_cable(item)->wire[0]));
}

static ssize_t emu_cable_pace_store(struct config_item *item, const char *page, size_t count)
{
	struct emu_cable *cable = to_emu_cable(item);
	unsigned int pace;
	int i, ret;

	ret = kstrtouint(page, 10, &pace);
	if (ret)
		return ret;
	if (pace > EMU_PACE_MAX)
		return -EINVAL;

	guard(mutex)(&emu_configfs_lock);
	for (i = 0; i < EMU_NR_ENDS; i++)
		emu_wire_set_pace(&cable->wire[i], pace);

	return count;
}
CONFIGFS_ATTR(emu_cable_, pace);

static ssize_t emu_cable_plugged_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", emu_wire_is_plugged(&to_emu_cable(item)->wire[0]));
}

static ssize_t emu_cable_plugged_store(struct config_item *item, const char *page, size_t count)
{
	struct emu_cable *cable = to_emu_cable(item);
	bool plugged;
	int i, ret;

	ret = kstrtobool(page, &plugged);
	if (ret)
		return ret;

	guard(mutex)(&emu_configfs_lock);
	for (i = 0; i < EMU_NR_ENDS; i++)
		emu_wire_set_plugged(&cable->wire[i], plugged);

	return count;
}
CONFIGFS_ATTR(emu_cable_, plugged);

static struct configfs_attribute *emu_cable_attrs[] = {
	&emu_cable_attr_pace,
	&emu_cable_attr_plugged,
	NULL
};

static const struct config_item_type emu_cable_type = {
	.ct_attrs	= emu_cable_attrs,
	.ct_owner	= THIS_MODULE,
};

static ssize_t emu_end_tty_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, EMU_TTY_NAME "%u\n", to_emu_cable_end(item)->line);
}
CONFIGFS_ATTR_RO(emu_end_, tty);

static ssize_t emu_store(const char *page, size_t count, int *setting, int min, int max)
{
	int value, ret;

	ret = kstrtoint(page, 10, &value);
	if (ret)
		return ret;
	if (value < min || value > max)
		return -EINVAL;
	WRITE_ONCE(*setting, value);

	return count;
}

#define EMU_END_SHOW(_name)								\
static ssize_t emu_end_##_name##_show(struct config_item *item, char *page)		\
{											\
	return sysfs_emit(page, "%d\n",							\
			  READ_ONCE(to_emu_cable_end(item)->settings._name));		\
}

#define EMU_END_STORE(_name, _min, _max)						\
static ssize_t emu_end_##_name##_store(struct config_item *item, const char *page,	\
				       size_t count)					\
{											\
	return emu_store(page, count, &to_emu_cable_end(item)->settings._name,		\
			 _min, _max);							\
}

EMU_END_SHOW(clock_ppm)
EMU_END_STORE(clock_ppm, -EMU_CLOCK_PPM_MAX, EMU_CLOCK_PPM_MAX)
CONFIGFS_ATTR(emu_end_, clock_ppm);

EMU_END_SHOW(rx_fifo)
EMU_END_STORE(rx_fifo, 1, EMU_RX_FIFO_MAX)
CONFIGFS_ATTR(emu_end_, rx_fifo);

EMU_END_SHOW(rx_trigger)
EMU_END_STORE(rx_trigger, 1, EMU_RX_FIFO_MAX)
CONFIGFS_ATTR(emu_end_, rx_trigger);

EMU_END_SHOW(rx_timeout)
EMU_END_STORE(rx_timeout, 0, EMU_RX_TIMEOUT_MAX)
CONFIGFS_ATTR(emu_end_, rx_timeout);

static struct configfs_attribute *emu_end_attrs[] = {
	&emu_end_attr_tty,
	&emu_end_attr_clock_ppm,
	&emu_end_attr_rx_fifo,
	&emu_end_attr_rx_trigger,
	&emu_end_attr_rx_timeout,
	NULL
};

static const struct config_item_type emu_end_type = {
	.ct_attrs	= emu_end_attrs,
	.ct_owner	= THIS_MODULE,
};

static const struct config_item_type emu_subsys_type = {
	.ct_owner	= THIS_MODULE,
};

static struct configfs_subsystem emu_subsys = {
	.su_group = {
		.cg_item = {
			.ci_namebuf	= EMU_NAME,
			.ci_type	= &emu_subsys_type,
		},
	},
};

/**
 * emu_configfs_add_cable - show a cable
 * @cable: the cable, whose ports are there
 * @number: of the cables that are there without anybody having made them
 *
 * Context: process; may sleep.
 * Return: 0, or the error of configfs.
 */
int emu_configfs_add_cable(struct emu_cable *cable, unsigned int number)
{
	char name[CONFIGFS_ITEM_NAME_LEN];
	int i;

	snprintf(name, sizeof(name), "null-modem%u", number);
	config_group_init_type_name(&cable->group, name, &emu_cable_type);
	for (i = 0; i < EMU_NR_ENDS; i++) {
		snprintf(name, sizeof(name), "port%d", i);
		config_group_init_type_name(&cable->end[i].group, name, &emu_end_type);
		configfs_add_default_group(&cable->end[i].group, &cable->group);
	}

	return configfs_register_group(&emu_subsys.su_group, &cable->group);
}

/**
 * emu_configfs_remove_cable - undo emu_configfs_add_cable()
 * @cable: the cable
 *
 * Context: process; may sleep.
 */
void emu_configfs_remove_cable(struct emu_cable *cable)
{
	configfs_unregister_group(&cable->group);
}

/**
 * emu_configfs_init - make the directory of the driver
 *
 * Context: process; may sleep.
 * Return: 0, or the error of configfs.
 */
int emu_configfs_init(void)
{
	config_group_init(&emu_subsys.su_group);
	mutex_init(&emu_subsys.su_mutex);

	return configfs_register_subsystem(&emu_subsys);
}

/**
 * emu_configfs_exit - undo emu_configfs_init()
 *
 * Context: process; may sleep.
 */
void emu_configfs_exit(void)
{
	configfs_unregister_subsystem(&emu_subsys);
}
