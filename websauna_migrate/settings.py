"""The settings of an application: INI files that include each other, read as one.

Floor 2. A file and all that it includes become one merged file, and PasteDeploy works on that, so the server, the
shell and our own scripts see the same settings. Nothing is written to disk. :class:`Loader` is what plaster finds for
``ws://``; :func:`read_app` reads an application's settings without importing the application.

What depends on the insides of PasteDeploy is in :class:`_PasteLoader` and :class:`_PasteReader`, nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from configparser import NoSectionError
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, unquote

import plaster
from paste.deploy.loadwsgi import APP, FILTER, SERVER, ConfigLoader, LoaderContext
from plaster.protocols import IWSGIProtocol

from websauna_migrate.exceptions import (
    AppIsComposite,
    DistributionMissing,
    EntryPointMissing,
    FactoryMissing,
    InvalidConfigUri,
    InvalidPasteSection,
    SectionMissing,
    SettingsError,
    SettingsFileMissing,
    UseCycle,
)
from websauna_migrate.ini import ResolvingParser, absolute, merged_parser, places, resolved_sections

MAIN = "main"

# The schemes that plaster knows for an INI file, and ours. All of them mean the merged file here.
INI_SCHEMES = frozenset({"ws", "ini", "file+ini", "pastedeploy", "pastedeploy+ini"})

_CONFIG_URI = re.compile(r"(?:([a-zA-Z][\w+.-]*)://)?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_COMPOSITES = frozenset({"paste.composite_factory", "paste.composit_factory"})


@dataclass(frozen=True, slots=True)
class ConfigUri:
    """Where the settings of an application are: what ``-c`` and a ``config_uri`` argument say.

    ``path`` is absolute. ``name`` is that of the application's section. ``options`` come from ``?key=value`` and are
    defaults for interpolation.
    """

    path: Path
    name: str = MAIN
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The settings of one application, as its factory gets them, and the other sections of its file.

    ``path`` and ``name`` are those of the ``config_uri``. ``global_config`` holds ``here``, ``__file__`` and the keys
    of ``[DEFAULT]``. ``settings`` are those of the application at the end of a pipeline or of ``use``. ``sections``
    maps every section to its own keys, without those of ``[DEFAULT]``; a value is resolved when it is asked for.
    """

    config_uri: str
    path: Path
    name: str
    global_config: Mapping[str, str]
    settings: Mapping[str, str]
    sections: Mapping[str, Mapping[str, str]]


def parse_config_uri(config_uri: str) -> ConfigUri:
    """Take ``development.ini``, ``development.ini#name`` or ``ws://development.ini?key=value#name`` apart.

    A relative path counts from the working directory.

    :raises InvalidConfigUri: the scheme is not one for INI files
    :raises SettingsFileMissing: there is no such file
    """
    scheme, path, query, name = _CONFIG_URI.fullmatch(config_uri).groups()  # type: ignore[union-attr]
    if scheme and scheme.lower() not in INI_SCHEMES:
        raise InvalidConfigUri(config_uri, scheme)
    uri = ConfigUri(absolute(Path(path)), name or MAIN, dict(parse_qsl(query or "")))
    if not os.path.lexists(uri.path):
        raise SettingsFileMissing(str(uri.path))
    return uri


def read_app(config_uri: str) -> AppSettings:
    """Read the settings of an application without importing it.

    A pipeline is followed to its last member, a ``filter-app`` to its ``next``, and ``use`` wherever it leads.

    :raises AppIsComposite: the section is a composite, so no single application is meant
    :raises SectionMissing: there is no such application; the error lists those that there are
    :raises SettingsError: a file, an include or a value is wrong
    """
    uri = parse_config_uri(config_uri)
    reader, context = _read_app_context(uri)
    sections = resolved_sections(reader.parser)
    return AppSettings(config_uri, uri.path, uri.name, dict(context.global_conf), dict(context.local_conf), sections)


