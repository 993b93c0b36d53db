"""``websauna_migrate.split_contract``: what breaks running code in a revision of its own."""

from __future__ import annotations

import json

import pytest

from projects import Workspace

SPLIT = "websauna_migrate.split_contract = true\n"

BEFORE = """
class Account(Base):
    __tablename__ = "account"
    id = Column(Integer, primary_key=True)
    name = Column(String(50))
    note = Column(String(50), index=True)
    size = Column(Integer)
    hue = Column(Enum("red", "green", "blue", name="hue"))
    shade = Column(Enum("dark", "light", name="shade"))

class Old(Base):
    __tablename__ = "old"
    __table_args__ = (UniqueConstraint("code", name="uq_old_code"),)
    id = Column(Integer, primary_key=True)
    code = Column(String(20), index=True)
    account_id = Column(ForeignKey("account.id", name="fk_old_account"))
"""

AFTER = """
class Account(Base):
    __tablename__ = "account"
    id = Column(Integer, primary_key=True)
    name = Column(String(20), nullable=False)
    size = Column(BigInteger, index=True)
    hue = Column(Enum("red", "green", "black", name="hue"))
    level = Column(Integer, nullable=False)
    state = Column(String(10), server_default="new", nullable=False)

class New(Base):
    __tablename__ = "new"
    id = Column(Integer, primary_key=True)
    account_id = Column(ForeignKey("account.id", name="fk_new_account"))
"""

POST = """
class Post(Base):
    __tablename__ = "post"
    id = Column(Integer, primary_key=True)
"""


def make(folder, url, settings=SPLIT):
    workspace = Workspace(folder, url)
    workspace.add_app("shop", BEFORE, settings=settings, history=True)
    workspace.autogenerate()
    return workspace


def generate(workspace, *argv):
    """Write revisions, and return the texts of those that expand and of those that contract."""
    before = workspace.scripts()
    ran = workspace.run(*argv, "revision", "--autogenerate", "-m", "change")
    assert ran.code == 0, ran.err
    written = sorted(workspace.scripts() - before)
    assert all(f"Generating {path}" in ran.err for path in written)
    texts = [path.read_text() for path in written]
    return [[text for text in texts if ("\ncontract = True\n" in text) is is_contract] for is_contract in (False, True)]


def upgrade_of(text):
    return text.partition("def upgrade")[2].partition("def downgrade")[0]


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_what_breaks_running_code_is_written_into_a_second_revision(tmp_path, database, request):
    workspace = make(tmp_path, request.getfixturevalue(database).new_database())
    workspace.models(workspace.app / "shop", AFTER)
    [expand], [contract] = generate(workspace)
    there, after = upgrade_of(expand), upgrade_of(contract)
    for change in ("create_table('new'", "sa.Column('level', sa.Integer(), nullable=True)", "'state'", "BigInteger"):
        assert change in there, change
        assert change not in after, change
    for change in ("drop_table('old'", "drop_column('note'", "drop_index", "String(length=20)", "'level'"):
        assert change in after.replace("'account', ", ""), change
    assert not any(change in there for change in ("drop_", "String(length=20)"))
    assert "change, contract" in contract
    workspace.ok("upgrade", "--expand")
    workspace.ok("status", "--check", "--expand")
    assert workspace.tables() == {"account", "old", "new", "alembic_history_shop"}
    workspace.execute("INSERT INTO account (name, note, level) VALUES ('as before', 'by the old code', 1)")
    workspace.ok("upgrade")
    workspace.ok("check")
    workspace.execute("DELETE FROM account")
    workspace.ok("downgrade", "-2")
    workspace.ok("upgrade")
    workspace.ok("check")
    assert workspace.tables() == {"account", "new", "alembic_history_shop"}


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_a_rename_contracts_and_takes_along_what_uses_the_new_name(tmp_path, database, request, on_terminal):
    workspace = make(tmp_path, request.getfixturevalue(database).new_database())
    workspace.execute("INSERT INTO account (id, size) VALUES (1, 7)", "INSERT INTO old (id, account_id) VALUES (2, 1)")
    after = BEFORE.replace('"old"', '"elder"').replace("size =", "length =")
    after = after.replace("    code =", "    extra = Column(Integer, nullable=False, index=True)\n    code =")
    workspace.models(workspace.app / "shop", after.replace("    note =", "    more = Column(Date)\n    note ="))
    before = workspace.scripts()
    typed = "y\ny\n0\n"
    ran = on_terminal(workspace, "revision", "--autogenerate", "-m", "change", typed=lambda _: typed)
    assert ran.code == 0, ran.seen
    texts = [path.read_text() for path in sorted(workspace.scripts() - before)]
    [contract] = [text for text in texts if "\ncontract = True\n" in text]
    [expand] = [text for text in texts if text != contract]
    assert "'more'" in upgrade_of(expand)
    for change in ("'elder'", "TO length", "'extra'"):
        assert change in upgrade_of(contract), change
        assert change not in upgrade_of(expand), change
    workspace.ok("upgrade", "--expand")
    workspace.ok("upgrade")
    workspace.ok("check")
    assert workspace.execute("SELECT length, extra FROM account JOIN elder ON account_id = account.id") == [(7, 0)]
    workspace.ok("downgrade", "-2")
    assert workspace.execute("SELECT size FROM account JOIN old ON account_id = account.id") == [(7,)]


