"""An upgrade of all packages in the process of the application, told step by step while it runs."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from websauna_migrate.exceptions import MigrateError, cause_of
from websauna_migrate.run.executor import migrate
from websauna_migrate.run.observer import Observer
from websauna_migrate.web.last_failure import Failure, LastFailure
from websauna_migrate.web.state import application_of, program_of, standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyramid.registry import Registry

    from websauna_migrate.database.lock_base import LockHolder
    from websauna_migrate.run.observer import Progress, TableWait

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an upgrade: ``failure`` is what it said where it failed, else None."""

    failure: str | None


Told: TypeAlias = "Progress | str | Ended"
"""A step that begins or is done, why it does not go on, or the end."""


class Upgrades:
    """The upgrades that requests start in this process, one after the other."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._one = threading.Lock()  # Alembic has one context in a process

    @cached_property
    def last_failure(self) -> LastFailure:
        """What the last one said that failed, in any process of the application."""
        app = application_of(self._registry)
        return LastFailure(f"{app.ini.path} {app.database.shown} {sorted(app.packages)}")

    def start(self) -> Iterator[Told]:
        """Begin an upgrade at once, and return what is told about it, as it comes.

        It goes on when nobody listens any more: a browser that is closed stops no revision.
        """
        told: SimpleQueue[Told] = SimpleQueue()
        # Not a daemon: the process does not end in the middle of a revision.
        threading.Thread(target=self._run, args=(told,), name="websauna_migrate upgrade").start()
        return _until_the_end(told)

    def _run(self, told: SimpleQueue[Told]) -> None:
        failure: str | None = None
        try:
            if self._one.locked():
                told.put("Waiting for the upgrade that another page began.")
            with self._one:
                app = application_of(self._registry)
                migrate(app, list(app.packages), observer=_Telling(told))
            self.last_failure.forget()
        except MigrateError as error:
            failure = error.text(program_of(self._registry))
        except BaseException as error:  # the request ends with it, and not the thread alone
            log.exception("the upgrade failed")
            failure = cause_of(error)
        try:
            if failure is not None:
                self._keep(failure)
        finally:
            told.put(Ended(failure))

    def _keep(self, failure: str) -> None:
        try:
            self.last_failure.keep(Failure(failure, datetime.now(timezone.utc).isoformat()), rows_of(self._registry))
        except MigrateError as error:  # of the settings, which the run failed for too
            log.warning("the failure is not kept: %s", error)


def rows_of(registry: Registry) -> Mapping[str, Sequence[str]] | None:
    """Return what the history tables hold, None where they cannot be read."""
    try:
        return standing(registry).rows
    except MigrateError:
        return None


def _until_the_end(told: SimpleQueue[Told]) -> Iterator[Told]:
    while True:
        item = told.get()
        yield item
        if isinstance(item, Ended):
            return


class _Telling(Observer):
    def __init__(self, told: SimpleQueue[Told]) -> None:
        self._told = told
        self._has_waited = False

    def on_wait(self, holder: LockHolder | None, seconds: float) -> None:
        if not self._has_waited:
            self._told.put(f"Waiting for another run: {holder or 'it is not known which'}")
        self._has_waited = True

    def on_progress(self, progress: Progress) -> None:
        self._told.put(progress)

    def on_table_wait(self, wait: TableWait) -> None:
        self._told.put(str(wait))
