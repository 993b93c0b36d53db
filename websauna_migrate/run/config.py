"""The ``Config`` that Alembic gets for one history: the options of the INI, and where its scripts lie."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sqlalchemy.util import asbool

from websauna_migrate.exceptions import SettingsError
from websauna_migrate.packages.package import History
from websauna_migrate.settings import ALEMBIC_SECTION

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping

    from alembic.config import Config

    from websauna_migrate.settings.app import AppSettings


SCAFFOLD = Path(__file__).parents[1] / "scaffold"

_OF_ONE_HISTORY = {
    "script_location",
    "version_locations",
    "path_separator",
    "version_path_separator",
    "prepend_sys_path",
}

# What reads an option of Alembic, and what it may be; Alembic tells neither its name nor where it is set.
_READ_BY: dict[str, tuple[Callable[[str], object], str]] = {
    "truncate_slug_length": (int, "write a number of characters"),
    "output_encoding": (codecs.lookup, "write the name of an encoding, as utf-8"),
    "revision_environment": (asbool, "write true or false"),
}


def make_config(
    history: History,
    ini: AppSettings,
    *,
    section: str = ALEMBIC_SECTION,
    cmd_opts: Namespace | None = None,
    stdout: TextIO | None = None,
    attributes: Mapping[str, object] | None = None,
) -> Config:
    """Return Alembic's ``Config`` for ``history``: the options of the INI, includes and all, with its own folders.

    Where the history has no ``env.py``, ours is used.

    :raises SettingsError: an option cannot be read
    """
    import sys

    from alembic.config import Config

    _require_valid(ini, section)
    config = Config(
        ini_section=section, cmd_opts=cmd_opts, stdout=stdout or sys.stdout, attributes=dict(attributes or {})
    )
    config.file_config["DEFAULT"]["here"] = _escape(str(ini.path.parent))
    for name, options in ini.sections.items():
        if name == section or name == "post_write_hooks":
            for key, value in options.items():
                if key not in _OF_ONE_HISTORY:
                    config.set_section_option(name, key, _escape(value))
    config.config_file_name = str(ini.path)
    config.output_buffer = stdout
    script_location = history.script_location
    versions = history.version_locations
    if not (script_location / "env.py").is_file():
        script_location = SCAFFOLD
    config.set_main_option("script_location", _escape(str(script_location)))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", _escape("\n".join(map(str, versions))))
    return config


def _require_valid(ini: AppSettings, section: str) -> None:
    options = ini.sections.get(section, {})
    for name in _READ_BY.keys() & options.keys():
        read, remedy = _READ_BY[name]
        try:
            read(options[name])
        except (ValueError, LookupError):
            what = f"{ini.path}: {name} = {options[name]} in the section [{section}] is not valid"
            raise SettingsError(what, remedy) from None


def _escape(value: str) -> str:
    return value.replace("%", "%%")
