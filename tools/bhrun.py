# SPDX-License-Identifier: BSD-2-Clause
"""Runs a bootable ISO on an emulated machine, talks to it, and judges how it ended.

tools/run and the system tests are built on this:

    with Machine(iso, Setup(machine="qemu-svm", cpus=4), folder) as m:
        m.wait(r"ready", 60)
        m.send(b"text\\n")
        result = m.finish(120)
"""

import dataclasses
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import termios
import threading
import time
import tty

from bhiso import IsoError, make_iso  # noqa: F401  (offered to the callers of this module)

MACHINES = ("qemu-svm", "bochs-svm", "bochs-vmx")

# Exit codes of tools/run, worst last where several apply to one run.
PASS = 0  # every guest exited with 0, or the service guest powered off or rebooted as it may
GUEST_EXIT = 1  # a guest exited with another value
GUEST_STOPPED = 2  # a guest was stopped by the hypervisor
HYPERVISOR_FAULT = 3  # a crash record, or a reset that nobody announced
EMULATOR_FAILURE = 4  # the emulator did not start, died, or GRUB could not load the image
TIMEOUT = 5
REFUSED = 6  # the configuration or the machine was refused
USAGE = 64
LEFT = 130  # the user left by Ctrl-A X

GRACE_SECONDS = 0.5  # what may still be printed after the last word that decides
CRASH_GRACE_SECONDS = 2.0
TAIL_LINES = 60

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"

BOCHS_MODELS = {"bochs-vmx": "corei7_skylake_x", "bochs-svm": "ryzen"}
BOCHS_IPS = 25000000
BOCHS_HOST_MAX = 2048  # MiB; the rest of the guest's memory is swapped to a file

BOCHS_RC = """\
config_interface: textconfig
display_library: term
plugin_ctrl: unmapped=1, biosdev=1, serial=1, speaker=0, parallel=0, gameport=0, iodebug=1
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model={model}, count={cpus}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs={bad_msrs}, mwait_is_nop=1
memory: guest={memory}, host={host}
pci: enabled=1, chipset=i440fx, slot1=e1000
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
{disk}ata1-master: type=cdrom, path="{iso}", status=inserted
boot: cdrom
com1: enabled=1, mode=term, dev={terminal}
e1000: card=0, enabled=1, mac=52:54:00:12:34:56, {net}
clock: sync=none, time0=1767225600, rtc_sync=0
log: bochs.log
logprefix: %t%e%d
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
port_e9_hack: enabled=1
magic_break: enabled=0
sound: waveoutdrv=dummy, waveout=none
"""


class RunError(Exception):
    """The run cannot be made: a missing tool, an impossible combination."""


class WaitError(Exception):
    """What a script waited for did not come."""


@dataclasses.dataclass
class Setup:
    """The machine to emulate."""

    machine: str = "qemu-svm"
    cpus: int = 1
    memory: int = 512  # MiB
    firmware: str = "bios"  # qemu: bios or uefi
    icount: bool = False  # qemu: one instruction is one nanosecond; one CPU; two runs are equal
    qemu_args: tuple = ()
    bochs_model: str = ""
    bochs_ips: int = BOCHS_IPS
    bochs_tftp: str = ""  # a folder: the card is on a user network whose TFTP server offers it; else on none
    bad_msrs: bool = True  # bochs: unknown MSRs read as zero instead of #GP
    bochs_debugger: str = "c"  # commands of its debugger, whose answers are in emulator.log
    disk: str = ""  # a raw image: AHCI's first disk on qemu, the first IDE disk on bochs
    reboot: bool = False  # may the machine reset and go on? else a reset ends the run
    direct: tuple = ()  # (kernel, initrd, command line): boot this without Bulkhead (qemu)

    def check(self):
        """Raises RunError for what no emulator can do."""
        if self.machine not in MACHINES:
            raise RunError("machine %s is not one of %s" % (self.machine, ", ".join(MACHINES)))
        if self.cpus < 1 or self.memory < 1:
            raise RunError("at least one CPU and one MiB")
        bochs = self.machine != "qemu-svm"
        if self.icount and (bochs or self.cpus != 1):
            raise RunError("--icount is for qemu-svm with one CPU (QEMU 7.2 starves the others)")
        if bochs and (self.firmware != "bios" or self.qemu_args or self.direct):
            raise RunError("Bochs has BIOS firmware and its own list of devices")
        if self.firmware not in ("bios", "uefi"):
            raise RunError("firmware is bios or uefi")


