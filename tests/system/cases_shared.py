# SPDX-License-Identifier: BSD-2-Clause
"""Regions of memory shared by several VMs, and their doorbells."""

from cases_bare import bare, section


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


CASES = [
    pingpong("doorbell", 1),
    pingpong("doorbell", 2),
    pingpong("polled", 2),
    pingpong("polled", 1, quick=False),
]
