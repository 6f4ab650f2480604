# SPDX-License-Identifier: BSD-2-Clause
"""How VMs end: one line in the log for each, `vm NAME: exit VALUE` or `vm NAME: stopped: REASON` with where and why."""

import re

from cases_bare import BEDS, bare, section
from cases_power import NO_SHUTDOWN
from harness import Failure, bhrun

WHERE = r"; vCPU %d, RIP 0x[0-9a-f]+, exit 0x[0-9a-f]+, qualification (?:0x)?[0-9a-f]+ (?:0x)?[0-9a-f]+"
NOWHERE = (r"stopped: code at guest-physical 0x90000000, where it has no memory; vCPU %d, RIP 0x90000000, exit 0x[0-9a-f]+,"
           r" qualification 0x[0-9a-f]+ 0x[0-9a-f]+")
LAST = 6


def vm(name, cmdline, cpus="0", **keys):
    return section("ends", cmdline, name, role="isolated", cpus=cpus, memory="4M", **keys)


def ends(**wanted):
    """A check: each VM has one line about its end, and that is all of it."""
    def check(run):
        for name, form in wanted.items():
            lines = re.findall(r"^bulkhead: \[[ .0-9]+\] \w+: vm %s: ((?:exit|stopped).*?)\r?$" % name, run.console, re.M)
            if len(lines) != 1 or not re.fullmatch(form, lines[0]):
                raise Failure("VM %s ended with %s, not once with '%s'" % (name, lines, form))
    return check


def at_last(run):
    """The line is among the machine's last, and the hypervisor's own is the very last."""
    lines = [line for line in run.console.splitlines() if line.startswith("bulkhead: ")][-LAST:]
    if not any("vm last: exit 7" in line for line in lines) or not lines[-1].rstrip().endswith("power off"):
        raise Failure("the machine's last lines are: %s" % lines)


CASES = [
    bare("ends", vm("zero", "how=exit"), vm("most", "how=exit value=255"), vm("second", "how=exit value=9 on=1", "0,1"),
         vm("lost", "how=nowhere"), vm("other", "how=nowhere on=1", "1,0"), vm("reset", "how=reset"), cpus=2,
         code=bhrun.GUEST_STOPPED, timeout=60,
         check=ends(zero="exit 0", most="exit 255", second="exit 9", lost=NOWHERE % 0, other=NOWHERE % 1,
                    reset="stopped: it reset itself.*" + WHERE % 0)),
    bare("ends-triple", vm("shut", "how=triple"), vm("shuttoo", "how=triple on=1", "0,0"), code=bhrun.GUEST_STOPPED,
         machines=tuple(m for m in BEDS if m not in NO_SHUTDOWN), left_out=NO_SHUTDOWN,
         check=ends(shut="stopped: triple fault" + WHERE % 0, shuttoo="stopped: triple fault" + WHERE % 1)),
    bare("ends-poweroff", vm("last", "how=exit value=7", **{"on-exit": "poweroff"}),
         code=bhrun.GUEST_EXIT, check=at_last),
]
