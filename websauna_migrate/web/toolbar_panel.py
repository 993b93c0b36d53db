"""The panel of pyramid_debugtoolbar: the one module that imports it.

The toolbar makes a panel for each request, and asks it for its content where somebody opens the toolbar. So it does
nothing before that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyramid_debugtoolbar.panels import DebugPanel

if TYPE_CHECKING:
    from pyramid.request import Request


class MigrationsPanel(DebugPanel):  # type: ignore[misc]
    """Shows the packages, their state, what is pending, the graph of the revisions, and the tables."""

    name = "migrations"
    title = "Migrations"
    nav_title = title
    has_content = True

    def render_content(self, request: Request) -> str:
        """Return the panel as it is now; ``request`` is one for the toolbar."""
        from websauna_migrate.web.panel import panel_html

        return panel_html(request.registry.parent_registry)
