# SPDX-License-Identifier: BSD-2-Clause
"""VMX on Bochs: processor models, refused entries, malformed nested tables. Some rows run the image with hooks."""

import os
import re

from cases_bare import bare, service, vm
from harness import Failure, bhrun

HOOKED = "build/hooked/bulkhead"  # make hooked
BOCHS = {"machines": ("bochs-vmx",), "left_out": {"qemu-svm": "VMX only", "bochs-svm": "VMX only"}}
MARK = 0x7e580000  # HOOK_MARK of tests/hooks/hooks.h

# What Bochs says of a refused entry, and what our checker says of the same. The first that matches counts.
SAME = (
    (r"guest invalid CR0", r"CR0 (has bits|lacks bits)"),
    (r"CR0\.PG without CR0\.PE", r"CR0\.PG is set and CR0\.PE is not"),
    (r"guest invalid CR3", r"CR3 has bits"),
    (r"guest invalid CR4", r"CR4 (has bits|lacks bits)"),
    (r"CR4\.PAE=0 in x86-64", r"without CR4\.PAE"),
    (r"CR4\.PCIDE set in 32-bit", r"CR4\.PCIDE outside"),
    (r"invalid DR7", r"DR7 has bits"),
    (r"SYSENTER_E[SI]P_MSR non canonical", r"IA32_SYSENTER_ESP or IA32_SYSENTER_EIP"),
    (r"Memory Type in guest MSR_PAT", r"IA32_PAT"),
    (r"EFER reserved bits", r"IA32_EFER has reserved"),
    (r"EFER\.LMA doesn't match", r"not as the control \"IA-32e mode guest\""),
    (r"EFER \(0x\w+\) inconsistent", r"LMA is not LME"),
    (r"RFLAGS\[1\] cleared", r"RFLAGS bit 1"),
    (r"RFLAGS reserved", r"RFLAGS has reserved"),
    (r"x86-64 guest with RFLAGS\.VM", r"RFLAGS\.VM in IA-32e"),
    (r"RIP > 32 bit", r"RIP has bits above 31"),
    (r"IDTR/IDTR\.BASE non canonical", r"(GDTR|IDTR)'s base"),
    (r"GDTR/IDTR limit", r"GDTR's or IDTR's limit"),
    (r"v8086 guest bad (?P<seg>\w+)\.BASE", r"{seg}: base is not 16 times"),
    (r"v8086 guest (?P<seg>\w+)\.LIMIT", r"{seg}: limit is not"),
    (r"v8086 guest (?P<seg>\w+)\.AR", r"{seg}: access rights are not"),
    (r"guest (?P<seg>\w+)\.BASE non canonical", r"{seg}: base is not canonical"),
    (r"guest (?P<seg>\w+)\.BASE > 32 bit", r"{seg}: base has bits above 31"),
    (r"guest (?P<seg>\w+) not segment", r"{seg}: S is clear"),
    (r"guest (?P<seg>\w+) not present", r"({seg}: is not present|usable and not present)"),
    (r"guest (?P<seg>\w+)\.AR/LIMIT malformed", r"({seg}: (G does not fit|access rights have)|access rights have reserved)"),
    (r"guest CS\.TYPE", r"CS: type"),
    (r"wrong CS\.D_B/L", r"L and D/B"),
    (r"CS\.DPL != 0", r"CS: DPL"),
    (r"conforming CS\.RPL", r"CS: DPL"),
    (r"guest SS\.TYPE", r"SS: type"),
    (r"SS\.DPL", r"SS: DPL|activity state is HLT"),
    (r"guest (?P<seg>\w+) not ACCESSED", r"{seg}: type is not accessed"),
    (r"CODE segment (?P<seg>\w+) not READABLE", r"{seg}: type is code that cannot"),
    (r"guest (?P<seg>LDTR|TR)\.TI set", r"{seg}: selector has TI"),
    (r"incorrect (?P<seg>LDTR|TR) type", r"{seg}: type"),
    (r"(?P<seg>LDTR|TR) is not system segment", r"{seg}: S is set"),
    (r"guest TR invalid", r"TR: is not present"),
    (r"link pointer malformed", r"link pointer"),
    (r"tmpDR6 reserved", r"pending debug exceptions have"),
    (r"activity state", r"activity state"),
    (r"interruptibility state broken when entering non active", r"while not active"),
    (r"interruptibility state broken", r"interruptibility state has|STI with MOV SS"),
    (r"blocked by STI when EFLAGS\.IF = 0", r"blocking by STI while"),
    (r"SMI blocked when not in SMM", r"blocking by SMI"),
    (r"PDPTRs Checks", r"PDPTE"),
    (r"blocked when injecting external interrupt", r"an interrupt is injected"),
    (r"blocked when injecting NMI", r"an NMI is injected"),
    (r"broken interruption info", r"reserved type or bit"),
    (r"bad injected event type", r"reserved type or bit"),
    (r"bad injected event vector", r"vector that its type"),
    (r"broken error code|bad error code", r"error code"),
    (r"bad injected event instr length", r"instruction length"),
    (r"pin-based controls", r"pin-based controls"),
    (r"preemption_timer", r"preemption timer is saved"),
    (r"misconfigured virtual NMI", r"virtual NMIs"),
    (r"proc-based controls", r"primary controls"),
    (r"secondary controls", r"secondary controls"),
    (r"vmexit controls", r"exit controls"),
    (r"vmentry controls", r"entry controls"),
    (r"CR3 targets", r"CR3 targets"),
    (r"I/O bitmap", r"I/O bitmap"),
    (r"MSR bitmap", r"MSR bitmap"),
    (r"EPTPTR", r"EPTP"),
    (r"unrestricted guest without EPT", r"without EPT"),
    (r"VPID == 0", r"VPID is 0"),
    (r"VMENTRY CTRL: msr load addr", r"MSR-load area"),
)
BOCHS_LATER = 3000000  # TSC ticks in which another VM is stopped
QEMU_LATER = 2000000000
BAD_STATES = 80  # at least so many must be refused