def app_factory_module(config_uri: str) -> str:
    """Return the dotted name of the module that holds the application's factory, without importing it.

    :raises DistributionMissing: ``use = egg:…`` names a distribution that is not installed
    :raises EntryPointMissing: the distribution has no such entry point
    :raises SettingsError: as :func:`read_app`
    """
    _, context = _read_app_context(parse_config_uri(config_uri))
    return _factory_module(context.object)


def load_app(config_uri: str) -> Any:
    """Start the application and return it. What the application itself raises comes out as it is.

    :raises SettingsError: a file, an include, a value is wrong, or a factory is not there
    """
    uri = parse_config_uri(config_uri)
    return Loader(plaster.PlasterURL("ws", str(uri.path), dict(uri.options), uri.name)).get_wsgi_app()


class Loader(plaster.ILoader, IWSGIProtocol):  # type: ignore[misc]
    """The plaster loader for ``ws://development.ini``: what plaster_pastedeploy does, over the merged file.

    ``uri.fragment`` is the name of the section that is used where a caller gives none, ``uri.options`` are defaults
    for interpolation. The files are read anew by each call.
    """

    def __init__(self, uri: plaster.PlasterURL) -> None:
        self.uri = uri
        self._path = absolute(Path(uri.path))

    def __repr__(self) -> str:
        return f'websauna_migrate.settings.Loader(uri="{self.uri}")'

    def get_sections(self) -> list[str]:
        """Return the names of all sections, ``[DEFAULT]`` excepted."""
        return self._parser({}).sections()

    def get_settings(self, section: str | None = None, defaults: Mapping[str, Any] | None = None) -> Any:
        """Return the settings of a section as a dictionary, empty where there is no such section.

        ``set`` and ``get`` work as PasteDeploy does them, and the keys of ``[DEFAULT]`` are left out.
        """
        parser = self._parser(defaults, given_wins=True)
        globals_ = parser.defaults()
        try:
            items = parser.items(section or self.uri.fragment)
        except NoSectionError:
            return {}
        try:
            return self._config_dict(_local_settings(items, globals_), globals_)
        except KeyError as error:
            raise InvalidPasteSection(str(self._path), section or self.uri.fragment, _reason(error)) from None

    def get_wsgi_app_settings(self, name: str | None = None, defaults: Mapping[str, Any] | None = None) -> Any:
        """Return the settings of the application ``name`` without loading it."""
        globals_ = self._globals(defaults)
        context = _PasteReader(self._path, globals_).get_context(APP, self._name(name), globals_)
        return self._config_dict(context.local_conf, context.global_conf)

    def get_wsgi_app(self, name: str | None = None, defaults: Mapping[str, Any] | None = None) -> Any:
        """Load the WSGI application ``name``."""
        return self._context(APP, name, defaults).create()

    def get_wsgi_server(self, name: str | None = None, defaults: Mapping[str, Any] | None = None) -> Any:
        """Load the runner of the WSGI server ``name``."""
        return self._context(SERVER, name, defaults).create()

    def get_wsgi_filter(self, name: str | None = None, defaults: Mapping[str, Any] | None = None) -> Any:
        """Load the WSGI filter ``name``."""
        return self._context(FILTER, name, defaults).create()

    def setup_logging(self, defaults: Mapping[str, Any] | None = None) -> None:
        """Set up logging from the merged file, or in Python's basic way where it has no ``[loggers]``."""
        parser = self._parser(defaults)
        if parser.has_section("loggers"):
            from logging.config import fileConfig

            fileConfig(parser, disable_existing_loggers=False)
        else:
            import logging

            logging.basicConfig()

    def _parser(self, defaults: Mapping[str, Any] | None, *, given_wins: bool = False) -> ResolvingParser:
        return merged_parser(self._path, self._globals(defaults), given_wins=given_wins)

    def _globals(self, defaults: Mapping[str, Any] | None) -> dict[str, Any]:
        return {**places(self._path), **self.uri.options, **(defaults or {})}

    def _name(self, name: str | None) -> str:
        return name or self.uri.fragment or MAIN

    def _context(self, object_type: Any, name: str | None, defaults: Mapping[str, Any] | None) -> Any:
        return _load_context(self._path, object_type, self._name(name), self._globals(defaults))

    def _config_dict(self, local: Mapping[str, Any], globals_: Mapping[str, Any]) -> Any:
        from plaster_pastedeploy import ConfigDict

        return ConfigDict(local, globals_, self)


