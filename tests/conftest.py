"""The fixtures of all tests: databases on real servers, and the installed scripts as processes.

A server is started by the first test that asks for it, is shared by all processes of the run and ends with it; see
``servers``.
Where its programs are missing the tests skip, except in CI (``CI=true``): there they fail.
"""

from __future__ import annotations

import functools
import gc
import os
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine, event

from beside import Beside
from distribution import built
from forked import Process, Program
from keeper import Keeper
from servers import (
    Backend,
    MariaDB,
    MySQL,
    PgBouncer,
    PostgreSQL,
    Primary,
    Replica,
    ServerMissing,
    SQLite,
    shared_server,
)
from terminals import ask_on_terminal
from worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Dialect

    from browser import Browser
    from distribution import Distributions
    from terminals import Terminal

CI = os.environ.get("CI") == "true"
#: How many examples a property is tried with. ``HYPOTHESIS_PROFILE=large make unit`` looks much longer.
EXAMPLES = {"small": 20, "ci": 60, "large": 5000}
#: Seconds that a test may take, and what it needs as long again. A driver that waits for a server cannot be
#: interrupted: the servers themselves end a statement earlier.
LONGEST = 300
BACKENDS = ("sqlite", "postgresql", "mariadb")
Server = TypeVar("Server", PostgreSQL, MariaDB, PgBouncer, SQLite, "Browser")
#: The process of pytest-xdist that collects before the others.
FIRST = "gw0"
KEEPER = pytest.StashKey[Keeper]()
TESTED = pytest.StashKey[dict[str, str]]()
MISSING = pytest.StashKey[dict[str, str]]()


# --- databases -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_machine(keeper: Keeper) -> Iterator[None]:
    """Keep what the clients of the databases, Alembic and our cache find on the machine out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(keeper.folder / "cache"))
        for name in os.environ:
            if name.startswith(("PG", "MYSQL_", "MARIADB_")) or name == "ALEMBIC_CONFIG":
                patch.delenv(name)
        # Else argparse looks for translations of each of its texts in the folders of the machine, at each command.
        patch.setenv("LANGUAGE", "C")
        # With it, each process of a new environment compiles all that it imports: two seconds.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@event.listens_for(Engine, "do_connect")
def _without_tls(dialect: Dialect, _record: object, _args: object, options: dict[str, object]) -> None:
    """Spare PyMySQL to read all certificates of the machine for each connection: no server here speaks TLS."""
    if dialect.driver == "pymysql":
        options.setdefault("ssl_disabled", True)


@pytest.fixture(scope="session")
def keeper(request: pytest.FixtureRequest) -> Keeper:
    """What ends the servers, and the folder that they live in."""
    return request.config.stash[KEEPER]


@pytest.fixture(scope="session")
def distributions(keeper: Keeper) -> Distributions:
    """The sdist and the wheel of this checkout."""
    return built(keeper.folder / "dist")


@pytest.fixture(scope="session")
def postgresql_server(keeper: Keeper, request: pytest.FixtureRequest) -> PostgreSQL:
    """The PostgreSQL server that the tests share; not to be stopped."""
    return _start(request, "PostgreSQL", lambda: shared_server(PostgreSQL, keeper))


@pytest.fixture(scope="session")
def mariadb_server(keeper: Keeper, request: pytest.FixtureRequest) -> MariaDB:
    """The MariaDB server that the tests share; not to be stopped. With ``--mysql`` it is one of MySQL itself."""
    if request.config.getoption("--mysql"):
        return request.getfixturevalue("mysql_server")
    return _start(request, "MariaDB", lambda: shared_server(MariaDB, keeper))


@pytest.fixture(scope="session")
def mysql_server(keeper: Keeper, request: pytest.FixtureRequest) -> MySQL:
    """The server of MySQL itself that the tests share; not to be stopped."""
    return _start(request, "MySQL", lambda: shared_server(MySQL, keeper), is_wanted=False)


@pytest.fixture
def postgresql(postgresql_server: PostgreSQL) -> Iterator[Backend]:
    """Fresh databases on PostgreSQL."""
    yield from _backend(postgresql_server)


@pytest.fixture
def mariadb(mariadb_server: MariaDB) -> Iterator[Backend]:
    """Fresh databases on MariaDB."""
    yield from _backend(mariadb_server)


@pytest.fixture
def mysql(mysql_server: MySQL) -> Iterator[Backend]:
    """Fresh databases on MySQL itself."""
    yield from _backend(mysql_server)


@pytest.fixture
def sqlite(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Fresh databases on SQLite: files in ``tmp_path``."""
    yield from _backend(_start(request, "SQLite", lambda: SQLite(tmp_path)))


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Fresh databases on each of the three, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def database_url(backend: Backend) -> URL:
    """The URL of a fresh, empty database on each of the three."""
    return backend.new_database()