def same(bochs, ours):
    """Is one of our rules the one that Bochs names?"""
    for theirs, rule in SAME:
        match = re.search(theirs, bochs)
        if match:
            return any(re.search(rule.format(**match.groupdict()), line) for line in ours)
    return False


def bochs_verdicts(path):
    """By number of the try: what Bochs said of the entry, or nothing."""
    said = {}
    number = None
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            mark = re.search(r"RDMSR: Unknown register 0x([0-9a-f]+)", line)
            if mark and MARK <= int(mark.group(1), 16) < MARK + 0x10000:
                number = int(mark.group(1), 16) - MARK
                said[number] = ""
            verdict = re.search(r"\] VM(?:ENTER FAIL|FAIL|ENTER): (.*\S)", line)
            if verdict and number is not None and not said[number]:
                said[number] = verdict.group(1)
    return said


def verdicts_agree(run):
    """Bochs' log and our checker: the same states are bad, and for the same reason."""
    bochs = bochs_verdicts(os.path.join(run.work, "bochs.log"))
    names = dict(re.findall(r"^badstate: (\d+) (\S+)", run.console, re.M))
    found = []
    bad = 0
    for number, name in sorted((int(n), name) for n, name in names.items()):
        ours = re.findall(r"entry %d: rule: (.*)" % number, run.console)
        ends = re.findall(r"entry %d: ends with (\w+)" % number, run.console)
        theirs = bochs.get(number)
        if theirs is None or len(ends) != 1:
            found.append("%s was not tried" % name)
            continue
        refused = int(ends[0], 0) != 0
        bad += refused
        if refused != bool(theirs) or refused != bool(ours):
            found.append("%s: processor %s, log %r, checker %r" % (name, ends[0], theirs, ours))
        elif refused and not same(theirs, ours):
            found.append("%s: log %r, checker %r" % (name, theirs, ours))
        elif refused == name.startswith("legal-"):
            found.append("%s ends with %s" % (name, ends[0]))
    if found:
        raise Failure("%d differ: %s" % (len(found), "; ".join(found)))
    if bad < BAD_STATES:
        raise Failure("only %d states were refused" % bad)


def left(state, rule, exit_number):
    """A row: entered with that state, a VM is stopped with a report that names the rule; the other one goes on."""
    return bare("vmx-refused-" + state, vm("badstate", "leave=" + state), vm("hello", "ticks=%d" % BOCHS_LATER), hypervisor=HOOKED,
                code=bhrun.GUEST_STOPPED, forbid=("still here",),
                expect=(r"error: vm badstate: stopped: the processor refused the entry; vCPU 0, RIP \w+, exit %s," % exit_number,
                        rule, r"(?s)vm badstate: stopped.*hello from a bare guest", r"vm hello: exit 0", r"all VMs have ended"),
                **BOCHS)


