#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The recipes of the guide, as they stand there.

A recipe is a literal block that follows a comment ".. recipe: NAME". All of them run one
after the other, as root in one shell. A line that begins with "# " is a command, and what
follows it is what it has to print.
"""

import pathlib
import re
import subprocess
import sys

GUIDE = pathlib.Path(__file__).parents[2] / "Documentation/admin-guide/serial-emu.rst"
MARK = "---- recipe"


def blocks(text):
    """Yield the name and the lines of each recipe."""
    for found in re.finditer(r"^\.\. recipe: (\S+)\n\n::\n\n((?:  .*\n|\n)+)", text, re.M):
        yield found[1], [line[2:] for line in found[2].rstrip().split("\n")]


def commands(lines):
    """Pair each command with what it has to print."""
    found = []
    for line in lines:
        if line.startswith("# "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def run(recipes):
    """Run all commands in one shell; return what each of them printed."""
    script = "".join(
        f"{command}\necho '{MARK}'\n" for _, recipe in recipes for command, _ in recipe)
    done = subprocess.run(["bash"], input=script, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False)
    return [text.strip("\n").split("\n") if text.strip("\n") else []
            for text in done.stdout.split(MARK + "\n")]


def main():
    """Run and judge the recipes."""
    text = GUIDE.read_text(encoding="utf-8")
    recipes = [(name, commands(lines)) for name, lines in blocks(text)]
    print(f"TAP version 13\n1..{len(recipes)}")
    printed = iter(run(recipes))
    failed = not recipes
    for number, (name, recipe) in enumerate(recipes, 1):
        wrong = []
        for command, expected in recipe:
            got = next(printed, ["the shell ended"])
            if got != expected:
                wrong.append((command, got))
        print(f"{'not ' * bool(wrong)}ok {number} recipe.{name}")
        for command, got in wrong:
            print(f"# {command}: {got}")
        failed |= bool(wrong)
    return failed


sys.exit(main())
