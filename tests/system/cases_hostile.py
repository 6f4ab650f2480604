# SPDX-License-Identifier: BSD-2-Clause
"""Guests that do their worst, beside one that minds its own business and must not notice (guests/bare/witness.c)."""

import dataclasses
import re
import time

import cases_power
import cases_vms
import messages
from cases_bare import BEDS, bare, section, service
from harness import Failure, bhrun

ONLY_QEMU = {m: "Bochs has no monitor to look with, and no such devices" for m in BEDS[1:]}
QEMU, BOCHS = BEDS[:1], BEDS[1:]
LOOK_SECONDS = 0.2
DEVICES = ("-device", "virtio-net-pci,netdev=net0", "-netdev", "user,id=net0",
           "-device", "e1000e,netdev=net1", "-netdev", "user,id=net1",
           "-drive", "if=none,id=disk0,driver=null-co,size=16M", "-device", "nvme,serial=1,drive=disk0",
           "-device", "qemu-xhci", "-device", "edu")


def witness(name, cpu, seconds):
    return section("witness", "seconds=%d" % seconds, name, role="isolated", cpus=cpu, memory="16M")


def undisturbed(*names):
    return tuple(r"%s\| witness: [1-9]\d* rounds, 0 wrong sums, 0 strange events" % n for n in names) + tuple(
        r"vm %s: exit 0" % n for n in names)


# ------------------------------------------------------------------------------- interrupts of all kinds


def watch_messages(machine, run):
    """Looks again and again at what the devices may send, until the service guest has ended."""
    looks = most = 0
    machine.wait(r"witness: begins", run.case.timeout)
    end = time.monotonic() + run.case.timeout
    while not re.search(rb"vm service: (exit|stopped)", bytes(machine.console)):
        if time.monotonic() > end or not machine.alive():
            raise Failure("the service guest does not end")
        machine.qmp("stop")
        try:
            most = max(most, messages.look(machine, run.case.cpus))
        finally:
            machine.qmp("cont")
        looks += 1
        time.sleep(LOOK_SECONDS)
    if looks < 4 or most < 2:  # COM1's own, and one that the guest has chosen
        raise Failure("%d looks, at most %d entries that can send: nothing was tried" % (looks, most))
    count = messages.unclaimed(machine)
    if count:
        raise Failure("%d interrupts that nobody claimed" % count)


def irqfuzz(seed, rounds, **rest):
    """A row: random interrupts of every kind, two witnesses, one of them on a CPU of the guest that makes them."""
    seconds = rounds // 400
    expect = (r"^irqfuzz: %d rounds, [1-9]\d+ interrupts" % rounds, r"vm service: exit 0")
    return bare("irqfuzz-%d" % seed, service("irqfuzz", "rounds=%d seed=%d" % (rounds, seed), cpus="0,1"),
                witness("same", "1", seconds), witness("other", "2", seconds), cpus=3, timeout=60 + 2 * seconds,
                machines=QEMU, left_out=ONLY_QEMU, qemu_args=DEVICES, script=watch_messages,
                expect=expect + undisturbed("same", "other"), **rest)


# ------------------------------------------------------------------- the machine's power, without having it


def power(how, end, code=bhrun.GUEST_STOPPED, seconds=4, left_out=(), **rest):
    """A row: a service guest tries to switch the machine off or to reset it. It ends alone, as @end says. (What it
    prints is not asked for: its console is the machine's, and the others' lines cut through it.)"""
    # QEMU's one thread can leave the service guest's CPU without a turn until the other CPU's witness has ended.
    later = tuple(r"(?s)vm service: %s.*" % end + u for u in undisturbed("same")) + undisturbed("other")
    return bare("hostile-power-" + how, service("power", "how=" + how, cpus="0"), witness("same", "0", seconds),
                witness("other", "1", seconds), cpus=2, code=code, expect=later,
                forbid=(r"bulkhead: \[.*info: (power off|reboot)$",), machines=tuple(m for m in BEDS if m not in left_out),
                left_out=dict(left_out), slow=BOCHS, **rest)


def reset(how):
    return r"reset by %s.*vm service: stopped: it reset itself, and has no power over the machine; vCPU 0, RIP 0x" % (
        cases_power.NAMES[how])


def power_of_another(how):
    """A row: that the machine's power is some other VM's does not make it this one's."""
    row = power(how, reset(how))
    return dataclasses.replace(row, name="hostile-power-of-another", config=row.config.replace("power = none", "power = same"))


NOT_THERE = {"qemu-svm": "none", "bochs-svm": "acpi,tco,triple", "bochs-vmx": "acpi,tco"}  # see the rows of one way


