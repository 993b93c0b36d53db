"""Each block of each page: its language is known, Python and INI can be read, and commands are understood."""

from __future__ import annotations

import configparser
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from page_blocks import DOCS, blocks, joined, page
from websauna_migrate.scripts import ws_alembic, ws_create_table, ws_db_shell, ws_dump_db
from websauna_migrate.scripts.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.rst") if "_build" not in path.parts)
LANGUAGES = {"", "console", "diff", "docker", "ini", "none", "py", "pycon", "python", "sh", "yaml"}


@pytest.mark.parametrize("name", PAGES)
def test_a_code_block_says_its_language(name: str) -> None:
    assert {block.language for block in blocks(page(name))} <= LANGUAGES


@pytest.mark.parametrize("name", PAGES)
def test_python_and_ini_blocks_can_be_read(name: str) -> None:
    for block in blocks(page(name)):
        if block.language in ("py", "python"):
            compile(block.text, name, "exec")
        elif block.language == "ini":
            configparser.RawConfigParser().read_string(block.text)


# These pages show commands in plain blocks. They are not run here; of those, our own scripts are only parsed.
NOT_RUN = {
    "how-to/back-up.rst",
    "how-to/look-into-the-database.rst",
    "how-to/shell-completion.rst",  # run by tests/unit/scripts/test_completion.py
    "how-to/production.rst",  # run by tests/integration/test_production.py
    "how-to/start-a-project.rst",
    "how-to/write-an-addon.rst",
    "reference/settings.rst",
}
PROGRAM = re.compile(r"(\S*/)?(alembic|cookiecutter|make|pip|pserve|pshell|ws-[a-z-]+) ")


def literal_lines(text: str) -> Iterator[str]:
    """Yield the lines of the blocks that a ``::`` at the end of a paragraph begins."""
    inside = False
    for line in text.splitlines():
        if line and not line.startswith(" "):
            inside = line.endswith("::") and not line.startswith("..")
        elif inside and line:
            yield line.strip()


@pytest.mark.parametrize("name", sorted(set(PAGES) - NOT_RUN))
def test_commands_stand_in_blocks_that_are_run(name: str) -> None:
    assert [line for line in literal_lines(page(name)) if PROGRAM.match(line)] == []


PARSERS = {
    "ws-create-table": ws_create_table.build_parser,
    "ws-db-shell": ws_db_shell.build_parser,
    "ws-dump-db": ws_dump_db.build_parser,
}
SCRIPT_LINE = re.compile(r"^ *(?:\$ )?(?:\S*/)?(ws-[a-z-]+) ([^`\n]*)$", re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_a_line_that_runs_a_script_is_one_that_the_script_understands(name: str) -> None:
    text = re.sub(r"(?ms)^ *\.\. code-block:: none\n.*?(?=^\S)", "", joined(page(name)))
    for script, arguments in SCRIPT_LINE.findall(text):
        argv = shlex.split(re.split(r" [|>&<] ?", arguments)[0], comments=True)
        if script != "ws-alembic":
            PARSERS[script]().parse_intermixed_args(argv[: argv.index("--")] if "--" in argv else argv)
        else:
            parse(ws_alembic.build_parser(), argv)
