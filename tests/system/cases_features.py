# SPDX-License-Identifier: BSD-2-Clause
"""Words that switch features of the processor off: the boot log says so, and the exits that are counted are others."""

import re

from cases_bare import BEDS, bare, service, tried, vm
from harness import Failure

VMX, SVM = "bochs-vmx", "bochs-svm"
ROUNDS = 1000
TSC = 25000000  # of Bochs, a second


def alone(machine, why):
    """Only @machine has the feature."""
    return {"machines": (machine,), "left_out": {m: why for m in BEDS if m != machine}}


def exits(run, kind):
    """How many exits of that kind vCPU 0 had, and TSC ticks of each on average."""
    match = re.search(r"vCPU 0: (\d+) exits %s, (\d+) ticks" % kind, run.console)
    count, ticks = (int(n) for n in match.groups()) if match else (0, 0)
    return count, ticks / max(count, 1)


def counts(**bounds):
    """Demands a number of exits for each kind: (least, most)."""
    def check(run):
        for kind, (least, most) in bounds.items():
            count = exits(run, kind)[0]
            if not least <= count <= most:
                raise Failure("%d exits %s, expected %d to %d" % (count, kind, least, most))
    return check


def cost(kind, least, most):
    """Demands an average number of ticks: on Bochs one tick is one instruction."""
    def check(run):
        ticks = exits(run, kind)[1]
        if not least <= ticks <= most:
            raise Failure("%.0f ticks for an exit %s, expected %d to %d" % (ticks, kind, least, most))
    return check


# A VPID saves translations, not exits.
SAME = counts(CPUID=(100, 120), HLT=(1, 1))


def line(text):
    return r"bulkhead: \[.*" + text


ONLY_VMX = "Bulkhead uses APIC virtualization, and VPIDs, on VMX only"
NO_QUIRK = "only this processor has the quirk; spin runs there"
ONLY_RYZEN = "of the emulated processors only this one saves the next RIP"


def apic(name, words, **rest):
    return tried("apic", name, append=("debug=on " + words).strip(), **rest)


def ends(*order):
    """Demands that the VMs end in this order."""
    def check(run):
        ended = re.findall(r"vm (\S+): exit 0", run.console)
        if ended != list(order):
            raise Failure("the VMs ended in this order: " + ", ".join(ended))
    return check


def spins(name, expect, words="", check=ends("hello", "spin"), how="", **rest):
    """A row: one VM spins with interrupts off for a second, another wants the same CPU meanwhile."""
    return bare(name, vm("spin", "ticks=%d %s" % (TSC, how)), vm("hello"), append=("debug=on " + words).strip(), check=check,
                expect=expect, **rest)


MODELS = {"haswell": "corei7_haswell_4770", "broadwell": "broadwell_ult"}  # the main one, skylake_x, apart


def on_models(name, make):
    """Rows for the other processor models: @make(name of the row, keys for it)."""
    return [make(name + "-" + short, dict(alone(VMX, ONLY_VMX), bochs={"bochs_model": model}))
            for short, model in MODELS.items()]


def apicv_on(name, keys):
    return apic(name, "", expect=(line("VMX.*APIC virtualization on"),),
                check=counts(MSR=(1, ROUNDS // 4), EOI=(2, 2), APIC=(1, 1)), **keys)


def apicv_off(name, keys):
    return apic(name, "apicv=off", expect=(line("VMX.*APIC virtualization off"),),
                check=counts(MSR=(4 * ROUNDS, 6 * ROUNDS), EOI=(0, 0), APIC=(0, 0)), **keys)


def vpid_off(name, keys):
    return apic(name, "vpid=off", expect=(line("VMX.*VPID off"),), check=SAME, **keys)


CASES = [
    apic("apic", "", left_out={VMX: "apicv-on runs there"}, machines=BEDS[:2]),
    apicv_on("apicv-on", alone(VMX, ONLY_VMX)),
    apicv_off("apicv-off", alone(VMX, ONLY_VMX)),
    *on_models("apicv-on", apicv_on),
    *on_models("apicv-off", apicv_off),
    *on_models("vpid-off", vpid_off),
    spins("spin", (), machines=BEDS[:2], left_out={VMX: "quirk-if0 runs there"},
          expected_failure={SVM: "Bochs' SVM has the quirk too, and no timer to end the run with"}),
    spins("quirk-if0", (line("quirk vmx-if0: "), line("vCPU 0: \\d+ exits slice")), **alone(VMX, NO_QUIRK)),
    spins("spin-exits", (), how="exits", machines=BEDS[:2], left_out={VMX: "quirk-if0-exits runs there"},
          expected_failure={SVM: "Bochs' SVM has the quirk too, and no timer to end the run with"}),
    spins("quirk-if0-exits", (line("quirk vmx-if0: "), line("vCPU 0: \\d+ exits slice")), how="exits", **alone(VMX, NO_QUIRK)),
    spins("quirk-if0-off", (), "vmx-if0=off", ends("spin", "hello"), forbid=("quirk vmx-if0",), **alone(VMX, NO_QUIRK)),
    apic("vpid-on", "", expect=(line("VMX.*VPID on"),), check=SAME, **alone(VMX, ONLY_VMX)),
    vpid_off("vpid-off", alone(VMX, ONLY_VMX)),
    bare("largepages-on", vm("hello"), append="debug=on", expect=(line("nested pages of up to (2 MiB|1 GiB)"),)),
    bare("largepages-off", vm("hello"), append="debug=on largepages=off", expect=(line("nested pages of up to 4 KiB"),)),
    tried("apic", "nrips-on", append="debug=on", expect=(line("SVM.*next-RIP on"),), check=cost("CPUID", 1, 120),
          **alone(SVM, ONLY_RYZEN)),
    tried("apic", "nrips-off", append="debug=on nrips=off", expect=(line("SVM.*next-RIP off"),),
          check=cost("CPUID", 150, 1000), **alone(SVM, ONLY_RYZEN)),
    bare("maxcpus", service("cpus", "count=1"), cpus=2, append="maxcpus=1",
         expect=(line("1 of 2 CPUs run"), r"^cpus: 1 of 1 run, 1 wanted, 0 wrong")),
]
