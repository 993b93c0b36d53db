"""The pages of the documentation do what they say: their commands and code blocks are run, in their order.

- ``console``: each line after ``$`` is run in one shell for the page; a backslash at its end continues it. Lines under
  it are what it prints, where ``...`` stands for anything. A command has to succeed, unless a line that it prints says
  ``FAILED``.
- ``pycon``: is typed into the program that the last line of the ``console`` block before it starts.
- ``python``: is run; an ``includeme``, an ``Initializer`` and a ``main`` are called. With a caption or a name it is
  written to that file instead, as an ``ini`` block is.
- ``diff``: changes the file that its caption names.
- ``ini``: has to be an INI file.
- ``py``: an excerpt of Python, is compiled. It has to be in the file that its caption names. Other languages are only
  highlighted.

The reference and the explanation are run in the application of ``tests/packages``, the how-to guides in what the
tutorial leaves behind.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from websauna_migrate.scripts import ws_alembic, ws_create_table, ws_db_shell, ws_dump_db
from websauna_migrate.scripts.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

# What these tests share takes longer to make than most of them take.

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGES = ROOT / "tests" / "packages"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.rst") if "_build" not in path.parts)
LANGUAGES = {"console", "diff", "docker", "ini", "none", "py", "pycon", "python", "sh", "yaml"}
RUN = {"console", "diff", "ini", "python"}
LONGEST = 60  # seconds for one command
END = "\x1e"

BLOCK = re.compile(
    r"^(?P<indent> *)\.\. code-block:: *(?P<language>\S*)\n"
    r"(?P<options>(?:(?P=indent)   +:.*\n)*)"
    r"(?P<text>(?:(?P=indent)   .*\n|[ ]*\n)+)",
    re.MULTILINE,
)

CALLS = """
if "includeme" in globals():
    from pyramid.config import Configurator
    config = Configurator()
    config.include(includeme)
    config.commit()
if "Initializer" in globals():
    Initializer({}, {}).register_models()
if "main" in globals():
    main({})
"""


@dataclass(frozen=True)
class Block:
    """A code block of a page. ``file`` is what its caption or its name says."""

    language: str
    text: str
    file: str | None


@dataclass(frozen=True)
class Command:
    """A line for the shell and what it prints, as the page has it."""

    line: str
    output: str


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of ``page`` in their order."""
    found = []
    for match in BLOCK.finditer(page.read_text(encoding="utf-8") + "\n"):
        file = re.search(r":(?:caption|name): *(\S+)", match["options"])
        found.append(Block(match["language"], dedent(match["text"]).strip("\n") + "\n", file and file[1]))
    return found


def pages_to_run(*folders: str) -> list[str]:
    """Return the pages in ``folders`` of the documentation that have something to run."""
    pages = [page for page in PAGES if page.startswith(folders)]
    return [page for page in pages if {block.language for block in blocks(DOCS / page)} & RUN]


def commands(block: Block) -> list[Command]:
    """Return the commands of a ``console`` block."""
    parts = re.split(r"^\$ ", joined(block.text), flags=re.MULTILINE)
    assert not parts[0], "a console block begins with a command"
    return [Command(line, output) for line, _, output in (part.partition("\n") for part in parts[1:])]


def joined(text: str) -> str:
    """Return ``text`` with the lines that end with a backslash joined to the next ones."""
    return re.sub(r" *\\\n *", " ", text)


def looks_like(expected: str, output: str) -> bool:
    """Tell whether ``output`` is what is ``expected``; the width of gaps does not count."""
    pattern = ""
    for line in expected.rstrip().splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        words = (re.escape(word).replace(re.escape("..."), ".*") for word in line.split())
        pattern += r"[ \t]*" + r"[ \t]+".join(words) + r"[ \t]*\n"
    return re.fullmatch(pattern, output.strip() + "\n") is not None


