"""The models of all packages: when they are imported, and the order that their foreign keys give."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

from websauna_migrate.exceptions import RegistrationError
from websauna_migrate.packages.models import Models
from websauna_migrate.packages.named_metadata import NamedMetadata
from websauna_migrate.packages.package import History, MigrationPackage, TableName

USER = MetaData()
Table("user", USER, Column("id", Integer, primary_key=True))
POST = MetaData()
Table("post", POST, Column("user_id", Integer, ForeignKey("user.id")))
HISTORIES = [History(name, (name,), Path(name), (), name) for name in ("blog", "user")]


@pytest.fixture
def noted():
    return []


@pytest.fixture
def models(noted):
    """``blog`` refers to ``user``, and both are registered by a name."""

    @contextmanager
    def importing():
        noted.append("begins")
        yield
        noted.append("ends")

    def registered(name, metadata):
        return MigrationPackage(name, (NamedMetadata(name, name, lambda name: noted.append(name) or metadata),))

    packages = {"blog": registered("blog", POST), "user": registered("user", USER)}
    return Models(packages, HISTORIES, importing, complete=True)


def test_nothing_is_imported_until_tables_are_asked_for(models, noted):
    assert (models.are_imported, noted) == (False, [])
    assert models.ownership.owners == {TableName(None, "post"): "blog", TableName(None, "user"): "user"}
    assert models.are_imported


def test_all_are_imported_together_and_once(models, noted):
    for _ in range(2):
        models.import_all()
    assert models.groups
    assert noted == ["begins", "blog", "user", "ends"]


def test_foreign_keys_order_the_histories(models):
    assert models.groups == (("user",), ("blog",))


def test_what_is_given_as_it_is_needs_no_import(noted):
    models = Models({"user": MigrationPackage("user", (USER,))}, HISTORIES[1:], lambda: pytest.fail(), complete=False)
    assert models.are_imported
    models.import_all()
    assert models.groups == (("user",),)


def test_after_an_error_they_are_still_to_be_imported(models):
    wrong = MigrationPackage("wrong", (NamedMetadata("wrong", "wrong", lambda name: name),))
    models = Models({**models.packages, "wrong": wrong}, HISTORIES, models.importing, complete=True)
    for _ in range(2):
        with pytest.raises(RegistrationError):
            models.import_all()
        assert not models.are_imported
