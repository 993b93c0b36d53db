"""The lock of a run, held and waited for by real processes on real servers."""

from __future__ import annotations

import logging
import os
import pwd
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import registry as dialects
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from forked import Process, Program
from projects import TESTS
from websauna_migrate.database.errors import LockFileError, LockLost, LockTimeout
from websauna_migrate.database.lock import run_lock
from websauna_migrate.database.lock_file import LOCK_FILE_SUFFIX


@pytest.fixture
def url(backend) -> sa.URL:
    return backend.new_database()


@contextmanager
def held_elsewhere(url: sa.URL):
    """Another process that holds the lock of ``url`` until the block ends."""
    with start("hold", url) as process:
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def start(function: str, url: sa.URL, *args: str) -> Process:
    argv = [function, url.render_as_string(hide_password=False), *args]
    program = Program(f"holders:{function}", argv, dict(os.environ), str(Path.cwd()), [str(TESTS)])
    return Process(program, subprocess.PIPE, subprocess.PIPE, None)


@contextmanager
def engine_of(url: sa.URL, **options):
    engine = sa.create_engine(url, **options)
    try:
        yield engine
    finally:
        engine.dispose()


def is_free(url: sa.URL, **options) -> bool:
    with engine_of(url) as engine:
        try:
            with run_lock(engine, timeout=0, **options):
                return True
        except LockTimeout:
            return False


def time_out(url: sa.URL):
    """Wait in vain for a lock that is held; return its holder and the message."""
    with engine_of(url) as engine, pytest.raises(LockTimeout) as caught, run_lock(engine, timeout=0.2):
        pass
    return caught.value.holder, str(caught.value)


def hold_turns(url: sa.URL, diary: Path) -> list[str]:
    """Let six processes take the lock three times each; return what they wrote down."""
    processes = [start("take_turns", url, str(diary)) for _ in range(6)]
    for process in processes:
        with process:
            process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * 6
    return diary.read_text().splitlines()


def assert_one_at_a_time(lines: list[str]) -> None:
    assert len(lines) == 2 * 6 * 3
    for entered, left in zip(lines[::2], lines[1::2], strict=True):
        assert (entered.split()[0], left) == ("in", entered.replace("in", "out"))


def test_only_one_of_six_processes_is_inside_at_a_time(url, tmp_path):
    assert_one_at_a_time(hold_turns(url, tmp_path / "diary"))


def test_a_killed_holder_frees_the_lock(url):
    with held_elsewhere(url) as process:
        assert not is_free(url)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with engine_of(url) as engine, run_lock(engine, timeout=5):
            pass


def test_the_lock_is_free_again_at_once_when_the_block_ends(url):
    with engine_of(url) as engine:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError), run_lock(engine, timeout=0):
                raise ZeroDivisionError
    assert is_free(url)


def test_the_time_out_says_who_holds_the_lock_and_what_to_do(backend, url):
    with held_elsewhere(url) as process:
        holder, message = time_out(url)
    assert "\n" not in message
    assert f"process {holder.process}" in message
    assert f"host {holder.host}" in message
    assert f"since {holder.since:%Y-%m-%d %H:%M}" in message
    assert holder.how_to_end in message
    assert abs(holder.since.timestamp() - time.time()) < 10
    if backend.name == "postgresql":
        assert holder.application == f"websauna_migrate@{os.uname().nodename[:36]}:{process.pid}"
    if backend.name == "sqlite":
        assert holder.process == process.pid
    assert url.database.rpartition("/")[2] in message


def test_a_waiter_hears_whom_it_waits_for(url):
    heard = []
    with held_elsewhere(url) as process, engine_of(url) as engine:

        def hear(*who_and_how_long):
            heard.append(who_and_how_long)
            if len(heard) == 2:
                process.kill()

        with run_lock(engine, timeout=60, on_wait=hear):
            pass
    assert heard[0][0].process
    assert 0 <= heard[0][1] < heard[-1][1]


def test_other_databases_and_other_schemas_do_not_wait(backend, url):
    with held_elsewhere(url):
        assert is_free(backend.new_database())
        if backend.name != "sqlite":
            assert is_free(url, schema="other")


def test_the_lock_needs_nothing_of_a_pool_with_one_connection(url):
    with (
        engine_of(url, poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=1) as engine,
        run_lock(engine) as lock,
        engine.connect() as connection,
    ):
        assert connection.scalar(sa.text("SELECT 1")) == 1
        lock.check()
        assert not is_free(url)


