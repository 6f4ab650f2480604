# SPDX-License-Identifier: BSD-2-Clause
"""The service guest: Debian's Linux drives the machine. The tests inside it are guests/service/root/tests."""

import dataclasses
import hashlib
import os
import random
import re
import time

import cases_vms
from harness import BARE, TREE, Case, Failure, bhrun

INITRD = "build/service/initrd.cpio"
VMLINUX = "build/service/vmlinux"
BZIMAGE = "build/service/vmlinuz"

CONFIG = """\
[system]
power = {power}

[vm service]
role    = service
cpus    = all
memory  = rest
kernel  = linux
initrd  = initrd
cmdline = {cmdline}
on-exit = {on_exit}
"""

BOCHS = ("bochs-svm", "bochs-vmx")
BEDS = ("qemu-svm",) + BOCHS


def off_bochs(why):
    return dict.fromkeys(BOCHS, why)


NO_DEVICE = off_bochs("Bochs has no such device")
OWN_BOOTS = off_bochs("linux-boot-bochs and linux-boot-bochs-2 stand for it")
BIOS_ONLY = off_bochs("Bochs has BIOS firmware")
SLOW_XZ = off_bochs("decompressing the kernel takes Bochs minutes")
NO_HANDS = off_bochs("Bochs runs without screen and keyboard")
NO_CLOCKS = off_bochs("its RTC and its processors' time are tied to each other; seconds take minutes")
LONG = off_bochs("the row with fewer bytes runs there")

# Bochs needs help with its clocks, and less of everything.
BOCHS_WORDS = "tsc=reliable tsc_early_khz=25000 mitigations=off nokaslr no_timer_check cryptomgr.notests"


def linux(name, test, words="", kernel=VMLINUX, power="service", on_exit="poweroff", **rest):
    """A row: the service guest runs /tests/@test with @words on its command line."""
    cmdline = " ".join(["console=tty0 console=ttyS0 quiet bhtest=" + test, words, "{bed}"]).strip()
    rest["slow"] = BOCHS
    if not rest.keys() & {"machines", "left_out"}:
        rest["left_out"] = NO_DEVICE
    rest["words"] = {m: {"bed": BOCHS_WORDS if m in BOCHS else ""} for m in BEDS + (BARE,)}
    rest.setdefault("expect", (r"^BHTEST %s: pass" % test,))
    rest["forbid"] = rest.get("forbid", ()) + (r"^BHTEST \S+: fail.*",)
    rest.setdefault("memory", 1024)
    rest.setdefault("timeout", 180)
    # UEFI firmware starts no ELF file by itself.
    bare_kernel = BZIMAGE if rest.get("firmware") == "uefi" else kernel
    config = CONFIG.replace("{power}", power).replace("{cmdline}", cmdline).replace("{on_exit}", on_exit)
    rest.setdefault("direct", (bare_kernel, INITRD, cmdline))
    return Case(name, config, {"linux": kernel, "initrd": INITRD}, **rest)


def bochs(name, tests, words, **rest):
    """A row: several tests one after the other on Bochs' PC, which has an IDE disk, a CD drive and an e1000."""
    return linux(name, ",".join(tests), words, machines=BOCHS, left_out=ON_QEMU,
                 expect=tuple(r"^BHTEST %s: pass" % t for t in tests) + POWERED_OFF, memory=512, quick=False, **rest)


def disk(name, device, irq, words="", **rest):
    """A row: a file system made, and found again after a reset of the machine."""
    return linux(name, "disk", "bhdisk=%s bhirq=%s %s" % (device, irq, words), reboot=True,
                 expect=(r"^BHTEST disk: written", r"^data: OK", r"^BHTEST disk: pass"), **rest)


NVME = ("-drive", "if=none,id=nvme,format=raw,file={work}/nvme.img", "-device", "nvme,serial=1,drive=nvme")


def nvme_image(work):
    with open(os.path.join(work, "nvme.img"), "wb") as f:
        f.truncate(64 << 20)


TFTP_BYTES = 3 << 20


def tftp_file(work):
    """A file for QEMU's TFTP server; its sum goes onto the command line."""
    data = random.Random(1).randbytes(TFTP_BYTES)
    folder = os.path.join(work, "tftp")
    os.makedirs(folder)
    with open(os.path.join(folder, "data"), "wb") as f:
        f.write(data)
    return {"sha": hashlib.sha256(data).hexdigest()}


