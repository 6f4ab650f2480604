# SPDX-License-Identifier: BSD-2-Clause
"""Regions of memory shared by several VMs, and their doorbells."""

import dataclasses

from cases_bare import BEDS, bare, section
from cases_hostile import undisturbed, witness
from cases_isolated import guest, passed, row
from harness import bhrun


def member(kernel, name, cmdline, share, cpus="0", role="isolated", memory="16M", **keys):
    """A section for a bare guest that names the regions @share."""
    return section(kernel, cmdline, name, role=role, cpus=cpus, memory=memory, share=share, **keys)


def pingpong(how, cpus, **rest):
    """A row: two VMs fill a region in turn, and each checks what the other has written."""
    other = str(cpus - 1)
    said = tuple(r"^%s\| pingpong: 200 rounds, 0 wrong words" % n for n in ("ping", "pong"))
    return bare("pingpong-%s-%d" % (how, cpus),
                member("pingpong", "ping", "role=ping how=%s rounds=200" % how, "ball 64K rw"),
                member("pingpong", "pong", "role=pong how=%s rounds=200" % how, "ball 64K rw", other),
                cpus=cpus, expect=said + (r"vm ping: exit 0", r"vm pong: exit 0"), **rest)


def drift(name, machines, left_out, **rest):
    """A row: KVM's clock in the service guest and in two others; a minute later they still say the same."""
    return bare(name, member("drift", "service", "peers=3 seconds=60", "line 4K rw", role="service", memory="rest"),
                member("drift", "one", "", "line 4K rw"), member("drift", "two", "", "line 4K rw"), timeout=120,
                machines=machines, left_out=left_out,
                expect=(r"drift: peer 1: -?\d+ ns in 60 s", r"drift: peer 2: -?\d+ ns in 60 s", r"drift: 3 peers, 0 wrong"), **rest)


# Names of the device's cases: guests/bare/shared.c.
MINE = "wide 4M rw, read 64K ro, bell 4K none, page 4K rw"
THEIRS = "read 64K rw, bell 4K rw, wide 4M none, page 4K rw"


def shared(name, words="", cpus="0", share=MINE, **keys):
    return member("shared", name, words, share, cpus, **keys)


def keeper(cpus="1"):
    return shared("keeper", "role=keeper", cpus, THEIRS)


def stopped(way, reason):
    """A row: a VM oversteps its rights and is stopped; the other one finds its region as it left it."""
    return bare("shared-" + way, shared("culprit", "role=" + way), shared("tester", "only=read-only", "1"), keeper(), cpus=2,
                code=bhrun.GUEST_STOPPED, expect=(r"vm culprit: stopped: %s; vCPU 0, RIP 0x" % reason,
                                                  r"^tester\| cases: 1 passed, 0 failed", r"vm tester: exit 0", r"vm keeper: exit 0"))


def flood(cpus, **rest):
    """A row: a VM rings without end, one whose doorbells nobody masks and one that does not listen; a third VM on the
    CPU of these finishes its work, and nothing is waiting for more than one interrupt a vector."""
    return bare("shared-flood", shared("flood", "role=flood"), shared("listener", "role=listen ms=4000", cpus, THEIRS),
                shared("deaf", "role=keeper", cpus, THEIRS), witness("same", cpus, 3), cpus=int(cpus) + 1,
                expect=(r"^flood\| shared: [1-9]\d* rings", r"^listener\| shared: [1-9]\d* doorbells",
                        *(r"vm %s: exit 0" % n for n in ("flood", "listener", "deaf"))) + undisturbed("same"), **rest)


def fuzz(seed, rounds, **rest):
    """A row: two VMs treat their functions at random and ring each other; a third shares a CPU, and a region, with them."""
    words = "role=fuzz rounds=%d seed=%d" % (rounds, seed)
    return bare("shared-fuzz-%d" % seed, shared("one", words), shared("two", words + "7", "1", THEIRS), witness("same", "0", 3),
                witness("other", "1", 3), cpus=2,
                expect=(r"vm one: exit 0", r"vm two: exit 0") + undisturbed("same", "other"), **rest)


TALK = "share = talk 4K rw\n"


def linux(name, slot, role="isolated"):
    """A row: unmodified Debian, isolated or as the service guest, exchanges words and doorbells with a bare guest."""
    words = "bhmodules=none bhslot=%s bhpeer=0" % slot
    vm, memory = ("penguin", "256M") if role == "isolated" else ("service", "rest")
    sections = guest(vm, "boot,shared", words + " bhcpus=1", memory=memory, role=role) + TALK + "\n" + \
        shared("answer", "", "1", "talk 4K rw").replace("kernel = shared", "kernel = answer")
    case = row("shared-" + name, sections, passed(vm, "boot,shared", raw=role != "isolated"), cpus=2, memory=768, timeout=240)
    return dataclasses.replace(case, modules={**case.modules, "answer": "build/guests/answer.elf"},
                               expect=case.expect + (r"^answer\| answer: 3 doorbells answered", r"vm answer: exit 0"))


CASES = [
    pingpong("doorbell", 1),
    pingpong("doorbell", 2),
    pingpong("polled", 2),
    pingpong("polled", 1, quick=False),
    drift("drift", ("qemu-svm",), {m: "drift-bochs runs there" for m in BEDS[1:]}, icount=True),
    drift("drift-bochs", BEDS[1:], {"qemu-svm": "drift runs there, in counted time"}),
    bare("shared", shared("tester"), keeper(), cpus=2,
         expect=(r"^tester\| cases: 11 passed, 0 failed", r"vm tester: exit 0", r"vm keeper: exit 0")),
    bare("shared-service", shared("service", "service=1 skip=wire", memory="rest", role="service"), keeper(), cpus=2,
         expect=(r"^cases: 10 passed, 0 failed", r"vm service: exit 0", r"vm keeper: exit 0")),
    stopped("write-ro", "it wrote to the shared region 'read', which it may only read"),
    stopped("run", "it ran code in the shared region 'wide', which it may read and write"),
    linux("linux", "01.0"),
    linux("debian", "1e.0", role="service"),
    flood("1"),
    fuzz(1, 20000),
    fuzz(2, 300000, quick=False, timeout=300),
]
