"""How types and defaults become code, and what is found in a script before it is kept."""

from __future__ import annotations

import datetime
import decimal
import enum
import sys
import types
import uuid
from textwrap import dedent

import pytest
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql, postgresql, sqlite

from websauna_migrate.autogenerate.errors import UnrenderableType, UnusableScript
from websauna_migrate.autogenerate.rendering import CannotBeWritten, make_render_item, render_sql_as_meant, type_code
from websauna_migrate.autogenerate.script_check import check_script
from websauna_migrate.database.sql import escape_colons

SOURCE = """
import enum
import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, UserDefinedType

class Colour(enum.Enum):
    red = "r"
    blue = "b"

class Money(TypeDecorator):
    impl = sa.Numeric
    cache_ok = True

class Currency(TypeDecorator):
    impl = sa.String
    cache_ok = True
    def __init__(self, standard, **options):
        self.standard = standard
        super().__init__(**options)

class Doubled(TypeDecorator):
    impl = sa.String
    cache_ok = True
    def __init__(self, half):
        super().__init__(half * 2)

class EnumText(TypeDecorator):
    impl = sa.Enum
    cache_ok = True

class Outer:
    class Inner(TypeDecorator):
        impl = sa.Date
        cache_ok = True

class Spelled(TypeDecorator):
    impl = sa.String
    cache_ok = True
    def __repr__(self):
        return f"Spelled({self.impl.length})"

class SpelledInFull(Spelled):
    def __repr__(self):
        return f"acme_types.SpelledInFull({self.impl.length})"

class Point(UserDefinedType):
    cache_ok = True
    def __init__(self, anything, option=None):
        self.anything = anything
        self.option = option
    def get_col_spec(self):
        return "POINT"

def local():
    class Local(Point):
        pass
    return Local

def __getattr__(name):
    raise AttributeError(name)
"""
DIALECTS = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect(), "mysql": mysql.dialect()}


@pytest.fixture
def own(monkeypatch):
    module = types.ModuleType("acme_types")
    monkeypatch.setitem(sys.modules, "acme_types", module)
    exec(SOURCE, vars(module))
    return module


def code_of(type_, dialect="sqlite", prefix="sa."):
    code = type_code(type_, DIALECTS[dialect], prefix)
    return code.text, sorted(code.imports)


# --- types -----------------------------------------------------------------------------------------------------


def test_a_type_of_sqlalchemy_needs_no_import():
    assert code_of(sa.Numeric(12, 2)) == ("sa.Numeric(precision=12, scale=2)", [])
    assert code_of(sa.String(5), prefix="sqlalchemy.") == ("sqlalchemy.String(length=5)", [])
    assert code_of(sa.String(5), prefix="") == ("String(length=5)", [])


def test_a_type_of_a_dialect_imports_the_dialect():
    assert code_of(postgresql.JSONB(), "postgresql") == (
        "postgresql.JSONB(astext_type=sa.Text())",
        ["from sqlalchemy.dialects import postgresql"],
    )
    assert code_of(mysql.INTEGER(unsigned=True), "mysql")[0] == "mysql.INTEGER(unsigned=True)"


def test_a_type_of_ones_own_is_written_with_the_full_name_of_its_module(own):
    assert code_of(own.Money(12, 2)) == ("acme_types.Money(precision=12, scale=2)", ["import acme_types"])
    assert code_of(own.Outer.Inner())[0] == "acme_types.Outer.Inner()"


def test_a_decorator_that_takes_arguments_of_its_own_is_written_with_them(own):
    assert code_of(own.Currency("ISO", length=3))[0] == "acme_types.Currency('ISO', length=3)"


def test_a_repr_of_ones_own_is_used(own):
    assert code_of(own.Spelled(4))[0] == "acme_types.Spelled(4)"
    assert code_of(own.SpelledInFull(4))[0] == "acme_types.SpelledInFull(4)"


