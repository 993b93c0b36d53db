"""What is known of the database of an application until it was found well, and what answers requests meanwhile."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import MigrateError
from websauna_migrate.web.state import standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyramid.registry import Registry
    from pyramid.request import Request
    from pyramid.response import Response

    from websauna_migrate.web.ahead import Newer
    from websauna_migrate.web.state import Standing

REGISTRY_KEY = "websauna_migrate.watch"

_PAUSE = 1  # second between two questions to the database
_RETRY_AFTER = 5  # seconds


class Watch:
    """Whether the database of an application is well, and what was found when it was asked last."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.is_well = False
        self.found: Standing | MigrateError | None = None
        self._asked = -float("inf")
        self._asking = threading.Lock()

    def ask(self, *, pooled: bool = True) -> None:
        """Ask the database now."""
        try:
            found = standing(self.registry, pooled=pooled)
            is_well = found.is_fine()
        except MigrateError as error:
            self.found = error
        else:
            self.found, self.is_well = found, is_well
        self._asked = time.monotonic()

    def ask_again(self) -> bool:
        """Return whether the database is well; it is asked at most once a second, by one thread, and others go on."""
        if time.monotonic() - self._asked >= _PAUSE and self._asking.acquire(blocking=False):
            try:
                self.ask()
            finally:
                self._asking.release()
        return self.is_well

    def problems(self) -> Sequence[MigrateError]:
        """Return what is wrong according to the last answer."""
        if self.found is None or isinstance(self.found, MigrateError):
            return [self.found] if self.found is not None else []
        try:
            return self.found.problems()
        except MigrateError as error:  # of a script
            return [error]

    def ahead(self) -> Mapping[str, Newer]:
        """Return what newer code had upgraded according to the last answer."""
        return {} if self.found is None or isinstance(self.found, MigrateError) else self.found.ahead


def watch_of(registry: Registry) -> Watch:
    """Return the one of the application."""
    watch: Watch = registry.setdefault(REGISTRY_KEY, Watch(registry))
    return watch


def unavailable(_request: Request) -> Response:
    """Answer that the application is not available yet."""
    from pyramid.response import Response

    response = Response("The database is being upgraded. Try again in a moment.\n", content_type="text/plain")
    response.status_int = 503
    response.retry_after = _RETRY_AFTER
    response.cache_control = "no-store"
    return response