@dataclasses.dataclass
class Result:
    """How a run ended: one of the exit codes, a sentence, the console's bytes."""

    code: int
    reason: str
    console: bytes
    seconds: float

    def tail(self, lines=TAIL_LINES):
        """The last lines of the console as text fit for a terminal."""
        return printable(self.console).splitlines()[-lines:]


def printable(data):
    """Console bytes as text without escape sequences and control characters."""
    text = data.decode("utf-8", errors="replace").replace("\r", "")
    text = re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[()].|.)", "", text)
    return re.sub(r"[^\n\t -~\u00a0-\uffff]", "?", text)


class Judge:
    """Reads the hypervisor's lines as they come and remembers what decides the run."""

    LINE = re.compile(rb"bulkhead: \[ *\d+\.\d+\] (error|warn|info|debug|fatal|refused): ([^\r\n]*)[\r\n]")
    EXIT = re.compile(r"vm (\S+): exit (-?(?:0x)?[0-9a-fA-F]+)\b")
    STOPPED = re.compile(r"vm (\S+): stopped: (.*)")
    GRUB_FAILED = b"Failed to boot both default and fallback entries"

    def __init__(self, resets=False):
        """@resets: the machine may reset and go on; what was said before a reset no longer counts then."""
        self.resets = resets
        self.position = 0
        self.seen = False
        self.fatal = None
        self.refused = None
        self.grub_failed = False
        self.exits = {}
        self.stopped = {}
        self.ended = False
        self.leaving = None  # "power off" or "reboot"

    def read(self, console):
        """Looks at what is new in @console (all of it so far)."""
        for match in self.LINE.finditer(console, self.position):
            self.position = match.end()
            self.line(match.group(1).decode(), match.group(2).decode(errors="replace").strip())
        if not self.seen and self.GRUB_FAILED in console:
            self.grub_failed = True

    def line(self, level, text):
        self.seen = True
        if level == "fatal":
            self.fatal = self.fatal or text
            return
        if level == "refused":
            self.refused = self.refused or text
            return
        match = self.EXIT.match(text)
        if match:
            self.exits[match.group(1)] = int(match.group(2), 0)
        match = self.STOPPED.match(text)
        if match:
            self.stopped[match.group(1)] = match.group(2)
        if text.startswith("all VMs have ended"):
            self.ended = True
        for word in ("power off", "reboot"):
            if text == word or text.startswith(word + " ") or text.startswith(word + ":"):
                self.leaving = word
        if self.resets and self.leaving == "reboot":
            self.ended = False
            self.leaving = None
            self.exits.clear()

    def decided(self):
        return bool(self.fatal or self.refused or self.ended or self.grub_failed)

    def over(self):
        """Decided, or about to reset where a reset is the end."""
        return self.decided() or self.leaving == "reboot"

    def verdict(self, gone, timed_out):
        """(exit code, sentence). @gone: the emulator ended by itself."""
        if self.fatal:
            return HYPERVISOR_FAULT, "hypervisor fault: " + self.fatal
        if self.refused:
            return REFUSED, "refused: " + self.refused
        if self.grub_failed:
            return EMULATOR_FAILURE, "GRUB could not load the image"
        if timed_out:
            return TIMEOUT, "time-out"
        if gone and not (self.leaving or self.ended or self.exits or self.stopped):
            if self.seen:
                return HYPERVISOR_FAULT, "the machine went away without a word (triple fault?)"
            return EMULATOR_FAILURE, "the emulator ended before the hypervisor said anything"
        if self.stopped:
            name = sorted(self.stopped)[0]
            return GUEST_STOPPED, "vm %s was stopped: %s" % (name, self.stopped[name])
        for name in sorted(self.exits):
            if self.exits[name] != 0:
                return GUEST_EXIT, "vm %s exited with %d" % (name, self.exits[name])
        if self.exits:
            return PASS, "exit 0"
        return PASS, self.leaving or "all VMs have ended"


class BareJudge(Judge):
    """For a guest that runs without Bulkhead: power-off is the end."""

    def verdict(self, gone, timed_out):
        return (PASS, "the machine went off") if gone else (TIMEOUT, "time-out")


