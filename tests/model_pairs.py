"""Random models of three packages, and random changes of them: one seed always gives the same pair.

A database is made of tables, a table of columns, indexes and constraints; all are values, which ``model_text`` writes
as modules. A change keeps what a database cannot cast: text stays text, numbers stay numbers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

#: The packages; the first is the application.
PACKAGES = ("shop", "stock", "crate")
#: The packages by the one whose history their tables belong to.
Homes: TypeAlias = Mapping[str, str]
#: Types that a database casts into each other without being told how, and a default for each that may have one.
FAMILIES: dict[str, dict[str, str | None]] = {
    "number": {"SmallInteger()": "7", "Integer()": "7", "BigInteger()": "7", "Numeric(10, 2)": "7.25"},
    "text": {"String(10)": "it's", "String(40)": "50% :x", "Text()": None},
    "time": {"Date()": "2020-02-29", "DateTime()": "2020-02-29 10:00:00"},
    "truth": {"Boolean()": None},
    "bytes": {"LargeBinary()": None},
    "colour": {"'red', 'green'": "red", "'red', 'blue', 'green'": "red", "'green', 'red'": "red"},
    "size": {"'S', 'M'": "S", "'S', 'M', \"it's\"": "S"},
    "colours": {"colour": "{red}"},
    "json": {"JSON()": '{"a": ["50%", ":x"]}', "JSONB()": '{"a": ["50%", ":x"]}'},
}
#: Families that only a database with a feature of this name has.
SPECIAL_FAMILIES = ("colours", "json")
#: Names that have to be quoted, and one as long as names of columns are.
ODD_NAMES = ("order", "Mixed", "größe", "select", "a_name_that_is_just_about_as_long_as_it_is_allowed_to_be_here")
SORTED = ("number", "time")  # families with a small, sorted value: what each database can index
INTEGERS = ("SmallInteger()", "Integer()", "BigInteger()")
#: What else than the plain things each database has.
FEATURES = {
    "postgresql": {"schemas", "comments", "identities", "desc", "nulls", "where", "include", "expressions"}
    | {"exclude", "deferrable", "colours", "json"},
    "sqlite": {"desc", "where", "expressions"},
    "mariadb": {"comments", "desc", "backticks"},
    "mysql": {"comments", "desc", "expressions", "backticks"},
}


@dataclass(frozen=True)
class Column:
    """A column of a type from :data:`FAMILIES`; ``identity`` are the options of one that counts."""

    name: str
    family: str
    type: str
    nullable: bool = True
    default: bool = False
    unique: bool = False
    index: bool = False
    comment: str | None = None
    identity: str | None = None


@dataclass(frozen=True)
class Key:
    """A foreign key to the primary key of a table, or to the columns ``pair`` that are unique together.

    ``initially`` of one that is deferrable; ``late`` where it is added after all tables.
    """

    target: str
    ondelete: str | None = None
    index: bool = False
    pair: tuple[str, ...] = ()
    initially: str | None = None
    late: bool = False


@dataclass(frozen=True)
class Unique:
    """A unique constraint; ``initially`` of one that is deferrable."""

    columns: tuple[str, ...]
    initially: str | None = None


@dataclass(frozen=True)
class Index:
    """An index over more than columns: ``parts`` are SQLAlchemy expressions, ``where`` a condition."""

    parts: tuple[str, ...]
    columns: tuple[str, ...]
    where: str | None = None
    include: tuple[str, ...] = ()
    unique: bool = False


@dataclass(frozen=True)
class Exclude:
    """An EXCLUDE constraint of PostgreSQL: no two rows have the same in ``columns``."""

    columns: tuple[str, ...]
    where: str | None = None


@dataclass(frozen=True)
class Table:
    """A table; its primary key is ``id``, ``big`` as all that refer to it, and with ``part`` a second column."""

    name: str
    package: str
    schema: str | None = None
    big: bool = False
    part: bool = False
    identity: str | None = None
    comment: str | None = None
    columns: tuple[Column, ...] = ()
    keys: tuple[Key, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    special: tuple[Index, ...] = ()
    uniques: tuple[Unique, ...] = ()
    checks: tuple[tuple[str, str], ...] = ()
    excludes: tuple[Exclude, ...] = ()
    computed: str | None = None


@dataclass(frozen=True)
class Models:
    """All tables, by name; ``tag`` is in the names of all constraints and indexes."""

    tables: tuple[Table, ...]
    colours: str
    has_convention: bool
    tag: str = ""

    @property
    def schemas(self) -> list[str]:
        """The schemas beside the default one."""
        return sorted({table.schema for table in self.tables if table.schema})


@dataclass(frozen=True)
class Dice:
    """What decides, for a database that has ``features``."""

    random: random.Random
    features: frozenset[str]

    def happens(self, probability: float, feature: str | None = None) -> bool:
        return self.random.random() < probability and (feature is None or feature in self.features)

    def quoted(self, name: str) -> str:
        """Return ``name`` for a text of SQL."""
        mark = "`" if "backticks" in self.features else '"'
        return f"{mark}{name}{mark}" if name in ODD_NAMES else name

    def comment(self) -> str | None:
        choices = ["What it's for: 100%", 'a "quoted" \\ one', "plain"]
        return self.random.choice(choices) if self.happens(0.25, "comments") else None

    def identity(self) -> str:
        return self.random.choice(["", "always=True", "start=5, increment=2", "cycle=True, maxvalue=30000"])


def pair(seed: int, database: str, homes: Homes) -> tuple[Models, Models]:
    """Return models and what became of them, for ``database``; none of it is what autogenerate leaves to the user."""
    dice = Dice(random.Random(f"{seed} {database}"), frozenset(FEATURES[database]))
    tables: tuple[Table, ...] = ()
    names = ["bin", "maker", "item", dice.random.choice(["label", "label_of_a_thing_that_has_quite_a_long_name"])]
    for name in names[: dice.random.randint(2, 4)]:
        tables = (*tables, _table(name, tables, dice))
    tables = tuple(_in_circle(table, tables, dice) for table in tables)
    colours = dice.random.choice(list(FAMILIES["colour"]))
    before = _consistent(Models(tables, colours, dice.happens(0.6)))
    after = before
    while after == before or _is_left_to_the_user(before, after, database, homes):
        after = _consistent(_changed(before, dice))
    return before, after


# --- what autogenerate leaves to the user ------------------------------------------------------------------------


def _is_left_to_the_user(before: Models, after: Models, database: str, homes: Homes) -> bool:
    if _drop_each_other(before, after, homes) or _changes_key_of_other(before, after, database, homes):
        return True
    kept = {column for table in after.tables for column in ((table.name, column.name) for column in table.columns)}
    names = {table.name for table in after.tables}
    return database == "mysql" and any(
        (table.name, column) not in kept  # MySQL drops no column that a function of an index uses
        for table in before.tables
        if table.name in names
        for index in table.special
        for column in index.columns
        if any("(" in part for part in index.parts)
    )


def _changes_key_of_other(before: Models, after: Models, database: str, homes: Homes) -> bool:
    """Tell whether a primary key changes that another history refers to; MariaDB refuses its type alone too."""
    was, becomes = ({table.name: table for table in models.tables} for models in (before, after))
    for one, key, models in ((t, k, m) for m in (before, after) for t in m.tables for k in t.keys):
        other = {table.name: table for table in models.tables}[key.target]
        old, new = was.get(key.target), becomes.get(key.target)
        if homes[one.package] == homes[other.package] or old is None or new is None:
            continue
        if old.part != new.part or (database in ("mariadb", "mysql") and old.big != new.big):
            return True
    return False


def _drop_each_other(before: Models, after: Models, homes: Homes) -> bool:
    """Tell whether histories drop what others refer to in a circle: that needs more revisions, and is refused."""
    home = {table.name: homes[table.package] for table in before.tables}
    gone = home.keys() - {table.name for table in after.tables}
    lost = {(home[table.name], home[key.target]) for table in before.tables for key in table.keys if key.target in gone}
    lost = {(one, other) for one, other in lost if one != other}
    reached = set(lost)
    for _ in PACKAGES:
        reached |= {(one, far) for one, near in reached for start, far in lost if start == near}
    return any(one == other for one, other in reached)


# --- random models -----------------------------------------------------------------------------------------------


def _table(name: str, others: tuple[Table, ...], dice: Dice) -> Table:
    chance = dice.random
    odd = dice.random.sample(ODD_NAMES, len(ODD_NAMES))
    names = [odd[number] if dice.happens(0.2) else f"{name[0]}{number}" for number in range(chance.randint(1, 5))]
    columns = tuple(_column(name, dice) for name in names)
    package = chance.choice(PACKAGES)
    keys = tuple(_key(other, package, dice) for other in others if dice.happens(0.6))
    schema = chance.choice(["extra", "Other"]) if dice.happens(0.3, "schemas") else None
    identity = dice.identity() if dice.happens(0.2) else None
    table = Table(name, package, schema, dice.happens(0.3), dice.happens(0.2), identity, dice.comment(), columns, keys)
    return _with_rules(table, dice)


def _key(other: Table, package: str, dice: Dice) -> Key:
    pairs = [one.columns for one in other.uniques if not one.initially and package == other.package]
    pairs = [columns for columns in pairs if all(len(f"{other.name}_{column}") < 60 for column in columns)]
    pair = dice.random.choice(pairs) if pairs and dice.happens(0.6) else ()
    return Key(other.name, _rule(dice), dice.happens(0.5), pair, _initially(dice))


def _in_circle(table: Table, tables: tuple[Table, ...], dice: Dice) -> Table:
    """Return ``table`` with a key to itself, or to a later table of its package, which may refer to it."""
    later = [one for one in tables[tables.index(table) :] if one.package == table.package]
    if not dice.happens(0.2):
        return table
    other = dice.random.choice(later)
    key = Key(other.name, _rule(dice), dice.happens(0.5), late=other is not table)
    return replace(table, keys=(*table.keys, key))


def _rule(dice: Dice) -> str | None:
    return dice.random.choice([None, "CASCADE", "SET NULL"])


def _column(name: str, dice: Dice) -> Column:
    families = [family for family in FAMILIES if family not in SPECIAL_FAMILIES or family in dice.features]
    family = dice.random.choice(families)
    return _with_options(Column(name, family, ""), dice)


def _with_options(column: Column, dice: Dice) -> Column:
    is_sorted = column.family in SORTED
    type_ = dice.random.choice(list(FAMILIES[column.family]))
    counts = type_ in INTEGERS and dice.happens(0.15, "identities")
    return replace(
        column,
        type=type_,
        nullable=not counts and dice.happens(0.6),
        default=not counts and dice.happens(0.4),
        unique=is_sorted and dice.happens(0.25),
        index=is_sorted and dice.happens(0.3),
        comment=dice.comment(),
        identity=dice.identity() if counts else None,
    )


def _with_rules(table: Table, dice: Dice) -> Table:
    """Return ``table`` with random indexes, constraints and a computed column over its columns."""
    chance = dice.random
    names = [column.name for column in table.columns if column.family in SORTED]
    numbers = [column.name for column in table.columns if column.family == "number"]
    pairs = [tuple(chance.sample(names, 2)) for _ in range(2) if len(names) > 1 and dice.happens(0.6)]
    texts = [column.name for column in table.columns if column.type.startswith("String")]
    rules = [(name, f"{chance.choice(['>', '>='])} {chance.randint(0, 3)}") for name in numbers]
    rules += [(name, f"<> '{chance.choice(['100%', '50% : x', 'it is'])}'") for name in texts]
    checks = [(f"c_{table.name[:9]}_{name[:9]}", f"{dice.quoted(name)} {rule}") for name, rule in rules]
    return replace(
        table,
        indexes=tuple(dict.fromkeys(pairs[:1])),
        special=tuple(_special(table, dice) for _ in range(2) if dice.happens(0.4)),
        uniques=tuple(Unique(columns, _initially(dice)) for columns in dict.fromkeys(pairs[1:])),
        checks=tuple(check for check in checks if dice.happens(0.4)),
        excludes=tuple(_excludes(table, dice)),
        computed=f"{dice.quoted(numbers[0])} * {chance.randint(2, 3)}" if numbers and dice.happens(0.2) else None,
    )


def _initially(dice: Dice) -> str | None:
    return dice.random.choice(["DEFERRED", "IMMEDIATE"]) if dice.happens(0.4, "deferrable") else None


def _special(table: Table, dice: Dice) -> Index:
    """Return an index with an order, an expression, a condition or further columns, as far as the database has them."""
    chance = dice.random
    usable = [column for column in table.columns if column.family in SORTED]
    chosen = chance.sample(usable, min(len(usable), chance.randint(1, 2)))
    parts = [_part(column, dice) for column in chosen] or ["id.desc()" if "desc" in dice.features else "id"]
    texts = [column.name for column in table.columns if column.type.startswith("String")]
    named = [column.name for column in chosen]
    if texts and dice.happens(0.4, "expressions"):
        parts.append(f"func.lower({texts[0]})")
        named.append(texts[0])
    condition, of_condition = _condition(table, dice)
    others = [column.name for column in table.columns if column.name not in named and column.family != "bytes"]
    include = tuple(others[:1]) if dice.happens(0.3, "include") else ()
    columns = (*named, *include, *of_condition)
    return Index(tuple(parts), columns, condition, include, dice.happens(0.2))


def _condition(table: Table, dice: Dice) -> tuple[str | None, tuple[str, ...]]:
    usable = [column for column in table.columns if column.family in ("number", "text", "time")]
    if not usable or not dice.happens(0.4, "where"):
        return None, ()
    column = dice.random.choice(usable)
    written = [f"{column.name}.isnot(None)", _text(f"{dice.quoted(column.name)} IS NOT NULL")]
    if column.family == "number":
        written += [f"{column.name} > 3", _text(f"{dice.quoted(column.name)} > 3")]
    return dice.random.choice(written), (column.name,)


def _text(sql: str) -> str:
    return f"text({sql!r})"


def _part(column: Column, dice: Dice) -> str:
    part = column.name
    if column.family == "number" and dice.happens(0.2, "expressions"):
        # SQLAlchemy puts no parentheses around a function with an order, which MySQL needs.
        return _text(f"(abs({dice.quoted(part)})) DESC") if dice.happens(0.5) else f"func.abs({part})"
    if dice.happens(0.5, "desc"):
        part += ".desc()"
        if dice.happens(0.5, "nulls"):
            part += dice.random.choice([".nulls_first()", ".nulls_last()"])
    return part


def _excludes(table: Table, dice: Dice) -> Iterator[Exclude]:
    usable = [column.name for column in table.columns if column.family in (*SORTED, "colour")]
    if usable and dice.happens(0.3, "exclude"):
        columns = tuple(dice.random.sample(usable, min(len(usable), dice.random.randint(1, 2))))
        yield Exclude(columns, f"{dice.quoted(columns[0])} IS NOT NULL" if dice.happens(0.4) else None)


# --- random changes ----------------------------------------------------------------------------------------------


def _changed(models: Models, dice: Dice) -> Models:
    tables: list[Table] = []
    for table in models.tables:
        if dice.happens(0.15) and len(models.tables) > 2:
            continue
        tables.append(_changed_table(table, dice) if dice.happens(0.8) else table)
    if dice.happens(0.4):
        tables.append(_table("extra_thing", tuple(tables), dice))
    colours = dice.random.choice(list(FAMILIES["colour"]))
    return replace(models, tables=tuple(tables), colours=colours, tag="v2" if dice.happens(0.1) else "")


def _changed_table(table: Table, dice: Dice) -> Table:
    columns = [
        _with_options(column, dice) if dice.happens(0.5) else column
        for column in table.columns
        if not dice.happens(0.15)
    ]
    if dice.happens(0.4):
        columns.append(_column(f"{table.name[0]}new", dice))
    keys = tuple(
        replace(key, ondelete=_rule(dice), index=dice.happens(0.5)) for key in table.keys if not dice.happens(0.2)
    )
    changed = replace(
        table,
        columns=tuple(columns),
        keys=keys,
        big=table.big is not dice.happens(0.3),
        part=table.part is not dice.happens(0.15),
        identity=(dice.identity() if dice.happens(0.5) else None) if dice.happens(0.2) else table.identity,
        comment=dice.comment() if dice.happens(0.5) else table.comment,
    )
    return _with_rules(changed, dice) if dice.happens(0.5) else changed


def _consistent(models: Models) -> Models:
    """Return ``models`` without what refers to a table or a column that is not there."""
    complete = [_without_missing(table, models.colours) for table in models.tables]
    uniques = {table.name: {one.columns for one in table.uniques if not one.initially} for table in complete}
    return replace(models, tables=tuple(_without_lost_keys(table, uniques) for table in complete))


def _without_lost_keys(table: Table, uniques: Mapping[str, set[tuple[str, ...]]]) -> Table:
    there = {name: {(), *columns} for name, columns in uniques.items()}
    return replace(table, keys=tuple(key for key in table.keys if key.pair in there.get(key.target, ())))


def _without_missing(table: Table, colours: str) -> Table:
    there = {column.name for column in table.columns}
    usable = {column.name for column in table.columns if column.family in (*SORTED, "colour")}
    numbers = {column.name for column in table.columns if column.family == "number"}
    ruled = numbers | {column.name for column in table.columns if column.type.startswith("String")}
    # MySQL has no index over a function of a text without a length.
    long = {f"func.lower({column.name})" for column in table.columns if column.type == "Text()"}
    shared = [replace(column, type=colours) if column.family == "colour" else column for column in table.columns]
    return replace(
        table,
        columns=tuple(shared),
        indexes=tuple(columns for columns in table.indexes if there.issuperset(columns)),
        special=tuple(
            index for index in table.special if there.issuperset(index.columns) and not long & set(index.parts)
        ),
        uniques=tuple(one for one in table.uniques if there.issuperset(one.columns)),
        checks=tuple(check for check in table.checks if _unquoted(check[1].split()[0]) in ruled),
        excludes=tuple(one for one in table.excludes if usable.issuperset(one.columns)),
        computed=table.computed if _unquoted((table.computed or "").split(" ")[0]) in numbers else None,
    )


def _unquoted(name: str) -> str:
    return name.strip('`"')
