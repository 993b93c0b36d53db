"""``websauna_migrate.toolbar``: a panel of pyramid_debugtoolbar that shows the migrations of the application.

For ``config.include()``, ``pyramid.includes`` or ``debugtoolbar.includes``; see
:mod:`websauna_migrate.web.toolbar_panel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator

_PANEL = "websauna_migrate.web.toolbar_panel.MigrationsPanel"
_SETTING = "debugtoolbar.extra_global_panels"


def includeme(config: Configurator) -> None:
    """Add the panel ``Migrations`` to the tab ``Global`` of the toolbar.

    In an application the toolbar may be included before or after it. Where the application has none, nothing happens.
    """
    if hasattr(config, "add_debugtoolbar_panel"):  # the configurator of the toolbar itself
        config.add_debugtoolbar_panel(_PANEL, is_global=True)
        return
    settings = config.registry.settings
    value = settings.get(_SETTING, ())
    settings[_SETTING] = [*(value.split() if isinstance(value, str) else value), _PANEL]