class Machine:
    """One emulator process and its serial port. A context manager: leaving it ends the emulator."""

    def __init__(self, iso, setup, work, echo=None):
        """@work: an existing folder for the emulator's files. @echo: called with each piece of console output."""
        setup.check()
        self.iso = os.path.abspath(iso) if iso else ""
        self.setup = setup
        self.work = os.path.abspath(work)
        self.echo = echo
        self.console = bytearray()
        self.change = threading.Condition()
        self.judge = BareJudge() if setup.direct else Judge(setup.reboot)
        self.process = None
        self.inward = None  # our ends of the serial port
        self.outward = None
        self.theirs = []
        self.closing = False
        self.reader = None
        self.monitor = None
        self.started = 0.0
        self.mark = 0  # where the next wait begins to look

    # ---------------------------------------------------------------------------- start and end

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def start(self):
        bochs = self.setup.machine != "qemu-svm"
        if bochs:  # its port is a terminal device
            ours, theirs = pty.openpty()
            tty.setraw(theirs)
            tty.setraw(ours)
            command = self.bochs_command(os.ttyname(theirs))
            self.inward, self.outward = ours, ours
            self.theirs = [theirs]  # kept open: our end sees no hang-up before the emulator opens its own
            stdin = stdout = subprocess.DEVNULL
        else:  # its port is standard input and output: through a terminal device QEMU sees no modem lines
            command = self.qemu_command()
            stdin, self.inward = os.pipe()
            self.outward, stdout = os.pipe()
            self.theirs = [stdin, stdout]
        if not shutil.which(command[0]):
            self.close_port()
            raise RunError("%s is missing: run make deps" % command[0])
        with open(os.path.join(self.work, "emulator.log"), "wb") as log:
            # The emulator dies with us, whatever ends us.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--"] + command, cwd=self.work, stdin=stdin, stdout=log if bochs else stdout, stderr=log,
                env=dict(os.environ, TERM="vt100", LC_ALL="C"), start_new_session=True)
        self.started = time.monotonic()
        self.reader = threading.Thread(target=self.read_port, daemon=True)
        self.reader.start()

    def stop(self):
        """Ends the emulator (SIGKILL: Bochs does not hear SIGTERM) and collects what it printed."""
        if self.process is None:
            return
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.monitor:
            self.monitor.close()
            self.monitor = None
        if self.outward is not None:
            self.closing = True
            self.reader.join(2)
            self.close_port()

    def close_port(self):
        for fd in {self.inward, self.outward, *self.theirs}:
            os.close(fd)
        self.inward = self.outward = None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def read_port(self):
        while True:
            if not select.select([self.outward], [], [], 0.1)[0]:
                if self.closing:
                    return
                continue
            try:
                data = os.read(self.outward, 65536)
            except OSError:
                return
            if self.echo:
                self.echo(data)
            with self.change:
                self.console += data
                self.judge.read(self.console)
                self.change.notify_all()

    # ------------------------------------------------------------------------------- the emulators

    def qemu_command(self):
        s = self.setup
        # One thread: with a thread per CPU, QEMU 7.2 lets a CPU use its old TLB with the new memory map
        # when another CPU moves a PCI BAR. Register writes are lost then, or QEMU dies.
        command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=single",
                   "-cpu", "max,-rdrand" if s.icount else "max",
                   "-smp", str(s.cpus), "-m", str(s.memory), "-display", "none",
                   "-monitor", "none", "-qmp", "unix:qmp,server=on,wait=off",
                   "-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"]
        if s.direct:
            kernel, initrd, words = s.direct
            command += ["-kernel", os.path.abspath(kernel), "-initrd", os.path.abspath(initrd),
                        "-append", words]
        else:
            command += ["-cdrom", self.iso, "-boot", "order=d"]
        if not s.reboot:
            command += ["-no-reboot"]
        if s.icount:
            command += ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm", "-seed", "1"]
        if s.firmware == "uefi":
            variables = os.path.join(self.work, "vars.fd")
            if not os.path.exists(variables):
                try:
                    shutil.copyfile(OVMF_VARS, variables)
                except OSError as e:
                    raise RunError("UEFI needs the package ovmf: %s" % e) from e
            command += ["-drive", "if=pflash,format=raw,readonly=on,file=" + OVMF_CODE,
                        "-drive", "if=pflash,format=raw,file=" + variables]
        if s.disk:
            command += ["-drive", "if=none,id=disk,format=raw,file=" + os.path.abspath(s.disk),
                        "-device", "ide-hd,drive=disk,bus=ide.0"]
        if not any(a in ("-nic", "-net", "-netdev") for a in s.qemu_args):
            command += ["-nic", "none"]
        return command + list(s.qemu_args)

    def bochs_command(self, terminal):
        s = self.setup
        disk = ""
        if s.disk:
            disk = 'ata0-master: type=disk, mode=flat, path="%s"\n' % os.path.abspath(s.disk)
        net = "ethmod=null, ethdev=eth0"
        if s.bochs_tftp:
            net = "ethmod=slirp, ethdev=" + os.path.abspath(s.bochs_tftp)
        text = BOCHS_RC.format(
            model=s.bochs_model or BOCHS_MODELS[s.machine], cpus=s.cpus, ips=s.bochs_ips,
            bad_msrs=int(s.bad_msrs), memory=s.memory, host=min(s.memory, BOCHS_HOST_MAX), disk=disk,
            iso=self.iso, terminal=terminal, net=net)
        with open(os.path.join(self.work, "bochsrc"), "w", encoding="utf-8") as f:
            f.write(text)
        with open(os.path.join(self.work, "debugger"), "w", encoding="ascii") as f:
            f.write(s.bochs_debugger + "\nquit\n")
        return ["bochs", "-q", "-f", "bochsrc", "-rc", "debugger"]

    # --------------------------------------------------------------------------------- interaction

    def send(self, data, timeout=60):
        """Feeds bytes into the serial port, as fast as the machine takes them."""
        end = time.monotonic() + timeout
        data = bytes(data)
        while data:
            left = end - time.monotonic()
            if left <= 0:
                raise WaitError("the machine does not take input (%d bytes left)" % len(data))
            if not self.alive():
                raise WaitError("the emulator has ended (%d bytes of input left)" % len(data))
            if select.select([], [self.inward], [], min(left, 0.5))[1]:
                data = data[os.write(self.inward, data[:256]):]

    def wait(self, pattern, timeout):
        """Waits until the regular expression matches what came after the last wait; returns the match."""
        regex = re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.M)
        end = time.monotonic() + timeout
        with self.change:
            while True:
                match = regex.search(self.console, self.mark)
                if match:
                    self.mark = match.end()
                    return match
                left = end - time.monotonic()
                if left <= 0:
                    raise WaitError("no %r within %d s" % (pattern, timeout))
                if self.judge.decided() and not self.judge.ended:
                    raise WaitError("no %r: the run is over" % pattern)
                if not self.alive():
                    self.change.wait(0.3)
                    if not regex.search(self.console, self.mark):
                        raise WaitError("no %r: the emulator has ended" % pattern)
                    continue
                self.change.wait(min(left, 0.5))

    def finish(self, timeout):
        """Waits for the run's end (@timeout seconds from the start), ends the emulator, judges."""
        end = self.started + timeout
        timed_out = gone = False
        settled = None  # when the grace after the deciding word is over
        with self.change:
            while True:
                now = time.monotonic()
                if not self.alive():
                    gone = True
                    break
                if not self.judge.over():
                    settled = None
                elif settled is None:
                    settled = now + (CRASH_GRACE_SECONDS if self.judge.fatal else GRACE_SECONDS)
                elif now >= settled:
                    break
                if now >= end:
                    timed_out = True
                    break
                self.change.wait(0.1)
        if gone:
            time.sleep(0.2)  # for the last bytes in the pseudo-terminal
        seconds = time.monotonic() - self.started
        self.stop()
        self.judge.read(self.console)
        code, reason = self.judge.verdict(gone, timed_out)
        if code == TIMEOUT:
            reason = "time-out after %d s" % timeout
        if code == EMULATOR_FAILURE:
            reason += self.emulator_words()
        return Result(code, reason, bytes(self.console), seconds)

    def emulator_words(self):
        """The last lines that the emulator itself printed."""
        lines = []
        for name in ("emulator.log", "bochs.log"):
            try:
                with open(os.path.join(self.work, name), encoding="utf-8", errors="replace") as f:
                    lines += printable(f.read().encode()).splitlines()[-4:]
            except OSError:
                pass
        return "".join("\n    " + line for line in lines if line.strip())

    # ----------------------------------------------------------------------- QEMU's machine protocol

    def qmp(self, command, **arguments):
        """Executes one QMP command and returns its result."""
        if self.setup.machine != "qemu-svm":
            raise RunError("Bochs has no monitor")
        if self.monitor is None:
            self.monitor = Monitor(os.path.join(self.work, "qmp"))
        return self.monitor.execute(command, arguments)

    def hmp(self, line):
        """Executes one line of QEMU's human monitor and returns its text."""
        return self.qmp("human-monitor-command", **{"command-line": line})

    def type_keys(self, text):
        """Types lower-case letters, digits, spaces and newlines on the machine's keyboard."""
        names = {"\n": "ret", " ": "spc", "-": "minus", ".": "dot", "/": "slash"}
        for char in text:
            self.hmp("sendkey %s 50" % names.get(char, char))
            time.sleep(0.12)

    def screen(self):
        """The screen's picture: (width, height, RGB bytes)."""
        path = os.path.join(self.work, "screen.ppm")
        self.qmp("screendump", filename=path)
        with open(path, "rb") as f:
            data = f.read()
        match = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
        return int(match.group(1)), int(match.group(2)), data[match.end():]

    def memory(self, address, size):
        """@size bytes of physical memory."""
        path = os.path.join(self.work, "memory.bin")
        self.qmp("pmemsave", val=address, size=size, filename=path)
        with open(path, "rb") as f:
            return f.read()