def test_an_engine_in_autocommit_holds_the_lock_all_the_same(url):
    with engine_of(url, isolation_level="AUTOCOMMIT") as engine, run_lock(engine):
        assert not is_free(url)


def test_the_lock_connects_as_the_engine_was_told_to(postgresql):
    url = postgresql.new_database()
    with engine_of(url.set(port=1), connect_args={"port": url.port}) as engine, run_lock(engine):
        assert not is_free(url)


def test_a_holder_can_be_ended_as_the_message_says_and_notices_it(server):
    url = server.new_database()
    with engine_of(url) as engine, run_lock(engine) as lock:
        holder, _ = time_out(url)
        with engine.connect() as connection:
            connection.exec_driver_sql(holder.how_to_end)
        with pytest.raises(LockLost), run_lock(engine, timeout=5):
            lock.check()
        with pytest.raises(LockLost):
            lock.check()
    assert is_free(url)


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request):
    return request.getfixturevalue(request.param)


# --- PostgreSQL ------------------------------------------------------------------------------------------------


def test_create_index_concurrently_goes_on_while_others_wait(postgresql):
    url = postgresql.new_database()
    waiting = threading.Event()

    def wait():
        with engine_of(url) as engine, run_lock(engine, timeout=30, on_wait=lambda *_: waiting.set()):
            pass

    with engine_of(url, isolation_level="AUTOCOMMIT") as engine:
        with run_lock(engine), engine.connect() as connection:
            connection.exec_driver_sql("CREATE TABLE big AS SELECT generate_series(1, 1000) AS n")
            waiter = threading.Thread(target=wait)
            waiter.start()
            assert waiting.wait(10)
            connection.exec_driver_sql("SET statement_timeout = '10s'")
            connection.exec_driver_sql("CREATE INDEX CONCURRENTLY ix_big ON big (n)")
            assert waiter.is_alive()
        waiter.join()


def test_time_outs_of_the_database_do_not_end_the_lock(postgresql):
    url = postgresql.new_database()
    with engine_of(url) as engine, engine.begin() as connection:
        names = connection.scalars(
            sa.text("SELECT name FROM pg_settings WHERE name ~ '^(transaction|statement|lock|idle_in_.*)_timeout$'")
        ).all()
        for name in names:
            connection.exec_driver_sql(f"ALTER DATABASE \"{url.database}\" SET {name} = '200ms'")
    with engine_of(url) as engine, run_lock(engine) as lock:
        time.sleep(0.6)
        lock.check()


def test_the_application_name_of_the_url_is_kept(postgresql):
    url = postgresql.new_database()
    with engine_of(url.update_query_dict({"application_name": "night shift"})) as engine, run_lock(engine):
        holder, _ = time_out(url)
    assert holder.application == "night shift"


def test_the_settings_of_the_lock_end_with_it(postgresql):
    url = postgresql.new_database()
    with engine_of(url) as engine, run_lock(engine) as lock:
        show = sa.text("SELECT current_setting('idle_in_transaction_session_timeout')")
        assert lock.connection.scalar(show) == "0"
        lock.connection.rollback()
        assert lock.connection.scalar(sa.text("SELECT current_setting('application_name')")) == ""


def test_the_lock_can_be_had_at_another_address(postgresql):
    url = postgresql.new_database()
    with engine_of(url.set(port=1)) as engine, run_lock(engine, lock_url=url):
        assert not is_free(url)


# --- PgBouncer in transaction mode -----------------------------------------------------------------------------


@pytest.fixture
def pooled_url(postgresql, pgbouncer):
    return pgbouncer().url(postgresql.new_database())


def test_behind_pgbouncer_one_process_is_inside_at_a_time(pooled_url, tmp_path):
    assert_one_at_a_time(hold_turns(pooled_url, tmp_path / "diary"))


def test_behind_pgbouncer_a_killed_holder_frees_the_lock(pooled_url):
    with held_elsewhere(pooled_url) as process:
        assert not is_free(pooled_url)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with engine_of(pooled_url) as engine, run_lock(engine, timeout=5):
            pass


# --- MariaDB ---------------------------------------------------------------------------------------------------


def test_the_idle_time_out_of_mariadb_does_not_end_the_lock(mariadb):
    url = mariadb.new_database()
    impatient = url.update_query_dict({"init_command": "SET SESSION wait_timeout=1"})
    with engine_of(impatient) as engine, run_lock(engine) as lock:
        time.sleep(1.5)
        lock.check()


# --- SQLite ----------------------------------------------------------------------------------------------------


