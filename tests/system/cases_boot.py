# SPDX-License-Identifier: BSD-2-Clause
"""Starting: machines and configurations that are refused, each with one sentence on the serial port and the screen."""

import os
import re
import struct
import time

import gdbstub
from harness import TREE, Case, Failure, bhrun

HELLO = {"hello": "build/guests/hello.elf"}

SYSTEM = """\
[system]
power = none
{system}

[vm hello]
role = isolated
cpus = 0
memory = 16M
kernel = hello
debug-exit = 0xf4
{vm}
"""

NO_MONITOR = {m: "Bochs has no monitor to read the screen with" for m in bhrun.MACHINES if m != "qemu-svm"}

TEXT_MEMORY, TEXT_COLUMNS, TEXT_ROWS = 0xb8000, 80, 25


def text_screen(machine):
    """What stands on the text screen, lines joined: the hypervisor's lines wrap at the screen's edge."""
    cells = machine.memory(TEXT_MEMORY, TEXT_COLUMNS * TEXT_ROWS * 2)
    return cells[::2].replace(b"\0", b" ").decode("latin-1")


def framebuffer_shows_text(machine):
    """Are there letters, but no picture: some light pixels on a dark ground?"""
    width, height, pixels = machine.screen()
    light = sum(value > 96 for value in pixels) / 3
    return 500 < light < width * height / 4


def says(sentence, reboots=False, firmware="bios"):
    """A script: @sentence is refused with on both consoles, once; then the machine stands still, or resets."""
    def script(machine, run):
        begin = machine.wait(r"refused: .*" + re.escape(sentence), run.case.timeout)
        said = time.monotonic()
        time.sleep(0.5)
        if firmware == "uefi":
            if not framebuffer_shows_text(machine):
                raise Failure("the sentence is not on the framebuffer")
        elif sentence not in text_screen(machine):
            raise Failure("the sentence is not on the text screen")
        count = bhrun.printable(bytes(machine.console)).count(sentence)
        if count != 1:
            raise Failure("the sentence is said %d times (%r)" % (count, begin.group(0)))
        if not reboots:
            stands_still(machine)
            return
        while machine.alive():
            if time.monotonic() > said + 30:
                raise Failure("the machine does not reset")
            time.sleep(0.1)
        if time.monotonic() < said + 1.5:
            raise Failure("the machine resets before its time")
    return script


def stands_still(machine):
    """All CPUs halt, with interrupts off."""
    states = []
    for cpu in machine.qmp("query-cpus-fast"):
        machine.hmp("cpu %d" % cpu["cpu-index"])
        text = machine.hmp("info registers")
        flags = int(re.search(r"RFL=([0-9a-f]+)|EFL=([0-9a-f]+)", text).group(0)[4:], 16)
        states.append("HLT=1" in text and not flags & 0x200)
    if not all(states):
        raise Failure("not all CPUs stand still: %s" % states)


def refusal(name, sentence, system="", vm="", modules=HELLO, reboots=False, **rest):
    """A row: refused with @sentence."""
    rest.setdefault("timeout", 60)
    config = rest.pop("config", SYSTEM).replace("{system}", system).replace("{vm}", vm)
    rest.setdefault("left_out", NO_MONITOR)
    rest.setdefault("script", says(sentence, reboots, rest.get("firmware", "bios")))
    return Case("refuse-" + name, config, modules, code=bhrun.REFUSED, **rest)


VM_CR, VM_CR_LOCK, VM_CR_SVMDIS = 0xc0010114, 1 << 3, 1 << 4
RAX, RCX = 0, 2  # as gdb numbers them
RDMSR_LENGTH = 2


def vm_cr(name, value, sentence):
    """A row: firmware has left @value in VM_CR."""
    return refusal(name, sentence, qemu_args=gdbstub.QEMU_ARGS, script=reads_vm_cr(value, sentence))


def reads_vm_cr(value, sentence):
    """A script: the processor's first read of VM_CR gives @value, which no bed's firmware sets."""
    def script(machine, run):
        stub = gdbstub.Stub(run.work)
        insn = gdbstub.symbol("msr_read_safe.insn")
        msr = None
        for _ in range(64):  # MSRs that are read before
            stub.run_to(insn, lambda: None, run.case.timeout)
            msr = stub.register(RCX) & 0xffffffff
            stub.run_to(insn + RDMSR_LENGTH, lambda: None)
            if msr == VM_CR:
                break
        if msr != VM_CR:
            raise Failure("VM_CR is not read")
        stub.set_register(RAX, value)
        stub.go()
        says(sentence)(machine, run)
    return script


