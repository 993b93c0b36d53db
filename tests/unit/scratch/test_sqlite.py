from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from websauna_migrate.scratch.sqlite import keep_inside


@pytest.fixture
def engine(tmp_path):
    (tmp_path / "inside").mkdir()
    engine = create_engine(f"sqlite:///{tmp_path}/inside/it.sqlite", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        keep_inside(tmp_path / "inside")(connection)
        with pytest.raises(DatabaseError, match="not authorized"):
            connection.exec_driver_sql(f"ATTACH '{tmp_path}/real.sqlite' AS other")
    yield engine
    engine.dispose()


@pytest.mark.parametrize("file", ["{}/real.sqlite", "{}/inside/../real.sqlite", "real.sqlite", "file:{}/real.sqlite"])
def test_other_files_cannot_be_attached(file, engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with engine.connect() as connection, pytest.raises(DatabaseError, match="not authorized"):
        connection.execute(text("ATTACH :file AS other"), {"file": file.format(tmp_path)})
    with engine.connect() as connection, pytest.raises(DatabaseError, match="not authorized"):
        connection.exec_driver_sql(f"ATTACH '{file.format(tmp_path)}' AS other")
    assert not (tmp_path / "real.sqlite").exists()


def test_what_stays_inside_works(engine, tmp_path):
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ATTACH '{tmp_path}/inside/other.sqlite' AS other")
        connection.exec_driver_sql("ATTACH ':memory:' AS third")
        connection.exec_driver_sql("CREATE TABLE other.pet (id INTEGER)")
        connection.exec_driver_sql("DETACH other")
        connection.exec_driver_sql("VACUUM")