def reborn(seconds, both, **rest):
    """A row: a service guest tries all ways, another one in each life. It alone lives again; the others notice nothing.
    (Bochs' processors run 25 million instructions a second, and half of them fill RAM with zeros.)"""
    guest = section("power", "how=each except={except}", "service", role="service", cpus="0", memory="rest",
                    **{"on-exit": "restart", "on-fault": "restart"})
    names = ("same", "other") if both else ("same",)
    others = [section("witness", "seconds={%s}" % n, n, role="isolated", cpus=str(i), memory="16M") for i, n in enumerate(names)]
    others[-1] += "on-exit = poweroff\n"

    def check(run):
        cases_vms.lives(10 - len(NOT_THERE[run.machine].split(",")), "service")(run)

    def words(machine):
        s = seconds if machine in QEMU else 2 * seconds
        return {"except": NOT_THERE[machine], "same": str(s), "other": str(s + 1)}

    return bare("hostile-reborn" + ("-2" if both else ""), guest, *others, cpus=len(others), memory=80, code=bhrun.GUEST_STOPPED,
                expect=(r"vm service: power-off by S5", r"reset by %s" % cases_power.NAMES["cf9"],
                        r"reset by port 0x92") + undisturbed(*names),
                forbid=(r"bulkhead: \[.*info: reboot\r?$", "stays stopped"), check=check, timeout=60 + 5 * seconds,
                words={m: words(m) for m in BEDS}, slow=BOCHS, **rest)


REMNANTS = ("-device", "pcie-root-port,id=slot1,chassis=1", "-device", "e1000e,bus=slot1,netdev=net0", "-netdev", "user,id=net0",
            "-device", "e1000,netdev=net1", "-netdev", "user,id=net1", "-device", "qemu-xhci",
            "-device", "virtio-net-pci,netdev=net2", "-netdev", "user,id=net2")


def remnant(name, functions, engines, **rest):
    """A row: a guest hides and moves every function and lets devices run; its next life finds none of that."""
    guest = section("remnant", "", "service", role="service", cpus="0", memory="rest", **{"on-fault": "restart"})
    rest.setdefault("memory", 96)
    return bare("hostile-remnant" + name, guest, witness("same", "0", 6), code=bhrun.GUEST_STOPPED, slow=BOCHS, timeout=90,
                expect=(r"^remnant: %s functions, %s engines run" % (functions, engines), r"^remnant: disfigured",
                        r"^remnant: %s functions, headers as they were, 0 bus masters, 0 engines run" % functions,
                        r"vm service: exit 0") + undisturbed("same"), **rest)


NO_TCO = {m: "its chip set has no such watchdog" for m in BOCHS}

# ------------------------------------------------------------------------------------- isolated guests

FORM = r"stopped: %s; vCPU 0, RIP \w+, exit \w+, qualification \w+ \w+$"
NOWHERE = r"guest-physical 0x\w+, where it has no memory"
FINE, ENDLESS = "exit 0$", ""
REFUSED = FORM % "the processor refused the entry"
CODE, TABLES, DELIVERY = FORM % ("code at " + NOWHERE), FORM % ("page tables at " + NOWHERE), FORM % (
    "event 6 was delivered through " + NOWHERE)

# What becomes of a guest that does each; where TCG lets pass what it should refuse, the next VMRUN does.
WAYS = {
    "cr0-nw": {"qemu-svm": REFUSED}, "cr0-paging": {"qemu-svm": REFUSED}, "cr3": {"qemu-svm": REFUSED},
    "cr4": {}, "efer": {}, "xcr0": {}, "virtualization": {}, "hypercalls": {}, "msrs": {}, "holes": {},
    "jump": {"": CODE}, "end-of-ram": {"": CODE}, "init-self": {"": CODE},
    "stack": {"": DELIVERY}, "stack-in-apic": {"": DELIVERY}, "idt": {"": DELIVERY}, "idt-in-apic": {"": DELIVERY},
    "tables": {"": TABLES}, "tables-in-apic": {"": TABLES}, "tables-below": {"": TABLES},
    "string-ports": {}, "exits": {}, "wbinvd": {}, "ipis": {}, "timers": {}, "console": {},
    "spin": {"": ENDLESS}, "halt": {"": ENDLESS}, "pf-loop": {"": ENDLESS}, "rep-for-ever": {"": ENDLESS},
    "triple": {"": FORM % "triple fault"},
}
STEP_MS = 200  # one after the other, so that the log has time for each report


def ends_as_expected(run):
    """Each VM's one last line is as WAYS says; none where it goes on for ever."""
    for name in re.findall(r"^\[vm (\S+)\]", run.case.config, re.M):
        if name not in WAYS:
            continue
        wanted = WAYS[name].get(run.machine, WAYS[name].get("", FINE))
        lines = re.findall(r"bulkhead: .*: vm %s: ((?:exit|stopped).*)" % name, run.console)
        if len(lines) != (wanted != ENDLESS) or (lines and not re.match(wanted, lines[0])):
            raise Failure("vm %s: %s; expected: %s" % (name, "; ".join(lines) or "goes on", wanted or "goes on"))


