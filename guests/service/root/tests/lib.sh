# SPDX-License-Identifier: BSD-2-Clause
# What the tests share: give up with a reason, wait with a limit, look at interrupts.

fail() {
	echo "$*" >/run/reason
	exit 1
}

# wait_for SECONDS COMMAND…: until the command succeeds.
wait_for() {
	left=$(($1 * 5))
	shift
	until "$@" 2>/dev/null; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.2
		[ $((left % 5)) != 0 ] || /etc/coldplug
	done
}

# irq_kind PATTERN: if $bhirq is given, the interrupts whose line matches must be of that kind and have come.
irq_kind() {
	grep -E "$1" /proc/interrupts | sed 's/^/    /'
	case $bhirq in
	msi) grep -E "$1" /proc/interrupts | grep -q 'PCI-MSI' || fail "no MSI in use for $1" ;;
	intx) grep -E "$1" /proc/interrupts | grep -q 'IO-APIC' || fail "no I/O APIC pin in use for $1" ;;
	esac
}

# Wait until the serial port has sent everything.
drain() {
	stty -F /dev/ttyS0 sane 2>/dev/null
}
