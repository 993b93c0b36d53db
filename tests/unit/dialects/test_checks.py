"""Conditions of CHECK constraints as MySQL shows them."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import mysql, postgresql

from websauna_migrate.dialects.checks import without_nesting


@pytest.mark.parametrize(
    ("once", "again"),
    [
        ("((`a` > 1) and ((`b` <> 'x and (y') and (`c` = 2)))", "((`a` > 1) and (`b` <> 'x and (y') and (`c` = 2))"),
        ("((`a`) or ((`b`) or ((`c`) or (`d`))))", "((`a`) or (`b`) or (`c`) or (`d`))"),
        ("((`a`) or ((`b`) and (`c`)))", "((`a`) or ((`b`) and (`c`)))"),
        ("((`a` between 1 and 2) and (`b` in (1,2)))", "((`a` between 1 and 2) and (`b` in (1,2)))"),
        ("lower(`a`)", "lower(`a`)"),
    ],
)
def test_the_same_word_inside_and_outside_needs_no_parentheses(once, again):
    dialect = mysql.dialect()
    assert without_nesting(once, dialect) == again
    assert without_nesting(again, dialect) == again
    assert without_nesting(once, postgresql.dialect()) == once
    dialect.is_mariadb = True
    assert without_nesting(once, dialect) == once
