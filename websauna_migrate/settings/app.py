"""The settings of an application: INI files that include each other, read as one.

A file and all that it includes become one merged file, and PasteDeploy works on that, so the server, the
shell and our own scripts see the same settings. Nothing is written to disk. :class:`Loader` is what plaster finds for
``ws://``; :func:`read_app` reads an application's settings without importing the application.

What depends on the insides of PasteDeploy is in :class:`_PasteLoader` and :class:`PasteReader`, nowhere else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import plaster
from paste.deploy.loadwsgi import APP

from websauna_migrate.exceptions import SettingsError, listed
from websauna_migrate.settings.errors import SettingsFileMissing
from websauna_migrate.settings.ini import absolute, merged_parser, places, resolved_sections
from websauna_migrate.settings.loader import Loader
from websauna_migrate.settings.paste import (
    COMPOSITES,
    MAIN,
    Factory,
    PasteReader,
    factory_module,
)

# The schemes that plaster knows for an INI file, and ours. All of them mean the merged file here.
INI_SCHEMES = frozenset({"ws", "ini", "file+ini", "pastedeploy", "pastedeploy+ini"})

#: Stands in errors for the name of the settings file of an application that was started without one.
NO_FILE = "(no settings file)"

_OURS = "websauna_migrate."
_CONFIG_URI = re.compile(r"(?:([a-zA-Z][\w+.-]*)://)?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


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
    # A trace with the values of variables, as error reporters send it, shows no password.
    global_config: Mapping[str, str] = field(repr=False)
    settings: Mapping[str, str] = field(repr=False)
    sections: Mapping[str, Mapping[str, str]] = field(repr=False)


def parse_config_uri(config_uri: str) -> ConfigUri:
    """Take ``development.ini``, ``development.ini#name`` or ``ws://development.ini?key=value#name`` apart.

    A relative path counts from the working directory.

    :raises SettingsError: the scheme is not one for INI files
    :raises SettingsFileMissing: there is no such file
    """
    scheme, path, query, name = _CONFIG_URI.fullmatch(config_uri).groups()  # type: ignore[union-attr]
    if scheme and scheme.lower() not in INI_SCHEMES:
        raise SettingsError(
            f"settings with the scheme {scheme + '://'!r} cannot be read",
            "name an INI file, as in development.ini, development.ini#name or ws://development.ini",
        )
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


def running_app(settings: Mapping[str, Any], global_config: Mapping[str, object], base: Path) -> AppSettings:
    """Return the settings that a running application has, with the other sections of its file.

    ``global_config`` is PasteDeploy's. Where it names no file there are no sections, and relative paths count from
    ``base``.

    :raises SettingsError: the file is no longer there, or cannot be read
    """
    ours = {key: str(value) if key.startswith(_OURS) else value for key, value in settings.items()}
    given = {str(key): str(value) for key, value in global_config.items()}
    if "__file__" not in given:
        return AppSettings("", base / NO_FILE, MAIN, given, ours, {})
    path = absolute(Path(given["__file__"]))
    sections = resolved_sections(merged_parser(path, given))
    return AppSettings(str(path), path, MAIN, given, ours, sections)


def app_factory_module(config_uri: str) -> str:
    """Return the dotted name of the module that holds the application's factory, without importing it.

    :raises InvalidPasteSection: ``use = egg:…`` names a distribution or an entry point that is not installed
    :raises SettingsError: as :func:`read_app`
    """
    _, context = _read_app_context(parse_config_uri(config_uri))
    return factory_module(context.object)


def load_app(config_uri: str) -> Any:
    """Start the application and return it. What the application itself raises comes out as it is.

    :raises SettingsError: a file, an include, a value is wrong, or a factory is not there
    """
    uri = parse_config_uri(config_uri)
    return Loader(plaster.PlasterURL("ws", str(uri.path), dict(uri.options), uri.name)).get_wsgi_app()


# PasteDeploy over the merged file


def _read_app_context(uri: ConfigUri) -> tuple[PasteReader, Any]:
    global_conf = {**places(uri.path), **uri.options}
    reader = PasteReader(uri.path, global_conf)
    context: Any = reader.get_context(APP, uri.name, global_conf)
    while not isinstance(context.object, Factory):
        context = context.app_context if hasattr(context, "app_context") else context.next_context
    if context.protocol in COMPOSITES:
        others = tuple(name for name in reader.names(APP) if name != uri.name)
        raise SettingsError(
            f"{uri.path}: {uri.name!r} is a composite of several applications: {listed(others)}",
            f"name one of them, as in {uri.path}#{others[0] if others else 'name'}",
        )
    return reader, context