def test_a_database_in_memory_needs_no_lock():
    with engine_of(sa.make_url("sqlite://")) as engine, run_lock(engine) as lock, run_lock(engine, timeout=0):
        lock.check()


def test_one_sqlite_file_has_one_lock_by_whatever_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.db").symlink_to("app.db")
    (tmp_path / "app.db").touch()
    with held_elsewhere(sa.make_url("sqlite:///app.db")):
        for url in (f"sqlite:///{tmp_path}/app.db", "sqlite:///link.db", "sqlite:///file:app.db?mode=rw&uri=true"):
            assert not is_free(sa.make_url(url)), url


def test_the_lock_file_goes_when_the_lock_is_given_back(sqlite):
    url = sqlite.new_database()
    file = Path(url.database + LOCK_FILE_SUFFIX)
    with engine_of(url) as engine, run_lock(engine):
        assert file.exists()
    assert not file.exists()


def test_a_removed_lock_file_is_a_lost_lock(sqlite):
    url = sqlite.new_database()
    with engine_of(url) as engine, run_lock(engine) as lock:
        lock.check()
        Path(url.database + LOCK_FILE_SUFFIX).unlink()
        with run_lock(engine, timeout=0), pytest.raises(LockLost):
            lock.check()


def test_a_lock_file_that_goes_while_it_is_taken_does_not_count(sqlite, monkeypatch):
    url = sqlite.new_database()
    file = Path(url.database + LOCK_FILE_SUFFIX)

    def take_what_was_given_back_meanwhile(descriptor, **options):
        file.unlink()
        monkeypatch.undo()
        return filelock.lock_descriptor(descriptor, **options)

    monkeypatch.setattr("filelock.lock_descriptor", take_what_was_given_back_meanwhile)
    with engine_of(url) as engine, run_lock(engine, timeout=5):
        assert not is_free(url)


def test_a_lock_file_that_a_killed_run_left_is_taken_over(sqlite):
    url = sqlite.new_database()
    Path(url.database + LOCK_FILE_SUFFIX).write_text("\nnot JSON, and longer than a note would be" * 9)
    with engine_of(url) as engine, run_lock(engine, timeout=0):
        holder, _ = time_out(url)
    assert holder.process == os.getpid()


def test_the_lock_file_has_the_permissions_of_the_database(sqlite):
    url = sqlite.new_database()
    Path(url.database).touch()
    Path(url.database).chmod(0o660)
    with engine_of(url) as engine, run_lock(engine):
        assert Path(url.database + LOCK_FILE_SUFFIX).stat().st_mode & 0o777 == 0o660


def test_a_lock_file_that_cannot_be_written_is_a_clear_error(sqlite):
    url = sqlite.new_database()
    Path(url.database + LOCK_FILE_SUFFIX).mkdir()
    with engine_of(url) as engine, pytest.raises(LockFileError, match=r"lock: Is a directory"), run_lock(engine):
        pass


def test_a_read_only_folder_is_a_clear_error():
    # Not tmp_path: only its owner gets into it, and root, who writes everywhere, has to be somebody else here.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.db").touch()
        folder.chmod(0o555)
        with not_as_root(), pytest.raises(LockFileError, match="Permission denied"):
            is_free(sa.make_url(f"sqlite:///{folder}/app.db"))
        folder.chmod(0o700)


@contextmanager
def not_as_root():
    account = os.geteuid()
    if account == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(account)


# --- other databases -------------------------------------------------------------------------------------------


class OtherDialect(SQLiteDialect_pysqlite):
    name = "otherdb"
    supports_statement_cache = True


def test_a_database_without_a_known_lock_says_so(caplog):
    dialects.register("otherdb", __name__, "OtherDialect")
    dialects.impls["otherdb"] = lambda: OtherDialect
    with caplog.at_level(logging.WARNING), engine_of(sa.make_url("otherdb://")) as engine, run_lock(engine) as lock:
        lock.check()
    assert "No lock is known for otherdb" in caplog.text


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_a_lock_that_was_asked_for_often_holds_back_no_concurrent_index(postgresql, driver):
    url = postgresql.new_database().set(drivername=f"postgresql+{driver}")
    with engine_of(url) as engine, run_lock(engine) as lock:
        for _ in range(12):
            lock.check()
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as other:
            other.exec_driver_sql("SET statement_timeout = '20s'")
            other.exec_driver_sql("CREATE TABLE thing (id integer)")
            other.exec_driver_sql("CREATE INDEX CONCURRENTLY thing_id ON thing (id)")
        lock.check()
