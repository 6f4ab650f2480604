# SPDX-License-Identifier: BSD-2-Clause
"""The hypervisor's prompt: every command, typed at the console, and what it answers."""

import re
import time

from cases_bare import BEDS, bare, section
from cases_vms import KEY
from harness import Case, Failure, bhrun

SIGN = r"bulkhead> "
PATIENCE = 60


def vm(kernel, cmdline, name, cpus="0", memory="4M", **keys):
    return section(kernel, cmdline, name, role="isolated", cpus=cpus, memory=memory, **keys)


class Prompt:
    """The prompt of a running machine: it has the focus from here on."""

    def __init__(self, machine, patience=PATIENCE):
        self.machine = machine
        self.patience = patience
        machine.send(KEY + b"p")
        machine.wait(r"\[console of the prompt;", patience)
        machine.wait(SIGN, patience)

    def ask(self, text, *answers):
        """Types a line, waits for each answer in turn and for the next sign; returns all that came."""
        begin = self.machine.mark = len(self.machine.console)
        self.machine.send(text.encode() + b"\r")
        for answer in answers:
            self.machine.wait(answer, self.patience)
        self.machine.wait(SIGN, self.patience)
        return bhrun.printable(bytes(self.machine.console[begin:self.machine.mark]))

    def ask_and_wait(self, text, answer, later):
        """The same, and for what the machine says of it, before or after the next sign."""
        begin = len(self.machine.console)
        self.ask(text, answer)
        self.machine.mark = begin
        self.machine.wait(later, self.patience)


def prompt(name, *sections, **rest):
    """A row: the guests that the sections name, and the prompt."""
    config = "[system]\npower = none\nprompt = yes\n\n" + "\n".join(sections)
    kernels = re.findall(r"^kernel = (\S+)", config, re.M)
    rest.setdefault("machines", BEDS)
    rest.setdefault("slow", BEDS[1:])
    rest.setdefault("timeout", 300)
    return Case(name, config, {k: "build/guests/%s.elf" % k for k in kernels}, **rest)


FOREVER = "ticks=1000000000000000000"


def look(machine, run):
    """Every command that only shows something. The CPU is busy with a VM that never exits by itself."""
    machine.wait(r"Ctrl-\] p to the prompt", run.case.timeout)
    p = Prompt(machine)
    p.ask("help", r"help +this list", r"stat VM", r"report")
    p.ask("vms", r"^VM +state +CPUs", r"^busy +running +0 +4096 KiB", r"^talker +running +0 ")
    p.ask("cpus", r"^CPU 0 +APIC id 0 ", r"^the prompt: \d+ steps")
    p.ask("mem", r"^frames of 4 KiB: \d+", r"^busy +\d+ for its tables")
    p.ask("log", r"^\[ +\d+\.\d+\] info: Bulkhead ", r"info: vm busy: ")
    p.ask("log talker", r"^talker: line 1 of 3", r"^talker: line 3 of 3, and \.\[2J")
    p.ask("stat busy", r"^exits +count", r"^interrupt +\d+ +\d+ +\d+ +\d+")
    p.ask("timing off", r"^exits are only counted")
    p.ask("stat talker", r"timing is off", r"^I/O ")
    p.ask("timing on", r"^exits are timed from now on")
    p.ask("dump talker", r"^vCPU 0 on CPU 0: running, events", r"^  rax [0-9a-f]{16} ", r"^  r12 ", r"^  rip \w+ ",
          r"^  cr0 [0-9a-f]*1 ", r"^  cs   ", r"^  ldtr ", r"^  gdtr ", r"^  exits \d+ us ago: ",
          r"us ago: I/O .* at [0-9a-f]+")
    p.ask("report", r"^cpus 1", r"^has nested-paging", r"^memory 0x[0-9a-f]+ 0x[0-9a-f]+ ram", r"^pci 0:00:")
    stop(p, "busy", "talker")


def stop(p, *names):
    """Stops VMs; after the last one there may be no sign any more."""
    for name in names:
        p.machine.send(b"stop %s\r" % name.encode())
        p.machine.wait(r"vm %s: stopped: by the prompt" % name, p.patience)


def registers(text):
    """What a dump says, but for how long ago anything was."""
    return re.sub(r"\d+ us ago", "", text)


