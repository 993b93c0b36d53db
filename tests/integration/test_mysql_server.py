"""MySQL's own server, where it differs from MariaDB's: a few proofs in each run.

``make test DATABASES=mysql`` runs all tests of MariaDB on it.
"""

from __future__ import annotations

import os
import subprocess

import pytest
from sqlalchemy import create_engine

from projects import Workspace, revise
from websauna_migrate.database.lock import run_lock
from websauna_migrate.exceptions import MigrateError

WELL = "No new upgrade operations detected.\n"
SALE = """
class Sale(Base):
    __tablename__ = "sale"
    id = Column(Integer, primary_key=True)
    total = Column(Integer)
    name = Column(String(20), server_default="it's")
    flag = Column(Boolean(create_constraint=True, name="ck_flag"), server_default=true())
    größe = Column(String(9))
    __table_args__ = (
        CheckConstraint("total > 0 AND (name <> 'a b' AND total < 9)", name="ck_total"),
        Index("ix_lower", func.lower(name), func.lower(größe)),
        Index("ix_both", func.abs(total), func.upper(name), unique=True),
        Index("ix_down", total.desc()),
    )
"""


@pytest.fixture
def shop(tmp_path, mysql):
    """An empty application with a database."""
    work = Workspace(tmp_path, mysql.new_database())
    work.add_app("shop", history=True)
    return work


def test_a_renamed_column_takes_its_checks_and_indexes_with_it(shop, on_terminal):
    package = shop.app / "shop"
    shop.models(package, SALE)
    shop.autogenerate()
    assert shop.ok("check") == WELL
    shop.execute("INSERT INTO sale (id, total) VALUES (1, 3)")
    before = shop.scripts()
    shop.models(package, SALE.replace("total", "amount").replace("ck_amount", "ck_total"))
    ran = on_terminal(shop, "revision", "--autogenerate", "-m", "renamed", typed=lambda _: "y\n")
    assert ran.code == 0, ran.seen
    (script,) = shop.scripts() - before
    shop.ok("upgrade")
    shop.goes_both_ways(script, SALE)
    assert shop.execute("SELECT id, amount FROM sale") == [(1, 3)]


def test_a_column_that_a_computed_one_uses_is_left_to_the_user(shop, on_terminal):
    models = SALE + "    twice = Column(Integer, Computed('total * 2'))\n"
    shop.models(shop.app / "shop", models)
    shop.autogenerate()
    before = shop.scripts()
    shop.models(shop.app / "shop", models.replace("total", "amount").replace("ck_amount", "ck_total"))
    ran = on_terminal(shop, "revision", "--autogenerate", "-m", "renamed", typed=lambda _: "y\n")
    assert "MySQL renames no column that the computed column sale.twice uses: drop it before" in ran.seen
    (script,) = shop.scripts() - before
    assert script.read_text().count("# MySQL renames no column that the computed column sale.twice uses") == 2


def test_a_failure_says_what_stays_and_a_run_waits_for_another(shop):
    folder = shop.app / "shop" / "alembic"
    up = "op.execute('CREATE TABLE half (id INT)')\n    op.execute('CREATE TABLE half (id INT)')"
    revise(folder, "aaa1", upgrade="op.execute('CREATE TABLE whole (id INT)')", downgrade="op.drop_table('whole')")
    revise(folder, "bbb2", "aaa1", upgrade=up)
    said = shop.run("upgrade").err
    assert "(1050, \"Table 'half' already exists\")" in said
    assert "the earlier statements of bbb2 were not rolled back" in said
    assert "applied in this run: shop aaa1" in said
    engine = create_engine(shop.url)
    with run_lock(engine), pytest.raises(MigrateError, match="could not be acquired"), run_lock(engine, timeout=0.1):
        pass
    engine.dispose()
    shop.ok("downgrade", "base")
    assert shop.tables() == {"alembic_history_shop", "half"}


def test_a_dump_is_complete_and_says_nothing_else(shop, mysql, monkeypatch):
    shop.execute("CREATE TABLE a (id INT PRIMARY KEY, b TEXT)", "INSERT INTO a VALUES (1, 'it''s ü')")
    programs = mysql.server.programs
    path = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    dumped = shop.call("websauna_migrate.scripts.ws_dump_db:main", [str(shop.ini)], env=path)
    assert (dumped.code, dumped.err) == (0, "")
    other = mysql.new_database()
    client = [str(programs / "mysql"), "-h127.0.0.1", f"-P{other.port}", "-utester", str(other.database)]
    subprocess.run(client, input=dumped.out.encode(), check=True)
    engine = create_engine(other)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT id, b FROM a").all() == [(1, "it's ü")]
    engine.dispose()


def test_scripts_are_tried_on_a_throw_away_server(shop, mysql):
    folder = shop.app / "shop" / "alembic"
    shop.throw_away = True
    shop.write_ini()
    revise(folder, "aaa1", upgrade="op.create_table('a', sa.Column('id', sa.Integer, primary_key=True))")
    revise(folder, "bbb2", "aaa1", upgrade="op.create_table('b', sa.Column('id', sa.Integer, primary_key=True))")
    shop.execute("CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY)")
    ran = shop.run("doctor", env={"PATH": f"{mysql.server.programs}{os.pathsep}{os.environ['PATH']}"})
    assert "not all scripts were compared" not in ran.out
    assert "stamp aaa1" in ran.out, ran
