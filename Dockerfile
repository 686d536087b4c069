# SPDX-License-Identifier: GPL-2.0-only
#
# Debian 12 with the two commands, for those whose machine is something else:
#	docker build -t serial-emu .
#	docker run -it --shm-size=4g serial-emu
#	docker run --shm-size=4g serial-emu make test
# User-Mode Linux has its memory in /dev/shm, hence the size. In such a container nothing
# is kept of what was built; a volume for /serial-emu/build does.
FROM debian:12
RUN apt-get update && apt-get install -y --no-install-recommends make
COPY . /serial-emu
WORKDIR /serial-emu
CMD ["make", "run"]
