# SPDX-License-Identifier: BSD-2-Clause
"""Who may switch the machine off or reset it: every way there is, with and without `power = service`."""

import os
import re
import time

import gdbstub
from harness import Case, Failure, bhrun

BEDS = ("qemu-svm", "bochs-svm", "bochs-vmx")
POWER = {"power": "build/guests/power.elf"}

SYSTEM = """\
[system]
power = {power}

[vm service]
role = service
cpus = all
memory = rest
kernel = power
cmdline = how={how} busy={busy}
debug-exit = 0xf4
"""

# What the hypervisor calls each way.
NAMES = {
    "s5": "S5",
    "acpi": "ACPI reset register",
    "cf9": "(port 0xcf9|ACPI reset register)",
    "kbd": "keyboard controller command",
    "kbd-output": "keyboard controller output port",
    "port92": "port 0x92",
    "triple": "triple fault",
}


def system(how, power, cpus):
    return SYSTEM.replace("{power}", power).replace("{how}", how).replace("{busy}", str(cpus - 1))


def gone_for_good(machine, run):
    """QEMU ends when its machine is switched off or, as it is told to, when it is reset; Bochs resets and goes on."""
    last = machine.wait(r"bulkhead: \[.*info: (power off|reboot)\r?$", run.case.timeout).group(1)
    if last == b"reboot" and run.machine != "qemu-svm":
        machine.wait(r"bulkhead: \[.*info: Bulkhead .*loaded", run.case.timeout)
        return
    end = time.monotonic() + 20
    while machine.alive():
        if time.monotonic() > end:
            raise Failure("the machine is still there")
        time.sleep(0.1)


def granted(how, cpus=1, **rest):
    """A row: the machine goes off or is reset, whatever its other processors do."""
    last = "power off" if how == "s5" else "reboot"
    expect = (r"^power: %s$" % how, r"vm service: (power-off|reset) by %s$" % NAMES[how],
              r"bulkhead: \[.*info: %s$" % last)
    rest.setdefault("machines", BEDS)
    return Case("power-%s%s" % (how, "-%d" % cpus if cpus > 1 else ""), system(how, "service", cpus), POWER, cpus=cpus,
                expect=expect, forbid=("did not switch itself off",), script=gone_for_good, timeout=60, **rest)


def denied(how, cpus=1, **rest):
    """A row: only the VM ends; the machine stays on."""
    code, ends = bhrun.GUEST_STOPPED, r"vm service: stopped: (it reset itself|triple fault)"
    if how == "s5":
        code, ends = bhrun.PASS, r"vm service: exit 0$"
    rest.setdefault("machines", BEDS)
    return Case("power-%s-denied" % how, system(how, "none", cpus), POWER, cpus=cpus, code=code,
                expect=(r"^power: %s$" % how, ends, r"bulkhead: \[.*all VMs have ended"),
                forbid=(r"bulkhead: \[.*info: (power off|reboot)$",), timeout=60, **rest)


CR4_VMXE = 1 << 13  # cannot be cleared in VMX operation (SDM vol. 3, 24.8): where it is clear, VMXOFF was executed
EFER_SVME = 1 << 12
LEAVES_CPUS = 4
NEAR = 12  # bytes: at least two instructions


def look_qemu(machine, address):
    """EFER of all processors where one of them is about to execute @address; the machine goes on."""
    machine.stub.run_to(address, lambda: None)
    return [int(e, 16) for e in re.findall(r"^EFER=(\w+)", machine.hmp("info registers -a"), re.M)]


def left_qemu(machine, run):
    machine.wait("Booting", run.case.timeout)
    machine.stub = gdbstub.Stub(run.work)
    before, after = (look_qemu(machine, gdbstub.symbol(run.words[w])) for w in ("before", "after"))
    machine.stub.go()
    return before, after, EFER_SVME