def misconfigured():
    """A row: the processor cannot read an entry of a VM's nested table; that VM stops with the path, the other goes on."""
    intel = {"how": "bits=1", "entry": r"\w*[6e]$", "ticks": BOCHS_LATER}  # not readable, but writable
    amd = {"how": "amd bits=%d" % (1 << 51), "entry": r"0x8\w{12}$"}  # an address beyond the processor's
    return bare("misconfigured", vm("misconfig", "{how}"), vm("hello", "ticks={ticks}"), hypervisor=HOOKED,
                code=bhrun.GUEST_STOPPED, forbid=("still here",),
                words={"bochs-vmx": intel, "bochs-svm": dict(amd, ticks=BOCHS_LATER), "qemu-svm": dict(amd, ticks=QEMU_LATER)}, check=path_is_shown,
                expect=(r"misconfig: spoiled, 0", r"error: vm misconfig: nested table, entry 0 from the root: \w+",
                        r"error: vm misconfig: stopped: malformed nested table for guest-physical 0xc00000",
                        r"(?s)vm misconfig: stopped.*hello from a bare guest", r"vm hello: exit 0"))


def path_is_shown(run):
    """The last entry of the path is the one that was spoiled."""
    entries = re.findall(r"error: vm misconfig: nested table, entry \d from the root: (\w+)", run.console)
    if len(entries) not in (3, 4) or not re.match(run.words["entry"], entries[-1]):
        raise Failure("the path is reported as %s" % entries)


def model(name, features):
    """A row: a processor model; the boot line says what is in use there, with A/D flags and VPIDs on or off."""
    return bare("vmx-" + name, vm("hello"), bochs={"bochs_model": name},
                expect=(r"info: VMX, EPT with A/D, unrestricted guest, virtual NMIs; " + features, r"vm hello: exit 0"), **BOCHS)


def storm():
    """A row: NMIs of the machine, in the guest, in the hypervisor and asleep; none is lost, says the guest's exit value.
    (Log lines of the last NMIs may cut through what it prints.)"""
    amd = {"how": "amd"}
    return bare("nmi-storm", service("nmistorm", "count=90 {how}"), cpus=2, hypervisor=HOOKED,
                words={"bochs-vmx": {"how": "intel"}, "bochs-svm": amd, "qemu-svm": {"how": "amd patience=20000000000"}},
                expect=(r"vm service: exit 0$",), timeout=60)


# What an emulator does wrong when a delivery is cut short by a nested fault.
CUT_XFAIL = {
    "qemu-svm": {"fault-in-delivery": "in long mode TCG puts twice the vector into the error code of #NP"},
    "bochs-svm": {"software": "an INT n that was cut short comes twice there"},
}


def cut_short():
    """A row: events whose delivery a nested fault cuts short; each comes once, and whole."""
    words = {m: {"how": "bits=7" if m == "bochs-vmx" else ("virtual " if m == "qemu-svm" else "") + "amd bits=1", "xfail": ",".join(CUT_XFAIL.get(m, ()))}
             for m in ("qemu-svm", "bochs-svm", "bochs-vmx")}
    return bare("cut-short", vm("cutshort", "{how} xfail={xfail}"), hypervisor=HOOKED, append="largepages=off", words=words,
                expect=(r"^cases: \d+ passed, 0 failed",))


CASES = [
    cut_short(),
    bare("vmx-bad-states", vm("badstate"), hypervisor=HOOKED, check=verdicts_agree, timeout=60, **BOCHS),
    left("cr0-ne", r"error:   CR0 lacks bits", "0x80000021"),
    left("msr-content", r"error:   reason 80000022", "0x80000022"),
    left("pin-zero", r"error:   pin-based controls do not fit", "0x7"),
    misconfigured(),
    storm(),
    model("corei7_haswell_4770", r"VPID on, RDTSCP on, INVPCID on, XSAVES off"),
    model("broadwell_ult", r"VPID on, RDTSCP on, INVPCID on, XSAVES (on|off)"),
    model("corei7_skylake_x", r"VPID on, RDTSCP on, INVPCID on, XSAVES on"),
]
