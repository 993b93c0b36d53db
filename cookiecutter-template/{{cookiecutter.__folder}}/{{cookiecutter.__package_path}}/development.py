"""A minimal application that includes the add-on, for development.ini and the tests."""

from __future__ import annotations

from typing import Any

import websauna_migrate
from pyramid.router import Router


class Initializer(websauna_migrate.Initializer):
    """Includes the add-on, as an application does."""

    def include_addons(self) -> None:
        """Include the add-on."""
        self.config.include("{{ cookiecutter.package_name }}")


def main(global_config: dict[str, str], **settings: Any) -> Router:
    """Return the WSGI application for the settings of an INI."""
    return Initializer(global_config, settings).make_wsgi_app()
