# SPDX-License-Identifier: GPL-2.0-only
#
# The entry to everything: make help

.DEFAULT_GOAL := help

# What may be given on the command line; see make help.
settings := KERNEL VM DEBUG APPEND TIMEOUT BUILD SEND SUITES CHECKS PARTS
export $(settings)

goals := run test soak bench check series send build tags dist clean

.PHONY: help $(goals)

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

## make run       a shell on the emulated console, on a kernel built for it
##                (VM=qemu: on x86-64 in QEMU instead of User-Mode Linux;
##                APPEND="...": more for the kernel command line; DEBUG=1: a
##                debug kernel; TIMEOUT=N: seconds until it is given up)
## make test      all tests (SUITES="kunit selftests ...": some of them)
## make check     all that can be checked without running the driver
##                (CHECKS="checkpatch sparse ...": some of it)
## make soak      the long runs: hours, most of them on the debug kernels
##                (PARTS="far hands ...": some of them)
## make bench     what a pair of ports costs, and how exact its rates are
##                (VM=qemu: on x86-64)
## make build     the kernel that make run needs
## make series    write patches/ and the files beside it from build/linux
## make send      mail the series; without SEND=1 only show what would be done
## make tags      an index of the kernel tree for editors
## make dist      an archive of what is committed
## make clean     remove all that was built
##
## KERNEL=/path/to/linux uses that kernel tree (it is not written to) and not
## the one of Debian's linux-source package. BUILD=/path/to/directory is where all
## is built, and not build/.

# A rule cannot pass on the session's exit status, so make becomes the session;
# see scripts/make-exec.c. Without that (no -n, a make that can load) the rule
# below does nearly the same.
ifeq ($(MAKECMDGOALS),run)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
ifneq ($(filter load,$(.FEATURES)),)
plugin := build/make-exec.so
ignored := $(shell scripts/deps run </dev/null >&2 && mkdir -p build && \
	{ [ $(plugin) -nt scripts/make-exec.c ] || \
	cc -shared -fPIC -o $(plugin) scripts/make-exec.c >&2; })
-load $(plugin)(make_exec_setup)
$(exec $(foreach s,$(settings),$(if $($s),$s='$($s)')) exec scripts/run)
endif
endif
endif

run:
	@scripts/run

test:
	@scripts/test $(SUITES)

check:
	@scripts/check $(CHECKS)

soak:
	@scripts/soak $(PARTS)

bench series send:
	@scripts/$@

build:
	@scripts/build um

tags:
	@scripts/kernel
	@$(MAKE) -C build/linux COMPILED_SOURCE= tags

dist:
	@mkdir -p build
	git archive --prefix=serial-emu/ -o build/serial-emu.tar.gz HEAD

clean:
	@scripts/clean
