"""Random models of two packages, and random changes of them: one seed always gives the same pair.

A database is made of tables, a table of columns, indexes and constraints; all are values, written as the text of a
module of models. A change keeps what it cannot cast: text stays text, numbers stay numbers.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

PACKAGES = ("shop", "stock")
#: Types that a database casts into each other without being told how, and a default for each that may have one.
FAMILIES: dict[str, dict[str, str | None]] = {
    "number": {"SmallInteger()": "7", "Integer()": "7", "BigInteger()": "7", "Numeric(10, 2)": "7.25"},
    "text": {"String(10)": "it's", "String(40)": "50% :x", "Text()": None},
    "time": {"Date()": "2020-02-29", "DateTime()": "2020-02-29 10:00:00"},
    "truth": {"Boolean()": None},
    "bytes": {"LargeBinary()": None},
    "colour": {"'red', 'green'": "red", "'red', 'blue', 'green'": "red", "'green', 'red'": "red"},
    "size": {"'S', 'M'": "S", "'S', 'M', \"it's\"": "S"},
}
SORTED = ("number", "time")  # families with a small, sorted value: what each database can index
CONVENTION = """{
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}"""


@dataclass(frozen=True)
class Column:
    """A column of a type from :data:`FAMILIES`."""

    name: str
    family: str
    type: str
    nullable: bool = True
    default: bool = False
    unique: bool = False
    index: bool = False


@dataclass(frozen=True)
class Key:
    """A foreign key to the column ``id`` of a table."""

    target: str
    ondelete: str | None = None
    index: bool = False

    @property
    def column(self) -> str:
        return f"{self.target}_id"


@dataclass(frozen=True)
class Table:
    """A table; its primary key is ``id``, and ``big`` as all that refer to it."""

    name: str
    package: str
    big: bool = False
    columns: tuple[Column, ...] = ()
    keys: tuple[Key, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    checks: tuple[tuple[str, str], ...] = ()
    computed: str | None = None


@dataclass(frozen=True)
class Models:
    """All tables, by name."""

    tables: tuple[Table, ...]
    colours: str
    has_convention: bool
    schema: str | None = None


def pair(seed: int, dialect: str, *, own_history: bool) -> tuple[Models, Models]:
    """Return models and what became of them, for a database of ``dialect``.

    With ``own_history`` for the second package, it is nothing that autogenerate leaves to the user.
    """
    chance = random.Random(f"{seed} {dialect}")
    schema = "extra" if dialect == "postgresql" and chance.random() < 0.3 else None
    colours = chance.choice(list(FAMILIES["colour"]))
    tables: tuple[Table, ...] = ()
    for name in ("bin", "maker", "item", "label")[: chance.randint(2, 4)]:
        tables = (*tables, _table(name, tables, chance))
    before = _consistent(Models(tables, colours, chance.random() < 0.6, schema))
    after = before
    while after == before or (own_history and _is_left_to_the_user(before, after, dialect)):
        after = _consistent(_changed(before, chance))
    return before, after


def _is_left_to_the_user(before: Models, after: Models, dialect: str) -> bool:
    return _drop_each_other(before, after) or (dialect == "mariadb" and _changes_key_of_other(before, after))


def _changes_key_of_other(before: Models, after: Models) -> bool:
    """Tell whether the type of a key between the packages changes, which MariaDB refuses while the key is there."""
    tables = {table.name: table for table in before.tables}
    is_big = {table.name: table.big for table in after.tables}
    kept = [(table, tables[key.target]) for table in before.tables for key in table.keys if key.target in is_big]
    return any(one.package != other.package and other.big != is_big[other.name] for one, other in kept)


def _drop_each_other(before: Models, after: Models) -> bool:
    """Tell whether each package drops a table that the other refers to: that needs two revisions, and is refused."""
    packages = {table.name: table.package for table in before.tables}
    gone = packages.keys() - {table.name for table in after.tables}
    lost = {
        (table.package, packages[key.target]) for table in before.tables for key in table.keys if key.target in gone
    }
    return {PACKAGES, PACKAGES[::-1]} <= lost


def _table(name: str, others: tuple[Table, ...], chance: random.Random) -> Table:
    columns = tuple(_column(f"{name[0]}{number}", chance) for number in range(chance.randint(1, 5)))
    targets = [other.name for other in others if chance.random() < 0.6]
    keys = tuple(Key(t, chance.choice([None, "CASCADE", "SET NULL"]), chance.random() < 0.5) for t in targets)
    table = Table(name, chance.choice(PACKAGES), chance.random() < 0.3, columns, keys)
    return _with_rules(table, chance)


def _column(name: str, chance: random.Random) -> Column:
    family = chance.choice(list(FAMILIES))
    return _with_options(Column(name, family, ""), chance)


def _with_options(column: Column, chance: random.Random) -> Column:
    is_sorted = column.family in SORTED
    return replace(
        column,
        type=chance.choice(list(FAMILIES[column.family])),
        nullable=chance.random() < 0.6,
        default=chance.random() < 0.4,
        unique=is_sorted and chance.random() < 0.25,
        index=is_sorted and chance.random() < 0.3,
    )


def _with_rules(table: Table, chance: random.Random) -> Table:
    """Return ``table`` with random indexes, constraints and a computed column over its columns."""
    names = [column.name for column in table.columns if column.family in SORTED]
    numbers = [column.name for column in table.columns if column.family == "number"]
    pairs = [tuple(chance.sample(names, 2)) for _ in range(2) if len(names) > 1 and chance.random() < 0.6]
    checks = [(f"c_{name}", f"{name} {chance.choice(['>', '>='])} {chance.randint(0, 3)}") for name in numbers]
    return replace(
        table,
        indexes=tuple(dict.fromkeys(pairs[:1])),
        uniques=tuple(dict.fromkeys(pairs[1:])),
        checks=tuple(check for check in checks if chance.random() < 0.4),
        computed=f"{numbers[0]} * {chance.randint(2, 3)}" if numbers and chance.random() < 0.2 else None,
    )


def _changed(models: Models, chance: random.Random) -> Models:
    tables: list[Table] = []
    for table in models.tables:
        if chance.random() < 0.15 and len(models.tables) > 2:
            continue
        tables.append(_changed_table(table, chance) if chance.random() < 0.8 else table)
    if chance.random() < 0.4:
        tables.append(_table("extra_thing", tuple(tables), chance))
    colours = chance.choice(list(FAMILIES["colour"]))
    return replace(models, tables=tuple(tables), colours=colours)


def _changed_table(table: Table, chance: random.Random) -> Table:
    columns = [
        _with_options(column, chance) if chance.random() < 0.5 else column
        for column in table.columns
        if chance.random() > 0.15
    ]
    if chance.random() < 0.4:
        columns.append(_column(f"{table.name[0]}new", chance))
    keys = tuple(
        replace(key, ondelete=chance.choice([None, "CASCADE", "SET NULL"]), index=chance.random() < 0.5)
        for key in table.keys
        if chance.random() > 0.2
    )
    big = table.big if chance.random() < 0.7 else not table.big
    changed = replace(table, columns=tuple(columns), keys=keys, big=big)
    return _with_rules(changed, chance) if chance.random() < 0.5 else changed


def _consistent(models: Models) -> Models:
    """Return ``models`` without what refers to a table or a column that is not there."""
    names = {table.name for table in models.tables}
    return replace(models, tables=tuple(_without_missing(table, names, models.colours) for table in models.tables))


def _without_missing(table: Table, names: set[str], colours: str) -> Table:
    there = {column.name for column in table.columns}
    numbers = {column.name for column in table.columns if column.family == "number"}
    shared = [replace(column, type=colours) if column.family == "colour" else column for column in table.columns]
    return replace(
        table,
        columns=tuple(shared),
        keys=tuple(key for key in table.keys if key.target in names),
        indexes=tuple(columns for columns in table.indexes if there.issuperset(columns)),
        uniques=tuple(columns for columns in table.uniques if there.issuperset(columns)),
        checks=tuple(check for check in table.checks if check[1].split()[0] in numbers),
        computed=table.computed if table.computed and table.computed.split()[0] in numbers else None,
    )


# --- as text ---------------------------------------------------------------------------------------------------


def base_text(models: Models) -> str:
    """Return the module with the base that both packages share."""
    convention = f"naming_convention={CONVENTION}" if models.has_convention else ""
    return (
        "from sqlalchemy import *\nfrom sqlalchemy.orm import DeclarativeBase\n\n\nclass Base(DeclarativeBase):\n"
        f"    metadata = MetaData({convention})\n"
    )


def models_text(models: Models, package: str) -> str:
    """Return the module with the models of ``package``."""
    big = {table.name for table in models.tables if table.big}
    tables = [table for table in models.tables if table.package == package]
    is_used = any(column.family == "colour" for table in tables for column in table.columns)
    colour = f'\ncolour = Enum({models.colours}, name="colour_{package}", metadata=Base.metadata)\n' if is_used else ""
    return "from shared_base import *\n" + colour + "".join(_table_text(table, models, big) for table in tables)


def _table_text(table: Table, models: Models, big: set[str]) -> str:
    rules = [*(f"Index({_name('ix', table, c, models)}, {_quoted(c)})" for c in table.indexes)]
    rules += [f"UniqueConstraint({_quoted(c)}, name={_name('uq', table, c, models)})" for c in table.uniques]
    rules += [f'CheckConstraint("{sql}", name="{name}")' for name, sql in table.checks]
    lines = [f"    id = Column({_id_type(table.name in big)}, primary_key=True)\n"]
    lines += [_column_text(column) for column in table.columns]
    lines += [_key_text(key, table, models, key.target in big) for key in table.keys]
    if table.computed:
        lines.append(f'    made = Column(Integer, Computed("{table.computed}", persisted=True))\n')
    arguments = "".join(f"{rule}, " for rule in rules)
    schema = f'{{"schema": "{models.schema}"}}' if models.schema else "{}"
    return (
        f"\n\nclass {table.name.title()}(Base):\n"
        f'    __tablename__ = "{table.name}"\n{"".join(lines)}    __table_args__ = ({arguments}{schema})\n'
    )


def _id_type(is_big: bool) -> str:
    return "BigInteger().with_variant(Integer, 'sqlite')" if is_big else "Integer"


def _column_text(column: Column) -> str:
    type_ = column.type
    if column.family == "colour":
        type_ = "colour"
    elif column.family == "size":
        type_ = f'Enum({column.type}, name="size_{column.name}", native_enum=False, create_constraint=True)'
    default = FAMILIES[column.family][column.type] if column.default else None
    options = [f"nullable={column.nullable}"]
    options += [f"server_default={default!r}"] if default is not None else []
    options += [f"{name}=True" for name in ("unique", "index") if getattr(column, name)]
    return f"    {column.name} = Column({type_}, {', '.join(options)})\n"


def _key_text(key: Key, table: Table, models: Models, is_big: bool) -> str:
    target = f"{models.schema}.{key.target}.id" if models.schema else f"{key.target}.id"
    rule = f', ondelete="{key.ondelete}"' if key.ondelete else ""
    name = "" if models.has_convention else f', name="fk_{table.name}_{key.column}"'
    index = ", index=True" if key.index else ""
    return f'    {key.column} = Column({_id_type(is_big)}, ForeignKey("{target}"{rule}{name}){index})\n'


def _name(kind: str, table: Table, columns: tuple[str, ...], models: Models) -> str:
    return "None" if models.has_convention else f'"{kind}_{table.name}_{"_".join(columns)}"'


def _quoted(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
