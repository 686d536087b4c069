# SPDX-License-Identifier: GPL-2.0-only
#
# The entry to everything: make help

.DEFAULT_GOAL := help

# What may be given on the command line; see make help.
settings := KERNEL VM DEBUG APPEND TIMEOUT BUILD SEND SUITES CHECKS PARTS ALL
export $(settings)

goals := run test test-all soak bench check series send build tags dist clean

.PHONY: help $(goals)

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

## make run       a shell on the emulated console, on a kernel built for it
##                (VM=qemu: on x86-64 in QEMU instead of User-Mode Linux;
##                APPEND="...": more for the kernel command line; DEBUG=1: a
##                debug kernel; TIMEOUT=N: seconds until it is given up)
##                Ends with status 2, as make does, if the session failed;
##                scripts/run ends with the session's own status
## make test      minutes: the driver's parts, what user space sees, and real
##                programs, on the kernel of make run
## make test-all  all else: debug kernels, QEMU, panics, boots, other ports
##                (both: SUITES="kunit selftests ...": some of it)
## make check     all that can be checked without running the driver
##                (CHECKS="checkpatch sparse ...": some of it; ALL=1: the builds
##                of patches that are as they were as well)
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

run:
	@scripts/run

test:
	@scripts/test $(SUITES)

test-all:
	@scripts/test --all $(SUITES)

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
