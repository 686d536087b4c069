// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serial console emulator: how the pins of two connectors are joined.
 *
 * Pure functions without locks or allocations. Context: Any context.
 */

#include <linux/export.h>

#include <kunit/visibility.h>

#include "wiring.h"

const char *const emu_source_names[] = {
	[EMU_OFF]	= "off",
	[EMU_ON]	= "on",
	[EMU_PEER_RTS]	= "peer-rts",
	[EMU_PEER_DTR]	= "peer-dtr",
	[EMU_PEER_OUT1]	= "peer-out1",
	[EMU_PEER_OUT2]	= "peer-out2",
	[EMU_SELF_RTS]	= "self-rts",
	[EMU_SELF_DTR]	= "self-dtr",
	[EMU_SELF_OUT1]	= "self-out1",
	[EMU_SELF_OUT2]	= "self-out2",
	NULL
};
EXPORT_SYMBOL_IF_KUNIT(emu_source_names);

/*
 * A null-modem cable with full handshaking. OUT1 is not a pin of the connector: it lets a
 * test program at the far end ring.
 */
const struct emu_wiring emu_null_modem = {
	.cts	= EMU_PEER_RTS,
	.dsr	= EMU_PEER_DTR,
	.dcd	= EMU_PEER_DTR,
	.ri	= EMU_PEER_OUT1,
};
EXPORT_SYMBOL_IF_KUNIT(emu_null_modem);

/* The loopback mode of a 16550 (MCR bit 4) */
const struct emu_wiring emu_loopback = {
	.cts	= EMU_SELF_RTS,
	.dsr	= EMU_SELF_DTR,
	.dcd	= EMU_SELF_OUT2,
	.ri	= EMU_SELF_OUT1,
};
EXPORT_SYMBOL_IF_KUNIT(emu_loopback);

static bool emu_source_is_active(enum emu_source source, unsigned int self, unsigned int peer)
{
	switch (source) {
	case EMU_OFF:
		return false;
	case EMU_ON:
		return true;
	case EMU_PEER_RTS:
		return peer & TIOCM_RTS;
	case EMU_PEER_DTR:
		return peer & TIOCM_DTR;
	case EMU_PEER_OUT1:
		return peer & TIOCM_OUT1;
	case EMU_PEER_OUT2:
		return peer & TIOCM_OUT2;
	case EMU_SELF_RTS:
		return self & TIOCM_RTS;
	case EMU_SELF_DTR:
		return self & TIOCM_DTR;
	case EMU_SELF_OUT1:
		return self & TIOCM_OUT1;
	case EMU_SELF_OUT2:
		return self & TIOCM_OUT2;
	}

	return false;
}

/**
 * emu_wiring_inputs - modem status inputs of an end
 * @wiring: sources of the inputs
 * @self: active outputs of this end, made of the EMU_OUTPUTS bits
 * @peer: active outputs of the far end
 *
 * Return: the active inputs, made of the EMU_INPUTS bits.
 */
unsigned int emu_wiring_inputs(const struct emu_wiring *wiring, unsigned int self,
			       unsigned int peer)
{
	unsigned int inputs = 0;

	if (emu_source_is_active(wiring->cts, self, peer))
		inputs |= TIOCM_CTS;
	if (emu_source_is_active(wiring->dsr, self, peer))
		inputs |= TIOCM_DSR;
	if (emu_source_is_active(wiring->dcd, self, peer))
		inputs |= TIOCM_CAR;
	if (emu_source_is_active(wiring->ri, self, peer))
		inputs |= TIOCM_RNG;

	return inputs;
}
EXPORT_SYMBOL_IF_KUNIT(emu_wiring_inputs);
