"""The application: a metadata of its own, whose tables refer to those of the add-ons by name."""

import websauna_migrate


class Initializer(websauna_migrate.Initializer):
    def include_addons(self):
        self.config.include("acme.user")
        self.config.include("acme.blog")

    def configure_models(self):
        from acme.blog import models as _models  # noqa: F401 - defines the tables of acme.blog

        self.config.add_migration_package("acme.shop", "acme.shop.models:Base")

    def configure_views(self):
        raise RuntimeError("the scripts do not configure views")


def main(global_config, **settings):
    return Initializer(global_config, settings).make_wsgi_app()