MULTIBOOT1_MAGIC = 0x1badb002
MULTIBOOT1_ADDRESSES = 1 << 16
PAGE = 4096


def as_multiboot1(work):
    """The hypervisor's image behind a header of multiboot version 1, which starts it with that version's magic."""
    with open(os.path.join(TREE, "build/bulkhead"), "rb") as f:
        elf = f.read()
    entry, at = struct.unpack_from("<QQ", elf, 24)
    size, count = struct.unpack_from("<HH", elf, 54)
    segments = [struct.unpack_from("<IIQQQQQQ", elf, at + i * size) for i in range(count)]
    base = min(s[4] for s in segments)
    end = max(s[4] + s[5] for s in segments)
    top = max(s[4] + s[6] for s in segments)
    entry += base - min(s[3] for s in segments)
    header = struct.pack("<IIIIIIII", MULTIBOOT1_MAGIC, MULTIBOOT1_ADDRESSES,
                         -(MULTIBOOT1_MAGIC + MULTIBOOT1_ADDRESSES) & 0xffffffff, base - PAGE, base - PAGE, end, top, entry)
    image = bytearray(PAGE + end - base)
    image[:len(header)] = header
    for _, _, offset, _, address, length, _, _ in segments:
        where = PAGE + address - base
        image[where:where + length] = elf[offset:offset + length]
    with open(os.path.join(work, "multiboot1"), "wb") as f:
        f.write(image)


CASES = [
    refusal("no-svm", "this processor has no SVM; enable SVM", qemu_args=("-cpu", "max,-svm")),
    refusal("no-svm-uefi", "this processor has no SVM; enable SVM", qemu_args=("-cpu", "max,-svm"), firmware="uefi"),
    vm_cr("svm-locked", VM_CR_SVMDIS | VM_CR_LOCK, "the firmware has switched SVM off and locked it; enable SVM"),
    vm_cr("svm-off", VM_CR_SVMDIS, "SVM is switched off (VM_CR.SVMDIS); enable SVM"),
    refusal("no-nested-paging", "SVM without nested paging; use one that has both", qemu_args=("-cpu", "max,-npt")),
    refusal("no-long-mode", "no 64-bit long mode; use one that has", qemu_args=("-cpu", "qemu32")),
    refusal("no-nx", "this processor has no NX", qemu_args=("-cpu", "max,-nx")),
    refusal("not-multiboot2", "not started by multiboot2; load it with GRUB's command multiboot2",
            prepare=as_multiboot1, qemu_args=("-kernel", "{work}/multiboot1")),
    refusal("memory", "too little memory: 16 MiB for the hypervisor do not fit", memory=16),
    refusal("memory-vm", "too little memory: 65536 KiB are asked for", memory=64,
            config=SYSTEM.replace("memory = 16M", "memory = 64M")),
    refusal("no-module", "the boot loader passed no module of this name: \"hello\"", modules={}),
    refusal("misnamed-module", "the boot loader passed no module of this name: \"hello\"",
            modules={"hallo": "build/guests/hello.elf"}),
    refusal("no-config", "no boot module is named \"config\"; add the line", config=""),
    refusal("syntax", "config:3:1: ", system="pover = none"),
    refusal("syntax-uefi", "config:3:1: ", system="pover = none", firmware="uefi"),
    refusal("value", "config:8:10: not a size", vm="", config=SYSTEM.replace("memory = 16M", "memory = 16Q")),
    refusal("does-not-fit", "there is no CPU 7, this machine runs 2", vm="", cpus=2,
            config=SYSTEM.replace("cpus = 0", "cpus = 7")),
    refusal("reboot", "this processor has no SVM; enable SVM", system="on-refusal = reboot after 2s",
            qemu_args=("-cpu", "max,-svm"), reboots=True),
    refusal("reboot-syntax", "unknown key in this section", system="on-refusal = reboot after 2s\npover = none",
            reboots=True),
]
