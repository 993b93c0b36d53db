from __future__ import annotations

from pyramid.router import Router
from websauna_migrate import get_migration_packages

from {{ cookiecutter.package_name }}.models import Base


def test_the_models_are_registered_for_migrations(app: Router) -> None:
    package = get_migration_packages(app.registry)["{{ cookiecutter.package_name }}"]
    assert package.metadata == (Base.metadata,)
