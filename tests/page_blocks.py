"""Pages of ``docs/troubleshooting``: their blocks, done in the project of a test."""

from __future__ import annotations

import re
import shlex
from textwrap import dedent
from typing import TYPE_CHECKING

from projects import WS_ALEMBIC, Workspace, write

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = re.compile(
    r"^\.\. code-block:: (console|python|diff)\n(?:   :caption: (\S+)\n)?\n((?:   .*\n|\n)+)", re.MULTILINE
)


def follow(workspace: Workspace, text: str) -> None:
    """Do what the blocks in ``text`` say, in their order."""
    for language, file, block in blocks(text):
        if language == "diff":
            change(workspace, file, block)
        elif language == "python":
            write(workspace.app / file, block)
        else:
            for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                line, _, output = command.partition("\n")
                run(workspace, line, output)


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield language, file and content of the blocks in ``text``; a backslash joins a line to the next one."""
    for language, file, block in BLOCK.findall(re.sub(r" *\\\n *", " ", text)):
        yield language, file, dedent(block).strip("\n") + "\n"


def change(workspace: Workspace, file: str, diff: str) -> None:
    """Apply ``diff`` to a file of the application."""
    path = workspace.app / file
    old = "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] != "+")
    new = "".join(line[1:] for line in diff.splitlines(keepends=True))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def run(workspace: Workspace, line: str, expected: str) -> None:
    """Run a line that a page shows, and compare what it prints; ``...`` stands for anything."""
    program, *argv = shlex.split(line)
    assert program == "ws-alembic"
    ran = workspace.call(WS_ALEMBIC, argv)
    assert bool(ran.code) == ("FAILED" in expected or " fix:  " in expected), (line, ran)
    words = (re.escape(word).replace(re.escape("..."), ".*") for word in expected.split())
    assert re.fullmatch(r"\s*".join(words), (ran.out + ran.err).strip(), re.DOTALL), (line, ran)
