"""``upgrade --backup FILE``: first a complete dump, then the upgrade, or nothing at all."""

from __future__ import annotations

import os
import signal
import time

import pytest

from projects import Workspace, revise, write

CREATE = "op.create_table('note', sa.Column('id', sa.Integer, primary_key=True))"


def make_shop(folder, backend):
    shop = Workspace(folder, backend.new_database())
    shop.add_app("shop")
    revise(shop.app / "alembic", "aaa1", None, CREATE)
    return shop


@pytest.fixture
def shop(tmp_path, backend, monkeypatch):
    """An application with a revision to be applied; the clients are those of the server."""
    if backend.name != "sqlite":
        monkeypatch.setenv("PATH", f"{backend.server.programs}{os.pathsep}{os.environ['PATH']}")
    shop = make_shop(tmp_path, backend)
    shop.execute("CREATE TABLE before_all (name VARCHAR(20))", "INSERT INTO before_all VALUES ('kept')")
    return shop


@pytest.fixture
def small(tmp_path, sqlite):
    """As ``shop``, on SQLite alone."""
    shop = make_shop(tmp_path, sqlite)
    shop.execute("CREATE TABLE before_all (name VARCHAR(20))", "INSERT INTO before_all VALUES ('kept')")
    return shop


def upgrade(shop, file, *argv):
    return shop.run("-q", "upgrade", "--backup", str(file), *argv, env={"PATH": os.environ["PATH"]})


def test_the_dump_is_made_before_the_first_revision_runs(shop, tmp_path):
    ran = upgrade(shop, tmp_path / "before.sql")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    dumped = (tmp_path / "before.sql").read_text()
    assert "kept" in dumped
    assert "note" not in dumped
    assert "note" in shop.tables()


def test_where_there_is_nothing_to_do_nothing_is_dumped(small, tmp_path):
    small.ok("upgrade")
    ran = small.run("upgrade", "--backup", "before.sql")
    assert (ran.code, ran.err) == (0, "nothing to do\n")
    assert not (small.app / "before.sql").exists()


def test_it_says_where_the_backup_goes(small):
    ran = small.run("upgrade", "--backup", "before.sql")
    assert ran.err.startswith("backing up to before.sql\n[1/1] shop aaa1")
    assert (small.app / "before.sql").exists()


def test_a_dump_that_fails_stops_before_anything_ran(shop, backend, tmp_path):
    """The program is there and breaks, as with a wrong version or a table that may not be read."""
    if backend.name == "sqlite":
        pytest.skip("SQLite needs no program")
    for name in ("pg_dump", "mariadb-dump", "mysqldump"):
        write(tmp_path / "bin" / name, "#!/bin/sh\necho half of it\necho 'error: no more' >&2\nexit 7\n").chmod(0o755)
    (tmp_path / "before.sql").write_text("of yesterday")
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    said = shop.fails("-q", "upgrade", "--backup", str(tmp_path / "before.sql"), env={"PATH": path})
    assert said.startswith("the backup failed, nothing was upgraded: ")
    assert "ended with exit code 7; error: no more" in said
    assert (tmp_path / "before.sql").read_text() == "of yesterday"
    assert shop.tables() == {"before_all"}
    assert not list(tmp_path.glob(".before.sql*"))


def test_a_missing_program_stops_before_anything_ran(tmp_path, postgresql):
    shop = make_shop(tmp_path, postgresql)
    said = shop.fails("-q", "upgrade", "--backup", "before.sql", env={"PATH": str(tmp_path)})
    assert "nothing was upgraded: pg_dump is not installed" in said
    assert shop.tables() == set()


@pytest.mark.parametrize("file", ["/dev/full", "/nowhere/before.sql"])
def test_a_file_that_cannot_be_written_stops_before_anything_ran(small, file):
    assert "nothing was upgraded: " in small.fails("-q", "upgrade", "--backup", file)
    assert small.tables() == {"before_all"}


def test_the_database_is_not_replaced_by_its_own_dump(small):
    said = small.fails("-q", "upgrade", "--backup", small.url.database)
    assert "is the database itself; name another file with --backup" in said
    assert small.tables() == {"before_all"}


def test_without_a_database_there_is_nothing_to_back_up(small):
    assert "leave out --backup" in small.fails("upgrade", "--sql", "--backup", "before.sql", code=2)
    assert not (small.app / "before.sql").exists()


def test_the_backup_is_made_under_the_lock(tmp_path, postgresql, monkeypatch, start):
    """Two upgrades at once: one of them has something to do, so there is one dump."""
    monkeypatch.setenv("PATH", f"{postgresql.server.programs}{os.pathsep}{os.environ['PATH']}")
    shop = make_shop(tmp_path, postgresql)
    env = {"PYTHONPATH": os.pathsep.join(map(str, shop.path))}
    processes = [
        start("ws-alembic", "-q", "-c", shop.ini, "upgrade", "--backup", tmp_path / f"{number}.sql", env=env)
        for number in range(2)
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    dumps = list(tmp_path.glob("*.sql"))
    assert len(dumps) == 1
    assert "note" not in dumps[0].read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_dumps_leaves_nothing_behind(tmp_path, postgresql, number, start):
    shop = make_shop(tmp_path, postgresql)
    write(tmp_path / "bin" / "pg_dump", "#!/bin/sh\necho begun\nexec sleep 60\n").chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {"PYTHONPATH": os.pathsep.join(map(str, shop.path)), "PATH": path}
    process = start("ws-alembic", "-q", "-c", shop.ini, "upgrade", "--backup", tmp_path / "before.sql", env=env)
    while not [file for file in tmp_path.glob(".before.sql*") if file.stat().st_size]:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert said.startswith("FAILED: interrupted; applied in this run: none; not applied: shop aaa1")
    assert not list(tmp_path.glob("*before.sql*"))
    assert shop.tables() == set()