class Shell:
    """A shell that stays open, so that ``cd`` and ``activate`` last."""

    def __init__(self, folder: Path, scratch: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.scratch = scratch
        self.process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, line: str, typed: str = "") -> tuple[int, str]:
        """Run ``line`` with ``typed`` as its input; return its exit code and what it printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        entered = self.scratch / "typed"
        entered.write_text(typed, encoding="utf-8")
        self.process.stdin.write(f"{{ {line}\n}} < '{entered}'; printf '\\n{END}%s %s\\n' $? \"$PWD\"\n")
        self.process.stdin.flush()
        limit = threading.Timer(LONGEST, self.process.kill)
        limit.start()
        output = ""
        for printed in self.process.stdout:
            if printed.startswith(END):
                code, _, folder = printed[1:].rstrip("\n").partition(" ")
                self.folder = Path(folder)
                limit.cancel()
                return int(code), output.strip("\n") + "\n"
            output += printed
        raise AssertionError(f"no end within {LONGEST} s: {line}\n{output}")

    def close(self) -> None:
        """End the shell."""
        with self.process:
            self.process.kill()


def run_page(page: Path, shell: Shell) -> None:
    """Do what ``page`` says."""
    found = blocks(page)
    for number, block in enumerate(found):
        following = found[number + 1] if number + 1 < len(found) else None
        if block.language == "console":
            session = following.text if following and following.language == "pycon" else ""
            run_console(shell, commands(block), session)
        elif block.language == "diff":
            change(shell.folder / str(block.file), block.text)
        elif block.language == "py":
            assert block.file is None or contains(shell.folder / block.file, block.text), block
        elif block.file:
            write(shell.folder / block.file, block.text)
        elif block.language == "python":
            run_python(shell, block.text)
        elif block.language == "ini":
            configparser.RawConfigParser().read_string(block.text)


def run_console(shell: Shell, lines: list[Command], session: str) -> None:
    """Run ``lines``; what stands after ``>>>`` in ``session`` is typed into the last of them."""
    for command in lines:
        if command.line.startswith("pserve "):
            serve(shell, command.line)
            continue
        is_last = command is lines[-1]
        typed = "".join(re.findall(r"^>>> (.*\n)", session, re.MULTILINE)) if is_last else ""
        code, output = shell.run(command.line, typed)
        assert (code == 0) != ("FAILED" in command.output), f"$ {command.line}\n{output}"
        if command.output:
            assert looks_like(command.output, output), f"$ {command.line}\n{output}\nis not\n{command.output}"
        if typed:
            expected = re.sub(r"^>>> .*\n", "", session, flags=re.MULTILINE)
            assert [line for line in expected.splitlines() if line not in output] == [], output


def run_python(shell: Shell, text: str) -> None:
    """Run ``text`` and call what it defines for an application."""
    script = shell.scratch / "block.py"
    script.write_text(text + CALLS, encoding="utf-8")
    code, output = shell.run(f"python '{script}'")
    assert code == 0, f"{text}\n{output}"


def write(path: Path, text: str) -> None:
    """Make ``text`` the content of ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def change(path: Path, diff: str) -> None:
    """Apply ``diff``, which stands for one place of the file."""
    lines = [(line[:1], line[1:]) for line in diff.splitlines(keepends=True)]
    old = "".join(line for mark, line in lines if mark != "+")
    new = "".join(line for mark, line in lines if mark != "-")
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} has not once:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def contains(path: Path, excerpt: str) -> bool:
    """Tell whether the lines of ``excerpt`` are in a file, at any indentation."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return "\n".join(line.strip() for line in excerpt.splitlines()) in "\n".join(lines)


def serve(shell: Shell, line: str) -> None:
    """Start a server, on a port that is free, and open its first page."""
    ini = shell.folder / "development.ini"
    ini.write_text(re.sub(r"(?m)^listen = .*", "listen = 127.0.0.1:0", ini.read_text()))
    log = shell.scratch / "server.log"
    code, output = shell.run(f"{line} > '{log}' 2>&1 & echo $!")
    assert code == 0, output
    try:
        url = wait_for(log)
        with urllib.request.urlopen(url) as response:
            assert response.status == 200
    finally:
        os.kill(int(output), signal.SIGTERM)


def wait_for(log: Path) -> str:
    """Return the URL that a server says it serves."""
    for _ in range(10 * LONGEST):
        if found := re.search(r"Serving on (http://\S+)", log.read_text() if log.exists() else ""):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


# --- environments ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables of a user whose pip finds all it needs at hand, and who has no environment yet."""
    home = tmp_path_factory.mktemp("home")
    python3 = home / "bin" / "python3"
    write(python3, f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("borrowed_venv.py")}" "$@"\n')
    python3.chmod(0o755)
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": f"{python3.parent}:{os.environ['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads that as: no isolation
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
    }


@pytest.fixture(scope="module")
def activated(environment: dict[str, str]) -> dict[str, str]:
    """The same with an environment that is active."""
    env = Path(environment["HOME"]) / "env"
    subprocess.run(["python3", "-m", "venv", env], env=environment, check=True)
    return {**environment, "PATH": f"{env / 'bin'}:{environment['PATH']}", "VIRTUAL_ENV": str(env)}


@pytest.fixture
def shells(tmp_path: Path) -> Iterator[list[Shell]]:
    """The shells of a test, to be closed when it ends."""
    opened: list[Shell] = []
    yield opened
    for shell in opened:
        shell.close()


@pytest.fixture(scope="module")
def tutorial(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the tutorial was followed in."""
    folder = tmp_path_factory.mktemp("tutorial")
    shell = Shell(folder, tmp_path_factory.mktemp("scratch"), environment)
    try:
        run_page(DOCS / "tutorial.rst", shell)
    finally:
        shell.close()
    return folder


# --- the pages -------------------------------------------------------------------------------------------------


def test_the_tutorial_works_as_it_is_written(tutorial: Path) -> None:
    assert len(list(tutorial.glob("shop/alembic/versions/*.py"))) == 2
    assert len(list(tutorial.glob("newsletter/demo_newsletter/alembic/versions/*.py"))) == 1


@pytest.mark.parametrize("page", pages_to_run("reference/", "explanation/"))
def test_a_page_of_reference_or_explanation_works_as_it_is_written(
    page: str, activated: dict[str, str], tmp_path: Path, shells: list[Shell]
) -> None:
    shutil.copytree(PACKAGES, tmp_path / "packages", ignore=shutil.ignore_patterns("__pycache__"))
    variables = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shop.sqlite'}",
        "PYTHONPATH": ":".join(map(str, (tmp_path / "packages").iterdir())),
    }
    shells.append(Shell(tmp_path / "packages" / "acme_shop", tmp_path, {**activated, **variables}))
    run_page(DOCS / page, shells[0])


@pytest.mark.parametrize("page", pages_to_run("how-to/"))
def test_a_how_to_guide_works_as_it_is_written(
    page: str, tutorial: Path, environment: dict[str, str], tmp_path: Path, shells: list[Shell]
) -> None:
    before = shutil.copytree(tutorial, tmp_path / "before", symlinks=True)
    shells.append(Shell(tutorial, tmp_path, environment))
    shells[0].run(". .venv/bin/activate && cd shop")
    try:
        run_page(DOCS / page, shells[0])
    finally:
        shutil.rmtree(tutorial)
        shutil.move(before, tutorial)


@pytest.mark.parametrize(
    ("page", "start"), [("README.rst", "Quick start\n-----"), ("docs/index.rst", "First steps\n-----")]
)
def test_the_first_steps_work_as_they_are_written(
    page: str, start: str, activated: dict[str, str], tmp_path: Path, shells: list[Shell]
) -> None:
    write(
        tmp_path / "myapp" / "models.py",
        "from sqlalchemy import Column, Integer\n"
        "from sqlalchemy.orm import DeclarativeBase\n\n\n"
        "class Base(DeclarativeBase):\n    pass\n\n\n"
        'class Page(Base):\n    __tablename__ = "page"\n    id = Column(Integer, primary_key=True)\n',
    )
    text = (ROOT / page).read_text()
    write(tmp_path / "quick_start.rst", text[text.index(start) :])
    shells.append(Shell(tmp_path, tmp_path, activated))
    run_page(tmp_path / "quick_start.rst", shells[0])
    code, output = shells[0].run("ws-alembic -c development.ini status --check")
    assert (code, "up to date" in output) == (0, True)


@pytest.mark.parametrize("command", ["demo", "test"])
def test_the_readme_begins_with_the_two_commands_of_the_makefile(command: str) -> None:
    [first, *_] = blocks(ROOT / "README.rst")
    assert f"make {command}" in [one.line for one in commands(first)]
    assert len(commands(first)) == 2
    assert re.search(rf"(?m)^{command}:", (ROOT / "Makefile").read_text())


# --- all pages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_a_code_block_says_its_language(page: str) -> None:
    assert {block.language for block in blocks(DOCS / page)} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES)
def test_python_and_ini_blocks_can_be_read(page: str) -> None:
    for block in blocks(DOCS / page):
        if block.language in ("py", "python"):
            compile(block.text, page, "exec")
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


@pytest.mark.parametrize("page", sorted(set(PAGES) - NOT_RUN))
def test_commands_stand_in_blocks_that_are_run(page: str) -> None:
    assert [line for line in literal_lines((DOCS / page).read_text()) if PROGRAM.match(line)] == []


PARSERS = {
    "ws-create-table": ws_create_table.build_parser,
    "ws-db-shell": ws_db_shell.build_parser,
    "ws-dump-db": ws_dump_db.build_parser,
}
SCRIPT_LINE = re.compile(r"^ *(?:\$ )?(?:\S*/)?(ws-[a-z-]+) ([^`\n]*)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_a_line_that_runs_a_script_is_one_that_the_script_understands(page: str) -> None:
    import shlex

    text = re.sub(r"(?ms)^ *\.\. code-block:: none\n.*?(?=^\S)", "", joined((DOCS / page).read_text()))
    for script, arguments in SCRIPT_LINE.findall(text):
        argv = shlex.split(re.split(r" [|>&<] ?", arguments)[0], comments=True)
        if script != "ws-alembic":
            PARSERS[script]().parse_intermixed_args(argv[: argv.index("--")] if "--" in argv else argv)
        else:
            parse(ws_alembic.build_parser(), argv)
