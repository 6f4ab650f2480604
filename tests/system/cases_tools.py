# SPDX-License-Identifier: BSD-2-Clause
"""tools/run and tools/mkiso themselves, as their users call them: exit codes, files, what is printed."""

import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import time
import xml.etree.ElementTree

from harness import TREE, Case, Failure, bhrun

HELLO = "hello=build/guests/hello.elf"
CONFIG = """\
[vm hello]
cpus = 0
memory = 16M
kernel = hello
debug-exit = 0xf4
"""
PATIENCE = 120
BEDS = ("qemu-svm", "bochs-svm", "bochs-vmx")


def config(run, extra="", text=CONFIG):
    path = os.path.join(run.work, "hello.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text + extra)
    return path


def tool(*words, patience=PATIENCE):
    """Runs a tool in the tree; (exit code, what it printed)."""
    p = subprocess.run(words, cwd=TREE, timeout=patience, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, check=False)
    return p.returncode, bhrun.printable(p.stdout)


def demand(condition, words, text=""):
    if not condition:
        raise Failure(words + ("; it printed: " + text[-400:] if text else ""))


def ends_with(code, says, extra="", words=(), module=HELLO):
    """A command: the run ends with @code, says why, and, if it is no success, the line that repeats it."""
    def command(run):
        line = ["tools/run", "-c", config(run, extra), "--machine", run.machine, *words, module]
        got, text = tool(*line)
        demand(got == code, "exit code %d, not %d" % (got, code), text)
        demand(re.search(says, text), "it does not say: " + says, text)
        if code not in (bhrun.PASS, bhrun.USAGE):
            repeat = re.search(r"^run: to repeat: (.*)$", text, re.M)
            demand(repeat and shlex.split(repeat.group(1)) == line, "no line that repeats the run", text)
    return command


def faulty(run):
    """A hypervisor that runs into an undefined instruction while it starts."""
    path = os.path.join(run.work, "bulkhead")
    shutil.copy(os.path.join(TREE, "build/bulkhead"), path)
    names = subprocess.check_output(["nm", path], text=True)
    address = int(re.search(r"^([0-9a-f]+) T admit$", names, re.M).group(1), 16)
    with open(path, "r+b") as f:
        elf = f.read()
        at, = struct.unpack_from("<Q", elf, 32)
        size, count = struct.unpack_from("<HH", elf, 54)
        for i in range(count):
            _, _, offset, va, _, length = struct.unpack_from("<IIQQQQ", elf, at + i * size)
            if va <= address < va + length:
                f.seek(offset + address - va)
                f.write(b"\x0f\x0b")
                break
    ends_with(bhrun.HYPERVISOR_FAULT, r"fatal: CPU 0: exception 6", words=("--hypervisor", path))(run)


def junit(run):
    """A success and a failure as JUnit XML, the console in a file."""
    for name, extra, failures in (("good.xml", "", 0), ("bad.xml", "cmdline = value=7\n", 1)):
        path, out = os.path.join(run.work, name), os.path.join(run.work, "console")
        tool("tools/run", "-c", config(run, extra), "--junit", path, "--console", out, HELLO)
        with open(out, "rb") as f:
            demand(b"hello from a bare guest" in f.read(), "the console's file lacks the guest's line")
        suite = xml.etree.ElementTree.parse(path).getroot()
        demand(suite.tag == "testsuite" and suite.get("tests") == "1" and suite.get("failures") == str(failures),
               "%s does not say %d failure(s)" % (name, failures))
        demand("hello from a bare guest" in suite.find("testcase/system-out").text, name + " lacks the console")
        failure = suite.find("testcase/failure")
        demand((failure is not None) == bool(failures), name + ": wrong failure element")
        if failures:
            demand(failure.get("type") == "exit-1" and "7" in failure.get("message"), name + ": wrong failure")


def nearly_equal(run):
    """--icount: two runs print the same at the same time, but for what GRUB's reads of the disk shift."""
    lines = []
    for _ in range(2):
        out = os.path.join(run.work, "console")
        code, text = tool("tools/run", "-c", config(run), "--icount", "--console", out, HELLO)
        demand(code == bhrun.PASS, "exit code %d" % code, text)
        with open(out, "rb") as f:
            lines.append(re.findall(r"bulkhead: \[ *([0-9.]+)\] (.*)", bhrun.printable(f.read())))
    demand(len(lines[0]) > 5 and len(lines[0]) == len(lines[1]), "the runs differ in what they print")
    for (first, text), (second, _) in zip(*lines):
        demand(abs(float(first) - float(second)) <= 0.01 * float(first), "%s: at %s s and %s s" % (text, first, second))


def image(run):
    """An ISO of tools/mkiso, with a word for the hypervisor, run by --iso."""
    iso = os.path.join(run.work, "out.iso")
    code, text = tool("tools/mkiso", "-o", iso, "-c", config(run), "--append", "debug=on", HELLO)
    demand(code == 0, "tools/mkiso: exit code %d" % code, text)
    code, text = tool("tools/run", "--iso", iso)
    demand(code == bhrun.PASS and "hello from a bare guest" in text and "debug: " in text, "exit code %d" % code, text)


class Terminal:
    """A program on a terminal of its own; what it prints is in @text."""

    def __init__(self, words):
        self.master, slave = pty.openpty()
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        self.process = subprocess.Popen(words, cwd=TREE, env=env, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()
        os.close(self.master)

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.text += os.read(self.master, 4096)
            except OSError:  # the last program on it has ended
                time.sleep(0.1)

    def answer(self, prompt, keys, patience=PATIENCE):
        """Types @keys once @prompt is there, behind what was answered before."""
        end = time.monotonic() + patience
        while not re.search(prompt, self.text):
            demand(time.monotonic() < end and self.process.poll() is None, "no %r" % prompt, self.printed())
            self.read(0.2)
        self.before, self.text = self.text, b""
        os.write(self.master, keys)

    def end(self, patience=PATIENCE):
        """Its exit code."""
        end = time.monotonic() + patience
        while self.process.poll() is None:
            demand(time.monotonic() < end, "it does not end", self.printed())
            self.read(0.2)
        return self.process.returncode

    def printed(self):
        return bhrun.printable(self.text)


def left(run):
    """On a terminal: the banner, and Ctrl-A X leaves."""
    path = config(run, text=CONFIG.replace("kernel = hello", "kernel = xstate\ncmdline = rounds=1000000"))
    with Terminal(["tools/run", "-c", path, "--console", "terminal", "xstate=build/guests/xstate.elf"]) as t:
        t.answer(rb"the hypervisor keeps", b"\x01x")
        demand(b"To leave:" in t.before.split(b"bulkhead: [")[0], "no banner before the first line")
        code = t.end()
        demand(code == bhrun.LEFT, "exit code %s" % code, t.printed())


def first_session(run):
    """`make run`: the banner, a shell that works, and switching off inside ends it."""
    with Terminal(["make", "run", "CPUS=4"]) as t:
        t.answer(rb"service:\S*# ", b"echo $(nproc) CPUs as user $(id -u)\n", 300)
        demand(b"To leave:" in t.before.split(b"bulkhead: [")[0], "no banner before the first line")
        t.answer(rb"2 CPUs as user 0\r?\n(.|\n)*service:\S*# ", b"poweroff -f\n")
        code = t.end()
        demand(code == bhrun.PASS, "exit code %s" % code, t.printed())


def row(name, command, machines=BEDS[:1]):
    return Case("tool-" + name, command=command, machines=machines,
                left_out={m: "the tools do nothing else for Bochs here" for m in BEDS if m not in machines})


CASES = [
    row("pass", ends_with(bhrun.PASS, r"exit code 0"), BEDS),
    row("guest-exit", ends_with(bhrun.GUEST_EXIT, r"vm hello: exit 7", "cmdline = value=7\n"), BEDS),
    row("guest-stopped", ends_with(bhrun.GUEST_STOPPED, r"vm hello: stopped: ", "flat = 0x100000 long\n"), (BEDS[0], BEDS[2])),
    row("hypervisor-fault", faulty),
    row("emulator-failure", ends_with(bhrun.EMULATOR_FAILURE, r"nonsense", words=("--qemu-args=-device nonsense",))),
    row("time-out", ends_with(bhrun.TIMEOUT, r"time-out", words=("--timeout", "0.5")), BEDS),
    row("refused", ends_with(bhrun.REFUSED, r"config:6:1: unknown key", "kernal = hello\n")),
    row("usage", ends_with(bhrun.USAGE, r"no file|cannot be read|No such file", module="hello=build/no-such-file")),
    row("junit", junit),
    row("icount", nearly_equal),
    row("image", image),
    row("left", left),
    row("make-run", first_session),
]
