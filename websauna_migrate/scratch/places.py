"""Scratch databases to be used: made when a block begins, gone when it ends.

Everything that runs revision scripts for a trial runs them in one of these. What a scratch database cannot keep away
is what a script does without the connection that it is given: a request, a file, a URL that it reads by itself.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from websauna_migrate.database.connection import Database
from websauna_migrate.exceptions import reason_of
from websauna_migrate.scratch import mysql, postgresql, sqlite
from websauna_migrate.scratch.account import place_for_folders, server_account
from websauna_migrate.scratch.errors import SETTING, NoScratchPlace
from websauna_migrate.scratch.keeper import Keeper, KeeperGone
from websauna_migrate.scratch.servers import Server, refuse_another, start_server
from websauna_migrate.scratch.sql import administering
from websauna_migrate.scratch.template import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from sqlalchemy.engine import Connection

    from websauna_migrate.scratch.wanted import Wanted

    #: Fills an empty database.
    Fill: TypeAlias = "Callable[[ScratchPlace], None]"

NAMES = "websauna_migrate_scratch_"
_FILLED = "websauna_migrate_filled"  # a file beside the data of a server
_KINDS = {"postgresql": postgresql, "mysql": mysql, "mariadb": mysql}


@dataclass(frozen=True, slots=True)
class ScratchPlace:
    """An empty database. ``version`` is that of its server, ``missing`` names what only the application's has.

    ``guard`` is given each connection before a run gets it.
    """

    url: URL
    version: str
    missing: tuple[str, ...] = ()
    guard: Callable[[Connection], None] = lambda connection: None

    def like(self, database: Database) -> Database:
        """Return this database with the options that an engine for ``database`` has."""
        return replace(database, url=self.url)

    @contextmanager
    def connected(self, database: Database | None = None) -> Iterator[Connection]:
        """Yield a connection for a run, with the options that one to ``database`` has."""
        like = self.like(database or Database(self.url, SETTING))
        with like.connected(writes=True) as connection:
            self.guard(connection)
            yield connection


@dataclass(frozen=True, slots=True)
class _Idle:
    """A server that waits for its next database: ``wanted`` was the last one, beside ``state``."""

    server: Server
    wanted: Wanted
    state: frozenset[str]


class ScratchPlaces:
    """Makes scratch databases inside its block. A server that they need is started once, and ends with the block."""

    def __init__(self) -> None:
        self._keeper: Keeper | None = None
        self._idle: list[_Idle] = []

    def __enter__(self) -> ScratchPlaces:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None
        self._idle.clear()

    @contextmanager
    def open(self, wanted: Wanted) -> Iterator[ScratchPlace]:
        """Yield an empty database like ``wanted``.

        :raises NoScratchPlace: there is no way to make one here
        """
        if wanted.dialect == "sqlite":
            opened = _in_a_file()
        elif wanted.dialect not in _KINDS:
            raise NoScratchPlace(wanted.dialect, "no way to make one is known")
        elif wanted.scratch_url is not None:
            opened = _on_a_named_server(wanted, wanted.scratch_url)
        else:
            opened = self._on_a_throw_away_server(wanted)
        with ExitStack() as stack:
            with explained(wanted.dialect):
                place = stack.enter_context(opened)
            yield place

    @contextmanager
    def _on_a_throw_away_server(self, wanted: Wanted) -> Iterator[ScratchPlace]:
        server = self._clean_server(wanted) or start_server(self._open_keeper(), wanted)
        with administering(server.admin_url(wanted.drivername)) as admin:
            refuse_another(server, admin, wanted)
            missing = server.kind.create(admin, wanted.database, wanted, private=True)
            state = server.kind.state(admin, wanted.database)
        yield _furnished(server, wanted, missing)
        # What a script left behind is looked for when the server is needed again.
        self._idle.append(_Idle(server, wanted, state))

    def filled_server(self, wanted: Wanted, kept: Path | None, fill: Fill) -> ScratchPlace:
        """Return a database like ``wanted`` that ``fill`` has filled, on a server of its own; ``kept`` is its archive.

        :raises NoScratchPlace: there is no way to make one here
        """
        keeper = self._open_keeper()
        server = start_server(keeper, wanted, kept)
        if (server.data / _FILLED).exists():
            return ScratchPlace(_url(server, wanted), "")
        with administering(server.admin_url(wanted.drivername)) as admin:
            missing = server.kind.create(admin, wanted.database, wanted, private=True)
        place = _furnished(server, wanted, missing)
        fill(place)
        if kept is None:
            return place
        with administering(server.admin_url(wanted.drivername)) as admin:
            server.kind.settle(admin)
        keeper.stop(server.number)
        (server.data / _FILLED).touch()
        with suppress(OSError):  # without it the next one takes longer
            pack(server.data, kept)
        return self.filled_server(wanted, kept if kept.exists() else None, fill)

    def _clean_server(self, wanted: Wanted) -> Server | None:
        """Return an idle server without its last database, None where there is none that is as it was."""
        for idle in [idle for idle in self._idle if _same_kind(idle.wanted, wanted)]:
            self._idle.remove(idle)
            kind, database = idle.server.kind, idle.wanted.database
            with administering(idle.server.admin_url(wanted.drivername)) as admin:
                refuse_another(idle.server, admin, wanted)
                kind.drop(admin, database)
                if kind.state(admin, database) == idle.state:
                    return idle.server
            self._open_keeper().stop(idle.server.number)
        return None

    def _open_keeper(self) -> Keeper:
        if self._keeper is None:
            self._keeper = Keeper(place_for_folders(), server_account())
        return self._keeper


def _furnished(server: Server, wanted: Wanted, missing: tuple[str, ...]) -> ScratchPlace:
    url = _url(server, wanted)
    with administering(url) as connection:
        refuse_another(server, connection, wanted)
        missing += server.kind.furnish(connection, wanted)
        return ScratchPlace(url, server.kind.version(connection), missing)


def _url(server: Server, wanted: Wanted) -> URL:
    return server.url(wanted.drivername, wanted.user, wanted.database).update_query_dict(wanted.session)


def _same_kind(one: Wanted, other: Wanted) -> bool:
    return (one.dialect, one.drivername, one.described) == (other.dialect, other.drivername, other.described)


@contextmanager
def _in_a_file() -> Iterator[ScratchPlace]:
    with TemporaryDirectory(prefix=NAMES) as folder:
        url = URL.create("sqlite", database=str(Path(folder, "scratch.sqlite")))
        yield ScratchPlace(url, sqlite.VERSION, guard=sqlite.keep_inside(Path(folder)))


@contextmanager
def _on_a_named_server(wanted: Wanted, scratch_url: URL) -> Iterator[ScratchPlace]:
    kind = _KINDS.get(scratch_url.get_backend_name())
    if kind is None or kind is not _KINDS[wanted.dialect]:
        raise NoScratchPlace(wanted.dialect, f"{SETTING} is the URL of {scratch_url.get_backend_name()}")
    name = NAMES + secrets.token_hex(8)
    with administering(scratch_url) as admin, ExitStack() as stack:
        stack.callback(kind.drop, admin, name)
        missing = kind.create(admin, name, wanted, private=False)
        url = scratch_url.set(database=name).update_query_dict(wanted.session)
        with administering(url) as connection:
            missing += kind.furnish(connection, wanted)
        yield ScratchPlace(url, kind.version(admin), missing)


@contextmanager
def explained(dialect: str) -> Iterator[None]:
    """Tell what keeps a scratch database from being made."""
    try:
        yield
    except SQLAlchemyError as error:
        raise NoScratchPlace(dialect, reason_of(error)) from error
    except (OSError, LookupError) as error:
        raise NoScratchPlace(dialect, f"no server can be started: {error}") from error
    except KeeperGone as error:
        raise NoScratchPlace(dialect, "the process that keeps its server has ended") from error
