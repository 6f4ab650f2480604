# SPDX-License-Identifier: BSD-2-Clause
"""Every kind of image that a VM can be started from, made of one bare guest; and images that must be refused."""

import hashlib
import os
import re
import struct
import subprocess

from harness import Case, Failure, TREE

BEDS = ("qemu-svm", "bochs-svm", "bochs-vmx")
GUEST = os.path.join(TREE, "build/guests/loaded.elf")
MB1, MB2 = 0x1badb002, 0xe85250d6
MODULE = bytes(range(256)) * 40


def sum_of(data):
    """As guests/bare/loaded.c has it."""
    total = 0
    for byte in data:
        total = (total * 31 + byte) & 0xffffffff
    return total


def place(data, *words):
    """Where these 32-bit words stand in the image, once."""
    wanted = struct.pack("<%dI" % len(words), *words)
    at = data.find(wanted)
    if at < 0 or data.find(wanted, at + 1) >= 0:
        raise Failure("the guest has no header %s, or several" % wanted.hex())
    return at


def without_pvh(data):
    """The same with a note that is not PVH's."""
    at = data.index(struct.pack("<III4s", 4, 4, 18, b"Xen\0"))
    return data[:at + 8] + struct.pack("<I", 99) + data[at + 12:]


def without_second(data):
    at = place(data, MB2, 0)
    return data[:at] + bytes(4) + data[at + 4:]


def first_header(data, flags, addresses=()):
    """The first protocol's header with other flags, and what follows it."""
    at = place(data, MB1)
    head = struct.pack("<III", MB1, flags, -(MB1 + flags) & 0xffffffff) + struct.pack("<%dI" % len(addresses), *addresses)
    return data[:at] + head + data[at + len(head):]


def memory_image(data):
    """An ELF64 file as the bytes that it has in memory: their address, and where its memory ends."""
    entry, phoff = struct.unpack_from("<QQ", data, 24)
    count = struct.unpack_from("<H", data, 56)[0]
    parts = []
    for i in range(count):
        kind, _, off, _, pa, filesz, memsz, _ = struct.unpack_from("<IIQQQQQQ", data, phoff + 56 * i)
        if kind == 1:
            parts.append((pa, data[off:off + filesz], memsz))
    base = min(p[0] for p in parts)
    image = bytearray(max(p[0] + len(p[1]) for p in parts) - base)
    for pa, content, _ in parts:
        image[pa - base:pa - base + len(content)] = content
    return bytes(image), base, max(p[0] + p[2] for p in parts), entry


def without_elf(data):
    """An image that says itself where it goes, as a.out kernels do."""
    image, base, end, entry = memory_image(data)
    header = base + place(image, MB1)
    return first_header(image, 0x10003, (header, base, base + len(image), end, entry))


def write(work, name, data):
    with open(os.path.join(work, name), "wb") as f:
        f.write(data)


def flat(work, mode, at):
    subprocess.run(["nasm", "-f", "bin", "-D", "MODE=%d" % mode, "-D", "ORG=%d" % at, "-o",
                    os.path.join(work, "flat%d" % mode), os.path.join(TREE, "tests/system/flat.asm")], check=True)


def prepare(work):
    """Writes every image into the case's folder."""
    with open(GUEST, "rb") as f:
        elf = f.read()
    second, first = without_pvh(elf), without_second(without_pvh(elf))
    write(work, "pvh", elf)
    write(work, "second", second)
    write(work, "first", first)
    write(work, "noflags", first_header(first, 0))
    write(work, "aout", without_elf(first))
    subprocess.run(["objcopy", "-I", "elf64-x86-64", "-O", "elf32-i386", os.path.join(work, "first"),
                    os.path.join(work, "narrow")], check=True)
    write(work, "env", b"a=b\n")
    write(work, "data", MODULE)
    flat(work, 16, 0x7c00)
    flat(work, 32, 0x200000)
    flat(work, 64, 0x1000)
    write(work, "cut", elf[:0x3000])
    write(work, "script", b"#!/bin/sh\nexit 0\n")
    write(work, "video", first_header(first, 4))
    write(work, "over", without_elf(first)[:-1])
    return {}


def vm(name, kernel, memory="8M", **keys):
    keys = {"cpus": "0", "memory": memory, "kernel": kernel, "debug-exit": "0xf4", **keys}
    return "[vm %s]\n" % name + "".join("%s = %s\n" % pair for pair in keys.items())


IMAGES = ("pvh", "second", "first", "noflags", "aout", "narrow", "env", "data", "flat16", "flat32", "flat64", "cut",
          "script", "video", "over")
FILES = {name: "{work}/" + name for name in IMAGES}
MULTI = {"second": "multiboot2", "first": "multiboot", "noflags": "multiboot", "aout": "multiboot",
         "narrow": "multiboot"}

