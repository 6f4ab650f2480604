# SPDX-License-Identifier: BSD-2-Clause
"""Regions of memory shared by several VMs, and their doorbells."""

from cases_bare import BEDS, bare, section


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


CASES = [
    pingpong("doorbell", 1),
    pingpong("doorbell", 2),
    pingpong("polled", 2),
    pingpong("polled", 1, quick=False),
    drift("drift", ("qemu-svm",), {m: "drift-bochs runs there" for m in BEDS[1:]}, icount=True),
    drift("drift-bochs", BEDS[1:], {"qemu-svm": "drift runs there, in counted time"}),
]
