# SPDX-License-Identifier: BSD-2-Clause
"""What a QEMU machine's I/O APIC and PCI functions would send as interrupts, looked at from outside: only the
hypervisor's own vectors for devices, in fixed mode, to a processor that exists."""

import re
import struct
import subprocess

from harness import TREE, Failure
from pagetables import header_numbers

IRQ = header_numbers("arch/irq.h")
IMAGE_BASE = 0xffffffff80000000
ECAM = 0xb0000000  # where SeaBIOS puts q35's
FUNCTION_SIZE = 4096
DEVICES, FUNCTIONS = 32, 8
STATUS, STATUS_CAPS, CAPS, CAP_MSI, CAP_MSIX = 0x06, 0x10, 0x34, 0x05, 0x11
BAR0, COMMAND, COMMAND_MEM = 0x10, 0x04, 0x2
MSI_ENABLE, MSI_64, MSI_MANY = 0x1, 0x80, 0x70
MSIX_ENABLE, MSIX_MASK_ALL, MSIX_COUNT, ENTRY = 0x8000, 0x4000, 0x7ff, 16
PIN = re.compile(r"pin (\d+)\s+0x([0-9a-f]{16})")


def wrong(vector, rest, dest, cpus):
    """@rest: delivery mode, destination mode and what else must be 0."""
    return rest or not IRQ["VECTOR_DEVICE"] <= vector < IRQ["VECTOR_DEVICE_END"] or dest >= cpus


def pins(machine, cpus):
    """(entries that can send, what is wrong with them)"""
    entries = {int(n): int(text, 16) for n, text in PIN.findall(machine.hmp("info pic"))}
    if not entries:
        raise Failure("the monitor shows no I/O APIC")
    live = {n: e for n, e in entries.items() if not e >> 16 & 1}
    return len(live), ["pin %d holds 0x%x" % (n, e) for n, e in live.items()
                       if wrong(e & 0xff, e >> 8 & 0xf, e >> 56, cpus)]


def message_wrong(address, data, cpus):
    return address & ~0xff000 != 0xfee00000 or wrong(data & 0xff, data >> 8, address >> 12 & 0xff, cpus)


def capabilities(config):
    """{id: offset}"""
    found = {}
    at = config[CAPS] & ~3 if struct.unpack_from("<H", config, STATUS)[0] & STATUS_CAPS else 0
    while at and len(found) < 48 and config[at] not in found:
        found[config[at]] = at
        at = config[at + 1] & ~3
    return found


def msi(config, at, cpus):
    control, = struct.unpack_from("<H", config, at + 2)
    if not control & MSI_ENABLE:
        return 0, []
    if control & MSI_64:
        address, data = struct.unpack_from("<QH", config, at + 4)
    else:
        address, data = struct.unpack_from("<IH", config, at + 4)
    bad = control & MSI_MANY or message_wrong(address, data, cpus)
    return 1, ["MSI 0x%x to 0x%x, control 0x%x" % (data, address, control)] if bad else []


def msix(machine, config, at, cpus):
    control, table = struct.unpack_from("<HI", config, at + 2)
    if not control & MSIX_ENABLE or control & MSIX_MASK_ALL:
        return 0, []
    if not config[COMMAND] & COMMAND_MEM:
        return 0, ["MSI-X is on and its table nowhere"]
    bar = BAR0 + 4 * (table & 7)
    base, = struct.unpack_from("<Q" if config[bar] & 4 else "<I", config, bar)
    text = machine.memory((base & ~0xf) + (table & ~7), ((control & MSIX_COUNT) + 1) * ENTRY)
    live, found = 0, []
    for n in range(0, len(text), ENTRY):
        address, data, masked = struct.unpack_from("<QII", text, n)
        if masked & 1:
            continue
        live += 1
        if message_wrong(address, data, cpus):
            found.append("MSI-X entry %d: 0x%x to 0x%x" % (n // ENTRY, data, address))
    return live, found


def functions(machine):
    """(device.function, first 256 bytes) of bus 0."""
    for device in range(DEVICES):
        for function in range(FUNCTIONS):
            at = ECAM + (device * FUNCTIONS + function) * FUNCTION_SIZE
            config = machine.memory(at, 256)
            if config[:2] == b"\xff\xff":
                if function == 0:
                    break
                continue
            yield "%02x.%d" % (device, function), config


def look(machine, cpus):
    """How many entries can send. Raises Failure if one is not the hypervisor's. The machine stands still."""
    live, found = pins(machine, cpus)
    for name, config in functions(machine):
        for cap, at in capabilities(config).items():
            more, bad = 0, []
            if cap == CAP_MSI:
                more, bad = msi(config, at, cpus)
            elif cap == CAP_MSIX:
                more, bad = msix(machine, config, at, cpus)
            live += more
            found += [name + ": " + text for text in bad]
    if found:
        raise Failure("not the hypervisor's: " + "; ".join(found[:6]))
    return live


def unclaimed(machine):
    """The hypervisor's count of interrupts at vectors that nobody has or had."""
    names = subprocess.run(["nm", TREE + "/build/bulkhead"], stdout=subprocess.PIPE, check=True, text=True).stdout
    va = int(re.search(r"^([0-9a-f]+) \w irq_unclaimed$", names, re.M).group(1), 16)
    load = int(re.search(rb"loaded at (0x[0-9a-f]+)", bytes(machine.console)).group(1), 0)
    return struct.unpack("<Q", machine.memory(load + va - IMAGE_BASE, 8))[0]