def test_what_only_contracts_is_one_revision_and_what_only_expands_too(tmp_path, sqlite):
    workspace = make(tmp_path, sqlite.new_database())
    workspace.models(workspace.app / "shop", BEFORE.replace("    size = Column(Integer)\n", ""))
    [contract] = generate(workspace)[1]
    assert "drop_column('size')" in contract
    assert ", contract" not in contract
    workspace.ok("upgrade")
    workspace.models(workspace.app / "shop", BEFORE)
    assert [len(texts) for texts in generate(workspace)] == [1, 0]
    workspace.ok("upgrade")
    workspace.write_ini()
    workspace.models(workspace.app / "shop", AFTER)
    assert [len(texts) for texts in generate(workspace)] == [1, 0]


def test_where_one_of_them_cannot_be_written_neither_is(tmp_path, sqlite):
    workspace = Workspace(tmp_path, sqlite.new_database())
    workspace.add_app("shop", BEFORE, settings=SPLIT)
    workspace.ok("init")
    workspace.autogenerate()
    workspace.models(workspace.app / "shop", AFTER)
    template = workspace.app / "alembic" / "script.py.mako"
    template.write_text(template.read_text().replace("contract = True\n", ""))
    before = workspace.files()
    ran = workspace.run("revision", "--autogenerate", "-m", "change")
    assert ran.code == 1
    assert f"{template} has no line for 'contract'" in ran.err
    assert 'add the line contract = ${repr(context.get("contract", False))}' in ran.err
    assert workspace.files() == before


def test_each_package_gets_both_and_what_contracts_waits_for_what_another_package_expands(tmp_path, sqlite):
    workspace = Workspace(tmp_path, sqlite.new_database())
    tag = POST.replace("Post", "Tag").replace("post", "tag")
    comment = "\nclass Comment(Base):\n    __tablename__ = 'comment'\n    id = Column(Integer, primary_key=True)\n"
    referring = (
        comment + "    tag_id = Column(ForeignKey('tag.id', name='fk_comment_tag'))\n    text = Column(String(20))\n"
    )
    blog = workspace.add("blog", POST + tag, history=True)
    workspace.add_app("shop", referring, ["blog"], settings=SPLIT, history=True)
    every = ("-x", "packages=all")
    workspace.autogenerate(*every)
    workspace.models(blog, POST + "    title = Column(String(20))\n")
    workspace.models(workspace.app / "shop", comment + "    at = Column(Date)\n")
    expand, contract = generate(workspace, *every)
    assert (len(expand), len(contract)) == (2, 2)
    workspace.ok(*every, "upgrade", "--expand")
    assert {"tag", "post"} < workspace.tables()
    plan = json.loads(workspace.ok(*every, "plan", "--format", "json"))
    assert [step["package"] for step in plan] == ["shop", "blog"]
    workspace.ok(*every, "upgrade")
    workspace.ok(*every, "check")
    workspace.ok(*every, "downgrade", "base", "--yes")
    workspace.ok(*every, "upgrade")


def test_an_index_that_expands_takes_the_place_of_one_that_a_foreign_key_has(tmp_path, mariadb):
    work = Workspace(tmp_path, mariadb.new_database())
    models = """
class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    thing_id = Column(ForeignKey("thing.id", name="fk_thing"))
    __table_args__ = (Index("ix_old", "thing_id"),)
    {}
"""
    work.add_app("shop", models.format("gone = Column(Integer)"), settings=SPLIT, history=True)
    work.autogenerate()
    work.models(work.app / "shop", models.format("").replace("ix_old", "ix_new"))
    work.autogenerate()
    of_thing = "table_schema = DATABASE() AND table_name = 'thing'"
    indexes = f"SELECT index_name FROM information_schema.statistics WHERE {of_thing} AND non_unique"
    assert work.execute(indexes) == [("ix_new",)]
    work.ok("downgrade", "-2")
    assert work.execute(indexes) == [("ix_old",)]
