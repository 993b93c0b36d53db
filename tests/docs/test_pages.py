"""The pages of the documentation do what they say: their commands and code blocks are run, in their order.

- ``console``: each line after ``$`` is run in one shell for the page; a backslash at its end continues it. Lines under
  it are what it prints, where ``...`` stands for anything. A command has to succeed, unless a line that it prints says
  ``FAILED``. If a line is a question with its answer, the command is run on a terminal. ``.. run: COMMAND`` is a
  comment of the page: a command that readers need not see.
- ``pycon``: is typed into the program that the last line of the ``console`` block before it starts.
- ``python``: is run; an ``includeme``, an ``Initializer`` and a ``main`` are called. With a caption or a name it is
  written to that file instead, as an ``ini`` block is.
- ``diff``: changes the file that its caption names.
- ``ini``: has to be an INI file.
- ``py``: an excerpt of Python, is compiled. It has to be in the file that its caption names.

Blocks of other languages have a name or a caption, by which another test finds them; see ``test_blocks``.

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
import time
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from page_blocks import DOCS, Command, blocks, change, commands
from page_blocks import page as page_text
from projects import PACKAGES, ROOT, write
from shells import LONGEST, Programs, Shell, looks_like
from terminals import QUESTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keeper import Keeper

PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.rst") if "_build" not in path.parts)
#: The page that is done with two releases of an application, by ``tests/integration/test_production.py``.
RUN_ELSEWHERE = {"how-to/production.rst"}
USE_SQLITE3 = {"how-to/back-up.rst", "how-to/look-into-the-database.rst"}
ANSWERED = re.compile(rf"{QUESTION.pattern}(?:\[\S+\] )?(.*)$", re.MULTILINE)
EXTRA = re.compile(r'pip install "websauna_migrate\[(\w+)\]"')
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


def pages_to_run(*folders: str) -> list[str]:
    """Return the pages in ``folders`` of the documentation that have something to run."""
    pages = [page for page in PAGES if page.startswith(folders) and page not in RUN_ELSEWHERE]
    return [page for page in pages if blocks(page_text(page))]


def run_page(text: str, shell: Shell) -> None:
    """Do what a page says."""
    found = blocks(text)
    for number, block in enumerate(found):
        following = found[number + 1] if number + 1 < len(found) else None
        if block.is_labelled:
            continue
        if block.language == "pycon":
            assert found[number - 1].language == "console", block
        if block.language == "console":
            session = following.text if following and following.language == "pycon" else ""
            run_console(shell, commands(block), session)
        elif block.language == "diff":
            change(shell.folder / str(block.name), block.text)
        elif block.language == "py":
            assert block.name is None or contains(shell.folder / block.name, block.text), block
        elif block.language in ("ini", "python") and block.name:
            write(shell.folder / block.name, block.text)
        elif block.language == "python":
            run_python(shell, block.text)
        elif block.language == "ini":
            configparser.RawConfigParser().read_string(block.text)


def run_console(shell: Shell, lines: list[Command], session: str) -> None:
    """Run ``lines``; what stands after ``>>>`` in ``session`` is typed into the last of them."""
    for command in lines:
        if command.line.startswith("pserve "):
            serve(shell, command.line)
        elif extra := EXTRA.fullmatch(command.line):
            assert_is_installed(extra[1])
        else:
            run_command(shell, command, session if command is lines[-1] else "")


def run_command(shell: Shell, command: Command, session: str) -> None:
    """Run a command, and compare what it prints with what the page shows."""
    typed = "".join(re.findall(r"^>>> (.*\n)", session, re.MULTILINE))
    if command.line.startswith("cookiecutter ") and "--no-input" not in command.line:
        typed = "\n" * 9  # the defaults
    code, output = done(shell, command, typed)
    assert (code == 0) != ("FAILED" in command.output), f"$ {command.line}\n{output}"
    if command.output:
        assert looks_like(command.output, output), f"$ {command.line}\n{output}\nis not\n{command.output}"
    expected = [line.strip() for line in session.splitlines() if not line.startswith((">>>", "..."))]
    assert [line for line in expected if line not in output] == [], output


def done(shell: Shell, command: Command, typed: str) -> tuple[int, str]:
    """Run a command and return its exit code and what it printed, on a terminal if the page shows a question."""
    answers = [answer for _, answer in ANSWERED.findall(command.output)]
    if not answers:
        return shell.run(command.line, typed)
    terminal = shell.ask(command.line, answers)
    assert len(terminal.questions) == len(answers), terminal.seen
    return terminal.code, terminal.seen


def assert_is_installed(extra: str) -> None:
    """Assert that the package has an extra, and that pip would find nothing to install for it."""
    wanted = [Requirement(one) for one in metadata.requires("websauna_migrate") or ()]
    chosen = [one for one in wanted if one.marker and f'extra == "{extra}"' in str(one.marker)]
    assert chosen, extra
    assert [one for one in chosen if not one.specifier.contains(metadata.version(one.name))] == []


def run_python(shell: Shell, text: str) -> None:
    """Run ``text`` and call what it defines for an application."""
    write(shell.scratch / "block.py", text + CALLS)
    code, output = shell.run(f'PYTHONPATH="$PYTHONPATH:{shell.scratch}" run-module block')
    assert code == 0, f"{text}\n{output}"


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
def programs(keeper: Keeper) -> Iterator[Programs]:
    """What runs our scripts."""
    with Programs(keeper.new_folder("programs")) as programs:
        yield programs


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, programs: Programs) -> dict[str, str]:
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
        "PROGRAMS": programs.address,
        "PYTEST_ADDOPTS": "-W ignore::pytest.PytestAssertRewriteWarning",  # it is not the first program of its process
        "PYTHONPATH": "",
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
        run_page(page_text("tutorial.rst"), shell)
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
    run_page(page_text(page), shells[0])


@pytest.mark.parametrize("page", pages_to_run("how-to/", "troubleshooting/index"))
def test_a_how_to_guide_works_as_it_is_written(
    page: str, tutorial: Path, environment: dict[str, str], tmp_path: Path, shells: list[Shell]
) -> None:
    if page in USE_SQLITE3 and not shutil.which("sqlite3"):
        pytest.skip("no sqlite3 program here")
    before = shutil.copytree(tutorial, tmp_path / "before", symlinks=True)
    shells.append(Shell(tutorial, tmp_path, environment))
    shells[0].run(". .venv/bin/activate && cd shop")
    try:
        run_page(page_text(page), shells[0])
    finally:
        shutil.rmtree(tutorial)
        shutil.move(before, tutorial)


@pytest.mark.parametrize(("page", "start"), [("README.rst", "Quick start\n-----"), ("index.rst", "First steps\n-----")])
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
    text = page_text(page)
    assert [block for block in blocks(text[: text.index(start)]) if not block.text.startswith("$ make ")] == []
    shells.append(Shell(tmp_path, tmp_path, activated))
    run_page(text[text.index(start) :], shells[0])
    code, output = shells[0].run("ws-alembic -c development.ini status --check")
    assert (code, "up to date" in output) == (0, True)


@pytest.mark.parametrize("command", ["demo", "test"])
def test_the_readme_begins_with_the_two_commands_of_the_makefile(command: str) -> None:
    [first, *_] = blocks(page_text("README.rst"))
    assert f"make {command}" in [one.line for one in commands(first)]
    assert len(commands(first)) == 2
    assert re.search(rf"(?m)^{command}:", (ROOT / "Makefile").read_text())
