"""Which differences are real, and what the database is asked about."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from websauna_migrate.autogenerate.comparators import PLUGIN, plugins
from websauna_migrate.autogenerate.install import install


def test_the_users_plugins_stay():
    assert plugins({"autogenerate_plugins": ["mine.*"]}) == ["mine.*", PLUGIN]


# --- on a database ---------------------------------------------------------------------------------------------


def column(default):
    return sa.Column("a", sa.String(9), server_default=default)


def differences(connection, metadata, **options):
    install()
    options = {"compare_type": True, "compare_server_default": True, "autogenerate_plugins": plugins({}), **options}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def table(*items):
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), *items)
    return metadata


def test_nothing_of_a_comparison_stays_in_the_database(connection):
    table(column("x")).create_all(connection)
    assert differences(connection, table(sa.Column("a", sa.BigInteger, server_default=sa.text("1 + 1"))))
    assert connection.exec_driver_sql("SELECT name FROM sqlite_temp_master").all() == []


def test_where_the_database_cannot_be_asked_defaults_are_not_compared(connection):
    table(column("x")).create_all(connection)
    connection.commit()
    raw = connection.connection.dbapi_connection
    raw.set_authorizer(lambda action, *_: int(action == 4))  # SQLITE_CREATE_TEMP_TABLE is denied
    assert differences(connection, table(column("y"))) == []


def test_the_users_own_comparison_comes_first(connection):
    table(column("x")).create_all(connection)
    other = table(sa.Column("a", sa.Integer, server_default="y"))
    assert differences(connection, other, compare_type=lambda *_: False, compare_server_default=lambda *_: False) == []
    assert differences(connection, other, compare_type=False, compare_server_default=False) == []
    assert len(differences(connection, other, compare_type=lambda *_: None)[0]) == 2


def test_a_check_without_a_name_in_the_models_is_found_by_what_it_says(connection):
    table(column("x"), sa.CheckConstraint("a > 0", name="named")).create_all(connection)
    assert differences(connection, table(column("x"), sa.CheckConstraint("a > 0"))) == []
    ((kind, check),) = differences(connection, table(column("x")))
    assert (kind, check.name) == ("remove_constraint", "named")


def check_differences(connection, **options):
    """Return what is found where the database has the CHECK ``old`` and the models have ``new``."""
    table(column("x"), sa.CheckConstraint("a > 0", name="old")).create_all(connection)
    models = table(column("x"), sa.CheckConstraint("a > 1", name="new"))
    return sorted((kind, check.name) for kind, check in differences(connection, models, **options))


ADDED, REMOVED = ("add_constraint", "new"), ("remove_constraint", "old")


@pytest.mark.parametrize(
    ("hook", "found"),
    [
        ({}, [ADDED, REMOVED]),
        ({"include_object": lambda item, name, kind, is_stored, other: kind != "check_constraint"}, []),
        ({"include_object": lambda item, name, kind, is_stored, other: name != "new"}, [REMOVED]),
        ({"include_object": lambda item, name, kind, is_stored, other: not is_stored or kind == "table"}, [ADDED]),
        ({"include_name": lambda name, kind, parents: name != "old"}, [ADDED]),
    ],
)
def test_the_hooks_of_the_user_hide_checks(connection, hook, found):
    assert check_differences(connection, **hook) == found


def test_a_check_that_a_comparator_of_the_user_found_is_written_once(connection):
    pytest.importorskip("alembic.ext.checkconstraint_byname", reason="this Alembic compares no checks")
    theirs = ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"]
    used = plugins({"autogenerate_plugins": theirs})
    assert check_differences(connection, autogenerate_plugins=used) == [ADDED, REMOVED]