def life(machine, run):
    """A VM on two CPUs that never exits by itself, beside one that has each of them too: paused, resumed, ended, begun."""
    machine.wait(r"pausee: 2 vCPUs look", run.case.timeout)
    p = Prompt(machine)
    p.ask("resume pausee", r"^vm pausee: no: it is not paused")
    p.ask_and_wait("pause pausee", r"^vm pausee: is being paused", r"info: vm pausee: paused")
    p.ask("pause pausee", r"^vm pausee: no: it is paused already")
    p.ask("vms", r"^pausee +paused +0-1 ", r"^busy +running +0 ")
    first = p.ask("dump pausee", r"^vCPU 0 on CPU 0: running, paused", r"^vCPU 1 on CPU 1: running, paused")
    time.sleep(3)
    second = p.ask("dump pausee", r"^vCPU 0 on CPU 0: running, paused", r"^vCPU 1 on CPU 1: running, paused")
    if registers(first) != registers(second):
        raise Failure("the paused VM goes on:\n%s\n%s" % (first, second))
    p.ask_and_wait("resume pausee", r"^vm pausee: goes on",
                   r"pausee\| pausee: told so, the clock went on, 2 of 2 stood still, timer goes")
    machine.wait(r"vm pausee: exit 0", PATIENCE)
    for command in ("pause", "resume", "stop"):
        p.ask(command + " pausee", r"^vm pausee: no: it has ended")
    p.ask("vms", r"^pausee +ended ")
    p.ask_and_wait("restart pausee", r"^vm pausee: is being restarted", r"pausee\| pausee: 2 vCPUs look")
    p.ask_and_wait("restart pausee", r"^vm pausee: is being restarted", r"pausee\| pausee: 2 vCPUs look")
    p.ask("vms", r"^pausee +running .* 2\r?$")
    p.ask("pause busy", r"^vm busy: is being paused")
    p.ask_and_wait("restart busy", r"^vm busy: is being restarted", r"vm busy: restart 1, \d+ frames")
    p.ask("pause busy", r"^vm busy: is being paused")
    p.ask("stop busy", r"vm busy: stopped: by the prompt")
    p.ask("stop busy", r"^vm busy: no: it (is just stopping|has ended)")
    p.ask("dump brief", r"^vCPU 0 on CPU 0: stopped")
    stop(p, "pausee")


def wrong(machine, run):
    """What is mistyped has an answer, lines can be edited, an answer can be cut short."""
    machine.wait(r"Ctrl-\] p to the prompt", run.case.timeout)
    p = Prompt(machine)
    p.ask("", r"^")
    p.ask("hepl", r"^'hepl' is not a command; help lists them")
    p.ask("vms busy", r"^vms takes no word; 'busy' is one too many")
    p.ask("pause", r"^pause needs the name of a VM; vms lists them")
    p.ask("pause busy now", r"^pause: one word too many: now")
    p.ask("timing", r"^timing needs 'on' or 'off'")
    for command in ("stat", "pause", "resume", "restart", "stop", "dump", "log"):
        p.ask(command + " Busy", r"^there is no VM 'Busy'; vms lists them")
    p.ask("x" * 200, r"^'x{79}' is not a command")
    p.ask("vmx\x08s", r"^VM +state")
    p.ask("stop busy\x15vms", r"^VM +state")
    p.ask("vms\x1b[A", r"^VM +state")
    p.ask("stop busy\x03", r"\^C")
    p.ask("vms", r"^busy +running")
    stop(p, "busy")


def steps(machine, run):
    """Whatever it does, no step takes more than 3,000 instructions: here a tick is one."""
    machine.wait(r"talker: line", run.case.timeout)
    p = Prompt(machine)
    for command in ("help", "vms", "cpus", "mem", "log", "log talker", "stat talker", "dump talker", "report",
                    "timing off", "timing on", "y" * 100 + "\x15", "y" * 100, "pause talker", "restart talker"):
        p.ask(command)
    answer = p.ask("cpus", r"the longest took \d+ ticks")
    longest = int(re.search(r"the longest took (\d+) ticks", answer).group(1))
    if longest > 3000:
        raise Failure("a step took %d instructions" % longest)
    stop(p, "talker", "busy")


def without(machine, run):
    """A configuration that does not speak of it has no prompt."""
    for _ in range(2):
        machine.wait(r"(one|two)\| talker: listens", run.case.timeout)
    machine.send(KEY + b"p" + KEY + b"n")
    machine.wait(r"\[console of one;", 30)
    machine.send(b".")
    machine.wait(r"vm one: exit 0", 30)
    machine.send(KEY + b"p" + KEY + b"n.")
    machine.wait(r"vm two: exit 0", 30)


CASES = [
    prompt("prompt-look", vm("spin", FOREVER, "busy"), vm("talker", "lines=3 echo", "talker"), script=look, code=bhrun.GUEST_STOPPED),
    prompt("prompt-life", vm("pausee", "cpus=2", "pausee", cpus="0,1"), vm("spin", FOREVER, "busy"),
           vm("hello", "", "brief"), cpus=2, script=life, code=bhrun.GUEST_STOPPED,
           quick=False),
    prompt("prompt-wrong", vm("spin", FOREVER, "busy"), script=wrong, code=bhrun.GUEST_STOPPED),
    prompt("prompt-steps", vm("talker", "lines=300 echo", "talker"), vm("spin", FOREVER, "busy"), icount=True,
           machines=("qemu-svm",), left_out={m: "QEMU counts what Bochs' clock only measures" for m in BEDS[1:]},
           script=steps, code=bhrun.GUEST_STOPPED),
    bare("prompt-none", vm("talker", "lines=1 echo", "one"), vm("talker", "lines=1 echo", "two"), script=without,
         machines=("qemu-svm",), left_out={m: "the keys are the same code there" for m in BEDS[1:]},
         expect=(r"vm one: exit 0", r"vm two: exit 0"), forbid=(r"console of the prompt", r"bulkhead>")),
]