def isolated(group, *ways, seconds=5, code=bhrun.GUEST_STOPPED, **rest):
    """A row: one guest for each of @ways, all on a witness's CPU. The witness's end is the machine's."""
    vms = [section("hostile", "how=%s after=%d" % (way, STEP_MS * i), way, role="isolated", cpus="0", memory="4M")
           for i, way in enumerate(ways)]
    last = witness("same", "0", seconds) + "on-exit = poweroff\n"
    return bare("hostile-" + group, *vms, last, code=code, expect=undisturbed("same"), check=ends_as_expected,
                append="vmx-if0=on", **rest)



NOT_STOPPED = {"bochs-svm": "Bochs itself ends there, without a word", "bochs-vmx": "nothing is let pass there: hostile-registers-refused"}
TOO_LONG = {m: "its guest is not done in the time that the witness watches there" for m in BOCHS}

CASES = [
    bare("messages", service("messages", cpus="0"), witness("same", "0", 5), witness("other", "1", 5), cpus=2,
         machines=QEMU, left_out=ONLY_QEMU, qemu_args=DEVICES, script=watch_messages,
         expect=(r"^cases: 6 passed, 0 failed", r"vm service: exit 0") + undisturbed("same", "other"), timeout=90),
    irqfuzz(1, 2000),
    irqfuzz(2, 10000, quick=False),
    irqfuzz(3, 10000, quick=False),
    power("s5", "power-off by S5.*vm service: exit 0", bhrun.PASS),
    power("s3", r"sleep refused \(S3\).*vm service: exit 0", bhrun.PASS, seconds=8),
    power("acpi", reset("acpi"), left_out=cases_power.NO_RESET_REGISTER),
    power("cf9", reset("cf9")),
    power("port92", reset("port92")),
    power("kbd", reset("kbd")),
    power("kbd-output", reset("kbd-output")),
    power("triple", "stopped: triple fault; vCPU 0, RIP 0x", left_out=cases_power.NO_SHUTDOWN),
    power("tco", "exit 0", bhrun.PASS, seconds=24, left_out=NO_TCO, quick=False,
           qemu_args=("-global", "ICH9-LPC.noreboot=false")),
    power("wide", "power-off by S5.*vm service: exit 0", bhrun.PASS),
    power_of_another("cf9"),
    remnant("", "10", "4", machines=QEMU, left_out={m: "hostile-remnant-pc stands for it" for m in BOCHS}, qemu_args=REMNANTS),
    remnant("-uefi", r"\d+", r"\d", machines=QEMU, left_out={m: "Bochs has BIOS firmware" for m in BOCHS}, firmware="uefi", memory=256,
            quick=False, qemu_args=REMNANTS),
    remnant("-pc", r"\d", r"\d", machines=BOCHS, left_out={"qemu-svm": "hostile-remnant stands for it"}),
    bare("hostile-stays-stopped", section("remnant", "", "service", role="service", cpus="0", memory="rest", **{"on-fault": "restart"}),
         witness("same", "0", 4), memory=96, code=bhrun.GUEST_STOPPED, machines=QEMU, left_out=ONLY_QEMU, qemu_args=("-device", "edu"),
         expect=(r"^remnant: disfigured", r"vm service: stays stopped: PCI 00:\w\w\.\d, class 00ff00, has no reset that would end its DMA for good")
         + undisturbed("same"), forbid=(r"vm service: restart",)),
    reborn(20, False),
    reborn(60, True, quick=False),
    isolated("registers", "cr0-nw", "cr0-paging", "cr3", "cr4", "efer", "xcr0", "virtualization", "hypercalls", "msrs",
             seconds=12, machines=QEMU, left_out=NOT_STOPPED),
    isolated("registers-refused", "cr0-nw", "cr0-paging", "cr3", "cr4", "efer", "xcr0", "virtualization", "hypercalls", "msrs",
             seconds=12, code=bhrun.PASS, slow=BOCHS, machines=BOCHS[1:], left_out={"qemu-svm": "hostile-registers runs there", "bochs-svm": NOT_STOPPED["bochs-svm"]}),
    isolated("memory", "jump", "end-of-ram", "stack", "stack-in-apic", "idt", "idt-in-apic", "tables", "tables-in-apic",
             "tables-below", "holes", "init-self", slow=BOCHS, machines=QEMU + BOCHS[1:],
             left_out={"bochs-svm": "there the guest whose tables lie in its APIC's page goes on for ever (as it may), and is not stopped"}),
    isolated("floods", "string-ports", "exits", "wbinvd", "ipis", "console", code=bhrun.PASS, seconds=8, slow=BOCHS),
    isolated("timers", "timers", code=bhrun.PASS, machines=QEMU, left_out=TOO_LONG),
    isolated("endless", "spin", "halt", "pf-loop", "rep-for-ever", "triple", slow=BOCHS, machines=QEMU + BOCHS[1:],
             left_out={"bochs-svm": "an interrupt does not reach a guest that has them off, and no timer ends its run"}),
]