def _local_settings(items: list[tuple[str, str]], globals_: dict[str, str]) -> dict[str, str]:
    """Apply ``set`` and ``get`` to the items of a section. ``globals_`` gets what is ``set``."""
    local: dict[str, str] = {}
    wanted: dict[str, str] = {}
    for key, value in items:
        word, _, name = key.partition(" ")
        if word == "set" and name:
            globals_[name.strip()] = value
        elif word == "get" and name:
            wanted[name.strip()] = value
            local[name.strip()] = ""
        elif key not in globals_:
            local[key] = value
    return local | {name: globals_[key] for name, key in wanted.items()}


# PasteDeploy over the merged file


@dataclass(frozen=True, slots=True)
class _Factory:
    """A factory that a section names: ``egg:distribution#name`` or ``call:module:attribute``."""

    use: str
    groups: tuple[str, ...]
    file: str


class _PasteLoader(ConfigLoader):  # type: ignore[misc]
    """PasteDeploy's loader of a file, given the merged file; sections in a circle are an error."""

    def __init__(self, path: Path, global_conf: Mapping[str, Any], user: _PasteLoader | None = None) -> None:
        # Not calling the base: it would open the file by itself.
        self.filename = str(path)
        self.parser = merged_parser(path, global_conf, named_in=user and user.filename)
        self.trail: list[str] = [] if user is None else user.trail

    def get_context(self, object_type: Any, name: str | None = None, global_conf: Any = None) -> Any:
        """Return the context of a section, or of what ``use`` names."""
        if not self.absolute_name(name):
            return self._context_of_section(object_type, name, global_conf)
        scheme, _, spec = str(name).partition(":")
        if scheme.lower() != "config":
            return super().get_context(object_type, name, global_conf)
        path, _, other_name = spec.partition("#")
        other = type(self)(absolute(Path(self.filename).parent / unquote(path)), global_conf or {}, self)
        return other.get_context(object_type, other_name or MAIN, global_conf)

    def _context_of_section(self, object_type: Any, name: str | None, global_conf: Any) -> Any:
        place = f"[{self.find_config_section(object_type, name)}] of {self.filename}"
        if place in self.trail:
            raise UseCycle((*self.trail[self.trail.index(place) :], place))
        self.trail.append(place)
        try:
            return super().get_context(object_type, name, global_conf)
        finally:
            self.trail.pop()

    def find_config_section(self, object_type: Any, name: str | None = None) -> str:
        """Return the full name of a section, as ``app:main``."""
        available = self.names(object_type)
        if name is not None and name not in available:
            raise SectionMissing(self.filename, object_type.name, name, available)
        section: str = super().find_config_section(object_type, name)
        return section

    def names(self, object_type: Any) -> tuple[str, ...]:
        """Return the names of the applications, filters or servers of the file."""
        prefixes = {prefix for group in object_type.config_prefixes for prefix in group}
        parts = [section.partition(":") for section in self.parser.sections()]
        return tuple(dict.fromkeys(name.strip() for prefix, _, name in parts if prefix in prefixes and name))


