"""Random models as the text of modules: what ``model_pairs`` decided, as a developer would have written it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from model_pairs import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_pairs import Column, Index, Key, Models, Table

CONVENTION = """{{
    "ix": "ix{0}_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq{0}_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck{0}_%(table_name)s_%(constraint_name)s",
    "fk": "fk{0}_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk{0}_%(table_name)s",
}}"""
SHARED = """\
from sqlalchemy import *
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = MetaData({})
"""


def base_text(models: Models) -> str:
    """Return the module with the base that the packages share."""
    return SHARED.format(f"naming_convention={CONVENTION.format(models.tag)}" if models.has_convention else "")


def models_text(models: Models, package: str) -> str:
    """Return the module with the models of ``package``."""
    tables = [table for table in models.tables if table.package == package]
    is_used = any(column.family in ("colour", "colours") for table in tables for column in table.columns)
    colour = f'\ncolour = Enum({models.colours}, name="colour_{package}", metadata=Base.metadata)\n' if is_used else ""
    return "from shared_base import *\n" + colour + "".join(_table_text(table, models) for table in tables)


def _table_text(table: Table, models: Models) -> str:
    rules = [*_key_rules(table, models), *_rules(table, models)]
    options = {name: value for name in ("schema", "comment") if (value := getattr(table, name))}
    lines = [f"id = Column({_id_type(table)}{_identity(table.identity)}, primary_key=True)"]
    lines += ["part = Column(Integer, primary_key=True)"] if table.part else []
    lines += [_column_text(column, table.name) for column in table.columns]
    lines += [line for key in table.keys for line in _columns_of_key(key, models)]
    lines += [f"made = Column(Integer, Computed({table.computed!r}, persisted=True))"] if table.computed else []
    lines.append(f"__table_args__ = ({''.join(f'{rule}, ' for rule in rules)}{options!r},)")
    body = "".join(f"    {line}\n" for line in lines)
    return f'\n\nclass {table.name.title()}(Base):\n    __tablename__ = "{table.name}"\n{body}'


def _id_type(table: Table) -> str:
    return "BigInteger().with_variant(Integer, 'sqlite')" if table.big else "Integer"


def _identity(options: str | None) -> str:
    return "" if options is None else f", Identity({options})"


def _column_text(column: Column, table: str) -> str:
    type_ = column.type
    if column.family == "colour":
        type_ = "colour"
    elif column.family == "colours":
        type_ = "ARRAY(colour)"
    elif column.family == "size":
        name = f"size_{table[:9]}_{column.name[:30]}"
        type_ = f'Enum({column.type}, name="{name}", native_enum=False, create_constraint=True)'
    default = FAMILIES[column.family][column.type] if column.default else None
    options = [f"nullable={column.nullable}"]
    options += [f"server_default={default!r}"] if default is not None else []
    options += [f"comment={column.comment!r}"] if column.comment else []
    options += [f"{name}=True" for name in ("unique", "index") if getattr(column, name)]
    return f"{column.name} = Column({type_}{_identity(column.identity)}, {', '.join(options)})"


# --- keys --------------------------------------------------------------------------------------------------------


def _key_columns(key: Key, models: Models) -> list[tuple[str, str, str]]:
    """Return the columns of ``key``: their names, those of the columns referred to, and their types."""
    target = next(table for table in models.tables if table.name == key.target)
    types = {column.name: column.type for column in target.columns} | {"id": _id_type(target), "part": "Integer"}
    referred = key.pair or (("id", "part") if target.part else ("id",))
    return [(f"{target.name}_{name}", name, types[name]) for name in referred]


def _columns_of_key(key: Key, models: Models) -> Iterator[str]:
    columns = _key_columns(key, models)
    for name, _, type_ in columns:
        index = ", index=True" if key.index and len(columns) == 1 else ""
        yield f"{name} = Column({type_}{index})"


def _key_rules(table: Table, models: Models) -> Iterator[str]:
    for key in table.keys:
        names = [name for name, _, _ in _key_columns(key, models)]
        target = next(table for table in models.tables if table.name == key.target)
        place = f"{target.schema}.{target.name}" if target.schema else target.name
        referred = [f"{place}.{referred}" for _, referred, _ in _key_columns(key, models)]
        rule = f', ondelete="{key.ondelete}"' if key.ondelete else ""
        rule += f', deferrable=True, initially="{key.initially}"' if key.initially else ""
        rule += ", use_alter=True" if key.late else ""
        yield f"ForeignKeyConstraint({names}, {referred}{rule}, name={_name('fk', table, names, models)})"
        if key.index and len(names) > 1:
            yield f"Index({_name('ix', table, names, models)}, {_quoted(names)})"


# --- indexes and constraints -------------------------------------------------------------------------------------


def _rules(table: Table, models: Models) -> Iterator[str]:
    for columns in table.indexes:
        yield f"Index({_name('ix', table, columns, models)}, {_quoted(columns)})"
    for number, index in enumerate(table.special):
        yield _special_text(f"sx{models.tag}_{table.name}_{number}", index)
    for one in table.uniques:
        rule = f', deferrable=True, initially="{one.initially}"' if one.initially else ""
        yield f"UniqueConstraint({_quoted(one.columns)}, name={_name('uq', table, one.columns, models)}{rule})"
    for name, sql in table.checks:
        yield f'CheckConstraint({sql!r}, name="{name}")'
    for number, exclude in enumerate(table.excludes):
        elements = "".join(f'("{column}", "="), ' for column in exclude.columns)
        where = f", where=text({exclude.where!r})" if exclude.where else ""
        yield f'ExcludeConstraint({elements}using="btree", name="ex{models.tag}_{table.name}_{number}"{where})'


def _special_text(name: str, index: Index) -> str:
    options = ["unique=True"] if index.unique else []
    options += [f"postgresql_where={index.where}", f"sqlite_where={index.where}"] if index.where else []
    options += [f"postgresql_include={list(index.include)}"] if index.include else []
    return f'Index("{name}", {", ".join([*index.parts, *options])})'


def _name(kind: str, table: Table, columns: Iterable[str], models: Models) -> str:
    said = f"{table.name}_{'_'.join(columns)}"
    short = said if len(said) < 50 else f"{said[:40]}_{crc32(said.encode()):x}"
    return "None" if models.has_convention else f'"{kind}{models.tag}_{short}"'


def _quoted(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
