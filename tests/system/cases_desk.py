# SPDX-License-Identifier: BSD-2-Clause
"""What the boot log says of the machine is what bulkhead-check needs: it admits what was started, and refuses the rest."""

import os
import re
import subprocess
import textwrap

from harness import Case, Failure, TREE

BEDS = ("qemu-svm", "bochs-svm", "bochs-vmx")
CHECKER = os.path.join(TREE, "build/bulkhead-check")
CPUS = 2
MEMORY = 512  # MiB
GUEST = """
[vm %s]
cpus = %s
memory = 16M
kernel = hello
debug-exit = 0xf4
"""
SERVICE = """
[vm service]
role = service
cpus = all
memory = rest
kernel = hello
debug-exit = 0xf4
"""
CONFIG = ("[system]\npower = none\nrequire = nested-paging\n" + GUEST % ("one", "0") + "on-fault = restart\n"
          + GUEST % ("two", "0-1") + SERVICE)
VMS = ("one", "two", "service")


def checker(run, log, text, want, *words):
    """Runs bulkhead-check on a configuration and the log's machine; all words must be in what it says."""
    config = os.path.join(run.work, "desk.conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write(text)
    done = subprocess.run([CHECKER, config, "--machine", log], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, timeout=60)
    said = done.stdout.decode()
    if done.returncode != want:
        raise Failure("bulkhead-check ended with %d, not %d: %s" % (done.returncode, want, said))
    for word in words:
        if word not in said:
            raise Failure("bulkhead-check does not say '%s': %s" % (word, said))
    return said


def given(run, said):
    """What the desk promises each VM is what the log says it was given: as much, inside RAM, and nothing twice."""
    ram = [(int(base, 16), int(base, 16) + int(size, 16)) for base, size in
           re.findall(r"machine: memory (\w+) (\w+) ram\s*$", run.console, re.M)]
    extents = []
    for name in VMS:
        mine = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"vm %s: RAM (\w+)-(\w+)" % name, run.console)]
        promised = re.search(r"^  %s +(\d+) KiB$" % name, said, re.M)
        if not promised or sum(b - a for a, b in mine) >> 10 != int(promised.group(1)):
            raise Failure("VM %s was given %s, but promised %s" % (name, mine, promised and promised.group(0)))
        if not all(any(lo <= a and b <= hi for lo, hi in ram) for a, b in mine):
            raise Failure("VM %s was given what is no RAM: %s" % (name, mine))
        extents += mine
    extents.sort()
    if any(later[0] < earlier[1] for earlier, later in zip(extents, extents[1:])):
        raise Failure("memory was given twice: %s" % extents)


def read_here(run):
    """The machine's lines, read without the hypervisor's own code: do they fit to what the emulator was told?"""
    lines = re.findall(r"machine: (.*?)\s*$", run.console, re.M)
    cpus = [int(line.split()[1]) for line in lines if line.startswith("cpus ")]
    ram = [line.split()[1:3] for line in lines if line.startswith("memory ") and line.split()[3] == "ram"]
    total = sum(int(size, 16) for _, size in ram)
    functions = [line.split()[1] for line in lines if line.startswith("pci ")]
    modules = {line.split()[1]: int(line.split()[2]) for line in lines if line.startswith("module ")}
    if cpus != [CPUS]:
        raise Failure("the log's machine has %s CPUs" % cpus)
    if not (MEMORY - 8) << 20 <= total <= MEMORY << 20:
        raise Failure("the log's machine has %d bytes of RAM" % total)
    if "0:00:00.0" not in functions or len(set(functions)) != len(functions):
        raise Failure("the log's machine has the PCI functions %s" % functions)
    if modules.get("hello") != os.path.getsize(os.path.join(TREE, "build/guests/hello.elf")):
        raise Failure("the log's machine has the modules %s" % modules)


def check(run):
    """A log as somebody would save it: all of it."""
    read_here(run)
    log = os.path.join(run.work, "boot.log")
    with open(log, "wb") as f:
        f.write(run.result.console)
    given(run, checker(run, log, CONFIG, 0, "admitted", "CPU 1:", "one ", "two ", "0:00:00.0  service"))
    checker(run, log, CONFIG + GUEST % ("three", "2"), 1, "there is no CPU 2, this machine runs 2 (0 to 1)")
    checker(run, log, CONFIG.replace("16M", "900M"), 1, "too little memory: 921600 KiB are asked for")
    checker(run, log, CONFIG.replace("= hello", "= hallo"), 1, "the boot loader passed no module of this name")
    checker(run, log + ".not", CONFIG, 2, "cannot be opened")
    checker(run, CHECKER, CONFIG, 2)


PAGES = ("docs/configuration.md", "docs/first-guest.md", "README.md")
LEAST_EXAMPLES = 8


def page_read(name):
    with open(os.path.join(TREE, name), encoding="utf-8") as f:
        return f.read()


def documented(run):
    """Every configuration that a page shows is admitted, and every key that the parser knows is in the reference."""
    count = 0
    for name in PAGES:
        for block in re.findall(r"(?:^(?: {4}.*)?\n)+", page_read(name), re.M):
            text = textwrap.dedent(block).strip("\n")
            if not re.match(r"\[(system|vm .*)\]\s*$", text.split("\n", 1)[0]):
                continue
            path = os.path.join(run.work, "example.conf")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text + "\n")
            done = subprocess.run([CHECKER, path, "--final"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                                  timeout=60)
            if done.returncode:
                raise Failure("%s: this example is refused: %s\n%s" % (name, text, done.stdout.decode()))
            count += 1
    if count < LEAST_EXAMPLES:
        raise Failure("only %d examples were found" % count)
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", page_read(PAGES[0]), re.M))
    keys = set(re.findall(r"\[(?:SYS|VM)_\w+\] = \{\"([a-z-]+)\"", page_read("vm/config_keys.c")))
    if len(keys) < 20 or keys - rows:
        raise Failure("keys that the reference does not have: %s" % ", ".join(sorted(keys - rows)))


CASES = [
    Case("desk-documents", command=documented, left_out={m: "nothing is booted" for m in BEDS[1:]}),
    Case("desk", CONFIG, {"hello": "build/guests/hello.elf"}, machines=BEDS, cpus=CPUS, memory=MEMORY,
         append="debug=on", expect=tuple("vm %s: exit 0" % name for name in VMS), check=check, timeout=120),
]
