"""Changes of models that only PostgreSQL has, there and back on a real database."""

from __future__ import annotations

import pytest

from projects import Workspace


@pytest.fixture
def work(tmp_path, postgresql):
    """An application without models."""
    workspace = Workspace(tmp_path, postgresql.new_database())
    workspace.add_app("shop", history=True)
    return workspace


def changed(work, models):
    """Replace the models, write the revision and apply it; return its text."""
    work.models(work.app / "shop", models)
    (script,) = work.autogenerate()
    work.ok("check")
    return script.read_text()


# --- sequences -------------------------------------------------------------------------------------------------

NUMBERED = """
class Thing(Base):
    __tablename__ = "Thing"
    id = Column({}, primary_key=True)
"""


def width(work):
    """Return the type of the only sequence."""
    return work.execute("SELECT format_type(seqtypid, NULL) FROM pg_sequence")[0][0]


def test_the_sequence_of_a_serial_key_gets_the_width_of_its_column(work):
    changed(work, NUMBERED.format("Integer"))
    changed(work, NUMBERED.format("BigInteger"))
    assert width(work) == "bigint"
    work.ok("downgrade", "-1")
    assert width(work) == "integer"


def test_a_sequence_that_stayed_narrow_is_found(work):
    changed(work, NUMBERED.format("BigInteger"))
    work.execute('ALTER SEQUENCE "Thing_id_seq" AS integer')
    ran = work.run("check")
    assert (ran.code, ran.out) == (1, "shop:\n  modify sequence Thing: id from integer to bigint\n")
    changed(work, NUMBERED.format("BigInteger"))
    assert width(work) == "bigint"
