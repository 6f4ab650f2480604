# SPDX-License-Identifier: BSD-2-Clause
"""What the boot log says of the machine is what bulkhead-check needs: it admits what was started, and refuses the rest."""

import os
import re
import subprocess

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
CONFIG = "[system]\npower = none\nrequire = nested-paging\n" + GUEST % ("one", "0") + GUEST % ("two", "0-1")


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
    checker(run, log, CONFIG, 0, "admitted", "CPU 1:", "one ", "two ")
    checker(run, log, CONFIG + GUEST % ("three", "2"), 1, "there is no CPU 2, this machine runs 2 (0 to 1)")
    checker(run, log, CONFIG.replace("16M", "900M"), 1, "too little memory: 921600 KiB are asked for")
    checker(run, log, CONFIG.replace("= hello", "= hallo"), 1, "the boot loader passed no module of this name")
    checker(run, log + ".not", CONFIG, 2, "cannot be opened")
    checker(run, CHECKER, CONFIG, 2)


CASES = [
    Case("desk", CONFIG, {"hello": "build/guests/hello.elf"}, machines=BEDS, cpus=CPUS, memory=MEMORY,
         append="debug=on", expect=(r"vm one: exit 0", r"vm two: exit 0"), check=check, timeout=120),
]
