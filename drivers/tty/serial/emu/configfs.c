// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: what the user can make, see and set, in configfs.
 *
 *	serial-emu/<cable>/{topology,pace,plugged,live}
 *	serial-emu/<cable>/<port>/{kind,tty,dev_name,cts,dsr,dcd,ri}
 *	serial-emu/<cable>/<port>/{clock_ppm,rx_fifo,rx_trigger,rx_timeout,rx_stall,serdev}
 *
 * A cable that is live depends on its directories: they cannot be removed. What
 * makes no sense to change then cannot be changed.
 */

#include <linux/array_size.h>
#include <linux/cleanup.h>
#include <linux/configfs.h>
#include <linux/container_of.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/kstrtox.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "cable.h"
#include "configfs.h"
#include "port.h"
#include "wire.h"
#include "wiring.h"

static struct configfs_subsystem emu_subsys;

static struct emu_cable *to_emu_cable(struct config_item *item)
{
	return container_of(to_config_group(item), struct emu_cable, group);
}

static struct emu_cable_end *to_emu_cable_end(struct config_item *item)
{
	return container_of(to_config_group(item), struct emu_cable_end, group);
}

/* Ends */

static ssize_t emu_end_tty_show(struct config_item *item, char *page)
{
	struct emu_cable_end *end = to_emu_cable_end(item);

	guard(mutex)(&end->cable->lock);

	if (!emu_cable_end_has_tty(end))
		return sysfs_emit(page, "\n");

	return sysfs_emit(page, EMU_TTY_NAME "%u\n", end->line);
}
CONFIGFS_ATTR_RO(emu_end_, tty);

static ssize_t emu_end_dev_name_show(struct config_item *item, char *page)
{
	struct emu_cable_end *end = to_emu_cable_end(item);

	guard(mutex)(&end->cable->lock);

	return sysfs_emit(page, "%s\n", end->pdev ? dev_name(&end->pdev->dev) : "");
}
CONFIGFS_ATTR_RO(emu_end_, dev_name);

static ssize_t emu_end_kind_show(struct config_item *item, char *page)
{
	struct emu_cable_end *end = to_emu_cable_end(item);

	guard(mutex)(&end->cable->lock);

	return sysfs_emit(page, "%s\n", emu_kind_names[end->kind]);
}

static ssize_t emu_end_kind_store(struct config_item *item, const char *page, size_t count)
{
	struct emu_cable_end *end = to_emu_cable_end(item);
	int kind = __sysfs_match_string(emu_kind_names, -1, page);

	if (kind < 0)
		return kind;

	guard(mutex)(&end->cable->lock);

	if (end->cable->live)
		return -EBUSY;
	end->kind = kind;

	return count;
}
CONFIGFS_ATTR(emu_end_, kind);

#ifdef CONFIG_SERIAL_EMU_SERDEV
static ssize_t emu_end_serdev_show(struct config_item *item, char *page)
{
	struct emu_cable_end *end = to_emu_cable_end(item);

	guard(mutex)(&end->cable->lock);

	return sysfs_emit(page, "%s\n", end->compatible ?: "");
}

static bool emu_is_compatible(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isascii(text[i]) || !isgraph(text[i]))
			return false;

	return len < EMU_COMPATIBLE_SIZE;
}

static ssize_t emu_end_serdev_store(struct config_item *item, const char *page, size_t count)
{
	char *compatible __free(kfree) = NULL;
	struct emu_cable_end *end = to_emu_cable_end(item);
	size_t len = count;

	if (len && page[len - 1] == '\n')
		len--;
	if (!emu_is_compatible(page, len))
		return -EINVAL;
	if (len) {
		compatible = kmemdup_nul(page, len, GFP_KERNEL);
		if (!compatible)
			return -ENOMEM;
	}

	guard(mutex)(&end->cable->lock);

	if (end->cable->live)
		return -EBUSY;
	swap(end->compatible, compatible);

	return count;
}
CONFIGFS_ATTR(emu_end_, serdev);
#endif