def left_bochs(machine, run):
    """Its debugger has been told at the start where to stop, and to print all processors' registers there."""
    machine.wait(r"bulkhead: \[.*info: (power off|reboot)\r?$", run.case.timeout)
    end = time.monotonic() + run.case.timeout
    while machine.alive():
        if time.monotonic() > end:
            raise Failure("Bochs' debugger has not stopped there")
        time.sleep(0.1)
    with open(os.path.join(run.work, "emulator.log"), encoding="latin-1") as f:
        looks = re.split("\\) Breakpoint ", f.read())[1:3]
    if len(looks) != 2:
        raise Failure("Bochs' debugger has stopped at %d places" % len(looks))
    vmx = run.machine == "bochs-vmx"
    before, after = ([int(n, 16) for n in re.findall(r"%s=(0x\w+):" % ("CR4" if vmx else "EFER"), look)] for look in looks)
    return before, after, CR4_VMXE if vmx else EFER_SVME


def leaves_virtualization(machine, run):
    """Every processor is in SVM or VMX where the first begins to leave it, and none where the machine's power goes."""
    left = left_qemu if run.machine == "qemu-svm" else left_bochs
    before, after, bit = left(machine, run)
    if len(before) != run.case.cpus or not all(v & bit for v in before):
        raise Failure("before: " + " ".join("%x" % v for v in before))
    if len(after) != run.case.cpus or any(v & bit for v in after):
        raise Failure("at the end: " + " ".join("%x" % v for v in after))


def stops(words):
    """Commands for Bochs' debugger: all processors' control registers at two places. There it ends. With several processors
    it oversees an instruction that is the first of a processor's turn, so that it looks for those behind it too."""
    def lines(form, numbers):
        return "".join(form % n + "\n" for n in numbers)

    before, after = (gdbstub.symbol(words[w]) for w in ("before", "after"))
    look = lines("set $cpu=%d\ncreg", range(LEAVES_CPUS))
    return (lines("lb %#x", range(before, before + NEAR)) + "c\n" + look + lines("d %d", range(1, 1 + NEAR)) +
            lines("lb %#x", range(after, after + NEAR)) + "c\n" + look)


def leaves(how, symbol):
    last = "power off" if how == "s5" else "reboot"
    words = {m: {"before": m[-3:] + "_cpu_off", "after": symbol} for m in BEDS}
    return Case("power-%s-leaves" % how, system(how, "service", LEAVES_CPUS), POWER, machines=BEDS, cpus=LEAVES_CPUS,
                timeout=60, qemu_args=gdbstub.QEMU_ARGS, words=words, bochs={"bochs_debugger": stops},
                script=leaves_virtualization, expect=(r"bulkhead: \[.*info: %s$" % last,))


NO_SHUTDOWN = {"bochs-svm": "Bochs panics at a triple fault before it looks at SVM's intercept"}
NO_RESTART = {m: "Bochs' BIOS finds no keyboard after a reset with several processors" for m in BEDS[1:]}
NO_RESET_REGISTER = {m: "its FADT has no reset register" for m in BEDS[1:]}

CASES = [
    granted("s5"),
    granted("s5", cpus=4),
    granted("acpi", machines=("qemu-svm",), left_out=NO_RESET_REGISTER),
    granted("cf9"),
    granted("kbd"),
    granted("kbd-output"),
    granted("port92"),
    granted("triple", machines=("qemu-svm", "bochs-vmx"), left_out=NO_SHUTDOWN),
    granted("kbd", cpus=4, machines=("qemu-svm",), left_out=NO_RESTART),
    leaves("s5", "power_off"),
    leaves("cf9", "power_reboot"),
    denied("s5"),
    denied("acpi", machines=("qemu-svm",), left_out=NO_RESET_REGISTER),
    denied("cf9"),
    denied("kbd", cpus=4),
    denied("kbd-output"),
    denied("port92"),
    denied("triple", machines=("qemu-svm", "bochs-vmx"), left_out=NO_SHUTDOWN),
    Case("power-s3-refused", system("s3", "service", 1), POWER, machines=BEDS, timeout=60,
         expect=(r"vm service: sleep refused \(S3\)", r"^power: slept, WAK_STS 1, then 0")),
]
