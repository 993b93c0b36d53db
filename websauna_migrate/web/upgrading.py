"""An upgrade of all packages in the process of the application, told line by line while it runs."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import MigrateError, cause_of
from websauna_migrate.run.executor import migrate
from websauna_migrate.run.observer import Observer
from websauna_migrate.web.state import application_of, program_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyramid.registry import Registry

    from websauna_migrate.database.lock_base import LockHolder
    from websauna_migrate.run.observer import Progress, TableWait

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an upgrade: ``failure`` is what it said where it failed, else None."""

    failure: str | None


class Upgrades:
    """The upgrades that requests start in this process, one after the other."""

    def __init__(self, registry: Registry) -> None:
        self.failure: str | None = None
        """What the last one said when it failed; None where it did not."""
        self._registry = registry
        self._one = threading.Lock()  # Alembic has one context in a process

    def start(self) -> Iterator[str | Ended]:
        """Begin an upgrade at once, and return what is told about it, as it comes.

        It goes on when nobody listens any more: a browser that is closed stops no revision.
        """
        told: SimpleQueue[str | Ended] = SimpleQueue()
        # Not a daemon: the process does not end in the middle of a revision.
        threading.Thread(target=self._run, args=(told,), name="websauna_migrate upgrade").start()
        return _until_the_end(told)

    def _run(self, told: SimpleQueue[str | Ended]) -> None:
        try:
            with self._one:
                app = application_of(self._registry)
                migrate(app, list(app.packages), observer=_Told(told))
                self.failure = None
        except MigrateError as error:
            self.failure = error.text(program_of(self._registry))
        except BaseException as error:  # the request ends with it, and not the thread alone
            log.exception("the upgrade failed")
            self.failure = cause_of(error)
        told.put(Ended(self.failure))


def _until_the_end(told: SimpleQueue[str | Ended]) -> Iterator[str | Ended]:
    while True:
        item = told.get()
        yield item
        if isinstance(item, Ended):
            return


class _Told(Observer):
    def __init__(self, told: SimpleQueue[str | Ended]) -> None:
        self._told = told
        self._has_waited = False

    def on_wait(self, holder: LockHolder | None, seconds: float) -> None:
        if not self._has_waited:
            self._told.put(f"Waiting for another run: {holder or 'it is not known which'}")
        self._has_waited = True

    def on_progress(self, progress: Progress) -> None:
        step = progress.step
        if progress.state == "begins":
            self._told.put(f"{progress.number} of {progress.total}: {step.package} {step.revision.id} ...")
        else:
            self._told.put(f"{progress.number} of {progress.total}: done in {progress.seconds:.2f} s")

    def on_table_wait(self, wait: TableWait) -> None:
        self._told.put(str(wait))
