# SPDX-License-Identifier: BSD-2-Clause
"""The service guest's kernel warns of nothing that it does not warn of on the bare emulated machine."""

import os
import re

from cases_isolated import ALLOWED
from cases_linux import INITRD, VMLINUX, linux
from harness import BARE, Failure, Run, bhrun, setup_of

NOT_QEMU = {m: "the bare machine that it is compared with is QEMU's" for m in ("bochs-svm", "bochs-vmx")}


def warnings(console):
    """What /tests/warnings said and is not on the list, without the numbers that differ from boot to boot."""
    lines = (line for line in re.findall(r"WARNING (.*?)\r?$", console, re.M) if not any(re.search(p, line) for p, _ in ALLOWED))
    return {re.sub(r"\b(0x)?[0-9a-f]*[0-9][0-9a-f]*\b", "N", line) for line in lines}


def compare(run):
    """Boots the same kernel with the same words on the machine itself."""
    work = os.path.join(run.work, "bare")
    os.makedirs(work)
    bare = Run(run.case, BARE, work=work)
    with bhrun.Machine(None, setup_of(bare), work) as machine:
        bare.result = machine.finish(run.case.timeout)
    if not re.search(r"BHTEST warnings: pass", bare.console):
        raise Failure("the bare machine did not come to its end")
    more = sorted(warnings(run.console) - warnings(bare.console))
    if more:
        raise Failure("only the service guest's kernel warns: " + "; ".join(more))


def row(name, cpus, kernel=VMLINUX, **rest):
    case = linux("dmesg-" + name, "boot,warnings", "bhcpus=%d" % cpus, kernel=kernel, cpus=cpus, check=compare,
                 expect=(r"^BHTEST boot: pass", r"^BHTEST warnings: pass"), left_out=NOT_QEMU, **rest)
    case.direct = (kernel, INITRD, case.direct[2])
    return case


CASES = [
    row("1", 1),
    row("4", 4, quick=False),
    row("rt", 2, "build/service/vmlinux-rt", quick=False),
    row("cloud", 2, "build/service/vmlinuz-cloud", quick=False),
]
