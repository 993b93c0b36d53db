"""Streams that cannot be written to: a full disk, and those that were closed when a command began."""

from __future__ import annotations

import os
import subprocess
import sysconfig
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
CLOSED = ("<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-")
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


def shell(shop, command, redirection, **env):
    """Run an installed script with a redirection of the shell."""
    script, *arguments = command
    argv = [Path(sysconfig.get_path("scripts"), script), *(one.format(ini=shop.ini) for one in arguments)]
    path = ":".join(map(str, shop.path))
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *map(str, argv)],
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("script", PRINTS_RESULTS)
def test_a_full_disk_is_told_in_one_line_with_the_remedy(shop, script, unbuffered):
    ran = shell(shop, (script, *PRINTS_RESULTS[script]), "> /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert ran.returncode == 1
    assert ran.stderr.startswith("FAILED: cannot write ")
    assert "standard output" in ran.stderr
    assert "No space left on device; " in ran.stderr
    assert "another place" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_run_goes_on_though_nobody_can_read_about_it(shop):
    shop.ok("downgrade", "base")
    ran = shell(shop, ("ws-alembic", "-c", "{ini}", "upgrade"), "2> /dev/full")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert shop.ok("current") == "aaa1 (head)\n"


@pytest.mark.parametrize(("script", "closed"), EACH)
def test_a_result_for_a_closed_stdout_is_an_error_and_other_streams_are_not_needed(shop, script, closed):
    ran = shell(shop, (script, *PRINTS_RESULTS[script]), closed)
    if " >&-" in f" {closed}":
        assert ran.returncode == 1
        assert ran.stderr.startswith("" if "2>&-" in closed else "FAILED: cannot write ")
    else:
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr


@pytest.mark.parametrize("closed", CLOSED)
def test_an_upgrade_needs_no_stream(shop, closed):
    """What it opens never gets the number of a stream, so nothing is printed into the database."""
    shop.ok("downgrade", "base")
    ran = shell(shop, ("ws-alembic", "-c", "{ini}", "upgrade"), closed)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "Traceback" not in ran.stderr
    assert shop.execute("PRAGMA integrity_check") == [("ok",)]
    assert shop.ok("current") == "aaa1 (head)\n"


@pytest.mark.parametrize(("script", "closed"), [*EACH, ("ws-db-shell", "<&- >&- 2>&-")])
def test_wrong_usage_and_help_end_as_ever(shop, script, closed):
    for arguments, code in ((["--help"], 0), (["--nonsense"], 2)):
        ran = shell(shop, (script, *arguments), closed)
        assert ran.returncode == code
        assert "Traceback" not in ran.stderr
        assert "Exception" not in ran.stderr


@pytest.mark.parametrize("closed", CLOSED)
def test_a_shell_is_opened_on_whatever_streams_there_are(shop, tmp_path, closed):
    client = tmp_path / "bin" / "sqlite3"
    client.parent.mkdir()
    client.write_text("#!/bin/sh\necho shown\nexit 7\n")
    client.chmod(0o755)
    ran = shell(shop, ("ws-db-shell", "--client", "sqlite3", "{ini}"), closed, PATH=f"{client.parent}:/usr/bin:/bin")
    assert ran.returncode == 7, ran.stderr
    assert "Traceback" not in ran.stderr