@pytest.fixture
def engine(database_url: URL) -> Iterator[Engine]:
    """An engine on a fresh, empty database on each of the three."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def own_postgresql(keeper: Keeper, request: pytest.FixtureRequest) -> Iterator[PostgreSQL]:
    """A PostgreSQL server of this test alone, to be stopped and restarted."""
    server = _start(request, "PostgreSQL", lambda: PostgreSQL(keeper))
    yield server
    server.stop(crash=True)


@pytest.fixture
def replicated(keeper: Keeper, request: pytest.FixtureRequest) -> Iterator[tuple[PostgreSQL, PostgreSQL]]:
    """A PostgreSQL server of this test alone, and a streaming replica of it."""
    primary = _start(request, "PostgreSQL", lambda: Primary(keeper))
    replica = Replica(keeper, primary)
    yield primary, replica
    for server in (replica, primary):
        server.stop(crash=True)


@pytest.fixture
def own_mariadb(keeper: Keeper, request: pytest.FixtureRequest) -> Iterator[MariaDB]:
    """A MariaDB server of this test alone, to be stopped and restarted."""
    kind = MySQL if request.config.getoption("--mysql") else MariaDB
    server = _start(request, "MariaDB", lambda: kind(keeper))
    yield server
    server.stop(crash=True)


@pytest.fixture
def pgbouncer(
    keeper: Keeper, postgresql_server: PostgreSQL, request: pytest.FixtureRequest
) -> Iterator[Callable[..., PgBouncer]]:
    """Start a PgBouncer before the shared PostgreSQL server: ``pgbouncer(default_pool_size=1)``."""
    started: list[PgBouncer] = []

    def start(**settings: object) -> PgBouncer:
        started.append(_start(request, "PgBouncer", lambda: PgBouncer(keeper, postgresql_server, **settings)))
        return started[-1]

    yield start
    for pooler in started:
        pooler.stop()


@pytest.fixture(scope="session")
def _browser(keeper: Keeper, request: pytest.FixtureRequest) -> Iterator[Browser]:
    from browser import Browser  # few tests need selenium

    browser = _start(request, "Chromium", lambda: Browser(keeper))
    yield browser
    browser.close()


@pytest.fixture
def browser(_browser: Browser) -> Iterator[Browser]:
    """A real browser that knows nothing of the tests before."""
    _browser.reset()
    yield _browser
    _browser.driver.get("about:blank")  # a page may ask its server again and again


def _backend(server: PostgreSQL | MariaDB | SQLite) -> Iterator[Backend]:
    backend = Backend(server)
    yield backend
    backend.drop_databases()


def _start(request: pytest.FixtureRequest, name: str, start: Callable[[], Server], *, is_wanted: bool = True) -> Server:
    """Start a server and note its version, or skip the test that wants it: in CI only where it need not be there."""
    try:
        server = start()
    except ServerMissing as error:
        request.config.stash[MISSING][name] = str(error)
        (pytest.fail if CI and is_wanted else pytest.skip)(f"no {name} here: {error}")
    request.config.stash[TESTED][name] = server.version
    return server


# --- processes -------------------------------------------------------------------------------------------------


#: What else than these a process is to have, only a real one has: also what an interpreter reads when it starts.
OF_FORKS = {"stdin", "stdout", "stderr", "text", "cwd", "start_new_session", "closed"}
READ_BY_FORKS = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING"}


def _process(
    name: str, args: list[str], env: dict[str, str], *, forked: bool = True, **options: Any
) -> subprocess.Popen[str] | Process:
    """Start an installed script: as a fork where one has all that is asked for."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if not forked or options.keys() - OF_FORKS or not _is_forked(name, env):
        argv = [str(Path(sysconfig.get_path("scripts"), name)), *args]
        return subprocess.Popen(argv, env={**os.environ, **env}, **{"text": True, **streams, **options})
    how = {"new_session": options.pop("start_new_session", False), "closed": options.pop("closed", ())}
    program = _program(name, args, env, options.pop("cwd", None), **how)
    return Process(program, **{**streams, **options})


