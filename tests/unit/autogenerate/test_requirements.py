"""What a generated revision requires of other packages, from scripts in files and operations."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from alembic.operations import ops

from websauna_migrate.autogenerate.requirements import Requirements
from websauna_migrate.exceptions import RevisionError
from websauna_migrate.packages.ownership import find_owners
from websauna_migrate.packages.package import History, MigrationPackage

BODY = "revision = {id!r}\ndown_revision = {down!r}\ndef upgrade():\n    {up}\ndef downgrade():\n    pass\n"


@pytest.fixture
def packages(tmp_path):
    """``user`` and ``note``, which refers to it; ``user`` has two revisions."""
    metadata = {name: sa.MetaData() for name in ("user", "note")}
    for name, tables in metadata.items():
        (tmp_path / name).mkdir()
        sa.Table(name, tables, sa.Column("id", sa.Integer, primary_key=True))
    for id_, down, up in (("u1", None, "op.create_table('user')"), ("u2", "u1", "op.add_column('user', x)")):
        (tmp_path / "user" / f"{id_}.py").write_text(BODY.format(id=id_, down=down, up=up))
    ownership = find_owners([MigrationPackage(name, (tables,)) for name, tables in metadata.items()])
    return {name: History(name, (name,), tmp_path, (tmp_path / name,), f"h_{name}") for name in metadata}, ownership


def script(*operations):
    return ops.MigrationScript("n1", ops.UpgradeOps(list(operations)), ops.DowngradeOps([]))


def key(target):
    return ops.CreateForeignKeyOp("fk", "note", target, ["other_id"], ["id"])


def test_a_table_of_another_package_is_required_by_the_revision_that_creates_it(packages):
    histories, ownership = packages
    requirements = Requirements(histories["note"], histories, ownership)
    assert requirements.of(script(ops.ModifyTableOps("note", [key("user")])), ()) == {"user": "u1"}


@pytest.mark.parametrize(("dialect", "required"), [("mysql", "u3"), ("mariadb", "u3"), ("postgresql", "u1")])
def test_the_revision_that_changed_the_type_of_what_a_key_refers_to_is_required(packages, dialect, required):
    histories, ownership = packages
    up = "op.alter_column('user', 'id', type_=BigInteger())"
    folder = histories["user"].version_locations[0]
    (folder / "u3.py").write_text(BODY.format(id="u3", down="u2", up=up))
    requirements = Requirements(histories["note"], histories, ownership)
    connection = SimpleNamespace(dialect=SimpleNamespace(name=dialect))
    found = requirements.of(script(ops.ModifyTableOps("note", [key("user")])), (), connection=connection)
    assert found == {"user": required}


@pytest.mark.parametrize("name", ["'fk'", "op.f('fk')"])
def test_a_table_is_dropped_after_the_revision_that_let_go_of_it(packages, name):
    histories, ownership = packages
    ups = (f"op.create_foreign_key({name}, 'note', 'user', ['user_id'], ['id'])", "op.drop_constraint('fk', 'note')")
    for id_, down, up in zip(("n1", "n2"), (None, "n1"), ups, strict=True):
        (histories["note"].version_locations[0] / f"{id_}.py").write_text(BODY.format(id=id_, down=down, up=up))
    requirements = Requirements(histories["user"], histories, ownership)
    assert requirements.of(script(ops.DropTableOp("user")), ()) == {"note": "n2"}


def test_a_table_of_the_same_package_or_of_nobody_requires_nothing(packages):
    histories, ownership = packages
    requirements = Requirements(histories["user"], histories, ownership)
    assert requirements.of(script(key("user"), key("elsewhere")), ()) == {}


def test_a_table_that_no_revision_creates_is_an_error(packages):
    histories, ownership = packages
    requirements = Requirements(histories["user"], histories, ownership)
    with pytest.raises(RevisionError, match="packages=all"):
        requirements.of(script(key("note")), ())


def test_a_key_to_what_is_still_to_come_is_put_off(packages):
    histories, ownership = packages
    requirements = Requirements(histories["user"], histories, ownership, frozenset({"note"}))
    modify = ops.ModifyTableOps("user", [key("note")])
    written = script(modify)
    requirements.split(written, "postgresql")
    assert not any(isinstance(op, ops.CreateForeignKeyOp) for op in modify.ops)
    assert [op.table_name for op in requirements.put_off] == ["user"]
