"""What the how-to guides show of a server: reports are printed as on the page, and commands run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from page_blocks import blocks, commands, named, page
from projects import INITIALIZER, Workspace, revise, write

RESTORE = {"postgresql": "restore-postgresql", "mariadb": "restore-mariadb"}
NUMBER = r"\d[\d,.]*"


def like(sample: str, printed: str) -> bool:
    """Tell whether ``printed`` is the sample of a page with other numbers; ``...`` is anything, gaps do not count."""
    return re.fullmatch(r"\s+".join(map(_like, sample.split())), printed.strip(), re.DOTALL) is not None


def _like(word: str) -> str:
    if set(word) == {"─"}:
        return "─+"
    if re.fullmatch("[kMG]B[);]*", word):
        return "[kMG]B" + re.escape(word[2:])
    parts = re.split(rf"((?<![\w]){NUMBER}|\.\.\.)", word)
    return "".join(
        {"...": ".*"}.get(part) or (NUMBER if part[:1].isdigit() and number % 2 else re.escape(part))
        for number, part in enumerate(parts)
    )


def application(folder, url, name, *statements):
    """Write an application without revisions, and make its tables."""
    workspace = Workspace(folder, url)
    workspace.add_app(
        name, "class Number(Base):\n    __tablename__ = 'number'\n    id = Column(Integer, primary_key=True)"
    )
    workspace.ok("init")
    workspace.execute(
        "CREATE TABLE customer (id INTEGER PRIMARY KEY)", "CREATE TABLE orders (id INTEGER, number INTEGER)"
    )
    return workspace


@contextmanager
def forgotten_shell(url):
    """Use the table ``orders`` as somebody does who went home in the middle of a transaction."""
    engine = sa.create_engine(url, connect_args={"application_name": "psql"})
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM orders").all()
        yield
    engine.dispose()


def test_lint_prints_the_finding_that_the_page_shows(tmp_path, postgresql):
    workspace = application(tmp_path, postgresql.new_database(), "demo_shop")
    index = "op.create_index('ix_orders_number', 'orders', ['number'])"
    script = revise(workspace.app / "alembic", "4a79eaf54317", upgrade=index)
    script.rename(script.with_name("4a79eaf54317_search.py"))
    workspace.execute("INSERT INTO orders SELECT n, n FROM generate_series(1, 1000) n")
    ran = workspace.run("lint")
    assert ran.code == 1
    assert like(named("how-to/lint.rst", "finding-of-lint"), ran.out), ran


def test_a_dry_run_and_a_wait_print_what_the_pages_show(tmp_path, postgresql):
    workspace = application(tmp_path, postgresql.new_database(), "shop")
    key = "op.execute('ALTER TABLE orders ADD FOREIGN KEY (number) REFERENCES customer (id)')"
    revise(workspace.app / "alembic", "4a79eaf54317", upgrade=key)
    revise(workspace.app / "alembic", "9aa0c2bd11f0", "4a79eaf54317", "op.execute('UPDATE orders SET number = NULL')")
    revise(workspace.app / "alembic", "b1c5f02ddea4", "9aa0c2bd11f0", "op.drop_column('orders', 'id')")
    ran = workspace.run("upgrade", "--dry-run")
    assert like(named("how-to/dry-run.rst", "report-of-a-dry-run"), ran.out + ran.err.splitlines()[-1]), ran

    workspace.write_ini("websauna_migrate.lock_wait = 0.1\nwebsauna_migrate.lock_wait_tries = 2\n")
    message = named("how-to/long-locks.rst", "message-of-a-wait").replace(
        "user report", f"user {workspace.url.username}"
    )
    with forgotten_shell(workspace.url):
        said = workspace.run("upgrade").err
    assert any(like(message, line) for line in said.splitlines()), said


def test_a_type_that_cannot_be_written_is_the_error_of_the_page(tmp_path, sqlite):
    workspace = Workspace(tmp_path, sqlite.new_database())
    models = """
        def make():
            class Money(TypeDecorator):
                impl = Numeric
            return Money()

        class Product(Base):
            __tablename__ = "product"
            id = Column(Integer, primary_key=True)
            price = Column(make())
    """
    workspace.add_app("acme.shop", models, history=True)
    said = workspace.fails("revision", "--autogenerate")
    assert like(named("how-to/custom-types.rst", "type-that-cannot-be-written"), f"FAILED: {said}"), said


def test_a_type_of_the_application_is_rendered_as_the_page_shows(tmp_path, sqlite):
    guide = "how-to/custom-types.rst"
    workspace = Workspace(tmp_path, sqlite.new_database())
    column = "id = Column(Integer, primary_key=True)\n    price = Column(Money(12, 2), nullable=False)"
    models = f"from .types import Money\n\nclass Product(Base):\n    __tablename__ = 'product'\n    {column}\n"
    package = workspace.add_app("acme.shop", models)
    write(package / "types.py", next(block.text for block in blocks(page(guide)) if block.language == "python"))
    workspace.ok("init")
    [script] = workspace.autogenerate()
    lines = [line.strip() for line in script.read_text().splitlines()]
    rendered, _, column = named(guide, "rendered-type").splitlines()
    assert rendered in lines
    assert column in lines

    environment = "from websauna_migrate.env import run_alembic\nfrom acme.shop.types import Money\n\n\n"
    write(script.parents[1] / "env.py", environment + named(guide, "render-item"))
    workspace.ok("downgrade", "base")
    script.unlink()
    [script] = workspace.autogenerate()
    assert "from acme.shop.types import Money\n" in script.read_text()
    assert "sa.Column('price', Money(12, 2), nullable=False)" in script.read_text()


def test_a_view_of_the_page_is_written_into_a_revision_and_compared(tmp_path, postgresql):
    guide = "how-to/views-and-functions.rst"
    workspace = Workspace(tmp_path, postgresql.new_database())
    models = "class Item(Base):\n    __tablename__ = 'item'\n    id = Column(Integer, primary_key=True)\n"
    columns = "    name = Column(String)\n    price = Column(Integer)\n    changed_at = Column(DateTime)\n"
    init = INITIALIZER.replace("{addons!r}", "()").replace(
        '"{name}.models:Base")', '"{name}.models:Base", objects="{name}.objects:ALL")'
    )
    package = workspace.add_app("acme.shop", models + columns, init=init, history=True)
    assert named(guide, "objects-of-a-package").strip() in (package / "__init__.py").read_text()
    objects = write(package / "objects.py", named(guide, "acme/shop/objects.py"))
    workspace.autogenerate()
    objects.write_text(objects.read_text().replace("price < 10", "price < 20"))
    assert named(guide, "check-of-a-view").strip() in workspace.run("check").out
    [line] = [line for line in named(guide, "revision-with-a-view").splitlines() if line]
    on_page(workspace, [line.removeprefix("$ ")])
    workspace.ok("upgrade")
    workspace.ok("check")


# --- commands with the programs of a server --------------------------------------------------------------------


def labelled(guide, *names):
    """Return the lines of a page in the blocks of these names."""
    found = [block for block in blocks(page(guide)) if block.name in names]
    assert len(found) == len(names)
    return [command.line for block in found for command in commands(block)]


def on_page(workspace, lines, **variables):
    """Run lines that a page shows in a shell."""
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "PYTHONPATH": ":".join(map(str, workspace.path)), **variables}
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], cwd=workspace.app, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("database", ["postgresql", "mariadb"])
def test_dumps_are_restored_and_clients_opened_as_the_pages_show(tmp_path, database, request):
    backend = request.getfixturevalue(database)
    workspace = Workspace(tmp_path, backend.new_database())
    workspace.add_app(
        "demo_shop", "class A(Base):\n    __tablename__ = 'a'\n    id = Column(Integer, primary_key=True)"
    )
    workspace.ok("init")
    workspace.autogenerate()
    workspace.execute("INSERT INTO a VALUES (7)")
    write(workspace.app / "production.ini", workspace.ini.read_text())
    restored = backend.new_database()
    backend.server.drop_database(restored)

    url = workspace.url
    account = f"user={url.username}\npassword={url.password or ''}\n"
    write(tmp_path / "home" / ".my.cnf", f"[client]\nprotocol=tcp\nhost={url.host}\nport={url.port}\n{account}")
    variables = {"PGHOST": url.host, "PGPORT": str(url.port), "PGUSER": url.username, "HOME": str(tmp_path / "home")}
    variables["PATH"] = f"{backend.server.programs}:{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    lines = ["ws-dump-db development.ini --output before.sql", *labelled("how-to/back-up.rst", RESTORE[database])]
    if database == "postgresql":
        lines += labelled("how-to/back-up.rst", "arguments-of-pg-dump")
        lines += labelled("how-to/look-into-the-database.rst", "client-of-postgresql")
    # For MySQL, the page says, mysql instead of mariadb.
    lines = [re.sub("^mariadb ", f"{backend.server.client} ", line) for line in lines]
    on_page(workspace, [line.replace("shop_restored", restored.database) for line in lines], **variables)
    assert Workspace(tmp_path, restored).execute("SELECT id FROM a") == [(7,)]
    backend.server.drop_database(restored)
