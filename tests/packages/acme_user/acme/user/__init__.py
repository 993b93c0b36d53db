"""An add-on that ships its own revisions, and the declarative base that others share."""


def includeme(config):
    config.include("websauna_migrate")
    config.add_migration_package("acme.user", "acme.user.models:Base", script_location="acme.user:alembic")
