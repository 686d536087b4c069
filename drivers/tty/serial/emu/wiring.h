/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serial console emulator: how the pins of two connectors are joined.
 */

#ifndef _SERIAL_EMU_WIRING_H
#define _SERIAL_EMU_WIRING_H

#include <linux/termios.h>

/* The modem control outputs that reach the cable's far end */
#define EMU_OUTPUTS		(TIOCM_DTR | TIOCM_RTS | TIOCM_OUT1 | TIOCM_OUT2)

/* The modem status inputs */
#define EMU_INPUTS		(TIOCM_CTS | TIOCM_DSR | TIOCM_CAR | TIOCM_RNG)

/**
 * enum emu_source - what drives a modem status input
 * @EMU_OFF: nothing, the input is inactive
 * @EMU_ON: always active
 * @EMU_PEER_RTS: Request To Send of the far end
 * @EMU_PEER_DTR: Data Terminal Ready of the far end
 * @EMU_PEER_OUT1: OUT1 of the far end, which is no pin of the connector
 * @EMU_PEER_OUT2: OUT2 of the far end
 * @EMU_SELF_RTS: the port's own Request To Send
 * @EMU_SELF_DTR: the port's own Data Terminal Ready
 * @EMU_SELF_OUT1: the port's own OUT1
 * @EMU_SELF_OUT2: the port's own OUT2
 */
enum emu_source {
	EMU_OFF,
	EMU_ON,
	EMU_PEER_RTS,
	EMU_PEER_DTR,
	EMU_PEER_OUT1,
	EMU_PEER_OUT2,
	EMU_SELF_RTS,
	EMU_SELF_DTR,
	EMU_SELF_OUT1,
	EMU_SELF_OUT2,
};

/**
 * struct emu_wiring - what drives the modem status inputs of an end
 * @cts: source of Clear To Send
 * @dsr: source of Data Set Ready
 * @dcd: source of Data Carrier Detect
 * @ri: source of the Ring Indicator
 */
struct emu_wiring {
	enum emu_source cts;
	enum emu_source dsr;
	enum emu_source dcd;
	enum emu_source ri;
};

extern const char *const emu_source_names[];
extern const struct emu_wiring emu_null_modem;
extern const struct emu_wiring emu_loopback;

unsigned int emu_wiring_inputs(const struct emu_wiring *wiring, unsigned int self,
			       unsigned int peer);

#endif /* _SERIAL_EMU_WIRING_H */