GOOD = "[system]\npower = none\n\n" + "\n".join(
    [vm("pvh", "pvh", cmdline="a b", modules="env, data")]
    + [vm(name, name, cmdline="a b", modules="env, data") for name in MULTI]
    + [vm("real", "flat16", "1M", flat="0x7c00 real"),
       vm("protected", "flat32", flat="0x200000 protected", cmdline="words for 32"),
       vm("long", "flat64", "1M", flat="0x1000 long", cmdline="words for 64")])

GOOD_EXPECT = [r"pvh\| loaded by PVH, name '', words 'a b'"]
for vm_name, protocol in MULTI.items():
    GOOD_EXPECT += [r"%s\| loaded by %s, name '%s', words 'a b'" % (vm_name, protocol, vm_name),
                    r"%s\| loaded: 7808 KiB of RAM, lower 640, upper 7168, 2 modules" % vm_name]
for vm_name in ("pvh", *MULTI):
    GOOD_EXPECT += [r"%s\| loaded: module 'env', 4 bytes, sum %x" % (vm_name, sum_of(b"a=b\n")),
                    r"%s\| loaded: module 'data', %d bytes, sum %x" % (vm_name, len(MODULE), sum_of(MODULE))]
GOOD_EXPECT += [r"real\| flat binary in 16 bits", r"protected\| flat binary in 32 bits: words for 32",
                r"long\| flat binary in 64 bits: words for 64"]
GOOD_EXPECT += [r"vm %s: exit 0" % name for name in ("pvh", *MULTI, "real", "protected", "long")]

# Every image that is bad is said to be, with the reason, and the VM beside them runs.
BAD = "[system]\npower = none\n\n" + "\n".join([
    vm("cut", "cut"), vm("script", "script"), vm("video", "video"), vm("over", "over"),
    vm("top", "flat32", "2M", flat="0x1ff000 protected"), vm("hole", "flat16", "2M", flat="0x9f000 real"),
    vm("raw", "flat64"), vm("moduled", "flat64", flat="0x100000 long", modules="env"),
    vm("good", "first", cmdline="still here")])
BAD_EXPECT = (
    r"vm cut: not started: the image is truncated",
    r"vm script: not started: the image is neither",
    r"vm video: not started: the multiboot header asks for a video mode",
    r"vm over: not started: the image is truncated",
    r"vm top: not started: the flat binary \(0x\w+ bytes at 0x1ff000\) is not in the guest's memory",
    r"vm hole: not started: the flat binary \(0x\w+ bytes at 0x9f000\) is not in the guest's memory",
    r"vm raw: not started: the image is neither",
    r"vm moduled: not started: a flat binary takes neither an initrd nor modules",
    r"good\| loaded by multiboot, name 'first', words 'still here'",
    r"vm good: exit 0",
)

# --------------------------------------------------------------------- every kind of image, again and again


def pinned(work):
    """The images' sums, for the configuration."""
    prepare(work)
    sums = {}
    for name in IMAGES:
        with open(os.path.join(work, name), "rb") as f:
            sums["sha_" + name] = hashlib.sha256(f.read()).hexdigest()
    return sums


PINNED = re.sub(r"^kernel = (\S+)$", r"kernel = \1 sha256:{sha_\1}\non-exit = restart", GOOD, flags=re.M)
PINNED = PINNED.replace("modules = env, data", "modules = env sha256:{sha_env}, data sha256:{sha_data}")
VMS = re.findall(r"^\[vm (\S+)\]", PINNED, re.M)
AGAIN = 2


def again(run):
    """Each VM has lived several times, with as many frames each time, and said the same each time."""
    for name in VMS:
        said = re.findall(r"vm %s: restart \d+, (\d+) frames" % name, run.console)
        if len(said) < AGAIN or len(set(said)) != 1:
            raise Failure("vm %s: restarts with frames %s" % (name, " ".join(said)))
    for line in GOOD_EXPECT:
        if "exit 0" not in line and len(re.findall(line, run.console)) <= AGAIN:
            raise Failure("not said often enough: " + line)


def reborn(name, role, memory, **rest):
    """A row: all of them end and live again until a witness, isolated or with the machine's devices, has had its time."""
    end = "[vm witness]\nrole = %s\ncpus = 0\nmemory = %s\nkernel = witness\ncmdline = seconds={seconds}\ndebug-exit = 0xf4\non-exit = poweroff\n"
    return Case(name, PINNED + "\n" + end % (role, memory), dict(FILES, witness="build/guests/witness.elf"), machines=BEDS,
                words={m: {"seconds": 12 if m == "qemu-svm" else 30} for m in BEDS}, prepare=pinned, check=again,
                expect=(r"witness: [1-9]\d* rounds, 0 wrong sums, 0 strange events",), timeout=120, slow=BEDS[1:], **rest)


CASES = [
    reborn("load-reborn", "isolated", "16M"),
    reborn("load-reborn-beside", "service", "rest", quick=False),
    Case("load", GOOD, FILES, machines=BEDS, prepare=prepare, expect=tuple(GOOD_EXPECT), timeout=120),
    Case("load-bad", BAD, FILES, machines=BEDS, prepare=prepare, expect=BAD_EXPECT, timeout=120),
]