static ssize_t emu_source_show(struct emu_cable_end *end, char *page,
			       const enum emu_source *source)
{
	guard(mutex)(&end->cable->lock);

	return sysfs_emit(page, "%s\n", emu_source_names[*source]);
}

static ssize_t emu_source_store(struct emu_cable_end *end, const char *page, size_t count,
				enum emu_source *source)
{
	int value = __sysfs_match_string(emu_source_names, -1, page);

	if (value < 0)
		return value;

	guard(mutex)(&end->cable->lock);

	if (end->cable->live)
		return -EBUSY;
	*source = value;

	return count;
}

#define EMU_SOURCE_SHOW(_name)								\
static ssize_t emu_end_##_name##_show(struct config_item *item, char *page)		\
{											\
	struct emu_cable_end *end = to_emu_cable_end(item);				\
											\
	return emu_source_show(end, page, &end->wiring._name);				\
}

#define EMU_SOURCE_STORE(_name)								\
static ssize_t emu_end_##_name##_store(struct config_item *item, const char *page,	\
				       size_t count)					\
{											\
	struct emu_cable_end *end = to_emu_cable_end(item);				\
											\
	return emu_source_store(end, page, count, &end->wiring._name);			\
}

EMU_SOURCE_SHOW(cts)
EMU_SOURCE_STORE(cts)
CONFIGFS_ATTR(emu_end_, cts);

EMU_SOURCE_SHOW(dsr)
EMU_SOURCE_STORE(dsr)
CONFIGFS_ATTR(emu_end_, dsr);

EMU_SOURCE_SHOW(dcd)
EMU_SOURCE_STORE(dcd)
CONFIGFS_ATTR(emu_end_, dcd);

EMU_SOURCE_SHOW(ri)
EMU_SOURCE_STORE(ri)
CONFIGFS_ATTR(emu_end_, ri);

static ssize_t emu_end_show(struct emu_cable_end *end, char *page, const int *setting)
{
	guard(mutex)(&end->cable->lock);

	return sysfs_emit(page, "%d\n", *setting);
}

static ssize_t emu_end_store(struct emu_cable_end *end, const char *page, size_t count,
			     int *setting, int min, int max)
{
	int value, ret;

	ret = kstrtoint(page, 10, &value);
	if (ret)
		return ret;
	if (value < min || value > max)
		return -EINVAL;

	guard(mutex)(&end->cable->lock);

	if (end->cable->live)
		return -EBUSY;
	*setting = value;

	return count;
}

#define EMU_END_SHOW(_name)								\
static ssize_t emu_end_##_name##_show(struct config_item *item, char *page)		\
{											\
	struct emu_cable_end *end = to_emu_cable_end(item);				\
											\
	return emu_end_show(end, page, &end->settings._name);				\
}

