# SPDX-License-Identifier: BSD-2-Clause
"""Who may switch the machine off or reset it: every way there is, with and without `power = service`."""

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


EFER_SVME = 1 << 12


def leaves_svm(symbol):
    """Stops the machine where it is about to switch itself off or reset itself: no processor is in SVM any more."""
    def script(machine, run):
        machine.wait("Booting", run.case.timeout)
        stub = gdbstub.Stub(run.work)
        stub.run_to(gdbstub.symbol(symbol), lambda: None)
        efer = [int(e, 16) for e in re.findall(r"^EFER=(\w+)", machine.hmp("info registers -a"), re.M)]
        stub.go()
        if len(efer) != run.case.cpus or any(e & EFER_SVME for e in efer):
            raise Failure("EFER at %s: %s" % (symbol, " ".join("%x" % e for e in efer)))
    return script


def leaves(how, symbol):
    last = "power off" if how == "s5" else "reboot"
    return Case("power-%s-leaves" % how, system(how, "service", 4), POWER, machines=BEDS[:1], left_out=NO_STOP, cpus=4,
                timeout=60, qemu_args=gdbstub.QEMU_ARGS, script=leaves_svm(symbol),
                expect=(r"bulkhead: \[.*info: %s$" % last,))


NO_STOP = {m: "Bochs cannot be stopped at an instruction" for m in BEDS[1:]}
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
