# SPDX-License-Identifier: BSD-2-Clause
"""What a row of the system tests' table means, and how one is run."""

import dataclasses
import glob
import importlib
import os
import re
import shutil
import sys
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TREE, "tools"))

import bhrun  # noqa: E402

BARE = "qemu-bare"  # a Linux case without Bulkhead: checks the case and the service guest themselves


@dataclasses.dataclass
class Case:
    """One row. It runs once on each machine of @machines and passes if the exit code is @code, all of
    @expect is on the console (regular expressions, in any order), and nothing of @forbid."""

    name: str
    config: str = ""  # the configuration's text; none at all if empty
    modules: dict = dataclasses.field(default_factory=dict)  # name: file below the tree
    machines: tuple = ("qemu-svm",)
    left_out: dict = dataclasses.field(default_factory=dict)  # machine: why it is not in @machines
    expected_failure: dict = dataclasses.field(default_factory=dict)  # machine: why it fails there
    quick: bool = True  # part of make test; else only of --all
    slow: tuple = ()  # machines where it is not quick
    skip: str = ""  # why it is not run at all now
    cpus: int = 1
    memory: int = 512  # MiB
    firmware: str = "bios"
    icount: bool = False
    hypervisor: str = ""  # file below the tree instead of build/bulkhead
    append: str = ""  # words on the hypervisor's command line
    qemu_args: tuple = ()  # {work} is the case's folder
    bochs: dict = dataclasses.field(default_factory=dict)  # bochs_* and bad_msrs of the Setup
    disk: int = 0  # MiB of an empty disk on AHCI (IDE on Bochs)
    reboot: bool = False  # the machine may reset and go on
    timeout: int = 120  # seconds on QEMU; Bochs is given BOCHS_PATIENCE times as much
    code: int = bhrun.PASS
    expect: tuple = ()
    forbid: tuple = ()
    words: dict = dataclasses.field(default_factory=dict)  # machine: {word: text} for @config there
    prepare: object = None  # called with the case's folder before the start; returns {word: text} for @config
    script: object = None  # called with the running machine and the Run; raises Failure
    check: object = None  # called with the finished Run; raises Failure
    command: object = None  # called with the Run in place of all that: a test of the tools; raises Failure
    direct: tuple = ()  # (kernel, initrd, command line), what BARE boots


BOCHS_PATIENCE = 4


class Failure(Exception):
    """A test failed, in one sentence."""


@dataclasses.dataclass
class Run:
    """One case on one machine."""

    case: Case
    machine: str
    status: str = ""  # pass, FAIL, skip
    reason: str = ""
    seconds: float = 0.0
    result: object = None
    work: str = ""
    words: dict = dataclasses.field(default_factory=dict)

    @property
    def name(self):
        return self.case.name + "@" + self.machine

    @property
    def console(self):
        """What the machine printed, as text."""
        return bhrun.printable(self.result.console) if self.result else ""


def cases():
    """The tables of all files cases_*.py beside this one, in the files' order."""
    table = []
    here = os.path.dirname(os.path.abspath(__file__))
    for path in sorted(glob.glob(os.path.join(here, "cases_*.py"))):
        table += importlib.import_module(os.path.basename(path)[:-3]).CASES
    names = [c.name for c in table]
    doubles = {n for n in names if names.count(n) > 1}
    if doubles:
        raise SystemExit("tests/system: two cases have the same name: " + ", ".join(sorted(doubles)))
    faults = [fault for case in table for fault in machine_faults(case)]
    if faults:
        raise SystemExit("tests/system: " + "\n".join(faults))
    return table


def machine_faults(case):
    """Each row runs on every machine, or says why it is left out of one."""
    for machine in bhrun.MACHINES:
        if machine not in case.machines and not case.left_out.get(machine):
            yield "%s: neither runs on %s nor says in left_out why not" % (case.name, machine)
        if machine in case.machines and machine in case.left_out:
            yield "%s: runs on %s, which left_out names" % (case.name, machine)


def fill(text, words):
    """Replaces {word} by its text, for the words that are known."""
    for word, value in words.items():
        text = text.replace("{%s}" % word, str(value))
    return text


def filled(value, words):
    """A value of a row: text with words, or a function of the words."""
    return value(words) if callable(value) else fill(value, words) if isinstance(value, str) else value