def net(name, model, driver, irq, words="", **rest):
    """A row: an address and a file over QEMU's user network."""
    return linux(name, "net", "bhnet=%s bhfile=data bhsha={sha} bhirq=%s %s" % (driver, irq, words),
                 prepare=tftp_file,
                 qemu_args=("-netdev", "user,id=n,tftp={work}/tftp", "-device", model + ",netdev=n"), **rest)


SERIAL_BYTES = 1 << 20  # on an emulator, where each byte costs exits, this takes minutes
SERIAL_QUICK = 64 << 10


def feed_serial(size):
    """Sends that many bytes as fast as the port takes them, and compares the sum that the guest names."""
    return lambda machine, run: feed_bytes(machine, random.Random(2).randbytes(size))


def feed_bytes(machine, data):
    machine.wait(r"^BHTEST serial-in: ready", 120)
    time.sleep(0.2)
    machine.send(data, 300)
    got = machine.wait(rb"BHTEST serial-in: sha256 ([0-9a-f]{64})", 300).group(1).decode()
    if got != hashlib.sha256(data).hexdigest():
        raise Failure("the bytes arrived changed")


def read_serial(size):
    """Compares what came between the marks, Bulkhead's own lines taken out."""
    return lambda run: read_bytes(run, size)


def read_bytes(run, size):
    match = re.search(rb"BHTEST serial-out: begin\r?\n(.*?)BHTEST serial-out: end", run.result.console, re.S)
    if not match:
        raise Failure("the marks are not there")
    got = re.sub(rb"bulkhead: \[[^\n]*\n", b"", match.group(1))
    wanted = b"".join(b"%d\n" % n for n in range(1, size // 4))[:size]
    if got != wanted:
        where = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
        raise Failure("%d bytes of %d, different from byte %d on" % (len(got), len(wanted), where))


KEYS = "bulkhead42"


def type_line(machine, run):
    """Types a line on the machine's keyboard."""
    machine.wait(r"^BHTEST keyboard: ready", 120)
    time.sleep(1)
    machine.type_keys(KEYS + "\n")


def wake(machine, run):
    """Lets the guest sleep some seconds, then presses a key. (QEMU's RTC sets RTC_STS only in its own S3.)"""
    machine.wait(r"^BHTEST sleep: mem", 120)
    time.sleep(5)
    if re.search(rb"PM: suspend exit|BHTEST sleep: (pass|fail)", bytes(machine.console)):
        raise Failure("the guest did not stay asleep")
    machine.type_keys("a")


SCREEN_BITS = "11010011100010110101111000110010"


def see_screen(machine, run):
    """Looks for the row of light and dark cells, and for a banner's worth of letters above."""
    machine.wait(r"^BHTEST screen: ready", 120)
    time.sleep(1)
    width, height, pixels = machine.screen()
    machine.send(b"\n")
    light = [pixels[i] > 96 for i in range(0, len(pixels), 3)]
    for cell in (8, 9):
        row = [bit == "1" for bit in SCREEN_BITS for _ in range(cell)]
        for y in range(height):
            if light[y * width:y * width + len(row)] == row:
                if sum(light[:y * width]) < 500:
                    raise Failure("the bar code is there, but no text above it")
                return
    raise Failure("the screen (%d x %d, %d light pixels) does not show the bar code" % (width, height, sum(light)))


def device_files(work):
    """What the network's server offers, and the sum of a file that is on the CD anyway."""
    with open(os.path.join(TREE, INITRD), "rb") as f:
        return dict(tftp_file(work), cdsha=hashlib.sha256(f.read()).hexdigest())


DEVICES = ("disk", "cd", "net")
DEVICE_WORDS = ("bhdisk=sda bhonce=1 bhcdfile=boot/modules/initrd bhcdsha={cdsha} "
                "bhnet=e1000 bhfile=data bhsha={sha} bhirq=intx")
BOCHS_NET = {"bochs_tftp": "{work}/tftp"}
ON_QEMU = {"qemu-svm": "it has rows of its own for its devices"}
POWERED_OFF = (r"bulkhead: \[.*vm service: power-off by S5",
               r"bulkhead: \[.*vm service: exit 0", r"bulkhead: \[.*power off")

POWER_OFF = (r"^BHTEST power:",)


def reset_by(name, words, **rest):
    """A row: the service guest resets the machine; the run ends there."""
    rest.setdefault("machines", BEDS)
    return linux("linux-reset-" + name, "power", words, expect=POWER_OFF + (r"bulkhead: \[.*reboot",), **rest)


# A witness on a CPU of the service guest's, which a key ends, and with it the machine.
WITNESS = """
[vm witness]
role = isolated
cpus = 0
memory = 16M
kernel = witness
cmdline = seconds=3600 key
debug-exit = 0xf4
on-exit = poweroff
"""


def end_witness(machine, run):
    """When the last life has passed and the next one is on its way, the witness may end."""
    machine.wait(r"^BHTEST lives: pass", run.case.timeout)
    machine.wait(r"vm service: restart \d+", 60)
    machine.send(cases_vms.KEY + b"n")
    machine.wait(r"\[console of witness;", 30)
    machine.send(b".")


BEHIND_A_PORT = ("-device", "pcie-root-port,id=slot1,chassis=1", "-device", "pcie-root-port,id=slot2,chassis=2",
                 "-device", "qemu-xhci,bus=slot2")


def lives(name, model, driver, count, words="", cpus=1, more=(), **rest):
    """A row: without power over the machine the service guest ends several times, and comes up again with its disk and its
    network; one beside it goes on."""
    row = linux(name, "lives", "bhdisk=sda bhlives=%d bhnet=%s bhfile=data bhsha={sha} %s" % (count, driver, words),
                power="none", on_exit="restart\non-fault = restart", disk=64, prepare=tftp_file, memory=384, cpus=cpus,
                qemu_args=("-netdev", "user,id=n,tftp={work}/tftp") + more + ("-device", model + ",netdev=n"), direct=(),
                expect=tuple(r"^BHTEST lives: the end of life %d\r?$" % n for n in range(1, count)) + (
                    r"^BHTEST lives: pass", r"witness: [1-9]\d* rounds, 0 wrong sums, 0 strange events",
                    r"bulkhead: \[.*info: power off"),
                forbid=("stays stopped", r"bulkhead: \[.*info: reboot\r?$"), code=bhrun.GUEST_STOPPED,
                check=cases_vms.lives(count, "service"), script=end_witness, timeout=100 + 150 * count, **rest)
    return dataclasses.replace(row, config=row.config + WITNESS, modules=dict(row.modules, witness="build/guests/witness.elf"))


CASES = [
    linux("linux-boot-1", "boot", "bhcpus=1", left_out=OWN_BOOTS,
          expect=(r"^BHTEST boot: pass", r"bulkhead: \[.*vm service: exit 0")),
    linux("linux-boot-4", "boot", "bhcpus=4", cpus=4, left_out=OWN_BOOTS),
    linux("linux-boot-16", "boot", "bhcpus=16", cpus=16, quick=False, timeout=600, left_out=OWN_BOOTS),
    linux("linux-boot-bzimage", "boot", "bhcpus=1", kernel=BZIMAGE, left_out=SLOW_XZ),
    linux("linux-boot-uefi", "boot", "bhcpus=1", firmware="uefi", left_out=BIOS_ONLY),
    linux("linux-boot-uefi-bzimage", "boot", "bhcpus=2", cpus=2, firmware="uefi", kernel=BZIMAGE, quick=False,
          left_out=BIOS_ONLY),
    bochs("linux-boot-bochs", ("boot",), "bhcpus=1 bhmodules=none"),
    bochs("linux-boot-bochs-2", ("boot",), "bhcpus=2 bhmodules=none", cpus=2),
    bochs("linux-devices-bochs", DEVICES, DEVICE_WORDS, disk=64, prepare=device_files, bochs=BOCHS_NET),
    bochs("linux-devices-bochs-2", DEVICES, DEVICE_WORDS, disk=64, prepare=device_files, bochs=BOCHS_NET, cpus=2),
    disk("linux-disk-ahci", "sda", "msi", disk=64, cpus=2),
    disk("linux-disk-ahci-intx", "sda", "intx", "pci=nomsi", disk=64, quick=False),
    disk("linux-disk-nvme", "nvme0n1", "msi", prepare=nvme_image, qemu_args=NVME, cpus=2),
    disk("linux-disk-nvme-intx", "nvme0n1", "intx", "pci=nomsi", prepare=nvme_image, qemu_args=NVME,
         quick=False),
    net("linux-net-e1000e", "e1000e", "e1000e", "msi", cpus=2),
    net("linux-net-e1000e-intx", "e1000e", "e1000e", "intx", "pci=nomsi"),
    net("linux-net-virtio", "virtio-net-pci", "virtio_net", "msi", cpus=2),
    net("linux-net-virtio-intx", "virtio-net-pci", "virtio_net", "intx", "pci=nomsi", quick=False),
    linux("linux-serial-in", "serial-in", "bhbytes=%d" % SERIAL_QUICK, script=feed_serial(SERIAL_QUICK),
          machines=BEDS),
    linux("linux-serial-out", "serial-out", "bhbytes=%d" % SERIAL_QUICK, check=read_serial(SERIAL_QUICK),
          machines=BEDS),
    linux("linux-serial-in-1m", "serial-in", "bhbytes=%d" % SERIAL_BYTES, script=feed_serial(SERIAL_BYTES),
          timeout=1200, quick=False, left_out=LONG),
    linux("linux-serial-out-1m", "serial-out", "bhbytes=%d" % SERIAL_BYTES, check=read_serial(SERIAL_BYTES),
          timeout=1200, quick=False, left_out=LONG),
    linux("linux-keyboard-ps2", "keyboard", "bhkeys=" + KEYS, script=type_line, left_out=NO_HANDS),
    linux("linux-keyboard-usb", "keyboard", "bhkbd=usb bhkeys=" + KEYS, script=type_line,
          qemu_args=("-device", "qemu-xhci", "-device", "usb-kbd")),
    # The PVH entry brings no screen_info, so a screen needs the bzImage.
    linux("linux-screen-vga", "screen", "bhbits=" + SCREEN_BITS, script=see_screen, kernel=BZIMAGE,
          left_out=NO_HANDS),
    linux("linux-screen-uefi", "screen", "bhbits=" + SCREEN_BITS, script=see_screen, firmware="uefi",
          kernel=BZIMAGE, left_out=BIOS_ONLY),
    linux("linux-poweroff", "power", "bhpower=poweroff", machines=BEDS,
          expect=POWER_OFF + (r"bulkhead: \[.*vm service: exit 0", r"bulkhead: \[.*power off")),
    reset_by("acpi", "bhpower=reboot reboot=a", machines=BEDS[:1],
             left_out=off_bochs("its FADT has no reset register")),
    reset_by("kbd", "bhpower=reboot reboot=k"),
    reset_by("triple", "bhpower=reboot reboot=t", machines=("qemu-svm", "bochs-vmx"),
             left_out={"bochs-svm": "Bochs panics at a triple fault before it looks at SVM's intercept"}),
    reset_by("pci", "bhpower=reboot reboot=p"),
    reset_by("cf9", "bhpower=cf9", quick=False),
    reset_by("port92", "bhpower=port92"),
    reset_by("port64", "bhpower=port64", quick=False),
    linux("linux-sleep", "power", "bhpower=mem mem_sleep_default=deep", direct=(),
          expect=(r"^mem: refused: Invalid argument", r"bulkhead: \[.*vm service: power-off by S5"),
          left_out=off_bochs("power-s3-refused runs there")),  # without Bulkhead it does sleep
    # Without that word the kernel idles instead (s2idle): a matter of its own.
    linux("linux-sleep-idle", "sleep", direct=(), script=wake, left_out=NO_HANDS,
          expect=(r"^BHTEST sleep: pass", r"bulkhead: \[.*vm service: power-off by S5")),
    lives("linux-lives", "virtio-net-pci", "virtio_net", 2, quick=False),
    lives("linux-lives-e1000", "e1000", "e1000", 3, quick=False),
    lives("linux-lives-bus", "virtio-net-pci,bus=slot1", "virtio_net", 3, quick=False, more=BEHIND_A_PORT),
    linux("linux-clocks", "clocks", quick=False, left_out=NO_CLOCKS),
]