#define EMU_END_STORE(_name, _min, _max)						\
static ssize_t emu_end_##_name##_store(struct config_item *item, const char *page,	\
				       size_t count)					\
{											\
	struct emu_cable_end *end = to_emu_cable_end(item);				\
											\
	return emu_end_store(end, page, count, &end->settings._name, _min, _max);	\
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

static ssize_t emu_end_rx_stall_show(struct config_item *item, char *page)
{
	struct emu_cable_end *end = to_emu_cable_end(item);

	return emu_end_show(end, page, &end->settings.rx_stall);
}

static ssize_t emu_end_rx_stall_store(struct config_item *item, const char *page, size_t count)
{
	struct emu_cable_end *end = to_emu_cable_end(item);
	bool stall;
	int ret;

	ret = kstrtobool(page, &stall);
	if (ret)
		return ret;

	guard(mutex)(&end->cable->lock);

	emu_cable_set_stall(end, stall);

	return count;
}
CONFIGFS_ATTR(emu_end_, rx_stall);

static struct configfs_attribute *emu_end_attrs[] = {
	&emu_end_attr_kind,
	&emu_end_attr_tty,
	&emu_end_attr_dev_name,
	&emu_end_attr_cts,
	&emu_end_attr_dsr,
	&emu_end_attr_dcd,
	&emu_end_attr_ri,
	&emu_end_attr_clock_ppm,
	&emu_end_attr_rx_fifo,
	&emu_end_attr_rx_trigger,
	&emu_end_attr_rx_timeout,
	&emu_end_attr_rx_stall,
#ifdef CONFIG_SERIAL_EMU_SERDEV
	&emu_end_attr_serdev,
#endif
	NULL
};

static void emu_end_release(struct config_item *item)
{
	struct emu_cable_end *end = to_emu_cable_end(item);

	kfree(end->compatible);
	kfree(end);
}

static const struct configfs_item_operations emu_end_item_ops = {
	.release	= emu_end_release,
};

static const struct config_item_type emu_end_type = {
	.ct_item_ops	= &emu_end_item_ops,
	.ct_attrs	= emu_end_attrs,
	.ct_owner	= THIS_MODULE,
};

/* Cables */

static ssize_t emu_cable_topology_show(struct config_item *item, char *page)
{
	struct emu_cable *cable = to_emu_cable(item);

	guard(mutex)(&cable->lock);

	return sysfs_emit(page, "%s\n", emu_topology_names[cable->topology]);
}

static ssize_t emu_cable_topology_store(struct config_item *item, const char *page, size_t count)
{
	struct emu_cable *cable = to_emu_cable(item);
	int topology;

	topology = __sysfs_match_string(emu_topology_names, -1, page);
	if (topology < 0)
		return topology;

	guard(mutex)(&cable->lock);

	if (cable->live)
		return -EBUSY;
	cable->topology = topology;

	return count;
}
CONFIGFS_ATTR(emu_cable_, topology);

static ssize_t emu_cable_pace_show(struct config_item *item, char *page)
{
	struct emu_cable *cable = to_emu_cable(item);

	guard(mutex)(&cable->lock);

	if (!cable->pace)
		return sysfs_emit(page, "max\n");

	return sysfs_emit(page, "%u\n", cable->pace);
}

static int emu_parse_pace(const char *page, unsigned int *pace)
{
	int ret;

	if (sysfs_streq(page, "max")) {
		*pace = 0;
		return 0;
	}

	ret = kstrtouint(page, 10, pace);
	if (ret)
		return ret;

	return *pace && *pace <= EMU_PACE_MAX ? 0 : -EINVAL;
}

static ssize_t emu_cable_pace_store(struct config_item *item, const char *page, size_t count)
{
	struct emu_cable *cable = to_emu_cable(item);
	unsigned int pace;
	int ret;

	ret = emu_parse_pace(page, &pace);
	if (ret)
		return ret;

	guard(mutex)(&cable->lock);

	/* Whether drivers of a bus overlap depends on time */
	if (cable->bus && !pace)
		return -EINVAL;
	cable->pace = pace;
	if (cable->live)
		emu_cable_set_pace(cable);

	return count;
}
CONFIGFS_ATTR(emu_cable_, pace);

static ssize_t emu_cable_plugged_show(struct config_item *item, char *page)
{
	struct emu_cable *cable = to_emu_cable(item);

	guard(mutex)(&cable->lock);

	return sysfs_emit(page, "%d\n", cable->plugged);
}

static ssize_t emu_cable_plugged_store(struct config_item *item, const char *page, size_t count)
{
	struct emu_cable *cable = to_emu_cable(item);
	bool plugged;
	int ret;

	ret = kstrtobool(page, &plugged);
	if (ret)
		return ret;

	guard(mutex)(&cable->lock);

	cable->plugged = plugged;
	if (cable->live)
		emu_cable_set_plugged(cable);

	return count;
}
CONFIGFS_ATTR(emu_cable_, plugged);

static ssize_t emu_cable_live_show(struct config_item *item, char *page)
{
	struct emu_cable *cable = to_emu_cable(item);

	guard(mutex)(&cable->lock);

	return sysfs_emit(page, "%d\n", cable->live);
}

static void emu_cable_undepend(struct emu_cable *cable, unsigned int count)
{
	/* Its directories cannot be removed anyway */
	if (cable->permanent)
		return;

	while (count--)
		configfs_undepend_item_unlocked(&cable->end[count]->group.cg_item);
}

/*
 * Ends are made and removed under su_mutex. One that is not in configfs' tree yet cannot be
 * depended on. Returns how many ends cannot be removed any more.
 */
static int emu_cable_depend(struct emu_cable *cable)
{
	unsigned int i;
	int ret;

	guard(mutex)(&emu_subsys.su_mutex);

	for (i = 0; !cable->permanent && i < cable->nr_ends; i++) {
		ret = configfs_depend_item_unlocked(&emu_subsys, &cable->end[i]->group.cg_item);
		if (ret) {
			emu_cable_undepend(cable, i);
			return ret == -ENOENT ? -EBUSY : ret;
		}
	}

	return cable->nr_ends;
}

/* The cable's lock can be held for as long as it takes to remove ports: not under su_mutex */
static int emu_cable_go_live(struct emu_cable *cable)
{
	int depends, ret;

	depends = emu_cable_depend(cable);
	if (depends < 0)
		return depends;

	guard(mutex)(&cable->lock);

	if (cable->live) {
		emu_cable_undepend(cable, depends);
		return 0;
	}
	/* Unless an end was made meanwhile */
	ret = cable->nr_ends == depends ? emu_cable_activate(cable) : -EBUSY;
	if (ret)
		emu_cable_undepend(cable, depends);

	return ret;
}

static void emu_cable_go_dead(struct emu_cable *cable)
{
	guard(mutex)(&cable->lock);

	if (!cable->live)
		return;

	emu_cable_deactivate(cable);
	emu_cable_undepend(cable, cable->nr_ends);
}

static ssize_t emu_cable_live_store(struct config_item *item, const char *page, size_t count)
{
	struct emu_cable *cable = to_emu_cable(item);
	bool live;
	int ret;

	ret = kstrtobool(page, &live);
	if (ret)
		return ret;

	if (live)
		ret = emu_cable_go_live(cable);
	else
		emu_cable_go_dead(cable);

	return ret ?: count;
}
CONFIGFS_ATTR(emu_cable_, live);

static struct configfs_attribute *emu_cable_attrs[] = {
	&emu_cable_attr_topology,
	&emu_cable_attr_pace,
	&emu_cable_attr_plugged,
	&emu_cable_attr_live,
	NULL
};

static void emu_cable_release(struct config_item *item)
{
	emu_cable_free(to_emu_cable(item));
}

static const struct configfs_item_operations emu_cable_item_ops = {
	.release	= emu_cable_release,
};

/* Names become a path in /dev, where devtmpfs makes a "/" of each "!", and a line of a uevent */
static bool emu_name_is_valid(const char *name)
{
	for (; *name; name++)
		if (iscntrl(*name) || *name == '!')
			return false;

	return true;
}

/* Attributes that are added later are in a group of their own: names of ends stay free */
static const char *const emu_reserved_names[] = { "faults", "tap" };

static struct config_group *emu_cable_make_end(struct config_group *group, const char *name)
{
	struct emu_cable *cable = to_emu_cable(&group->cg_item);
	struct emu_cable_end *end;

	if (match_string(emu_reserved_names, ARRAY_SIZE(emu_reserved_names), name) >= 0)
		return ERR_PTR(-EEXIST);

	if (!emu_name_is_valid(name))
		return ERR_PTR(-EINVAL);

	/* All directories of a default cable are default groups, and stay */
	if (cable->permanent)
		return ERR_PTR(-EPERM);

	end = emu_cable_add_end(cable);
	if (IS_ERR(end))
		return ERR_CAST(end);

	config_group_init_type_name(&end->group, name, &emu_end_type);

	return &end->group;
}

static void emu_cable_drop_end(struct config_group *group, struct config_item *item)
{
	emu_cable_remove_end(to_emu_cable_end(item));
	config_item_put(item);
}

static const struct configfs_group_operations emu_cable_group_ops = {
	.make_group	= emu_cable_make_end,
	.drop_item	= emu_cable_drop_end,
};

static const struct config_item_type emu_cable_type = {
	.ct_item_ops	= &emu_cable_item_ops,
	.ct_group_ops	= &emu_cable_group_ops,
	.ct_attrs	= emu_cable_attrs,
	.ct_owner	= THIS_MODULE,
};

/* All of it */

static struct config_group *emu_make_cable(struct config_group *group, const char *name)
{
	struct emu_cable *cable;

	if (!emu_name_is_valid(name))
		return ERR_PTR(-EINVAL);

	cable = emu_cable_alloc();
	if (!cable)
		return ERR_PTR(-ENOMEM);

	config_group_init_type_name(&cable->group, name, &emu_cable_type);

	return &cable->group;
}

static const struct configfs_group_operations emu_subsys_group_ops = {
	.make_group	= emu_make_cable,
};

static const struct config_item_type emu_subsys_type = {
	.ct_group_ops	= &emu_subsys_group_ops,
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

static int emu_cable_add_default_end(struct emu_cable *cable, int i)
{
	char name[CONFIGFS_ITEM_NAME_LEN];
	struct emu_cable_end *end;

	end = emu_cable_add_end(cable);
	if (IS_ERR(end))
		return PTR_ERR(end);

	snprintf(name, sizeof(name), "port%d", i);
	config_group_init_type_name(&end->group, name, &emu_end_type);
	configfs_add_default_group(&end->group, &cable->group);

	return 0;
}

static void emu_cable_put(struct emu_cable *cable)
{
	configfs_remove_default_groups(&cable->group);
	config_group_put(&cable->group);
}

static int emu_cable_set_up(struct emu_cable *cable)
{
	int i, ret;

	for (i = 0; i < EMU_LINK_ENDS; i++) {
		ret = emu_cable_add_default_end(cable, i);
		if (ret)
			return ret;
	}

	return emu_cable_go_live(cable);
}

/**
 * emu_configfs_add_cable - make a live null-modem cable that users cannot remove
 * @number: of these cables
 *
 * Context: Process context. May sleep. Between emu_configfs_init() and
 *	emu_configfs_register().
 * Return: the cable, or the error of emu_cable_activate(), or ENOMEM.
 */
struct emu_cable *emu_configfs_add_cable(unsigned int number)
{
	char name[CONFIGFS_ITEM_NAME_LEN];
	struct emu_cable *cable;
	int ret;

	cable = emu_cable_alloc();
	if (!cable)
		return ERR_PTR(-ENOMEM);

	cable->permanent = true;
	snprintf(name, sizeof(name), "null-modem%u", number);
	config_group_init_type_name(&cable->group, name, &emu_cable_type);
	ret = emu_cable_set_up(cable);
	if (ret) {
		emu_cable_put(cable);
		return ERR_PTR(ret);
	}
	configfs_add_default_group(&cable->group, &emu_subsys.su_group);

	return cable;
}

/**
 * emu_configfs_remove_cable - undo emu_configfs_add_cable()
 * @cable: the cable
 *
 * Context: Process context. May sleep. Before emu_configfs_register(), or after
 *	emu_configfs_unregister().
 */
void emu_configfs_remove_cable(struct emu_cable *cable)
{
	emu_cable_go_dead(cable);
	list_del(&cable->group.group_entry);
	emu_cable_put(cable);
}

/**
 * emu_configfs_init - make the directory of the driver, without showing it
 *
 * Context: Process context. May sleep.
 */
void emu_configfs_init(void)
{
	config_group_init(&emu_subsys.su_group);
	mutex_init(&emu_subsys.su_mutex);
}

/**
 * emu_configfs_register - let the user see the directory of the driver
 *
 * Context: Process context. May sleep.
 * Return: 0, or the error of configfs.
 */
int emu_configfs_register(void)
{
	return configfs_register_subsystem(&emu_subsys);
}

/**
 * emu_configfs_unregister - undo emu_configfs_register()
 *
 * Context: Process context. May sleep. There is no cable that a user made.
 */
void emu_configfs_unregister(void)
{
	configfs_unregister_subsystem(&emu_subsys);
}
