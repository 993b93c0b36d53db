"""A minimal application that includes the add-on, for development.ini and the tests."""

from __future__ import annotations

from typing import Any

import websauna_migrate
from pyramid.router import Router
from pyramid.settings import asbool


class Initializer(websauna_migrate.Initializer):
    """Includes the add-on, as an application does."""

    def include_addons(self) -> None:
        """Include the add-on."""
        self.config.include("{{ cookiecutter.package_name }}")

    def configure_views(self) -> None:
        """Show a page if the database is behind the code, and the toolbar."""
        self.config.include("websauna_migrate.guard")
        if asbool(self.settings.get("debugtoolbar.enabled")):
            self.config.include("pyramid_debugtoolbar")
            self.config.include("websauna_migrate.toolbar")


def main(global_config: dict[str, str], **settings: Any) -> Router:
    """Return the WSGI application for the settings of an INI."""
    return Initializer(global_config, settings).make_wsgi_app()
