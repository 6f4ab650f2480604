# SPDX-License-Identifier: BSD-2-Clause
"""docs/first-guest.md, done as it stands there: its files are written, its commands typed, and what they print compared."""

import os
import re
import subprocess
import textwrap

from cases_bare import BEDS
from harness import TREE, Case, Failure

PAGE = os.path.join(TREE, "docs/first-guest.md")
PATIENCE = 300
LEAST_FILES, LEAST_COMMANDS = 4, 8


def blocks(text):
    """(the paragraph before it, the text) of every indented block."""
    for match in re.finditer(r"((?:^\S.*\n)*)\n((?:^(?: {4}.*)?\n)+)", text, re.M):
        code = textwrap.dedent(match.group(2)).strip("\n")
        if code:
            yield match.group(1).strip(), code + "\n"


def path_of(before):
    """The file that a paragraph announces as its last words, or None."""
    match = re.search(r"`~/(\S+)`:$", before)
    return match.group(1) if match else None


def steps(code):
    """(command, [lines that it prints, in order])"""
    found = []
    for line in code.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif not found:
            raise Failure("neither a file nor a command: " + code)
        else:
            found[-1][1].append(line.strip())
    return found


def typed(home, command, lines):
    """@lines: "…" stands for anything. A command succeeds unless they say something else."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(["bash", "-c", command], cwd=TREE, env=dict(env, HOME=home), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=PATIENCE)
    text, at = done.stdout.decode(errors="replace"), 0
    for line in lines:
        pattern = r"\s*.*?".join(re.escape(part.strip()) for part in line.split("…"))
        match = re.compile(r"^\s*" + pattern, re.M).search(text, at)
        if not match:
            raise Failure("%s: does not print '%s': %s" % (command, line, text[-600:]))
        at = match.end()
    said = re.search(r"\(exit code (\d+)", " ".join(lines))
    if done.returncode != (int(said.group(1)) if said else 0):
        raise Failure("%s: exit code %d: %s" % (command, done.returncode, text[-600:]))


def walk(run):
    files = commands = 0
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    for before, code in blocks(page):
        path = path_of(before)
        if path:
            with open(os.path.join(run.work, path), "w", encoding="utf-8") as f:
                f.write(code)
            files += 1
            continue
        for command, lines in steps(code):
            typed(run.work, command, lines)
            commands += 1
    if files < LEAST_FILES or commands < LEAST_COMMANDS:
        raise Failure("the page has %d files and %d commands only" % (files, commands))


CASES = [Case("first-guest", command=walk, left_out={m: "the page chooses its machines itself" for m in BEDS[1:]})]
