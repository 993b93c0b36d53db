"""What PasteDeploy makes of the merged file: the settings of the application, and the factory that ``use`` names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from paste.deploy.loadwsgi import ConfigLoader, LoaderContext

from websauna_migrate.exceptions import SettingsError
from websauna_migrate.settings.errors import TO_IMPORT, InvalidPasteSection, SectionMissing
from websauna_migrate.settings.ini import absolute, merged_parser

if TYPE_CHECKING:
    from collections.abc import Sequence

MAIN = "main"

COMPOSITES = frozenset({"paste.composite_factory", "paste.composit_factory"})


@dataclass(frozen=True, slots=True)
class Factory:
    """A factory that a section names: ``egg:distribution#name`` or ``call:module:attribute``."""

    use: str
    groups: tuple[str, ...]
    file: str


class ObjectType(Protocol):
    """What PasteDeploy can load: its ``APP``, ``FILTER`` and ``SERVER``."""

    name: str
    config_prefixes: Sequence[Sequence[str]]
    egg_protocols: Sequence[Sequence[str]]


class Context(Protocol):
    """What PasteDeploy found out about an application, a filter or a server; ``object`` is what makes it."""

    object: Any
    protocol: str | None
    global_conf: Mapping[str, str]
    local_conf: Mapping[str, str]

    def create(self) -> Any:
        """Make the application, or what it is."""


class _PasteLoader(ConfigLoader):  # type: ignore[misc]
    """PasteDeploy's loader of a file, given the merged file; sections in a circle are an error."""

    def __init__(self, path: Path, global_conf: Mapping[str, object], user: _PasteLoader | None = None) -> None:
        # Not calling the base: it would open the file by itself.
        self.filename = str(path)
        self.parser = merged_parser(path, global_conf, named_in=user and user.filename)
        self.trail: list[str] = [] if user is None else user.trail

    def get_context(
        self, object_type: ObjectType, name: str | None = None, global_conf: Mapping[str, object] | None = None
    ) -> Context:
        """Return the context of a section, or of what ``use`` names."""
        if not self.absolute_name(name):
            return self._context_of_section(object_type, name, global_conf)
        scheme, _, spec = str(name).partition(":")
        if scheme.lower() != "config":
            context: Context = super().get_context(object_type, name, global_conf)
            return context
        path, _, other_name = spec.partition("#")
        other = type(self)(absolute(Path(self.filename).parent / unquote(path)), global_conf or {}, self)
        return other.get_context(object_type, other_name or MAIN, global_conf)

    def _context_of_section(
        self, object_type: ObjectType, name: str | None, global_conf: Mapping[str, object] | None
    ) -> Context:
        place = f"[{self.find_config_section(object_type, name)}] of {self.filename}"
        if place in self.trail:
            cycle = " -> ".join((*self.trail[self.trail.index(place) :], place))
            raise SettingsError(f"sections use each other in a circle: {cycle}", "correct one of them")
        self.trail.append(place)
        try:
            context: Context = super().get_context(object_type, name, global_conf)
            return context
        finally:
            self.trail.pop()

    def find_config_section(self, object_type: ObjectType, name: str | None = None) -> str:
        """Return the full name of a section, as ``app:main``."""
        available = self.names(object_type)
        if name is not None and name not in available:
            raise SectionMissing(self.filename, object_type.name, name, available)
        section: str = super().find_config_section(object_type, name)
        return section

    def names(self, object_type: ObjectType) -> tuple[str, ...]:
        """Return the names of the applications, filters or servers of the file."""
        prefixes = {prefix for group in object_type.config_prefixes for prefix in group}
        parts = [section.partition(":") for section in self.parser.sections()]
        return tuple(dict.fromkeys(name.strip() for prefix, _, name in parts if prefix in prefixes and name))


