"""Creates tables that belong to no package, to measure a comparison in a database with many other tables."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import create_engine

_TABLE = "CREATE TABLE other{number} (id INTEGER PRIMARY KEY, name VARCHAR(50) UNIQUE, parent INTEGER{reference})"


def crowded(database: Callable[[], str], others: int) -> str:
    """Return the URL of a new ``database`` with ``others`` tables, each with a foreign key to the preceding table."""
    url = database()
    engine = create_engine(url)
    for start in range(0, others, 500):  # the number of locks per transaction is limited
        with engine.begin() as connection:
            for number in range(start, min(start + 500, others)):
                reference = f" REFERENCES other{number - 1}" if number else ""
                connection.exec_driver_sql(_TABLE.format(number=number, reference=reference))
    engine.dispose()
    return url