def test_a_type_within_a_type_is_written_and_imported_too(own):
    assert code_of(postgresql.ARRAY(own.Money(6, 2), dimensions=2), "postgresql") == (
        "postgresql.ARRAY(acme_types.Money(precision=6, scale=2), dimensions=2)",
        ["from sqlalchemy.dialects import postgresql", "import acme_types"],
    )


def test_variants_are_written_in_the_order_of_their_names():
    type_ = sa.JSON().with_variant(sa.Text(), "sqlite").with_variant(mysql.LONGTEXT(), "mysql")
    assert code_of(type_)[0] == "sa.JSON().with_variant(mysql.LONGTEXT(), 'mysql').with_variant(sa.Text(), 'sqlite')"


def test_an_enum_is_written_with_its_values_and_not_with_its_class(own):
    assert code_of(sa.Enum(own.Colour)) == ("sa.Enum('red', 'blue', name='colour')", [])
    assert code_of(own.EnumText(own.Colour)) == (
        "acme_types.EnumText('red', 'blue', name='colour')",
        ["import acme_types"],
    )
    checked = sa.Enum("a", name="b", native_enum=False, create_constraint=True, metadata=sa.MetaData())
    assert code_of(checked)[0] == "sa.Enum('a', name='b', native_enum=False, create_constraint=True)"


@pytest.mark.parametrize("wrap", [lambda t: t, sa.ARRAY, lambda t: sa.String().with_variant(t, "postgresql")])
def test_an_enum_on_postgresql_is_not_created_by_the_tables_that_use_it(wrap):
    text = code_of(wrap(sa.Enum("a", "b", name="mood", schema="x")), "postgresql")[0]
    start, *options = text.removeprefix("sa.ARRAY(").rstrip(")").split(", ")
    assert start == "postgresql.ENUM('a'"
    assert sorted(options) == ["'b'", "create_type=False", "name='mood'", "schema='x'"]


def test_a_decorated_enum_on_postgresql_is_the_enum(own):
    assert code_of(own.EnumText(own.Colour, name="c"), "postgresql")[0] == (
        "postgresql.ENUM('red', 'blue', name='c', create_type=False)"
    )


def test_a_domain_keeps_all_that_it_says():
    domain = postgresql.DOMAIN("positive", sa.Integer, check="VALUE > 0", not_null=True)
    assert code_of(domain, "postgresql")[0] == (
        "postgresql.DOMAIN('positive', sa.Integer(), not_null=True, check=sa.text('VALUE > 0'), create_type=False)"
    )
    elsewhere = postgresql.DOMAIN("size", sa.Integer, schema="stock")
    assert "schema='stock'" in code_of(elsewhere, "postgresql")[0]


@pytest.mark.parametrize(
    ("value", "text", "imports"),
    [
        (decimal.Decimal("1.5"), "decimal.Decimal('1.5')", ["import decimal"]),
        (uuid.UUID(int=1), "uuid.UUID('00000000-0000-0000-0000-000000000001')", ["import uuid"]),
        (datetime.timedelta(1), "datetime.timedelta(days=1)", ["import datetime"]),
        (datetime.date(2020, 2, 29), "datetime.date(2020, 2, 29)", ["import datetime"]),
        (datetime.timezone.utc, "datetime.timezone.utc", ["import datetime"]),
        (enum.auto, "enum.auto", ["import enum"]),
        (float("inf"), "float('inf')", []),
        ([1, (2,), {"a": {3}}, frozenset()], "[1, (2,), {'a': set([3])}, frozenset([])]", []),
        (int, "int", []),
        (decimal, "decimal", ["import decimal"]),
        (sa.Integer, "sa.Integer", []),
        (sa.text("a = '\\:b' -- 5%"), "sa.text(\"a = '\\\\:b' -- 5%\")", []),
    ],
    ids=str,
)
def test_an_argument_is_written_so_that_it_evaluates(own, value, text, imports):
    assert code_of(own.Point(value)) == (f"acme_types.Point({text})", sorted(["import acme_types", *imports]))


