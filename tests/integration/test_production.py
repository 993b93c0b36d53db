"""The commands of the how-to "Production: scripts first, code later", on a server with the old release."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest
from sqlalchemy import inspect

from forked import Program
from looking import looking
from page_blocks import blocks, commands, page
from projects import Workspace, write
from worker import Worker

GIT = "git -c user.name=Ann -c user.email=ann@example.org -c commit.gpgsign=false"
V1 = """
class Product(Base):
    __tablename__ = "product"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False)
"""
BASKET = """
class Basket(Base):
    __tablename__ = "basket"
    id = Column(Integer, primary_key=True)
"""
V2 = f"""{V1}
    price = Column(Integer)
    stock = Column(Integer, nullable=False, server_default="0")

class Review(Base):
    __tablename__ = "review"
    id = Column(Integer, primary_key=True)
    product_id = Column(ForeignKey("product.id"), nullable=False)
"""
SELL = """
import sys
from sqlalchemy import NullPool, create_engine, select
from sqlalchemy.orm import Session
from shop.models import Product

with Session(create_engine(sys.argv[1], poolclass=NullPool)) as session:
    session.add(Product(name="tea"))
    session.commit()
    print(len(session.scalars(select(Product)).all()), hasattr(Product, "price"))
"""


@pytest.fixture
def server(tmp_path, backend, monkeypatch, run):
    """A checkout of v1 of a project, its database, and a run of commands there; v2 was released meanwhile."""
    project = release_twice(tmp_path / "developer", backend)
    if backend.name != "sqlite":
        monkeypatch.setenv("PATH", str(backend.server.programs), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "server"))
    shell(f"git clone --quiet {project} server && cd server && git checkout --quiet v1", tmp_path)
    return Server(tmp_path / "server", backend.new_database(), run)


def release_twice(folder, backend):
    developer = Workspace(folder, backend.new_database())
    package = developer.add_app("shop", V1 + BASKET)
    write(developer.app / ".gitignore", "*.pyc\n*.db\n*.lock\n*.sqlite\n*.sql\nproduction.ini\n")
    developer.ok("init")
    developer.autogenerate()
    shell("git init --quiet && git add . && {git} commit --quiet -m one && git tag v1", developer.app)
    developer.models(package, V2 + BASKET)
    developer.autogenerate()
    developer.models(package, V2)
    [contract] = developer.autogenerate()
    contract.write_text(contract.read_text() + "\n\ncontract = True\n")
    shell("git add . && {git} commit --quiet -m two && git tag v2", developer.app)
    return developer.app


def shell(line, folder):
    done = subprocess.run(["bash", "-c", line.replace("{git}", GIT)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Server:
    """The folder and the database of a running application."""

    def __init__(self, folder, url, run):
        self.folder, self.url = folder, url
        self._run = run
        self.text = url.render_as_string(hide_password=False)
        app = "use = call:shop:main\nwebsauna.init = shop.Initializer\n"
        write(folder / "production.ini", f"[app:main]\n{app}sqlalchemy.url = {self.text}\n")
        self.run("ws-alembic -c production.ini upgrade")

    def run(self, line):
        program, *argv = shlex.split(line)
        if program != "ws-alembic":
            return shell(line, self.folder)
        done = self._run(program, *argv, cwd=self.folder)
        assert done.returncode == 0, (line, done.stdout + done.stderr)
        return done.stdout

    def sell(self):
        """Let the application, as it is there, write and read; return how many rows it sees and whether it is new."""
        write(self.folder.parent / "sell.py", SELL)
        program = Program("sell", ["sell", self.text], dict(os.environ), str(self.folder), [str(self.folder.parent)])
        done = Worker.shared().run(program)
        assert done.code == 0, done.err
        return done.out.split()

    def tables(self):
        with looking(self.url) as connection:
            return set(inspect(connection).get_table_names())

    def columns(self):
        with looking(self.url) as connection:
            return {column["name"] for column in inspect(connection).get_columns("product")}


def parts():
    """Return the blocks of commands of the page: to fetch the scripts, to expand, to bring the code, to contract."""
    found = [block for block in blocks(page("how-to/production.rst")) if block.language == "console"]
    return [[command.line for command in commands(block)] for block in found]


def test_scripts_come_first_and_the_old_code_goes_on_working_also_when_they_were_undone(server):
    """Going back takes the folder of v2 to downgrade, and then that of v1."""
    fetch, upgrade, bring, contract = parts()
    assert server.sell() == ["1", "False"]

    server.run("git checkout --quiet v2 -- alembic")
    server.run("ws-alembic -c production.ini upgrade")
    server.run("ws-alembic -c production.ini downgrade -2")
    server.run("git checkout --quiet --force v1 -- alembic && git clean -fdq")
    assert server.columns() == {"id", "name"}
    assert server.sell() == ["2", "False"]

    for line in fetch:
        server.run(line)
    changed = server.run("git status --porcelain").splitlines()
    assert {line.split()[1].split("/")[0] for line in changed} == {"alembic"}

    printed = [server.run(line) for line in upgrade]
    assert len(printed[0].strip().splitlines()) > 1
    assert server.columns() == {"id", "name", "price", "stock"}
    assert "basket" in server.tables()
    assert (server.folder / "before-v2.sql").stat().st_size
    assert server.sell() == ["3", "False"]

    for line in bring:
        server.run(line)
    assert server.sell() == ["4", "True"]

    for line in contract:
        server.run(line)
    assert "basket" not in server.tables()
    server.run("ws-alembic -c production.ini check")
