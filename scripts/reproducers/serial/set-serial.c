// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt of an open port is changed, and changed back. The port is started
 * again, but is of no use until it is closed and opened.
 */

#include "repro.h"

int main(void)
{
	int fd = open_port(O_NONBLOCK);
	int irq;

	set_raw(fd, CLOCAL, 0);
	irq = set_irq(fd, 0);
	set_irq(fd, irq);
	if (write(fd, "x", 1) != 1)
		return verdict(0, "write() after TIOCSSERIAL: %s", strerror(errno));

	return verdict(1, "write() works after TIOCSSERIAL");
}