def setup_of(run):
    case, machine = run.case, run.machine
    bochs = machine.startswith("bochs")
    args = () if bochs else tuple(fill(a, run.words) for a in case.qemu_args)
    direct = ()
    if machine == BARE:
        kernel, initrd, words = case.direct
        direct = (os.path.join(TREE, kernel), os.path.join(TREE, initrd), fill(words, run.words))
    disk = ""
    if case.disk:
        disk = os.path.join(run.work, "disk.img")
        with open(disk, "wb") as f:
            f.truncate(case.disk << 20)
    return bhrun.Setup("qemu-svm" if machine == BARE else machine, case.cpus, case.memory, case.firmware,
                       case.icount, args, disk=disk, reboot=case.reboot, direct=direct,
                       **({k: filled(v, run.words) for k, v in case.bochs.items()} if bochs else {}))


def make_image(run):
    """Writes the configuration and the ISO of a run; returns the ISO's name."""
    config = os.path.join(run.work, "config") if run.case.config else None
    if config:
        with open(config, "w", encoding="utf-8") as f:
            f.write(fill(run.case.config, run.words))
    iso = os.path.join(run.work, "image.iso")
    modules = [(n, fill(p, run.words)) for n, p in run.case.modules.items()]
    bhrun.make_iso(iso, config, [(n, os.path.join(TREE, p)) for n, p in modules], 0, run.case.append,
                   os.path.join(TREE, run.case.hypervisor) if run.case.hypervisor else None)
    return iso


def judge(run):
    """Raises Failure unless the finished run is as its row says."""
    case, result = run.case, run.result
    wanted = bhrun.PASS if run.machine == BARE else case.code
    if result.code != wanted:
        raise Failure("%s (exit code %d, expected %d)" % (result.reason, result.code, wanted))
    for pattern in case.forbid:
        match = re.search(pattern, run.console, re.M)
        if match:
            raise Failure("the console says: " + match.group(0))
    for pattern in case.expect:
        if run.machine == BARE and pattern.startswith("bulkhead:"):
            continue
        if not re.search(pattern, run.console, re.M):
            raise Failure("not on the console: " + pattern)
    if case.check:
        case.check(run)


def perform(run):
    """Runs one case on one machine, in a folder of its own; raises Failure or an error of bhrun."""
    case = run.case
    run.words["work"] = run.work
    if case.command:
        case.command(run)
        return
    run.words.update(case.words.get(run.machine, {}))
    if case.prepare:
        run.words.update(case.prepare(run.work) or {})
    iso = None if run.machine == BARE else make_image(run)
    limit = case.timeout * (BOCHS_PATIENCE if run.machine.startswith("bochs") else 1)
    with bhrun.Machine(iso, setup_of(run), run.work) as machine:
        problem = None
        if case.script:
            try:
                case.script(machine, run)
            except (Failure, bhrun.WaitError, OSError) as e:
                problem = e
        # After a script's failure only what is still on its way is worth waiting for.
        run.result = machine.finish(limit if problem is None else 0.5)
    if problem is not None and run.result.code in (bhrun.PASS, bhrun.TIMEOUT, case.code):
        raise Failure(str(problem))
    judge(run)


def execute(case, machine):
    """Runs one case on one machine and returns the Run with its status."""
    run = Run(case, machine)
    if case.skip:
        run.status, run.reason = "skip", case.skip
        return run
    runs = os.path.join(TREE, "build", "system")
    os.makedirs(runs, exist_ok=True)
    run.work = tempfile.mkdtemp(prefix=re.sub(r"\W", "-", run.name) + "-", dir=runs)
    begin = time.monotonic()
    try:
        perform(run)
        run.status = "pass"
    except (Failure, bhrun.WaitError, bhrun.RunError, bhrun.IsoError, OSError) as e:
        run.status, run.reason = "FAIL", str(e)
    finally:
        run.seconds = time.monotonic() - begin
        if run.result:
            run.seconds = run.result.seconds
            with open(os.path.join(runs, run.name + ".console"), "wb") as f:
                f.write(run.result.console)
        shutil.rmtree(run.work, ignore_errors=True)
    why = case.expected_failure.get(machine)
    if why:
        passed = run.status == "pass"
        run.status = "FAIL" if passed else "pass"
        run.reason = ("passes, though expected to fail: " if passed else "expected failure: ") + why
    return run
