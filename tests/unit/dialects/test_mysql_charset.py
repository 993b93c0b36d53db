"""A character set counts where the models name it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from websauna_migrate.dialects.mysql_charset import has_charset, implies_charset, keeping_charset, without_charset

MYSQL = mysql.dialect()
LATIN = {"charset": "latin1", "collation": "latin1_german1_ci"}


class Name(sa.types.TypeDecorator):
    impl = sa.String(30)
    cache_ok = True


def column(type_, **options):
    return sa.Table("t", sa.MetaData(), sa.Column("a", type_), **options).c.a


def sql(type_):
    return type_.compile(MYSQL)


@pytest.mark.parametrize(
    ("found", "bare"),
    [
        (mysql.VARCHAR(20, **LATIN), "VARCHAR(20)"),
        (mysql.ENUM("a", **LATIN), "ENUM('a')"),
        (sa.Text(collation="utf8mb4_bin"), "TEXT"),
        (sa.Integer(), "INTEGER"),
    ],
)
def test_a_type_is_compared_without_its_character_set(found, bare):
    assert sql(without_charset(found, MYSQL)) == bare
    assert without_charset(found, postgresql.dialect()) is found


def test_some_types_mean_a_character_set_without_a_name():
    assert [implies_charset(type_, MYSQL) for type_ in (mysql.CHAR(2, ascii=True), sa.JSON())] == [True, True]
    assert [implies_charset(type_, MYSQL) for type_ in (sa.String(2), sa.Integer(), Name())] == [False, False, False]


@pytest.mark.parametrize(
    ("wanted", "same"),
    [
        (sa.String(20), True),
        (sa.Integer(), True),
        (sa.String(20, collation="latin1_german1_ci"), True),
        (sa.String(20, collation="latin1_bin"), False),
        (mysql.VARCHAR(20, charset="latin1"), True),
        (mysql.VARCHAR(20, charset="utf8mb4"), False),
    ],
)
def test_what_the_models_name_is_what_the_column_has_itself_or_from_its_table(wanted, same):
    of_column = column(mysql.VARCHAR(20, **LATIN), mysql_default_charset="utf8mb4", mysql_collate="utf8mb4_bin")
    of_table = column(mysql.VARCHAR(20), mariadb_default_charset="latin1", mariadb_collate="latin1_german1_ci")
    for found in (of_column, of_table):
        assert has_charset(found, column(wanted), MYSQL) is same


def test_the_old_name_of_utf8_is_the_same():
    found = column(mysql.VARCHAR(20, charset="utf8mb3", collation="utf8mb3_general_ci"))
    assert has_charset(found, column(sa.String(20, collation="utf8_general_ci")), MYSQL)


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (sa.String(60), "VARCHAR(60) COLLATE latin1_german1_ci"),
        (Name(), "VARCHAR(30) COLLATE latin1_german1_ci"),
        (sa.Enum("a", "b"), "ENUM('a','b') CHARACTER SET latin1 COLLATE latin1_german1_ci"),
        (sa.String(60, collation="utf8mb4_bin"), "VARCHAR(60) COLLATE utf8mb4_bin"),
        (sa.Integer(), "INTEGER"),
    ],
)
def test_a_new_type_keeps_the_character_set_of_the_column(wanted, written):
    assert sql(keeping_charset(wanted, mysql.VARCHAR(20, **LATIN), MYSQL)) == written
    assert keeping_charset(wanted, mysql.VARCHAR(20), MYSQL) is wanted