def test_a_member_of_an_enum_is_written_by_its_name(own):
    assert code_of(own.Point(own.Colour.red))[0] == "acme_types.Point(acme_types.Colour.red)"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.decimals(allow_nan=False) | st.uuids(),
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_plain_argument_evaluates_to_itself(value):
    module = types.ModuleType("acme_types")
    sys.modules["acme_types"] = module
    exec(SOURCE, vars(module))
    try:
        code = type_code(module.Point(value), DIALECTS["sqlite"])
        namespace: dict[str, object] = {"sa": sa}
        for statement in code.imports:
            exec(statement, namespace)
        assert eval(code.text, namespace).anything == value
    finally:
        del sys.modules["acme_types"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda own: own.local()(1), "acme_types.local.<locals>.Local is defined inside a function"),
        (lambda own: own.Point(object()), "does not run: SyntaxError"),
        (lambda own: own.Point(lambda: 1), "is defined inside a function"),
        (lambda own: own.Doubled(3), "does not run: TypeError"),
        (lambda own: type("Made", (own.Point,), {"__module__": "acme_types"})(1), "has no Made that is this class"),
        (lambda own: type("Main", (own.Point,), {"__module__": "__main__"})(1), "is defined in the program that runs"),
    ],
)
def test_a_type_that_cannot_be_written_is_refused_with_the_reason(own, make, reason):
    with pytest.raises(CannotBeWritten, match=reason):
        code_of(make(own))


def test_a_repr_that_gives_another_type_is_passed_over(own):
    class Lying(own.Spelled):
        def __repr__(self):
            return "Spelled(1)"

    own.Lying = Lying
    Lying.__module__, Lying.__qualname__ = "acme_types", "Lying"
    assert code_of(Lying(9))[0] == "acme_types.Lying(length=9)"


# --- the hook --------------------------------------------------------------------------------------------------


class Context:
    """As much of Alembic's ``AutogenContext`` as a hook reads."""

    def __init__(self, **opts):
        self.dialect = DIALECTS["sqlite"]
        self.imports: set[str] = set()
        self.migration_context = types.SimpleNamespace(script=opts.pop("script", None))
        self.opts = {"sqlalchemy_module_prefix": "sa.", "user_module_prefix": None, **opts}


def test_what_the_users_hook_renders_stays(own):
    hook = make_render_item(lambda kind, item, context: "mine" if kind == "type" else False)
    assert hook("type", own.Money(), Context()) == "mine"
    assert hook("server_default", sa.DefaultClause("x"), Context()) == "'x'"


def test_the_hook_adds_the_imports(own):
    context = Context()
    assert make_render_item(None)("type", own.Money(), context) == "acme_types.Money()"
    assert context.imports == {"import acme_types"}


def test_what_the_template_imports_is_not_imported_twice(own, tmp_path):
    (tmp_path / "script.py.mako").write_text("import datetime\n${imports if imports else ''}\n")
    context = Context(script=types.SimpleNamespace(dir=str(tmp_path)))
    make_render_item(None)("type", own.Point(datetime.date(2020, 2, 29)), context)
    assert context.imports == {"import acme_types"}


def test_a_prefix_that_the_user_set_for_types_is_left_to_alembic(own):
    assert make_render_item(None)("type", own.Money(), Context(user_module_prefix="types.")) is False


@pytest.mark.parametrize("text", ["it's", "'quoted'", "", "5%", "a:b", "\\"])
def test_a_default_is_written_with_its_quotes(text):
    rendered = make_render_item(None)("server_default", sa.DefaultClause(text), Context())
    assert eval(rendered) == text


def test_a_default_that_is_sql_is_left_to_alembic():
    assert make_render_item(None)("server_default", sa.DefaultClause(sa.text("now()")), Context()) is False


# --- SQL as text -----------------------------------------------------------------------------------------------