class _PasteReader(_PasteLoader):
    """The same without any import: where a factory would be loaded there is a :class:`_Factory`.

    Nothing foreign runs in it, so a LookupError here is PasteDeploy's. This is where those are translated.
    """

    def __init__(self, path: Path, global_conf: Mapping[str, Any], user: _PasteReader | None = None) -> None:
        super().__init__(path, global_conf, user)
        self.factories: list[_Factory] = [] if user is None else user.factories

    def get_context(self, object_type: Any, name: str | None = None, global_conf: Any = None) -> Any:
        """Return the context of a section, or of what ``use`` names."""
        if re.match("(egg|call):", name or "", re.IGNORECASE):
            return self._noted(object_type, str(name), None, dict(global_conf or {}), {})
        try:
            return super().get_context(object_type, name, global_conf)
        except SettingsError:
            raise
        except metadata.PackageNotFoundError as error:
            raise DistributionMissing(self.filename, str(error.name)) from None
        except LookupError as error:
            raise InvalidPasteSection(self.filename, str(name), _reason(error)) from None

    def _noted(self, object_type: Any, use: str, protocol: str | None, global_conf: Any, local_conf: Any) -> Any:
        groups = tuple(group for groups in object_type.egg_protocols for group in groups)
        factory = _Factory(use, groups, self.filename)
        self.factories.append(factory)
        return LoaderContext(factory, object_type, protocol, global_conf, local_conf, self)

    def _context_from_explicit(
        self, object_type: Any, local_conf: dict[str, str], global_conf: Any, global_additions: Any, section: str
    ) -> Any:
        # Private in PasteDeploy: the only place where it imports a factory that is named by paste.app_factory.
        named = [group for groups in object_type.egg_protocols for group in groups if group in local_conf]
        if len(named) != 1:
            reason = "names several factories" if named else "has no 'use' and names no factory"
            raise InvalidPasteSection(self.filename, section, reason)
        return self._noted(object_type, f"call:{local_conf.pop(named[0])}", named[0], global_conf, local_conf)


def _read_app_context(uri: ConfigUri) -> tuple[_PasteReader, Any]:
    global_conf = {**places(uri.path), **uri.options}
    reader = _PasteReader(uri.path, global_conf)
    context = reader.get_context(APP, uri.name, global_conf)
    while not isinstance(context.object, _Factory):
        context = context.app_context if hasattr(context, "app_context") else context.next_context
    if context.protocol in _COMPOSITES:
        others = tuple(name for name in reader.names(APP) if name != uri.name)
        raise AppIsComposite(str(uri.path), uri.name, others)
    return reader, context


def _load_context(path: Path, object_type: Any, name: str, global_conf: Mapping[str, Any]) -> Any:
    """Import the factories of an application, filter or server. All that can be wrong in the file is found before."""
    reader = _PasteReader(path, global_conf)
    reader.get_context(object_type, name, global_conf)
    modules = {factory: _factory_module(factory) for factory in reader.factories}
    try:
        return _PasteLoader(path, global_conf).get_context(object_type, name, global_conf)
    except (ModuleNotFoundError, AttributeError) as error:
        for factory, module in modules.items():
            if _is_absent(module, error):
                raise FactoryMissing(factory.file, factory.use, str(error)) from error
        raise


def _factory_module(factory: _Factory) -> str:
    scheme, _, spec = factory.use.partition(":")
    if scheme.lower() == "call":
        return spec.partition(":")[0].strip()
    distribution, _, name = spec.partition("#")
    try:
        if not distribution:  # Python 3.10 takes any for it
            raise metadata.PackageNotFoundError
        entry_points = metadata.distribution(distribution).entry_points
    except metadata.PackageNotFoundError:
        raise DistributionMissing(factory.file, distribution) from None
    for entry_point in entry_points:
        if entry_point.group in factory.groups and entry_point.name == (name or MAIN):
            return entry_point.module
    raise EntryPointMissing(factory.file, factory.use, factory.groups)


def _is_absent(module: str, error: ModuleNotFoundError | AttributeError) -> bool:
    """Tell whether ``error`` says that ``module``, or an attribute of it, is not there; not what it imports itself."""
    if isinstance(error, ModuleNotFoundError):
        return error.name is not None and f"{module}.".startswith(f"{error.name}.")
    return isinstance(error.obj, ModuleType) and error.obj.__name__ == module


def _reason(error: LookupError) -> str:
    if isinstance(error, KeyError):
        return f"'get' asks for {error}, which is not in [DEFAULT]"
    if isinstance(error, IndexError):
        return "the pipeline is empty"
    return str(error)
