"""Metadata that a package is registered with: given as it is, or by a dotted name that is imported later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import RegistrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import MetaData


@dataclass(frozen=True, eq=False)
class NamedMetadata:
    """Metadata that the registration of ``package`` names; it is imported once, when somebody asks for it."""

    package: str
    dotted_name: str
    import_name: Callable[[str], object]

    @cached_property
    def metadata(self) -> tuple[MetaData, ...]:
        """What the name stands for.

        :raises RegistrationError: it cannot be imported, or is no metadata
        """
        try:
            found = self.import_name(self.dotted_name)
        except (ImportError, AttributeError, ValueError, IndexError) as error:
            raise _invalid(self.package, f"{self.dotted_name!r} cannot be imported: {error}") from error
        if isinstance(found, str):
            raise _invalid(self.package, f"{self.dotted_name!r} is not one")
        parts = registered_metadata(self.package, found, self.import_name, shown=self.dotted_name)
        return tuple(chain.from_iterable(map(imported, parts)))

    @property
    def is_imported(self) -> bool:
        """Whether somebody asked for it."""
        return "metadata" in vars(self)


def registered_metadata(
    package: str, value: object, import_name: Callable[[str], object], *, shown: object = None
) -> Iterator[MetaData | NamedMetadata]:
    """Yield the metadata that ``value`` in the registration of ``package`` gives; nothing is imported.

    :raises RegistrationError: it gives none; the error calls it ``shown``
    """
    from sqlalchemy import MetaData

    if isinstance(value, str):
        yield NamedMetadata(package, value, import_name)
        return
    metadata = value if isinstance(value, MetaData) else getattr(value, "metadata", None)
    if isinstance(metadata, MetaData):
        yield metadata
        return
    items = list(value) if isinstance(value, Iterable) and not isinstance(value, (Mapping, bytes)) else []
    if not items:
        raise _invalid(package, f"{(value if shown is None else shown)!r} is not one")
    for item in items:
        yield from registered_metadata(package, item, import_name)


def imported(one: MetaData | NamedMetadata) -> tuple[MetaData, ...]:
    """Return the metadata that ``one`` is or names."""
    return one.metadata if isinstance(one, NamedMetadata) else (one,)


def _invalid(package: str, reason: str) -> RegistrationError:
    return RegistrationError(
        f"add_migration_package({package!r}): metadata: {reason}",
        "give a MetaData, a declarative base, a sequence of those, or a dotted name like 'my.app.models:Base'",
    )
