# SPDX-License-Identifier: BSD-2-Clause
"""Machine checks: what is said of them, who can go on, and what ends.

QEMU's monitor raises them, in the hypervisor. Bochs raises none, and QEMU gives those that find a guest running to that
guest: the other rows run the image with hooks, which has a bank of its own, executes INT 18 in the hypervisor or makes an
exit one by #MC. What is behind that is the hypervisor's own way, but not that the processor takes it."""

import time

import gdbstub
from cases_bare import BEDS, bare, service, vm
from cases_nmi import WINDOW
from cases_vmx import BOCHS, BOCHS_LATER, HOOKED, QEMU_LATER
from harness import bhrun

# VAL, UC, EN, MISCV, ADDRV, S: nobody has used what is lost. PCC: the processor's context is corrupt.
DEFERRED, CORRUPT = 0xbd00000000000000, 0xbe00000000000000
GOES_ON = 5  # MCIP, RIPV


def monitor(machine, status, bank, addr):
    machine.hmp("mce 0 %d %#x %d %#x 0x86" % (bank, status, GOES_ON, addr))


def before_halt(machine, run):
    """Brings the processor to each place of WINDOW in turn, and raises one there. That QEMU does not reset the machine says
    that MCIP was cleared, and bit 62 (OVER) that the bank was."""
    stub = None
    for n, place in enumerate(WINDOW, 1):
        machine.wait(r"^nmi: ready %d" % n, run.case.timeout)
        stub = stub or gdbstub.Stub(run.work)
        stub.run_to(gdbstub.symbol(place), lambda: machine.send(b"x"))
        monitor(machine, DEFERRED, 2, 0x5000 + n)
        stub.go()
        machine.wait(r"CPU 0: machine check, MCG_STATUS 0x5, 10 banks", run.case.timeout)
        machine.wait(r"CPU 0: bank 2: STATUS %#x, ADDR %#x, MISC 0x86" % (DEFERRED, 0x5000 + n), run.case.timeout)
        machine.qmp("inject-nmi")  # what this guest waits for
        machine.wait(r"^nmi: awake %d" % n, run.case.timeout)


def while_asleep(machine, run):
    machine.wait(r"^nmi: ready 1", run.case.timeout)
    stub = gdbstub.Stub(run.work)
    stub.run_to(gdbstub.symbol("cpu_sleep.halt"), lambda: machine.send(b"x"))
    monitor(machine, CORRUPT, 3, 0x5000)
    stub.go()


def while_running(machine, run):
    machine.wait(r"hypervisor keeps", run.case.timeout)
    time.sleep(0.5)
    monitor(machine, DEFERRED, 2, 0x5000)


ONLY_QEMU = {m: "Bochs raises no machine check" for m in BEDS[1:]}
MONITOR = {"machines": ("qemu-svm",), "left_out": ONLY_QEMU, "qemu_args": gdbstub.QEMU_ARGS}
REPORT = r"error: CPU 0: machine check, MCG_STATUS %s, 2 banks"
BANK = r"CPU 0: bank 1: STATUS %s, ADDR 0x123000, MISC 0x86"
BY_VENDOR = {m: {"how": "intel" if m == "bochs-vmx" else "amd", "ticks": QEMU_LATER if m == "qemu-svm" else BOCHS_LATER}
             for m in BEDS}


def hooked(name, kinds, *others, **rest):
    return bare("mce-" + name, vm("mcheck", kinds + " {how}"), *others, hypervisor=HOOKED, words=BY_VENDOR,
                forbid=("the guest was given it",) + rest.pop("forbid", ()), **rest)


def crash(name, kinds, *lines):
    return hooked(name, kinds, code=bhrun.HYPERVISOR_FAULT, forbid=("goes on",), expect=lines)


def goes_on(*kinds):
    """What is printed for each, in this order. (The guest's console and the log do not wait for each other.)"""
    return ("(?s)" + ".*".join(r"mcheck: %s\r?\n.*mcheck: goes on, left 0" % k for k, _ in kinds),
            "(?s)" + ".*".join(REPORT % "0x5" + ".*" + BANK % s for _, s in kinds))


HARMLESS = (("corrected", "0x9c00000000000000"), ("deferred", "0xbd00000000000000"), ("another", "0xbd80000000000000"))
NAMES = "corrected deferred another"

CASES = [
    bare("mce-asleep", service("nmi", "count=%d" % len(WINDOW)), script=before_halt,
         expect=(r"^nmi: awake %d" % len(WINDOW), r"vm service: exit 0$"), **MONITOR),
    bare("mce-asleep-corrupt", service("nmi", "count=1"), script=while_asleep, code=bhrun.HYPERVISOR_FAULT,
         expect=(r"fatal: CPU 0: exception 18", r"fatal: CPU 0: bank 3: STATUS %#x, ADDR 0x5000, MISC 0x86" % CORRUPT), **MONITOR),
    bare("mce-running", vm("spin", "ticks=4000000000"), script=while_running, expect=(r"error: CPU 0: bank 2: STATUS %#x" % DEFERRED,),
         expected_failure={"qemu-svm": "QEMU gives a machine check to the guest, intercepted or not"}, **MONITOR),
    hooked("root", "root " + NAMES, expect=goes_on(*HARMLESS) + (r"vm mcheck: exit 0",)),
    crash("root-lost", "root lost", r"fatal: CPU 0: exception 18", r"fatal: CPU 0: machine check, MCG_STATUS 0x4,",
          "fatal: " + BANK % "0xbd00000000000000"),
    crash("root-consumed", "root consumed", r"fatal: CPU 0: exception 18", "fatal: " + BANK % "0xbd80000000000000"),
    hooked("exit", "exit consumed " + NAMES, vm("hello", "ticks={ticks}"), code=bhrun.GUEST_STOPPED,
           expect=goes_on(*HARMLESS) + (r"mcheck: consumed", REPORT % "0x7", BANK % "0xbd80000000000000", r"vm hello: exit 0",
           r"(?s)vm mcheck: stopped: a machine check that it cannot go on from; vCPU 0.*hello from a bare guest")),
    hooked("exit-lost", "exit lost", code=bhrun.GUEST_STOPPED, forbid=("goes on",),
           expect=(REPORT % "0x4", r"vm mcheck: stopped: a machine check that it cannot go on from; vCPU 0", "all VMs have ended")),
    crash("exit-corrupt", "exit corrupt", "fatal: " + BANK % "0xbe00000000000000", r"fatal: CPU 0: a machine check leaves"),
    hooked("entry", "entry " + NAMES, expect=goes_on(*HARMLESS) + (r"vm mcheck: exit 0",), **BOCHS),
]
