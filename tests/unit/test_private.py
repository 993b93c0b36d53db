"""Each private name of SQLAlchemy, Alembic and argparse still means what we take it for; none is used elsewhere."""

from __future__ import annotations

import ast
import re
import subprocess
from argparse import ArgumentParser
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import comparators
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory, write_hooks
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import registry

import websauna_migrate
from websauna_migrate import private

PACKAGE = Path(websauna_migrate.__file__).parent
FOREIGN = [
    path
    for path in PACKAGE.rglob("*.py")
    if path.name != "private.py" and not {"cookiecutter-template", "scaffold"} & set(path.parts)
]
# The methods of a NamedTuple are public.
PUBLIC = {"_asdict", "_fields", "_make", "_replace"}


def private_names(tree: ast.AST) -> list[str]:
    """Return the private attributes and arguments that ``tree`` uses of what is not its own."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        ):
            found.append(node.attr)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith(("alembic", "sqlalchemy")):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.Call):
            found += [keyword.arg or "" for keyword in node.keywords]
    return [name for name in found if re.match(r"_(?!_)", name) and name not in PUBLIC]


@pytest.mark.parametrize("path", FOREIGN, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_private_name_of_others_is_used_in_one_module_only(path):
    assert private_names(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_a_private_name_is_seen():
    assert private_names(ast.parse("a._b; f(_c=1); self._d; g()._e; t._replace(x=1); a.__dict__")) == ["_b", "_c", "_e"]
    assert private_names(ast.parse("from alembic.ddl.impl import _impls")) == ["_impls"]


def test_the_mappers_of_every_registry_are_found():
    mapped = registry()
    table = sa.Table("private_thing", mapped.metadata, sa.Column("id", sa.Integer, primary_key=True))
    thing = type("Thing", (), {})
    mapper = mapped.map_imperatively(thing, table)
    try:
        assert mapper in private.all_mappers()
    finally:
        mapped.dispose()


def test_sqlalchemy_writes_a_backslash_as_it_is_told():
    def written(dialect):
        return str(sa.literal("a\\b").compile(dialect=dialect, compile_kwargs={"literal_binds": True}))

    told = postgresql.dialect()
    private.expect_standard_strings(told)
    assert written(told) == "'a\\b'"


def test_a_type_is_split_from_its_variants():
    whole = sa.JSON().with_variant(sa.Text(), "sqlite").with_variant(mysql.LONGTEXT(), "mysql")
    base, variants = private.split_variants(whole)
    assert {name: type(variant) for name, variant in variants.items()} == {"sqlite": sa.Text, "mysql": mysql.LONGTEXT}
    assert private.split_variants(base) == (base, {})
    assert private.has_variants(whole)
    assert not private.has_variants(base)
    assert private.split_variants(whole)[1], "the original was changed"


def test_the_check_of_a_type_is_told_from_others():
    by_hand = sa.CheckConstraint("f", name="by_hand")
    flag = sa.Column("f", sa.Boolean(create_constraint=True, name="flag"))
    table = sa.Table("t", sa.MetaData(), flag, by_hand)
    checks = {check.name: private.is_of_type(check) for check in table.constraints if check.name}
    assert checks == {"flag": True, "by_hand": False}


def test_the_name_that_a_convention_gives_is_told_before_any_sql_is_written():
    def name(convention, given):
        flag = sa.Column("f", sa.Boolean(create_constraint=True, name=given))
        table = sa.Table("t", sa.MetaData(naming_convention=convention), flag)
        (check,) = (constraint for constraint in table.constraints if private.is_of_type(constraint))
        return private.name_by_convention(check, table)

    assert name({"ck": "ck_%(table_name)s_%(column_0_name)s"}, None) == "ck_t_f"
    assert name({"ck": "ck_%(table_name)s_%(constraint_name)s"}, "flag") == "ck_t_flag"
    assert name({"ck": "ck_%(table_name)s_%(constraint_name)s"}, None) is None
    assert name({}, None) is None


def test_a_comparator_outside_of_a_plugin_is_seen(monkeypatch):
    assert not private.has_loose_comparators()
    monkeypatch.setattr(comparators, "_registry", comparators.branch()._registry)
    comparators.dispatch_for("table")(lambda *_arguments: None)
    assert private.has_loose_comparators()


def test_the_comparators_of_one_package_are_forgotten(monkeypatch):
    def compare(*_arguments):
        return None

    compare.__module__ = "others.comparing"
    monkeypatch.setattr(comparators, "_registry", comparators.branch()._registry)
    comparators.dispatch_for("schema")(compare)
    private.forget_comparators("other")
    assert private.has_loose_comparators()
    private.forget_comparators("others")
    assert not private.has_loose_comparators()


def test_the_expressions_of_an_exclude_constraint_are_told_with_their_operators():
    exclude = postgresql.ExcludeConstraint(("a", "="), (sa.text("lower(b)"), "&&"))
    sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer), exclude)
    elements = [(str(expression), operator) for expression, operator in private.exclude_elements(exclude)]
    assert elements == [("t.a", "="), ("lower(b)", "&&")]


@pytest.fixture
def migration():
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        yield MigrationContext.configure(connection)
    engine.dispose()


def test_alembic_reads_through_the_inspector_that_it_is_given(migration):
    context = AutogenContext(migration)
    inspector = sa.inspect(migration.connection)
    private.use_inspector(context, inspector)
    assert context.inspector is inspector


ENV_PY = """
from alembic import context
from websauna_migrate import private

