# SPDX-License-Identifier: BSD-2-Clause
"""As much of gdb's remote protocol as it takes to stop QEMU's processor at an address."""

import os
import re
import socket
import subprocess
import time

from harness import TREE, Failure

QEMU_ARGS = ("-gdb", "unix:gdb,server=on,wait=off")  # the socket is in the run's folder


def symbol(name, image="build/bulkhead"):
    """The address of a symbol of the hypervisor."""
    out = subprocess.run(["nm", os.path.join(TREE, image)], check=True, capture_output=True, text=True).stdout
    match = re.search(r"^([0-9a-f]+) \w %s$" % re.escape(name), out, re.M)
    if not match:
        raise Failure("the image has no symbol " + name)
    return int(match.group(1), 16)


class Stub:
    """The connection. It stops the machine, which then goes on and stops as it is told."""

    def __init__(self, work):
        self.socket = socket.socket(socket.AF_UNIX)
        path = os.path.relpath(os.path.join(work, "gdb"))
        end = time.monotonic() + 30
        while not os.path.exists(path) and time.monotonic() < end:  # the machine may only just be starting
            time.sleep(0.01)
        self.socket.connect(path)
        self.data = b""
        self.running = False
        self.send("?")

    def send(self, text):
        self.socket.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) & 0xff))

    def answer(self, timeout):
        """The next packet's text."""
        end = time.monotonic() + timeout
        while True:
            match = re.search(rb"\$([^#]*)#..", self.data, re.S)
            if match:
                self.data = self.data[match.end():]
                self.socket.sendall(b"+")
                return match.group(1).decode("latin-1")
            self.socket.settimeout(max(0.1, end - time.monotonic()))
            try:
                piece = self.socket.recv(4096)
            except socket.timeout as e:
                raise Failure("no answer from the processor's debugger") from e
            if not piece:
                raise Failure("the processor's debugger has gone")
            self.data += piece

    def command(self, text):
        """To be answered by OK; reports of a stop that come in between are old."""
        self.send(text)
        answer = self.answer(60)
        while answer.startswith("T"):
            answer = self.answer(60)
        if answer != "OK":
            raise Failure("the processor's debugger answers %r to %s" % (answer, text))

    def go(self):
        self.send("c")
        self.running = True

    def run_to(self, address, start, timeout=60):
        """Goes on, calls @start, and stops when the processor is about to execute @address."""
        if self.running:
            self.socket.sendall(b"\x03")
        self.command("Z1,%x,1" % address)
        self.go()
        start()
        stop = self.answer(timeout)
        if not stop.startswith("T05"):
            raise Failure("the processor stopped otherwise: " + stop)
        self.command("z1,%x,1" % address)
        self.running = False

    def register(self, number):
        """The value of a register of 64 bits, by gdb's number for it (rax 0, rbx 1, rcx 2, rdx 3 ... rip 16)."""
        self.send("qXfer:features:read:target.xml:0,1")  # before that QEMU names no single register
        self.answer(60)
        self.send("p%x" % number)
        return int.from_bytes(bytes.fromhex(self.answer(60)), "little")

    def set_register(self, number, value):
        self.command("P%x=%s" % (number, value.to_bytes(8, "little").hex()))
