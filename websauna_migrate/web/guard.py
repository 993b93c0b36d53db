"""What an application does whose database is behind its code: the setting ``websauna_migrate.guard``.

``warn`` logs it, ``refuse`` stops the start, ``503`` answers requests with that status until the database is well, and
``page`` shows a page that can upgrade it. The database is asked when the application is made, and then before a
request at most once a second, until it was found well. Nothing waits for the lock of a run.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, get_args

from websauna_migrate.exceptions import MigrateError, SettingsError, listed
from websauna_migrate.settings.started import is_loading
from websauna_migrate.web.errors import StartRefused
from websauna_migrate.web.health import is_health_path
from websauna_migrate.web.state import program_of
from websauna_migrate.web.watch import unavailable, watch_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.registry import Registry
    from pyramid.request import Request
    from pyramid.response import Response

    from websauna_migrate.web.watch import Watch

    Handler = Callable[[Request], Response]

log = logging.getLogger(__name__)

Mode = Literal["warn", "refuse", "503", "page"]
SETTING = "websauna_migrate.guard"


def mode_of(registry: Registry) -> Mode:
    """Return what the setting says.

    :raises SettingsError: it has a value that it does not accept
    """
    value = str((registry.settings or {}).get(SETTING, "")).strip() or "warn"
    for mode in get_args(Mode):
        if value == mode:
            return mode  # type: ignore[no-any-return]
    raise SettingsError(f"{SETTING} = {value} is not valid", f"write one of: {listed(get_args(Mode))}")


def check_at_start(registry: Registry) -> None:
    """Ask the database, and log what is wrong or refuse to start.

    :raises StartRefused: the mode is ``refuse``, and the database is not where the code needs it
    :raises MigrateError: the mode is ``refuse``, and the database does not answer
    """
    if is_loading():  # for ws-alembic, which is to change it
        return
    watch = watch_of(registry)
    watch.ask(pooled=False)
    problems = watch.problems()
    if problems and mode_of(registry) == "refuse":
        raise problems[0] if isinstance(watch.found, MigrateError) else StartRefused(problems, program_of(registry))
    for problem in problems:
        log.warning("%s", problem.text(program_of(registry)))
    for newer in watch.ahead().values():
        log.warning("%s", newer.says_that("the application runs"))


def guard_tween_factory(handler: Handler, registry: Registry) -> Handler:
    """Check the database, as the application is being made, and return the tween of the mode.

    It is the ``handler`` itself where requests are not guarded.

    :raises MigrateError: as :func:`check_at_start`
    """
    check_at_start(registry)
    mode = mode_of(registry)
    if is_loading() or mode in ("warn", "refuse"):
        return handler
    watch = watch_of(registry)
    if mode == "503":
        return Gate(handler, watch, unavailable)
    from websauna_migrate.web.page import Page

    page = Page(watch)
    return Gate(handler, watch, page.answer, page.answers)


class Gate:
    """Lets requests pass where the database is well; ``instead`` answers them until then.

    ``always`` tells which requests are for ``instead`` in any case; only POST requests are.
    """

    def __init__(
        self, handler: Handler, watch: Watch, instead: Handler, always: Callable[[Request], bool] | None = None
    ) -> None:
        self._handler = handler
        self._watch = watch
        self._instead = instead
        self._always = always

    def __call__(self, request: Request) -> Response:
        """Answer ``request``."""
        if self._always is not None and request.method == "POST" and self._always(request):
            return self._instead(request)
        if self._watch.is_well or self._watch.ask_again() or is_health_path(request.registry, request.path_info):
            return self._handler(request)
        return self._instead(request)
