"""``ws-create-table`` as people run it: what it prints, how it fails, and that it needs no database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import make_url

from projects import Workspace, write

MODELS = """
class Product(Base):
    __tablename__ = "product"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), comment="100%")

class Price(Base):
    __tablename__ = "price"
    __table_args__ = {"schema": "sales"}
    id = Column(Integer, primary_key=True)
    product_id = Column(ForeignKey("product.id"))
"""
NOTE = """
class Note(Base):
    __tablename__ = "note"
    id = Column(Integer, primary_key=True)
"""
PRODUCT = """\
CREATE TABLE product (
\tid SERIAL NOT NULL, 
\tname VARCHAR(50), 
\tPRIMARY KEY (id)
);

COMMENT ON COLUMN product.name IS '100%';

"""  # noqa: W291  (as SQLAlchemy writes it)
DOWN = "postgresql+psycopg2://me:s3cret@localhost:1/shop"


@pytest.fixture
def shop(tmp_path):
    """An application with an add-on; the server that its INI names is not there."""
    workspace = Workspace(tmp_path, make_url(DOWN))
    workspace.add("notes", NOTE)
    workspace.add_app("shop", MODELS, ["notes"])
    return workspace


@pytest.fixture
def create(shop, run):
    """Run the script with the INI of ``shop`` and return how it ended."""
    path = os.pathsep.join(map(str, shop.path))

    def create(*argv, python_path=path, **options):
        return run("ws-create-table", shop.ini, *argv, cwd=shop.folder, env={"PYTHONPATH": python_path}, **options)

    return create


def fails(done, code=1):
    """Return the only line that was printed, which is an error and shows no password."""
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("FAILED: ")
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr
    return done.stderr[len("FAILED: ") : -1]


def test_it_prints_the_tables_of_the_current_package_and_asks_no_server(create):
    done = create()
    assert (done.returncode, done.stderr) == (0, "")
    schema, product = done.stdout.split("\n\n")[:2]
    assert schema == "CREATE SCHEMA IF NOT EXISTS sales;"
    assert product == PRODUCT.split("\n\n")[0]
    assert "CREATE TABLE sales.price" in done.stdout
    assert "note" not in done.stdout


def test_it_prints_the_tables_that_are_named(create):
    assert create("product").stdout == PRODUCT
    assert create("sales.price", "product").stdout.count("CREATE TABLE") == 2
    assert create("-x", "packages=notes", "note").stdout.startswith("CREATE TABLE note (")


def test_the_folder_decides_which_package_is_the_current_one(shop, create, run):
    path = os.pathsep.join(map(str, shop.path))
    done = run("ws-create-table", shop.ini, cwd=shop.folder / "notes", env={"PYTHONPATH": path})
    assert done.stdout.startswith("CREATE TABLE note (")


def test_packages_are_chosen_with_x(create):
    assert create("-x", "packages=all").stdout.count("CREATE TABLE") == 3
    assert create("-x", "packages=notes").stdout.startswith("CREATE TABLE note (")


@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg", "psycopg", "pg8000"])
def test_the_driver_need_not_be_installed(shop, create, tmp_path, driver):
    write(tmp_path / "shadow" / f"{driver}.py", "raise ImportError('not installed')\n")
    shop.write_ini(url=f"postgresql+{driver}://me@localhost/shop")
    done = create("product", python_path=os.pathsep.join(map(str, [tmp_path / "shadow", *shop.path])))
    assert (done.stdout, done.stderr) == (PRODUCT, "")


# --- what goes wrong -------------------------------------------------------------------------------------------


def test_an_unknown_table_is_told_with_the_closest_one(create):
    assert fails(create("produkt"), 2) == "no table 'produkt' in the models of shop; did you mean product?"
    assert "no table 'price'" in fails(create("price"), 2)
    assert "no table 'note' in the models of shop" in fails(create("note"), 2)


def test_an_unknown_package_is_a_usage_error(create):
    assert "no package 'note' is registered" in fails(create("-x", "packages=note"), 2)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "has no sqlalchemy.url in the section of the application; add one"),
        ("s3cret nonsense", "sqlalchemy.url cannot be used: it is not of the form"),
        ("nosuch://me:s3cret@localhost/shop", "there is no dialect 'nosuch'"),
        ("postgresql+nosuch://me:s3cret@localhost/shop", "there is no dialect 'postgresql+nosuch'"),
    ],
    ids=["none", "no URL", "unknown dialect", "unknown driver"],  # the names of folders: no password in them
)
def test_a_bad_url_is_told(shop, create, url, told):
    shop.write_ini(url=url)
    said = fails(create())
    assert said.startswith(str(shop.ini))
    assert told in said


def test_a_missing_ini_is_told(run, tmp_path):
    assert fails(run("ws-create-table", "nowhere.ini", cwd=tmp_path)).startswith("the settings file ")


def test_no_ini_at_all_is_a_usage_error(run, tmp_path):
    done = run("ws-create-table", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("the following arguments are required: INI\n")


def test_what_a_dialect_has_no_word_for_is_told(shop, create):
    shop.models(
        shop.app / "shop",
        """
        from sqlalchemy.dialects.postgresql import INET
        class Visit(Base):
            __tablename__ = "visit"
            id = Column(Integer, primary_key=True)
            address = Column(INET)
        """,
    )
    shop.write_ini(url="sqlite:///shop.sqlite")
    said = fails(create())
    assert "sqlite" in said
    assert "visit" in said
    shop.models(
        shop.app / "shop",
        """
        class Visit(Base):
            __tablename__ = "visit"
            id = Column(Integer, primary_key=True, server_default=Sequence("numbers").next_value())
        """,
    )
    assert "sqlite" in fails(create())


def test_a_full_disk_is_one_line(create, start, shop):
    env = {"PYTHONPATH": os.pathsep.join(map(str, shop.path))}
    with Path("/dev/full").open("w") as full:
        process = start("ws-create-table", shop.ini, env=env, stdout=full)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said.count("\n")) == (1, 1)
    assert "No space left on device" in said


def test_a_reader_that_has_enough_ends_it_quietly(shop, start):
    thing = "class {0}(Base):\n    __tablename__ = '{0}'\n    id = Column(Integer, primary_key=True, comment={1!r})\n"
    longer_than_a_pipe = thing.format("other", "x" * 200_000)
    shop.models(shop.app / "shop", thing.format("first", "") + longer_than_a_pipe)
    process = start("ws-create-table", shop.ini, env={"PYTHONPATH": os.pathsep.join(map(str, shop.path))})
    assert process.stdout.readline() == "CREATE TABLE first (\n"
    process.stdout.close()
    assert (process.wait(60), process.stderr.read()) == (141, "")
