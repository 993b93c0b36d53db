"""On SQLite several revisions share one commit, and nothing else can tell."""

from __future__ import annotations

import re
import sqlite3
import threading
from pathlib import Path

import pytest

from scenarios import Revision, chain, start_prepared, write_project

BROKEN = ["CREATE TABLE half (id INTEGER)", "INSERT INTO missing VALUES (1)"]


def commits(project) -> int:
    """Return how often the file was written: the change counter in its header."""
    with open(project.url.database, "rb") as file:  # noqa: PTH123
        return int.from_bytes(file.read(28)[24:], "big")


def applied(stderr: str) -> int:
    """Return how many revisions an error says were applied."""
    (listed,) = re.findall(r"applied in this run: (.*?); not applied", stderr)
    if listed == "none":
        return 0
    more = re.search(r"\((\d+) in all\)", listed)
    return int(more[1]) if more else listed.count(",") + 1


def test_revisions_share_commits(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 30)})
    assert run(*project.argv("upgrade"), **project.options).returncode == 0
    assert project.heads() == {"red": ["red30"]}
    assert commits(project) < 15


def test_one_that_looks_from_elsewhere_sees_all_that_came_before(sqlite, tmp_path, run):
    look = """
        import sqlite3
        with sqlite3.connect(op.get_bind().engine.url.database) as other:
            op.execute(f"CREATE TABLE seen_{len(other.execute('SELECT * FROM red2_a').fetchall())} (id INTEGER)")
        """
    project = write_project(tmp_path, sqlite.new_database(), {"red": [*chain("red", 2), Revision("looks", up=look)]})
    done = run(*project.argv("upgrade"), **project.options)
    assert done.returncode == 0, done.stderr
    assert "seen_1" in project.tables()


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_one_that_fails_anywhere_leaves_what_came_before(sqlite, tmp_path, run, place):
    before = chain("red", place - 1)
    project = write_project(
        tmp_path, sqlite.new_database(), {"red": [*before, Revision("broken", up=BROKEN), *chain("late", 2)]}
    )
    done = run(*project.argv("upgrade"), **project.options)
    assert done.returncode == 1
    assert applied(done.stderr) == place - 1
    assert project.tables() == {f"red{number}_a" for number in range(1, place)}
    assert project.heads().get("red", []) == [one.id for one in before[-1:]]

    script = project.script("red", "broken")
    script.write_text(script.read_text().replace("INSERT INTO missing", "INSERT INTO half"))
    assert run(*project.argv("upgrade"), **project.options).returncode == 0
    assert project.heads() == {"red": ["late2"]}


def test_a_reader_sees_whole_revisions_and_is_never_refused(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 40, 2)})
    sqlite3.connect(project.url.database).close()
    ended = threading.Event()
    seen: list[tuple[int, int]] = []

    def read() -> None:
        reader = sqlite3.connect(project.url.database, timeout=30)
        while not ended.is_set():
            reader.execute("BEGIN")
            tables = {name for (name,) in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = reader.execute("SELECT * FROM alembic_history_red").fetchall() if len(tables) > 1 else []
            reader.rollback()
            seen.append((len(tables - {"alembic_history_red"}), int(rows[0][0][3:]) if rows else 0))
        reader.close()

    reading = threading.Thread(target=read)
    reading.start()
    try:
        done = run(*project.argv("upgrade"), **project.options)
    finally:
        ended.set()
        reading.join()
    assert done.returncode == 0, done.stderr
    assert {tables for tables, number in seen if tables != 2 * number} == set()
    assert seen[-1] == (80, 40)


def test_a_full_disk_stops_the_run_and_the_error_says_how_far_it_came(sqlite, tmp_path, run):
    project = write_project(tmp_path, sqlite.new_database(), {"red": chain("red", 40, 2)})
    assert run(*project.argv("upgrade", "red10"), **project.options).returncode == 0
    limit = Path(project.url.database).stat().st_size + 50_000  # bytes of a file
    small_files = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"

    with start_prepared(project, small_files, "upgrade") as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    reached = 10 + applied(stderr)
    assert reached < 40
    assert project.heads() == {"red": [f"red{reached}"]}
    assert len(project.tables()) == 2 * reached

    assert run(*project.argv("upgrade"), **project.options).returncode == 0
    assert project.heads() == {"red": ["red40"]}
