"""The blocks of a page of the documentation, and what a page says done in the project of a test."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from projects import ROOT, WS_ALEMBIC, Workspace, write

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = ROOT / "docs"
BLOCK = re.compile(
    r"^(?P<indent> *)"
    r"(?:\.\. code-block:: *(?P<language>\S*)\n(?P<options>(?:(?P=indent)   +:.*\n)*)|(?!\.\. )(?:\S.*)?::\n\s*\n)"
    r"(?P<text>(?:(?P=indent)  +.*\n|[ ]*\n)+)"
    r"|^\.\. run: (?P<hidden>.*)\n",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A code block of a page, or a command in a comment ``.. run:``, which is hidden.

    ``name`` is what its caption or its name says. After ``::`` it has no language.
    """

    language: str
    text: str
    name: str | None
    line: int
    is_hidden: bool = False

    @property
    def is_labelled(self) -> bool:
        """Tell whether the name is no file, but a label by which the test that needs the block finds it."""
        return self.name is not None and "." not in self.name


@dataclass(frozen=True)
class Command:
    """A line for the shell and what it prints, as the page has it."""

    line: str
    output: str


def blocks(text: str) -> list[Block]:
    """Return the code blocks of a page in their order."""
    return list(_blocks(text))


def _blocks(text: str) -> Iterator[Block]:
    for match in BLOCK.finditer(text + "\n"):
        name = re.search(r":(?:caption|name): *(\S+)", match["options"] or "")
        line = text.count("\n", 0, match.start()) + 1
        if match["hidden"]:
            yield Block("console", f"$ {match['hidden']}\n", None, line, is_hidden=True)
        else:
            yield Block(match["language"] or "", dedent(match["text"]).strip("\n") + "\n", name and name[1], line)


def page(name: str) -> str:
    """Return the text of a page of the documentation, or of another file in the root of the project."""
    path = DOCS / name
    return (path if path.exists() else ROOT / name).read_text(encoding="utf-8")


def named(page_name: str, name: str) -> str:
    """Return the text of the block of a page that has this name or caption."""
    [text] = [block.text for block in blocks(page(page_name)) if block.name == name]
    return text


def commands(block: Block) -> list[Command]:
    """Return the commands of a ``console`` block."""
    parts = re.split(r"^\$ ", joined(block.text), flags=re.MULTILINE)
    assert not parts[0], "a console block begins with a command"
    return [Command(line, output) for line, _, output in (part.partition("\n") for part in parts[1:])]


def commands_of(page_name: str) -> list[str]:
    """Return the lines for the shell in the blocks of a page that have no label."""
    found = [block for block in blocks(page(page_name)) if block.language == "console" and not block.is_labelled]
    return [command.line for block in found for command in commands(block)]


def joined(text: str) -> str:
    """Return ``text`` with the lines that end with a backslash joined to the next ones."""
    return re.sub(r" *\\\n *", " ", text)


def change(path: Path, diff: str) -> None:
    """Apply ``diff``, which stands for one place of the file."""
    lines = [(line[:1], line[1:]) for line in diff.splitlines(keepends=True)]
    old = "".join(line for mark, line in lines if mark != "+")
    new = "".join(line for mark, line in lines if mark != "-")
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} has not once:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- the pages about trouble -----------------------------------------------------------------------------------

#: What :func:`follow` does. Messages without a command are compared by ``tests/docs/test_error_messages.py``.
FOLLOWED = {"console", "diff", "python"}


def follow(workspace: Workspace, text: str) -> None:
    """Do what the blocks in ``text`` say, in their order."""
    for block in blocks(text):
        if block.language == "diff":
            change(workspace.app / str(block.name), block.text)
        elif block.language == "python":
            write(workspace.app / str(block.name), block.text)
        elif block.language == "console":
            for command in commands(block):
                run(workspace, command)


def run(workspace: Workspace, command: Command) -> None:
    """Run a line that a page shows, and compare what it prints."""
    program, *argv = shlex.split(command.line)
    assert program == "ws-alembic"
    ran = workspace.call(WS_ALEMBIC, argv)
    expected = command.output
    assert bool(ran.code) == ("FAILED" in expected or " fix:  " in expected), (command, ran)
    words = (re.escape(word).replace(re.escape("..."), ".*") for word in expected.split())
    assert re.fullmatch(r"\s*".join(words), (ran.out + ran.err).strip(), re.DOTALL), (command, ran)
