"""Copies of a database that was filled once: each as a file or by the server, which is much quicker than filling it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from sqlalchemy.engine import URL

from websauna_migrate.scratch import mysql, postgresql
from websauna_migrate.scratch.account import cache_folder
from websauna_migrate.scratch.places import NAMES, ScratchPlaces, explained
from websauna_migrate.scratch.sql import administering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from websauna_migrate.scratch.places import Fill, ScratchPlace
    from websauna_migrate.scratch.wanted import Wanted

    #: Opens a copy: the context yields its URL, and drops it at the end.
    Open: TypeAlias = Callable[[], AbstractContextManager[URL]]

_KEPT_DAYS = 14  # after its last use
_TEMPLATE = "websauna_migrate_filled_"


@contextmanager
def copies(wanted: Wanted, key: str, fill: Fill) -> Iterator[Open]:
    """Yield what opens copies of a database like ``wanted`` that ``fill`` has filled.

    ``key`` is a name that changes with what ``fill`` does: under it the filled database is kept for later processes. On
    a named server it replaces those whose names are the same up to the last ``_``.

    :raises NoScratchPlace: there is no way to make one here
    """
    with ScratchPlaces() as places, ExitStack() as stack:
        with explained(wanted.dialect):
            open_copy = _WAYS.get(wanted.dialect, _on_mysql)(places, stack, wanted, key, fill)
        yield open_copy


def _in_files(places: ScratchPlaces, stack: ExitStack, wanted: Wanted, key: str, fill: Fill) -> Open:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=NAMES)))
    kept = _kept(f"{key}.sqlite") or folder / "filled.sqlite"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            with places.open(wanted) as place:
                fill(place)
                shutil.copyfile(str(place.url.database), folder / "new")
            shutil.move(folder / "new", kept.with_suffix(".new"))
            kept.with_suffix(".new").replace(kept)

    @contextmanager
    def open_copy() -> Iterator[URL]:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            path = Path(own, "test.sqlite")
            shutil.copyfile(kept, path)
            yield URL.create(wanted.drivername, database=str(path))

    return open_copy


def _on_postgresql(places: ScratchPlaces, stack: ExitStack, wanted: Wanted, key: str, fill: Fill) -> Open:
    source = wanted.database
    if wanted.scratch_url is not None:
        server, source = wanted.scratch_url, _TEMPLATE + key
        _fill_on_named_server(places, wanted, server, source, fill)
    else:
        server = _filled_server(places, wanted, key, fill).url
    is_private = wanted.scratch_url is None
    admin_url = server.set(database=postgresql.MAINTENANCE) if is_private else server
    admin = stack.enter_context(administering(admin_url))

    @contextmanager
    def open_copy() -> Iterator[URL]:
        name = NAMES + secrets.token_hex(8)
        postgresql.copy(admin, source, name, private=is_private)
        try:
            yield server.set(database=name).update_query_dict(wanted.session)
        finally:
            postgresql.drop(admin, name)

    return open_copy


def _fill_on_named_server(places: ScratchPlaces, wanted: Wanted, server: URL, name: str, fill: Fill) -> None:
    """Fill the database ``name`` of ``server``, unless it is there. What was filled before with other scripts goes."""
    with administering(server) as admin:
        there = postgresql.databases(admin, name.rpartition("_")[0])
        if name in there:
            return
        for other in there:
            postgresql.drop(admin, other)
        with places.open(wanted) as place:
            fill(place)
            postgresql.rename(admin, str(place.url.database), name)


def _on_mysql(places: ScratchPlaces, stack: ExitStack, wanted: Wanted, key: str, fill: Fill) -> Open:
    if wanted.scratch_url is None:
        filled = _filled_server(places, wanted, key, fill)
    else:
        filled = stack.enter_context(places.open(wanted))
        fill(filled)

    admin = stack.enter_context(administering(filled.url))

    @contextmanager
    def open_copy() -> Iterator[URL]:
        name = NAMES + secrets.token_hex(8)
        try:
            if mysql.copy(admin, str(filled.url.database), name):
                yield filled.url.set(database=name)
                return
        finally:
            mysql.drop(admin, name)
        with ScratchPlaces() as own, own.open(wanted) as place:
            fill(place)
            yield place.url

    return open_copy


_WAYS = {"sqlite": _in_files, "postgresql": _on_postgresql}


def _filled_server(places: ScratchPlaces, wanted: Wanted, key: str, fill: Fill) -> ScratchPlace:
    kept = _kept(f"{wanted.dialect}-{key}.tar")
    with FileLock(f"{kept}.lock") if kept is not None else ExitStack():
        return places.filled_server(wanted, kept, fill)


def _kept(name: str) -> Path | None:
    """Return where what is filled is kept, None where nothing can be. What nobody used for some time is removed."""
    cache = cache_folder()
    if cache is None:
        return None
    oldest = time.time() - _KEPT_DAYS * 24 * 3600
    for path in cache.glob(f"{_TEMPLATE}*"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()
    path = cache / f"{_TEMPLATE}{name}"
    with suppress(OSError):
        os.utime(path)
    return path
