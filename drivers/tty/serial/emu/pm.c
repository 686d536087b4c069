// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: suspend and resume.
 *
 * A suspended port has no power: its outputs fall, and it receives nothing. A port that may
 * wake up the system stays on, and wakes it up with the first character.
 */

#include <linux/cleanup.h>
#include <linux/console.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/lockdep.h>
#include <linux/serial_core.h>

#include "console.h"
#include "pm.h"
#include "port.h"
#include "wire.h"

/* Interval and limit of the wait for the transmitter */
#define EMU_DRAIN_TRIES		3
#define EMU_DRAIN_MS		10

/**
 * emu_port_prepare - make ready for the system to be suspended
 * @ep: the port
 *
 * The far end may be suspended before this port is, and is not to miss what the
 * console prints. What its transmitter has already gets there unless the line is
 * slow, for which serial core does not wait longer either.
 *
 * Context: Process context. May sleep. No device is suspended yet.
 */
void emu_port_prepare(struct emu_port *ep)
{
	struct uart_port *port = &ep->port;
	int tries = EMU_DRAIN_TRIES;

	emu_console_set_asleep(ep, true);
	while (uart_console(port) && !port->ops->tx_empty(port) && tries--)
		msleep(EMU_DRAIN_MS);
}

/**
 * emu_port_complete - undo emu_port_prepare()
 * @ep: the port
 *
 * Context: Process context. May sleep. All devices are resumed.
 */
void emu_port_complete(struct emu_port *ep)
{
	emu_console_set_asleep(ep, false);
	emu_wire_kick(ep->out);
}

/**
 * emu_port_suspend - suspend a port
 * @ep: the port
 *
 * Serial core leaves a port running whose tty may wake the system up, and one whose
 * console is to print all the time.
 *
 * Context: Process context. May sleep.
 * Return: 0, or a negative errno of serial core's.
 */
int emu_port_suspend(struct emu_port *ep)
{
	struct uart_port *port = &ep->port;
	bool prints;
	int ret;

	ret = uart_suspend_port(&emu_uart_driver, port);
	if (ret)
		return ret;

	prints = uart_console(port) && !console_suspend_enabled;
	scoped_guard(uart_port_lock_irqsave, port)
		ep->wakes = !port->suspended && !prints;

	return 0;
}

/**
 * emu_port_resume - undo emu_port_suspend()
 * @ep: the port
 *
 * Context: Process context. May sleep.
 * Return: 0, or a negative errno of serial core's.
 */
int emu_port_resume(struct emu_port *ep)
{
	int ret;

	ret = uart_resume_port(&emu_uart_driver, &ep->port);
	scoped_guard(uart_port_lock_irqsave, &ep->port)
		ep->wakes = false;
	/* What had to wait for power to be there */
	if (ep->in)
		emu_wire_kick(ep->in);
	emu_wire_kick(ep->out);

	return ret;
}

/**
 * emu_port_wake - wake the system up if that is what the port is for now
 * @ep: the port, at which something arrives
 *
 * Context: the port lock is held.
 */
void emu_port_wake(struct emu_port *ep)
{
	lockdep_assert_held(&ep->port.lock);

	if (ep->wakes)
		pm_wakeup_hard_event(ep->port.dev);
}
