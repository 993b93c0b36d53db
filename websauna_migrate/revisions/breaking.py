"""What breaks code that is running: the changes that autogenerate puts into a contract revision and ``lint`` finds."""

from __future__ import annotations

from typing import Literal, TypeAlias

Break: TypeAlias = Literal[
    "drop-table",
    "drop-column",
    "rename-table",
    "rename-column",
    "narrow-type",
    "new-not-null",
    "remove-enum-value",
]

#: Why each of them breaks it.
BREAKS: dict[Break, str] = {
    "drop-table": "the code that is running may still use the table",
    "drop-column": "the code that is running may still read and write the column",
    "rename-table": "the code that is running knows the table by its old name only",
    "rename-column": "the code that is running knows the column by its old name only",
    "narrow-type": "the code that is running may write values that the new type does not take",
    "new-not-null": "the code that is running may insert rows without a value for the column",
    "remove-enum-value": "the code that is running may still write the value",
}
