# SPDX-License-Identifier: GPL-2.0-only
#
# The entry to everything: make help

.DEFAULT_GOAL := help

# What may be given on the command line; see make help.
settings := KERNEL VM DEBUG APPEND TIMEOUT BUILD SUITES CHECKS PARTS ALL ROWS
settings += SEND YES PART VERSION RFC TRAILER B4
export $(settings)

goals := run test test-all soak bench check matrix walk series send build tags dist clean

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
## make matrix    compile it for every kind of machine, with gcc and clang, without each of its
##                options, and with random configurations; static analyzers
##                (ROWS="s390 rt random-7 ...": some of it)
## make walk      every patch of the series builds, with all checks, and each part passes its
##                tests: an hour (PARTS="driver ...": the tests of some parts)
## make soak      the long runs: hours, most of them on the debug kernels
##                (PARTS="chardev hands ...": some of them)
## make bench     what a pair of ports costs beside a pty, and how exact its rates are
## make build     the kernel that make run needs
## make series    write patches/ and the files beside it from build/linux
## make send PART=driver
##                show how a part of the series would be mailed, and to whom;
##                patches/parts names the parts (SEND=1: mail it, after a
##                question; YES=1: without the question; VERSION=2: [PATCH v2], with
##                a range-diff; RFC=1: [RFC PATCH]; TRAILER="Assisted-by: ...": one
##                more line for each patch; B4=1: through b4)
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

matrix:
	@scripts/matrix $(ROWS)

walk:
	@scripts/walk $(PARTS)

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