def _is_forked(name: str, env: dict[str, str]) -> bool:
    read = {one for one in env if one.startswith(("PYTHON", "LC_", "LANG"))}
    return str(name).startswith("ws-") and not read - READ_BY_FORKS


def _program(name: str, args: list[str], env: dict[str, str], cwd: object, **how: Any) -> Program:
    return Program(_function_of(name), [name, *args], {**os.environ, **env}, str(cwd or Path.cwd()), **how)


@cache
def _function_of(script: str) -> str:
    """Return the function that an installed script calls, as ``module:name``."""
    [function] = (point.value for point in entry_points(group="console_scripts") if point.name == script)
    return function


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str] | Process]]:
    """Start an installed script and return its process: ``start("ws-alembic", "current", cwd=tmp_path)``.

    Keyword arguments are those of :class:`subprocess.Popen`; ``env`` is added to the environment. The process is a fork
    where it can be, see ``forked``; never with ``forked=False``. ``closed`` are the numbers of the standard streams
    that a fork does not have. One that still runs when the test ends is killed.
    """
    processes: list[subprocess.Popen[str] | Process] = []

    def start(
        name: str, *args: object, env: dict[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str] | Process:
        processes.append(_process(name, list(map(str, args)), env or {}, **options))
        return processes[-1]

    yield start
    for process in processes:
        with process:
            process.kill()


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[str] | Process]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run an installed script to its end: ``run("ws-alembic", "upgrade", "head", cwd=tmp_path).returncode``.

    As ``start``, and ``input`` is the text of its standard input, ``timeout`` its limit in seconds.
    """

    def run(
        name: str,
        *args: object,
        input: str | None = None,
        timeout: float = 60,
        env: dict[str, str] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        if input is None and not options.keys() - {"cwd"} and _is_forked(name, env or {}):
            program = _program(name, list(map(str, args)), env or {}, options.get("cwd"))
            return subprocess.CompletedProcess(program.argv, *Worker.shared().run(program, timeout))
        process = start(name, *args, env=env, **({"stdin": subprocess.PIPE} if input is not None else {}), **options)
        stdout, stderr = process.communicate(input, timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return run


@pytest.fixture
def on_terminal(start: Callable[..., subprocess.Popen[str] | Process]) -> Callable[..., Terminal]:
    """Run ``ws-alembic`` on a terminal: ``on_terminal(workspace, "upgrade", typed=["y\\n"]).seen``."""
    return functools.partial(ask_on_terminal, start)


# --- a limit for each test -------------------------------------------------------------------------------------


@contextmanager
def _limited() -> Iterator[None]:
    """Fail a test that does not end, so that the others are run and the run has its summary."""

    def give_up(*_: object) -> None:
        pytest.fail(f"it did not end within {LONGEST} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    with _limited():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with _limited():
        return (yield)


# --- the run itself, and its last lines ------------------------------------------------------------------------


def _seeds(text: str) -> range:
    """Return the seeds that ``text`` asks for: ``60`` the first sixty, ``60:90`` those after them before 90."""
    first, colon, end = text.partition(":")
    return range(int(first), int(end)) if colon else range(int(text))


def pytest_addoption(parser: pytest.Parser) -> None:
    said = "run a command of the shell beside the tests; the run fails where it fails"
    parser.addoption("--beside", action="append", default=[], metavar="COMMAND", help=said)
    said = "how many pairs of random models are tried on each database, or the seeds to try"
    parser.addoption("--pairs", type=_seeds, default="2", metavar="NUMBER|FROM:TO", help=said)

    said = "run only the tests of MariaDB, on a server of MySQL itself"
    parser.addoption("--mysql", action="store_true", help=said)
    said = "run only the tests of PostgreSQL, on a server of this version"
    parser.addoption("--postgresql", metavar="VERSION", help=said)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_mysql, is_postgresql = config.getoption("--mysql"), config.getoption("--postgresql")
    if is_mysql or is_postgresql:
        kept = [item for item in items if _wants("mariadb" if is_mysql else "postgresql", item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
        for item in kept if is_mysql else ():
            if marker := item.get_closest_marker("mariadb_only"):
                item.add_marker(pytest.mark.skip(reason=f"MySQL has no {marker.args[0]}"))


def _wants(database: str, item: pytest.Item) -> bool:
    callspec, names = getattr(item, "callspec", None), set(getattr(item, "fixturenames", ()))
    chosen = {str(value) for value in callspec.params.values()} if callspec else set()
    others = {"mysql"} if database == "mariadb" else {"pgbouncer"}
    return database in chosen or not names.isdisjoint({database, f"{database}_server", f"own_{database}", *others})


def pytest_configure(config: pytest.Config) -> None:
    for name, examples in EXAMPLES.items():
        # How long an example takes says more about the machine than about the code.
        slow = [HealthCheck.too_slow]
        settings.register_profile(name, max_examples=examples, deadline=None, suppress_health_check=slow)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if CI else "small"))
    if version := config.getoption("--postgresql"):
        os.environ["TEST_PG_VERSION"] = version
    sys.dont_write_bytecode = False  # else each process compiles all tests, with what shows the values of an assert
    config.stash[TESTED] = {}
    config.stash[MISSING] = {}
    folder = getattr(config, "workerinput", {}).get("keeper")
    config.stash[KEEPER] = Keeper(folder and Path(folder))
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Beside(config.getoption("beside")), "beside")
    # A shell makes the jobs that it starts in the background ignore Ctrl-C, and so would all that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let one process of pytest-xdist compile the tests before the others import them."""
    if getattr(session.config, "workerinput", {"workerid": FIRST})["workerid"] != FIRST:
        before = time.monotonic()
        while not _collected(session.config).exists() and time.monotonic() - before < LONGEST:
            time.sleep(0.1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what was imported and collected out of garbage collection, which took a fifth of the time of the tests."""
    _collected(session.config).touch()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _collected(config: pytest.Config) -> Path:
    return config.stash[KEEPER].folder / "collected"


def pytest_unconfigure(config: pytest.Config) -> None:
    if keeper := config.stash.get(KEEPER, None):
        keeper.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist the folder that all of them share."""
    node.workerinput["keeper"] = str(node.config.stash[KEEPER].folder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    # A process of pytest-xdist hands its notes to the one that prints.
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["servers"] = (session.config.stash[TESTED], session.config.stash[MISSING])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    tested, missing = getattr(node, "workeroutput", {}).get("servers", ({}, {}))
    node.config.stash[TESTED].update(tested)
    node.config.stash[MISSING].update(missing)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tested, missing = config.stash[TESTED], config.stash[MISSING]
    if not tested and not missing:
        return
    terminalreporter.section("servers")
    if tested:
        terminalreporter.line("tested on " + ", ".join(f"{name} {version}" for name, version in sorted(tested.items())))
    for name, remedy in sorted(missing.items()):
        terminalreporter.line(f"NOT tested on {name}: {remedy}", yellow=True)
