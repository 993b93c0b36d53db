"""Streams that cannot be written to: a full disk, and those that were closed when a command began."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from functools import partial
from pathlib import Path

import pytest

from projects import Workspace, revise

THING = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
"""
PRINTS_RESULTS = {
    "ws-alembic": ("-c", "{ini}", "status"),
    "ws-create-table": ("{ini}",),
    "ws-dump-db": ("{ini}",),
}
#: Redirections of a shell, and the numbers of the streams that a process does not have then.
CLOSED = {"<&-": (0,), ">&-": (1,), "2>&-": (2,), ">&- 2>&-": (1, 2), "<&- >&- 2>&-": (0, 1, 2)}
#: All scripts begin in the same way: one is tried with all, the others with what differs most.
EACH = [
    *(("ws-alembic", closed) for closed in CLOSED),
    *((script, closed) for script in PRINTS_RESULTS if script != "ws-alembic" for closed in (">&-", "<&- >&- 2>&-")),
]


@pytest.fixture
def shop(tmp_path, sqlite) -> Workspace:
    workspace = Workspace(tmp_path, sqlite.new_database())
    workspace.add_app("shop", THING, history=True)
    revise(workspace.app / "shop" / "alembic", "aaa1")
    workspace.ok("upgrade")
    return workspace


def shell(command, redirection, **env):
    """Run an installed script with a redirection of the shell, in an interpreter that begins so."""
    script, *arguments = command
    argv = [Path(sysconfig.get_path("scripts"), script), *arguments]
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *map(str, argv)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def ended(start):
    """Run an installed script in a process with other streams: ``ended(command, closed=(1,)).returncode``."""

    def ended(command, env=None, **streams):
        process = start(*command, env=env or {}, **streams)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    return ended


def printing(script, shop):
    """Return the command line that prints a result, and its environment."""
    arguments = (one.format(ini=shop.ini) for one in PRINTS_RESULTS[script])
    return (script, *arguments), {"PYTHONPATH": ":".join(map(str, shop.path))}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("script", PRINTS_RESULTS)
def test_a_full_disk_is_told_in_one_line_with_the_remedy(shop, ended, script, unbuffered):
    command, env = printing(script, shop)
    if unbuffered:
        ran = shell(command, "> /dev/full", **env, PYTHONUNBUFFERED=unbuffered)
    else:
        with open("/dev/full", "w") as full:  # noqa: PTH123 (a device)
            ran = ended(command, env, stdout=full)
    assert ran.returncode == 1
    assert ran.stderr.startswith("FAILED: cannot write ")
    assert "standard output" in ran.stderr
    assert "No space left on device; " in ran.stderr
    assert "another place" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_run_goes_on_though_nobody_can_read_about_it(shop, ended):
    shop.ok("downgrade", "base")
    with open("/dev/full", "w") as full:  # noqa: PTH123 (a device)
        ran = ended(("ws-alembic", "-c", shop.ini, "upgrade"), {"PYTHONPATH": str(shop.app)}, stderr=full)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert shop.ok("current") == "aaa1 (head)\n"


@pytest.mark.parametrize(("script", "closed"), EACH)
def test_a_result_for_a_closed_stdout_is_an_error_and_other_streams_are_not_needed(shop, ended, script, closed):
    ran = ended(*printing(script, shop), closed=CLOSED[closed])
    if " >&-" in f" {closed}":
        assert ran.returncode == 1
        assert ran.stderr.startswith("" if "2>&-" in closed else "FAILED: cannot write ")
    else:
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr


def test_an_upgrade_needs_no_stream(shop, ended):
    """What it opens never gets the number of a stream, so nothing is printed into the database."""
    command, env = ("ws-alembic", "-c", shop.ini, "upgrade"), {"PYTHONPATH": str(shop.app)}
    ways = {closed: partial(ended, command, env, closed=numbers) for closed, numbers in CLOSED.items()}
    ways["an interpreter without streams"] = partial(shell, command, "<&- >&- 2>&-", **env)
    for way, upgrade in ways.items():
        shop.ok("downgrade", "base")
        ran = upgrade()
        assert (ran.returncode, ran.stdout) == (0, ""), way
        assert "Traceback" not in ran.stderr, way
        assert shop.execute("PRAGMA integrity_check") == [("ok",)], way
        assert shop.ok("current") == "aaa1 (head)\n", way


HELP = ((["--help"], 0), (["--nonsense"], 2))


@pytest.mark.parametrize(("script", "closed"), [*EACH, ("ws-db-shell", "<&- >&- 2>&-")])
def test_wrong_usage_and_help_end_as_ever(ended, script, closed):
    for arguments, code in HELP:
        assert_quiet(ended((script, *arguments), closed=CLOSED[closed]), code)


def test_an_interpreter_that_begins_without_streams_ends_as_ever():
    for arguments, code in HELP:
        assert_quiet(shell(("ws-alembic", *arguments), "<&- >&- 2>&-"), code)


def assert_quiet(ran, code):
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr


@pytest.mark.parametrize("closed", CLOSED)
def test_a_shell_is_opened_on_whatever_streams_there_are(shop, ended, tmp_path, closed):
    client = tmp_path / "bin" / "sqlite3"
    client.parent.mkdir()
    client.write_text("#!/bin/sh\necho shown\nexit 7\n")
    client.chmod(0o755)
    env = {"PATH": f"{client.parent}:/usr/bin:/bin"}
    ran = ended(("ws-db-shell", "--client", "sqlite3", shop.ini), env, closed=CLOSED[closed])
    assert ran.returncode == 7, ran.stderr
    assert "Traceback" not in ran.stderr