given = context.config.attributes
context.configure(connection=given["connection"], target_metadata=given["metadata"])
given["seen"].append(private.autogenerating_function())
with context.begin_transaction():
    context.run_migrations()
"""


def test_the_command_that_compares_is_told_where_a_program_calls_it(migration, tmp_path):
    for name, text in {
        "env.py": ENV_PY,
        "script.py.mako": "revision = ${repr(up_revision)}\ndown_revision = None\n",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "versions").mkdir()
    seen = []
    config = Config(attributes={"connection": migration.connection, "metadata": sa.MetaData(), "seen": seen})
    config.set_main_option("script_location", str(tmp_path))
    config.set_main_option("revision_environment", "true")
    config.set_main_option("path_separator", "os")
    command.check(config)
    command.revision(config, autogenerate=True, rev_id="aaa1")
    command.revision(config, rev_id="bbb2", head="base", splice=True)
    command.stamp(config, "aaa1")
    command.current(config)
    assert seen == ["check", "revision", None, None, None]


def test_a_transaction_of_a_step_is_one_that_an_autocommit_block_can_leave(migration):
    with private.begin_transaction(migration):
        migration.connection.exec_driver_sql("CREATE TABLE t (a)")
        with migration.autocommit_block():
            migration.connection.exec_driver_sql("VACUUM")


def test_the_path_of_a_new_script_is_told_as_alembic_writes_it(tmp_path):
    scripts = ScriptDirectory(tmp_path, file_template="%(rev)s_%(slug)s")
    assert private.new_script_path(scripts, tmp_path, "aaa1", "It says") == tmp_path / "aaa1_it_says.py"


def test_the_programs_of_hooks_are_started_by_whom_we_say():
    started = []
    hook = {"_hook_name": "mine", "type": "exec", "executable": "tidy"}
    with private.hooks_run_by(lambda argv, **_options: started.append(argv)):
        write_hooks._run_hooks("x.py", [hook])
    assert started == [["tidy", "x.py"]]
    assert write_hooks.subprocess is subprocess


def test_the_options_of_a_parser_are_listed_and_those_that_only_another_has_are_added():
    ours, theirs = ArgumentParser(), ArgumentParser()
    ours.add_argument("-v", "--verbose")
    theirs.add_argument("-v", action="store_true")
    theirs.add_argument("--new", action="store_true")
    theirs.add_argument("positional")
    private.add_missing_options(ours, theirs)
    assert set(private.option_names(ours)) == {"-h", "--help", "-v", "--verbose", "--new"}
    assert ours.parse_args(["-v", "much", "--new"]).new


def test_an_index_over_a_text_is_one_of_its_table():
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer))
    index = private.index_of_table(table, "ix", [sa.text("lower(a)")], unique=True)
    assert (index.table, index.unique) == (table, True)
    assert sa.Index("other", sa.text("lower(a)")).table is None  # else the public way would do