class Monitor:
    """QEMU's QMP over a local socket."""

    def __init__(self, path, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        end = time.monotonic() + timeout
        while True:
            try:
                self.socket.connect(os.path.relpath(path))
                break
            except OSError as e:
                if time.monotonic() > end:
                    raise RunError("QEMU's monitor does not answer: %s" % e) from e
                time.sleep(0.05)
        self.file = self.socket.makefile("r", encoding="utf-8")
        self.answer()
        self.execute("qmp_capabilities", {})

    def answer(self):
        """The next message that is not an event."""
        while True:
            line = self.file.readline()
            if not line:
                raise WaitError("QEMU's monitor has gone")
            message = json.loads(line)
            if "event" not in message:
                return message

    def execute(self, command, arguments):
        try:
            self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
            message = self.answer()
        except OSError as e:
            raise WaitError("QEMU's monitor has gone: %s" % e) from e
        if "error" in message:
            raise RunError("QEMU: %s: %s" % (command, message["error"].get("desc")))
        return message["return"]

    def close(self):
        self.file.close()
        self.socket.close()


class Terminal:
    """The user's terminal as the serial port's other end; Ctrl-A X leaves, Ctrl-A Ctrl-A is one Ctrl-A."""

    ESCAPE = 0x01

    def __init__(self, machine):
        self.machine = machine
        self.left = False
        self.saved = None
        self.stop = False
        self.escaped = False

    def __enter__(self):
        if os.isatty(0):
            self.saved = termios.tcgetattr(0)
            tty.setraw(0)
        threading.Thread(target=self.relay, daemon=True).start()
        return self

    def __exit__(self, *unused):
        self.stop = True
        if self.saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self.saved)

    def relay(self):
        while not self.stop:
            if not select.select([0], [], [], 0.2)[0]:
                continue
            data = os.read(0, 1024)
            if not data:
                return
            out = self.filter(data) if self.saved is not None else data
            if self.left:
                self.machine.process.kill()
                return
            try:
                if out:
                    self.machine.send(out)
            except (WaitError, TypeError, OSError):
                return

    def filter(self, data):
        out = bytearray()
        for byte in data:
            if self.escaped:
                self.escaped = False
                if byte in b"xX":
                    self.left = True
                    return b""
                if byte == self.ESCAPE:
                    out.append(byte)
            elif byte == self.ESCAPE:
                self.escaped = True
            else:
                out.append(byte)
        return bytes(out)


def show(data):
    """Writes console bytes to standard output at once."""
    while data:
        try:
            data = data[os.write(1, data):]
        except BlockingIOError:
            select.select([], [1], [], 1)
        except OSError:
            return
