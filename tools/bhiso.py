# SPDX-License-Identifier: BSD-2-Clause
"""Makes a bootable ISO of the hypervisor, a configuration and named boot modules (tools/mkiso, tools/run)."""

import os
import re
import shutil
import subprocess
import tempfile

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONFIG_NAME = "config"  # by this name the hypervisor finds its configuration

# What grub.cfg below needs, on BIOS and on UEFI; all the rest only makes the image larger.
GRUB_MODULES = ("normal iso9660 part_msdos part_gpt fat multiboot2 serial terminal test echo search "
                "all_video halt reboot")

GRUB_CFG = """\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
if [ "$grub_platform" = efi ]; then
	insmod all_video
fi
set default=0
set timeout={timeout}
menuentry 'Bulkhead' {{
	multiboot2 /boot/bulkhead {words}
{modules}
	boot
}}
"""


class IsoError(Exception):
    """The user's mistake or a missing tool, in one sentence."""


def parse_module(text):
    """Splits NAME=FILE; words for the guest may follow the name: "NAME WORDS=FILE"."""
    name, equals, path = text.partition("=")
    if not equals or not path:
        raise IsoError('"%s" is not of the form NAME=FILE' % text)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", module_name(name)):
        raise IsoError('"%s" is no name for a module: letters, digits, dot, dash, underscore, at most 63' % name)
    return name, path


def module_name(words):
    """The name of a module, which its words begin with."""
    return words.partition(" ")[0]


def parse_modules(texts):
    """A list of NAME=FILE as a list of pairs, names all different."""
    pairs = [parse_module(t) for t in texts]
    seen = set()
    for name in (module_name(words) for words, _ in pairs):
        if name == CONFIG_NAME:
            raise IsoError('"%s" is the configuration\'s name: give that with -c' % name)
        if name in seen:
            raise IsoError('two modules are named "%s"' % name)
        seen.add(name)
    return pairs


def quoted_words(text):
    """The words of a command line, each quoted for GRUB."""
    words = text.split()
    for word in words:
        if not re.fullmatch(r"[!-&(-~]+", word):
            raise IsoError('the word %r cannot be passed through GRUB' % word)
    return " ".join("'%s'" % w for w in words)


def check_file(path, what):
    if not os.path.isfile(path):
        raise IsoError("%s: there is no file %s" % (what, path))
    if not os.access(path, os.R_OK):
        raise IsoError("%s: %s cannot be read" % (what, path))


def stage_file(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def make_iso(out, config, modules, timeout=0, append="", hypervisor=None):
    """Writes the ISO @out. @config: a file, or None. @modules: pairs (name and words, file). Raises IsoError."""
    hypervisor = hypervisor or os.path.join(TREE, "build", "bulkhead")
    if not os.path.isfile(hypervisor):
        raise IsoError("%s is not built: run make first" % hypervisor)
    if config:
        check_file(config, "configuration")
    for name, path in modules:
        check_file(path, "module " + name)
    if not shutil.which("grub-mkrescue"):
        raise IsoError("grub-mkrescue is missing: run make deps")

    lines = ["\tmodule2 /boot/%s %s" % (CONFIG_NAME, CONFIG_NAME)] if config else []
    lines += ["\tmodule2 /boot/modules/%s %s" % (module_name(words), quoted_words(words)) for words, _ in modules]
    grub_cfg = GRUB_CFG.format(timeout=timeout, words=quoted_words(append), modules="\n".join(lines))

    folder = os.path.dirname(os.path.abspath(out))
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".iso-", dir=folder) as work:
        tree = os.path.join(work, "tree")
        stage_file(hypervisor, os.path.join(tree, "boot/bulkhead"))
        if config:
            stage_file(config, os.path.join(tree, "boot", CONFIG_NAME))
        for name, path in modules:
            stage_file(path, os.path.join(tree, "boot/modules", module_name(name)))
        os.makedirs(os.path.join(tree, "boot/grub"))
        with open(os.path.join(tree, "boot/grub/grub.cfg"), "w", encoding="ascii") as f:
            f.write(grub_cfg)
        done = os.path.join(work, "out.iso")
        command = ["grub-mkrescue", "--install-modules=" + GRUB_MODULES, "--fonts=", "--themes=",
                   "--locales=", "--compress=no", "-o", done, tree]
        p = subprocess.run(command, env=dict(os.environ, TMPDIR=work, LC_ALL="C"),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if p.returncode or not os.path.isfile(done):
            raise IsoError("grub-mkrescue failed:\n" + p.stdout.decode(errors="replace"))
        os.replace(done, out)