class PasteReader(_PasteLoader):
    """The same without any import: where a factory would be loaded there is a :class:`Factory`.

    No code of others runs in it, so a LookupError here is PasteDeploy's. This is where those are translated.
    """

    def __init__(self, path: Path, global_conf: Mapping[str, object], user: PasteReader | None = None) -> None:
        super().__init__(path, global_conf, user)
        self.factories: list[Factory] = [] if user is None else user.factories

    def get_context(
        self, object_type: ObjectType, name: str | None = None, global_conf: Mapping[str, object] | None = None
    ) -> Context:
        """Return the context of a section, or of what ``use`` names."""
        if re.match("(egg|call):", name or "", re.IGNORECASE):
            return self._noted(object_type, str(name), None, dict(global_conf or {}), {})
        try:
            return super().get_context(object_type, name, global_conf)
        except SettingsError:
            raise
        except metadata.PackageNotFoundError as error:
            raise _not_installed(self.filename, str(error.name)) from None
        except LookupError as error:
            raise InvalidPasteSection(self.filename, f"{str(name)!r}: {paste_reason(error)}") from None

    def _noted(
        self, object_type: ObjectType, use: str, protocol: str | None, global_conf: object, local_conf: object
    ) -> Context:
        groups = tuple(group for groups in object_type.egg_protocols for group in groups)
        factory = Factory(use, groups, self.filename)
        self.factories.append(factory)
        context: Context = LoaderContext(factory, object_type, protocol, global_conf, local_conf, self)
        return context

    def _context_from_explicit(
        self,
        object_type: ObjectType,
        local_conf: dict[str, str],
        global_conf: object,
        global_additions: object,
        section: str,
    ) -> Context:
        # Private in PasteDeploy: the only place where it imports a factory that is named by paste.app_factory.
        named = [group for groups in object_type.egg_protocols for group in groups if group in local_conf]
        if len(named) != 1:
            reason = "names several factories" if named else "has no 'use' and names no factory"
            raise InvalidPasteSection(self.filename, f"{section!r}: {reason}")
        return self._noted(object_type, f"call:{local_conf.pop(named[0])}", named[0], global_conf, local_conf)


def load_context(path: Path, object_type: ObjectType, name: str, global_conf: Mapping[str, object]) -> Context:
    """Import the factories of an application, filter or server. All that can be wrong in the file is found before."""
    reader = PasteReader(path, global_conf)
    reader.get_context(object_type, name, global_conf)
    modules = {factory: factory_module(factory) for factory in reader.factories}
    try:
        return _PasteLoader(path, global_conf).get_context(object_type, name, global_conf)
    except (ModuleNotFoundError, AttributeError) as error:
        for factory, module in modules.items():
            if _is_absent(module, error):
                what = f"the factory {factory.use!r} cannot be imported: {error}"
                raise InvalidPasteSection(factory.file, what, TO_IMPORT) from error
        raise


def factory_module(factory: Factory) -> str:
    """Return the module of ``factory``, as far as its name tells it."""
    scheme, _, spec = factory.use.partition(":")
    if scheme.lower() == "call":
        return spec.partition(":")[0].strip()
    distribution, _, name = spec.partition("#")
    try:
        if not distribution:  # Python 3.10 takes any for it
            raise metadata.PackageNotFoundError
        entry_points = metadata.distribution(distribution).entry_points
    except metadata.PackageNotFoundError:
        raise _not_installed(factory.file, distribution) from None
    for entry_point in entry_points:
        if entry_point.group in factory.groups and entry_point.name == (name or MAIN):
            return entry_point.module
    raise InvalidPasteSection(
        factory.file,
        f"{factory.use!r} names no entry point of {' or '.join(factory.groups)}",
        "correct it, or install the distribution again",
    )


def _not_installed(path: str, distribution: str) -> InvalidPasteSection:
    what = f"the distribution {distribution!r} is not installed"
    return InvalidPasteSection(path, what, "install it, or correct its name")


def _is_absent(module: str, error: ModuleNotFoundError | AttributeError) -> bool:
    """Tell whether ``error`` says that ``module``, or an attribute of it, is not there; not what it imports itself."""
    if isinstance(error, ModuleNotFoundError):
        return error.name is not None and f"{module}.".startswith(f"{error.name}.")
    return isinstance(error.obj, ModuleType) and error.obj.__name__ == module


def paste_reason(error: LookupError) -> str:
    """Return what an error of PasteDeploy means."""
    if isinstance(error, KeyError):
        return f"'get' asks for {error}, which is not in [DEFAULT]"
    if isinstance(error, IndexError):
        return "the pipeline is empty"
    return str(error)
