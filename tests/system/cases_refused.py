# SPDX-License-Identifier: BSD-2-Clause
"""Configurations that the machine itself refuses: every conflict is said, nothing starts, and the desk says the same."""

import os
import re
import subprocess

from cases_bare import BEDS
from cases_desk import CHECKER
from harness import Case, Failure, bhrun

HELLO = {"hello": "build/guests/hello-c.elf"}
CONFIG_MAX = 1 << 20
CPUS, MEMORY = 2, 512
WRONG = "00" * 32


def vm(name, extra="", cpus="0", memory="16M", kernel="hello"):
    return "[vm %s]\ncpus = %s\nmemory = %s\nkernel = %s\n%s" % (name, cpus, memory, kernel, extra)


A = vm("a")
SERVICE = "[vm %s]\nrole = service\ncpus = 0\nmemory = rest\nkernel = hello\n"

# Whatever can be claimed twice is.
EVERYTHING = ("[system]\nframe = 10ms\npower = nobody\nreserve = 16M\n"
              + vm("a", "window = 5ms at 0ms\n", memory="900M")
              + vm("a", "window = 5ms at 4ms, 5ms at 8ms\n", memory="900M")
              + SERVICE % "service" + SERVICE % "second"
              + vm("d", "device = pci 00:1e.7, pci 00:1e.7\nshare = pit 4K rw, pit 4K rw\n", cpus="7", kernel="hallo")
              + vm("e", "share = pit 8K ro\n", kernel="hello sha256:" + WRONG))
EVERYTHING_SAID = (
    "3:9: there is no VM of this name: \"nobody\"",
    "10:5: a VM of this name is already in line 5: \"a\"",
    "14:22: this window ends outside of the frame of 10000 us",
    "14:10: this window overlaps one of VM 'a' \\(line 9, column 10\\) on CPU 0",
    "21:8: there can be only one service guest",
    "26:8: there is no CPU 7, this machine runs 2 \\(0 to 1\\): \"d\"",
    "28:10: the boot loader passed no module of this name: \"hallo\"",
    "this module's SHA-256 is not the one given here: \"hello\"",
    "devices need an IOMMU, which this machine has not: \"d\"",
    "there is no PCI function 0:0:1e.7",
    "this device is already VM 'd's",
    "this VM names the region 'pit' twice",
    "the region 'pit' has 4096 bytes in line",
    "too little memory: 921600 KiB are asked for",
)


def sentences(text, pattern):
    """What is refused, with line and column, in order."""
    return re.findall(pattern, text, re.M)


def same_at_a_desk(run):
    """bulkhead-check on the log's machine refuses the same text with the same words."""
    log, config = os.path.join(run.work, "boot.log"), os.path.join(run.work, "config")
    with open(log, "wb") as f:
        f.write(run.result.console)
    done = subprocess.run([CHECKER, config, "--machine", log, "--module", "hello=" + HELLO["hello"]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=60)
    here = sentences(run.console, r"refused: config:((?:\d+:\d+:)? .*?)\s*$")
    desk = sentences(done.stdout.decode(errors="replace"), r"^\S*/config:((?:\d+:\d+:)? .*?)\s*$")
    if done.returncode != 1 or len(here) < 10 or here != desk:
        raise Failure("the machine says %s, the desk (exit code %d) %s" % (here, done.returncode, desk))


def refused(name, config, *said, **rest):
    """A row: on every bed, refused with every one of @said (regular expressions). On Bochs make test has a few of them."""
    rest.setdefault("machines", BEDS)
    rest.setdefault("slow", () if name in ("everything", "nul", "two-services") else rest["machines"][1:])
    return Case("refused-" + name, config, rest.pop("modules", HELLO), code=bhrun.REFUSED, forbid=(r"vm \S+: \w+, \d vCPU",),
                expect=tuple(r"bulkhead: .* refused: config:.*" + s for s in said) + (rest.pop("end", r"refused: nothing is started"),),
                timeout=60, cpus=CPUS, memory=MEMORY, **rest)


def empty(work):
    with open(os.path.join(work, "empty"), "wb"):
        pass


CASES = [
    refused("everything", EVERYTHING, *EVERYTHING_SAID, append="debug=on", check=same_at_a_desk),
    refused("unknown-key", A + "kernal = hello\n", "5:1: unknown key in this section: \"kernal\""),
    refused("duplicate", A + "memory = 8M\n", "5:1: this key is already in line 3: \"memory\""),
    refused("overflow", vm("a", memory="16777216T"), "3:10: this size does not fit into 64 bits: \"16777216T\""),
    refused("module", vm("a", kernel="hallo"), "4:10: the boot loader passed no module of this name: \"hallo\""),
    refused("hash", vm("a", kernel="hello sha256:" + WRONG), "4:10: this module's SHA-256 is not the one given here: \"hello\""),
    refused("cpu", vm("a", cpus="0-2"), "2:8: there is no CPU 2, this machine runs 2 \\(0 to 1\\): \"a\""),
    refused("65-vms", "".join(vm("v%d" % n, memory="4M") for n in range(65)), "257:5: more than 64 VMs: \"v64\""),
    refused("empty", "", " there is no VM: a \\[vm NAME\\] section is needed", modules={**HELLO, "config": "{work}/empty"},
            prepare=empty),
    refused("nul", A + "cmdline = a\0b\n", "5:12: a control character \\(code 0\\)"),
    refused("long-line", A + "cmdline = " + "x" * (CONFIG_MAX - len(A) - 12) + "\n", "5:11: .*2047"),
    refused("too-large", A + "#" * CONFIG_MAX, machines=BEDS[:1], end=r"refused: the module \"config\" is larger than 1 MiB",
            left_out={m: "said before the processor is looked at" for m in BEDS[1:]}),
    refused("two-services", SERVICE % "service" + SERVICE % "second", "7:8: there can be only one service guest: \"second\""),
]