@given(st.text(alphabet="a1:'% _$-"))
def test_escaped_sql_is_the_same_sql_and_has_no_parameters(sql):
    compiled = sa.text(escape_colons(sql)).compile(dialect=sqlite.dialect(paramstyle="named"))
    assert (str(compiled), compiled.params) == (sql, {})


@pytest.mark.parametrize("name", DIALECTS)
def test_sql_is_rendered_as_it_was_meant(name):
    migration = MigrationContext.configure(dialect_name=name)
    render_sql_as_meant(migration)
    check = sa.CheckConstraint("a % 2 = 0 AND b <> '\\:c'")
    assert migration.impl.render_ddl_sql_expr(check.sqltext) == "a % 2 = 0 AND b <> '\\:c'"


def test_alembic_still_doubles_percent_signs_and_drops_the_backslash():
    # When this fails, render_sql_as_meant() may go.
    context = MigrationContext.configure(dialect=postgresql.psycopg2.dialect())
    check = sa.CheckConstraint("a % 2 = 0 AND b <> '\\:c'")
    assert context.impl.render_ddl_sql_expr(check.sqltext) == "a %% 2 = 0 AND b <> ':c'"


# --- the script ------------------------------------------------------------------------------------------------


SCRIPT = """\
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "1"


def upgrade() -> None:
    {upgrade}
"""


def script(tmp_path, upgrade):
    path = tmp_path / "1_first.py"
    path.write_text(SCRIPT.format(upgrade=dedent(upgrade).replace("\n", "\n    ")), encoding="utf-8")
    return path


def test_a_sound_script_is_kept(tmp_path):
    upgrade = """\
        rows = [row for row in op.get_bind().execute(sa.text("SELECT 1"))]
        for row, *rest in rows:
            print(row, rest, __file__)
        op.create_table("a", sa.Column("b", sa.Integer(), nullable=False))
        with op.batch_alter_table("a") as batch_op:
            batch_op.alter_column("b", existing_type=sa.INTEGER(), type_=sa.BigInteger())
    """
    check_script(script(tmp_path, upgrade))


def test_a_name_that_nothing_defines_is_found(tmp_path):
    with pytest.raises(UnusableScript, match=r"line 11: the name 'types' is not defined") as caught:
        check_script(script(tmp_path, "pass\nop.execute(types.x)"))
    assert (caught.value.script, caught.value.line) == ("1_first.py", 11)


def test_a_script_that_does_not_compile_is_found(tmp_path):
    with pytest.raises(UnusableScript, match=r"line 10: invalid syntax: op.create_table\(<object object at"):
        check_script(script(tmp_path, "op.create_table(<object object at 0x7f>)"))


def test_an_import_that_fails_is_found(tmp_path):
    path = script(tmp_path, "pass")
    path.write_text("import acme_missing\n" + path.read_text().partition("\n")[2])
    with pytest.raises(UnusableScript, match="line 1: ModuleNotFoundError: No module named 'acme_missing'"):
        check_script(path)


@pytest.mark.parametrize(
    "upgrade",
    [
        "op.create_table('t', sa.Column('x', sa.Integer()), sa.Column('c', sa.Missing(3)))",
        "op.create_table('t', *[sa.Column('x', sa.Integer()), sa.Column('c', sa.Missing(3))])",
        "op.add_column('t', sa.Column('c', sa.Missing(3)), schema='s')",
        "op.alter_column('t', 'c', type_=sa.Missing(3))",
        "with op.batch_alter_table('t') as batch_op:\n    batch_op.add_column(sa.Column('c', sa.Missing(3)))",
        "with op.batch_alter_table('t') as batch_op:\n    batch_op.alter_column('c', existing_type=sa.Missing(3))",
    ],
)
def test_a_type_that_does_not_evaluate_is_named_with_its_table_and_column(tmp_path, upgrade):
    with pytest.raises(UnrenderableType) as caught:
        check_script(script(tmp_path, upgrade))
    assert (caught.value.table, caught.value.column, caught.value.type) == ("t", "c", "sa.Missing(3)")
    assert "\n" not in str(caught.value)
