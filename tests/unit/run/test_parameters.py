"""Parameters of statements that are only written."""

from __future__ import annotations

import io

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext

from websauna_migrate.exceptions import RunError
from websauna_migrate.run.parameters import keep_parameters, with_parameters

NOTE = sa.table("note", sa.column("id", sa.Integer), sa.column("text", sa.Text))


@pytest.fixture
def written():
    """Return what is written of a statement."""
    buffer = io.StringIO()
    opts = {"as_sql": True, "literal_binds": True, "output_buffer": buffer}
    migration = MigrationContext.configure(dialect_name="sqlite", opts=opts)
    keep_parameters(migration)

    def write(statement, *parameters):
        migration.connection.execute(statement, *parameters)
        return " ".join(buffer.getvalue().split())

    return write


def test_each_set_of_parameters_is_a_statement(written):
    assert written(NOTE.insert(), [{"id": 1, "text": "it's"}, {"id": 2, "text": None}]).count("INSERT INTO note") == 2


def test_the_values_are_in_the_statement(written):
    assert "SET a = 'it''s'" in written(sa.text("UPDATE note SET a = :a"), {"a": "it's"})


def test_a_parameter_without_a_value_is_an_error(written):
    with pytest.raises(RunError, match="parameter a"):
        written(sa.text("UPDATE note SET a = :a"))


def test_a_parameter_that_cannot_be_written_is_an_error():
    with pytest.raises(RunError, match="other"):
        list(with_parameters(NOTE.insert(), {"other": 1}))
