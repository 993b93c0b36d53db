"""``config.include("websauna_migrate.guard")``: tells, or stops, an application whose database is behind its code.

The setting ``websauna_migrate.guard`` says what happens; see :mod:`websauna_migrate.web.guard`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websauna_migrate.web.guard import check_at_start, guard_tween_factory, mode_of

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.events import ApplicationCreated

_TWEEN = f"{guard_tween_factory.__module__}.{guard_tween_factory.__qualname__}"
_TOOLBAR = "pyramid_debugtoolbar.toolbar_tween_factory"
_EXCLUDED = "debugtoolbar.exclude_prefixes"


def includeme(config: Configurator) -> None:
    """Ask the database when the application is made, and guard its requests where the setting says so.

    :raises SettingsError: the setting has a value that it does not accept
    """
    from pyramid.settings import aslist
    from pyramid.tweens import EXCVIEW, INGRESS

    mode = mode_of(config.registry)
    config.include("websauna_migrate")
    # The tween checks as it is made. A subscriber would make Pyramid look for those of each request too, which costs
    # more than all the rest; it is for an application that names its tweens and leaves this one out.
    tweens = aslist(config.registry.settings.get("pyramid.tweens") or "")
    if tweens and _TWEEN not in tweens:
        config.add_subscriber(_check_at_start, "pyramid.events.ApplicationCreated")
    # Before there is a transaction, a session, or a view that would read a table. The toolbar is above it, so that its
    # panel can be looked at while requests are answered here.
    config.add_tween(_TWEEN, under=(_TOOLBAR, INGRESS), over=("pyramid_tm.tm_tween_factory", EXCVIEW))
    if mode == "page":
        _keep_from_toolbar(config.registry.settings)


def _keep_from_toolbar(settings: dict[str, Any]) -> None:
    """Keep the page that grows during an upgrade from the toolbar, which would hold it back until it is complete."""
    from websauna_migrate.web.page import PATH

    value = settings.get(_EXCLUDED, "/favicon.ico")  # the toolbar's own default
    settings[_EXCLUDED] = [*(value.splitlines() if isinstance(value, str) else value), PATH]


def _check_at_start(event: ApplicationCreated) -> None:
    check_at_start(event.app.registry)
