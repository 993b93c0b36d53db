"""The base class of an application's start-up code, in steps that can run separately.

The scripts need only the models of an application. A start-up that is one function can only run as a whole, with
its views, templates and queries.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from websauna_migrate.packages.directives import DISCRIMINATOR, SUBSCRIBER
from websauna_migrate.settings.started import keep_global_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyramid.config import Configurator
    from pyramid.registry import Registry
    from pyramid.router import Router

#: Where the registry keeps the module of the Initializer.
REGISTRY_KEY = "websauna_migrate.initializer"

_for_models_only: ContextVar[bool] = ContextVar("for_models_only", default=False)


@contextmanager
def for_models_only() -> Iterator[None]:
    """Return a context in which an Initializer is made to register models, not to answer requests."""
    token = _for_models_only.set(True)
    try:
        yield
    finally:
        _for_models_only.reset(token)


class Initializer:
    """Builds a Pyramid application in steps; an application overrides the steps that it needs.

    ::

        class Initializer(websauna_migrate.Initializer):
            def include_addons(self):
                self.config.include("acme.blog")

            def configure_models(self):
                self.config.add_migration_package("acme.shop", "acme.shop.models:Base")

        def main(global_config, **settings):
            return Initializer(global_config, settings).make_wsgi_app()

    ``global_config`` is PasteDeploy's, ``settings`` are those of the application's section.
    """

    def __init__(self, global_config: Mapping[str, str], settings: Mapping[str, object]) -> None:
        self.global_config = global_config
        self.settings = dict(settings)
        self.config = self.create_configurator()
        self.config.registry[REGISTRY_KEY] = type(self).__module__
        keep_global_config(self.config.registry, global_config)
        self.config.include("websauna_migrate")

    def create_configurator(self) -> Configurator:
        """Return the Pyramid configurator; relative dotted names resolve in the package of the subclass."""
        from pyramid.config import Configurator
        from pyramid.path import package_of

        package = package_of(sys.modules[type(self).__module__])
        if _for_models_only.get():  # the views of errors take a third of the time that a configurator takes
            return Configurator(package=package, settings=self.settings, exceptionresponse_view=None)
        return Configurator(package=package, settings=self.settings)

    def include_addons(self) -> None:
        """Include the add-ons; each registers its own models in its ``includeme``."""

    def configure_models(self) -> None:
        """Register the models of the application with ``self.config.add_migration_package``.

        Subscribers of the events of migrations are added here too, with ``self.config.add_migration_subscriber``.
        """

    def configure_views(self) -> None:
        """Set up routes, views, sessions, and everything else that only a running application needs."""

    def register_models(self) -> Registry:
        """Register models and return the registry. The scripts run only this part of an application.

        Other actions of the add-ons, such as their views, are removed before they are executed.
        """
        self.include_addons()
        self.configure_models()
        state = self.config.action_state
        state.actions = [action for action in state.actions if _is_of_migrations(action)]
        self.config.commit()
        return self.config.registry

    def make_wsgi_app(self) -> Router:
        """Run all steps and return the WSGI application."""
        self.include_addons()
        self.configure_models()
        self.configure_views()
        return self.config.make_wsgi_app()


def _is_of_migrations(action: Mapping[str, object]) -> bool:
    discriminator = action["discriminator"]
    return isinstance(discriminator, tuple) and discriminator[:1] in ((DISCRIMINATOR,), (SUBSCRIBER,))
