# SPDX-License-Identifier: BSD-2-Clause
"""Debian's SeaBIOS and OVMF, unmodified, as the firmware of an isolated guest, and what they boot."""

import os
import subprocess

from cases_isolated import passed
from cases_linux import BZIMAGE, INITRD
from harness import TREE, Case, bhrun

SEABIOS = "/usr/share/seabios/bios-256k.bin"
OVMF = "/usr/share/ovmf/OVMF.fd"
LINUXBOOT = {"linuxboot genroms/linuxboot_dma.bin": "/usr/share/qemu/linuxboot_dma.bin"}
BEDS = ("qemu-svm", "bochs-svm", "bochs-vmx")

CONFIG = """\
[system]
power  = none
on-end = poweroff

[vm pc]
cpus       = {cpus}
memory     = {memory}
firmware   = firmware
{rest}
debug-exit = 0xf4
"""


def config(rest, cpus="0", memory="256M"):
    return CONFIG.format(cpus=cpus, memory=memory, rest=rest)


def setup(work, *options):
    """A kernel that runs in real mode only, and an initrd."""
    with open(os.path.join(work, "initrd"), "wb") as f:
        f.write(b"read by DMA\0" + bytes(70000))
    subprocess.run(["nasm", "-f", "bin", *options, "-o", os.path.join(work, "kernel"), os.path.join(TREE, "tests/system/setup.asm")],
                   check=True)
    return {}


def menu(machine, run):
    """SeaBIOS's boot menu, on the serial port."""
    machine.wait(r"Press ESC for boot menu", 200)
    machine.send(b"\x1b")
    machine.wait(r"Select boot device:[^$]*1\. ", 200)
    machine.send(b"1")


def shell(machine, run):
    """UEFI's shell on the serial port: what it knows of the machine; then it switches the VM off."""
    machine.wait(r"Press .*ESC.* in \d seconds", 400)
    machine.send(b"\x1b")
    machine.wait(r"Shell> ", 60)
    # One line after the other, as a person types: the shell drops what comes too early.
    for line, answer in (("ver", r"UEFI v2"), ("smbiosview -t 1", r"Compartment"), ("pci", r"29C0"), ("memmap", r"Available +:")):
        machine.send(line.encode() + b"\r")
        machine.wait(answer, 90)
        machine.wait(r"Shell> ", 90)
    machine.send(b"reset -s\r")


KERNEL = "kernel     = kernel\ninitrd     = initrd\ncmdline    = "

CASES = [
    # Its services and option ROM, and fw_cfg, by a kernel that stays in real mode; a key pressed in the menu.
    Case("firmware-seabios", config(KERNEL + "words for it\nmodules    = linuxboot", memory="32M"),
         {"firmware": SEABIOS, "kernel": "{work}/kernel", "initrd": "{work}/initrd", **LINUXBOOT}, machines=BEDS,
         prepare=setup, script=menu, timeout=150,
         expect=(r"SeaBIOS \(version", r"^setup part: words for it\r?$", r"^payload: in high memory\r?$",
                 r"^initrd: read by DMA\r?$", r"^memory: 00000000\+0009[0-9A-F]+ 00100000\+01E[0-9A-F]+ ",
                 r"bulkhead: \[.*vm pc: exit 0")),
    # More RAM than there is room for below 4 GiB.
    Case("firmware-high", config(KERNEL + "words for it\nmodules    = linuxboot", memory="3G"),
         {"firmware": SEABIOS, "kernel": "{work}/kernel", "initrd": "{work}/initrd", **LINUXBOOT}, memory=4608, quick=False,
         prepare=setup, timeout=200, expect=(r"^memory: 00000000\+0009FC00 00100000\+AFE[0-9A-F]{5} 00000000\+10000000 ",
                                             r"bulkhead: \[.*vm pc: exit 0"),
         left_out={m: "Bochs has 2 GiB at most" for m in BEDS[1:]}),
    # After a restart all of it begins anew: the flash cannot have changed, what lies below 1 MiB is written again.
    Case("firmware-restart", config(KERNEL + "words for it\nmodules    = linuxboot\non-fault   = restart", memory="32M"),
         {"firmware": SEABIOS, "kernel": "{work}/kernel", "initrd": "{work}/initrd", **LINUXBOOT},
         machines=("qemu-svm", "bochs-vmx"), left_out={"bochs-svm": "Bochs itself resets at a real-mode guest's triple fault under SVM"},
         prepare=lambda work: setup(work, "-DTWICE"), timeout=150, code=bhrun.GUEST_STOPPED,
         expect=(r"^once more\r?$", r"vm pc: .*triple fault", r"vm pc: restart 1", r"^setup part: words for it\r?$",
                 r"^initrd: read by DMA\r?$", r"bulkhead: \[.*vm pc: exit 0")),
    Case("firmware-seabios-linux", config(KERNEL + "console=ttyS0 quiet bhtest=boot,warnings bhcpus=2\nmodules    = linuxboot", "0-1"),
         {"firmware": SEABIOS, "kernel": BZIMAGE, "initrd": INITRD, **LINUXBOOT}, cpus=2, memory=768, quick=False,
         timeout=300, expect=(r"SeaBIOS \(version",) + passed("pc", "boot,warnings", raw=True),
         forbid=(r"BHTEST \S+: fail.*", r"WARNING .*"),
         left_out={m: "minutes of XZ in an emulator; firmware-seabios runs there" for m in BEDS[1:]}),
    Case("firmware-ovmf", config(""), {"firmware": OVMF}, memory=768, script=shell, timeout=300, quick=False,
         expect=(r"UEFI Interactive Shell", r"bulkhead: \[.*vm pc: power-off by S5", r"bulkhead: \[.*vm pc: exit 0"),
         left_out={m: "more than ten minutes there" for m in BEDS[1:]}),
    # Its own loader of what fw_cfg holds: the kernel as an EFI application.
    Case("firmware-ovmf-linux", config(KERNEL + "console=ttyS0 quiet bhtest=boot", memory="512M"),
         {"firmware": OVMF, "kernel": BZIMAGE, "initrd": INITRD}, memory=1024, quick=False, timeout=400,
         expect=passed("pc", "boot", raw=True), forbid=(r"BHTEST \S+: fail.*",),
         left_out={m: "more than ten minutes there" for m in BEDS[1:]}),
]
