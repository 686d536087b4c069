// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: how the pins of two connectors are joined.
 *
 * Pure: no device, no locks, no memory.
 */

#include <kunit/visibility.h>

#include "emu.h"

/*
 * A null-modem cable with full handshaking. OUT1 is not a pin of the connector,
 * it stands for whatever would ring at the far end: an answer to the question
 * how a program in a test makes the telephone ring.
 */
const struct emu_wiring emu_null_modem = {
	.cts	= TIOCM_RTS,
	.dsr	= TIOCM_DTR,
	.dcd	= TIOCM_DTR,
	.ri	= TIOCM_OUT1,
};
EXPORT_SYMBOL_IF_KUNIT(emu_null_modem);

/* What a 16550 does with its outputs in loopback mode (MCR bit 4) */
const struct emu_wiring emu_loopback = {
	.cts	= TIOCM_RTS,
	.dsr	= TIOCM_DTR,
	.dcd	= TIOCM_OUT2,
	.ri	= TIOCM_OUT1,
};
EXPORT_SYMBOL_IF_KUNIT(emu_loopback);

/**
 * emu_wiring_inputs - what one end sees of the other end's outputs
 * @wiring: how the ends are joined
 * @outputs: the far end's active outputs, made of the EMU_OUTPUTS bits
 *
 * Context: any.
 * Return: the active inputs, made of the EMU_INPUTS bits.
 */
unsigned int emu_wiring_inputs(const struct emu_wiring *wiring, unsigned int outputs)
{
	unsigned int inputs = 0;

	if (outputs & wiring->cts)
		inputs |= TIOCM_CTS;
	if (outputs & wiring->dsr)
		inputs |= TIOCM_DSR;
	if (outputs & wiring->dcd)
		inputs |= TIOCM_CAR;
	if (outputs & wiring->ri)
		inputs |= TIOCM_RNG;

	return inputs;
}
EXPORT_SYMBOL_IF_KUNIT(emu_wiring_inputs);
