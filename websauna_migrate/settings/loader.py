"""The plaster loader of ``ws://``: ``pserve``, ``pshell`` and ``proutes`` see the settings that our scripts see."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import NoSectionError
from pathlib import Path
from typing import Any

import plaster
from paste.deploy.loadwsgi import APP, FILTER, SERVER
from plaster.protocols import IWSGIProtocol

from websauna_migrate.settings.errors import InvalidPasteSection
from websauna_migrate.settings.ini import ResolvingParser, absolute, merged_parser, places
from websauna_migrate.settings.paste import MAIN, Context, ObjectType, PasteReader, load_context, paste_reason
from websauna_migrate.settings.started import starting_from


class Loader(plaster.ILoader, IWSGIProtocol):  # type: ignore[misc]
    """The plaster loader for ``ws://development.ini``: what plaster_pastedeploy does, over the merged file.

    ``uri.fragment`` is the name of the section that is used where a caller gives none, ``uri.options`` are defaults
    for interpolation. The files are read anew by each call.
    """

    def __init__(self, uri: plaster.PlasterURL) -> None:
        self.uri = uri
        self._path = absolute(Path(uri.path))

    def __repr__(self) -> str:
        return f'websauna_migrate.settings.app.Loader(uri="{self.uri}")'

    def get_sections(self) -> list[str]:
        """Return the names of all sections, ``[DEFAULT]`` excepted."""
        return self._parser({}).sections()

    def get_settings(self, section: str | None = None, defaults: Mapping[str, object] | None = None) -> dict[str, str]:
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
            raise InvalidPasteSection(
                str(self._path), f"{section or self.uri.fragment!r}: {paste_reason(error)}"
            ) from None

    def get_wsgi_app_settings(
        self, name: str | None = None, defaults: Mapping[str, object] | None = None
    ) -> dict[str, str]:
        """Return the settings of the application ``name`` without loading it."""
        globals_ = self._globals(defaults)
        context = PasteReader(self._path, globals_).get_context(APP, self._name(name), globals_)
        return self._config_dict(context.local_conf, context.global_conf)

    def get_wsgi_app(self, name: str | None = None, defaults: Mapping[str, object] | None = None) -> Any:
        """Load the WSGI application ``name``."""
        context = self._context(APP, name, defaults)
        with starting_from(self._globals(defaults)):
            return context.create()

    def get_wsgi_server(self, name: str | None = None, defaults: Mapping[str, object] | None = None) -> Any:
        """Load the runner of the WSGI server ``name``."""
        return self._context(SERVER, name, defaults).create()

    def get_wsgi_filter(self, name: str | None = None, defaults: Mapping[str, object] | None = None) -> Any:
        """Load the WSGI filter ``name``."""
        return self._context(FILTER, name, defaults).create()

    def setup_logging(self, defaults: Mapping[str, object] | None = None) -> None:
        """Set up logging from the merged file, or in Python's basic way where it has no ``[loggers]``."""
        parser = self._parser(defaults)
        if parser.has_section("loggers"):
            from logging.config import fileConfig

            fileConfig(parser, disable_existing_loggers=False)
        else:
            import logging

            logging.basicConfig()

    def _parser(self, defaults: Mapping[str, object] | None, *, given_wins: bool = False) -> ResolvingParser:
        return merged_parser(self._path, self._globals(defaults), given_wins=given_wins)

    def _globals(self, defaults: Mapping[str, object] | None) -> dict[str, object]:
        return {**places(self._path), **self.uri.options, **(defaults or {})}

    def _name(self, name: str | None) -> str:
        return name or self.uri.fragment or MAIN

    def _context(self, object_type: ObjectType, name: str | None, defaults: Mapping[str, object] | None) -> Context:
        return load_context(self._path, object_type, self._name(name), self._globals(defaults))

    def _config_dict(self, local: Mapping[str, object], globals_: Mapping[str, object]) -> dict[str, str]:
        from plaster_pastedeploy import ConfigDict

        settings: dict[str, str] = ConfigDict(local, globals_, self)
        return settings


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
