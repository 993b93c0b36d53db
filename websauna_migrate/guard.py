"""``config.include("websauna_migrate.guard")``: tells, or stops, an application whose database is behind its code.

The setting ``websauna_migrate.guard`` says what happens; see :mod:`websauna_migrate.web.guard`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from websauna_migrate.web.guard import check_at_start, guard_tween_factory, mode_of

if TYPE_CHECKING:
    from pyramid.config import Configurator

_TWEEN = f"{guard_tween_factory.__module__}.{guard_tween_factory.__qualname__}"


def includeme(config: Configurator) -> None:
    """Ask the database when the application is made, and guard its requests where the setting says so.

    :raises SettingsError: the setting has a value that it does not accept
    """
    from pyramid.events import ApplicationCreated
    from pyramid.tweens import EXCVIEW

    config.include("websauna_migrate")
    mode_of(config.registry)
    config.add_subscriber(check_at_start, ApplicationCreated)
    # Before there is a transaction, a session, or a view that would read a table; and before the toolbar, which would
    # keep the page that grows until it is complete.
    toolbar = "pyramid_debugtoolbar.toolbar_tween_factory"
    config.add_tween(_TWEEN, over=(toolbar, "pyramid_tm.tm_tween_factory", EXCVIEW))
