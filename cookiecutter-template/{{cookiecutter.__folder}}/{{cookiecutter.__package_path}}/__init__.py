{% if cookiecutter.kind == "app" %}
"""{{ cookiecutter.project_name }}: a Pyramid application."""

from __future__ import annotations

from typing import Any

import websauna_migrate
from pyramid.router import Router
from pyramid.settings import asbool


class Initializer(websauna_migrate.Initializer):
    """Configures the application; ws-alembic runs only the steps that register models."""

    def include_addons(self) -> None:
        """Include the add-ons, each with its own models and revisions."""
        # self.config.include("acme.newsletter")

    def configure_models(self) -> None:
        """Register the models of the application."""
        self.config.add_migration_package(
            "{{ cookiecutter.package_name }}",
            "{{ cookiecutter.package_name }}.models:Base",
        )

    def configure_views(self) -> None:
        """Configure what only the running application needs."""
        self.config.include("pyramid_retry")
        self.config.include("websauna_migrate.dbsession")
        # What happens if the database is behind the code: the setting websauna_migrate.guard.
        self.config.include("websauna_migrate.guard")
        self.config.add_migration_health("/health/migrations")
        if asbool(self.settings.get("debugtoolbar.enabled")):
            self.config.include("pyramid_debugtoolbar")
            self.config.include("websauna_migrate.toolbar")
        self.config.include(".views")


def main(global_config: dict[str, str], **settings: Any) -> Router:
    """Return the WSGI application for the settings of an INI."""
    return Initializer(global_config, settings).make_wsgi_app()
{% else %}
"""{{ cookiecutter.project_name }}: an add-on for Pyramid applications."""

from __future__ import annotations

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the models, their revisions and the views of this add-on."""
    config.include("websauna_migrate")
    config.include("websauna_migrate.dbsession")
    config.add_migration_package(
        "{{ cookiecutter.package_name }}",
        "{{ cookiecutter.package_name }}.models:Base",
        script_location="{{ cookiecutter.package_name }}:alembic",
    )
    config.include(".views")
{% endif %}
