"""Settings that are numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from websauna_migrate.exceptions import SettingsError

if TYPE_CHECKING:
    from websauna_migrate.settings.app import AppSettings


def read_seconds(ini: AppSettings, name: str, default: float) -> float:
    """Return the seconds that the setting ``name`` says, ``default`` where it is not set.

    :raises SettingsError: it is no number, or below 0
    """
    value = ini.settings.get(name, "").strip()
    try:
        seconds = float(value) if value else default
    except ValueError:
        seconds = -1
    if not seconds >= 0:
        raise SettingsError(f"{ini.path}: {name} = {value} is not valid", "write a number of seconds, 0 or more")
    return seconds


def read_count(ini: AppSettings, name: str, default: int) -> int:
    """Return the number that the setting ``name`` says, ``default`` where it is not set.

    :raises SettingsError: it is no whole number, or below 1
    """
    value = ini.settings.get(name, "").strip()
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and int(value)):
        raise SettingsError(f"{ini.path}: {name} = {value} is not valid", "write a whole number, 1 or more")
    return int(value)


def is_duration(value: object) -> bool:
    """Tell whether ``value`` is a number of seconds, 0 or more and not infinite."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0  # type: ignore[arg-type, operator]
