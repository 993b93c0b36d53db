"""INI files that include each other, read as one.

Reads files and the environment, writes nothing. The file itself comes first, then each file that its
``[includes]`` names, each followed at once by its own includes; the first that has a key wins. ``%(here)s`` and
``%(__file__)s`` are those of the file that a value stands in. No error of this module shows a value.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from configparser import (
    BasicInterpolation,
    DuplicateOptionError,
    DuplicateSectionError,
    InterpolationDepthError,
    InterpolationError,
    InterpolationMissingOptionError,
    MissingSectionHeaderError,
    ParsingError,
    RawConfigParser,
)
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec, module_from_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import quote

from websauna_migrate.exceptions import SettingsError
from websauna_migrate.settings.errors import (
    InvalidSettingsFile,
    SettingsFileMissing,
    SettingsFileUnreadable,
)

if TYPE_CHECKING:
    from importlib.abc import Traversable

T = TypeVar("T")

INCLUDES = "includes"
INCLUDE_KEY = "include_ini_files"
DEFAULT = "DEFAULT"

_SCHEME = re.compile(r"([a-zA-Z][\w+.-]*)://")
_PLACE = re.compile(r"%%|%\((here|__file__)\)s")
_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
_RELATIVE_CONFIG = re.compile(r"(?<!\S)config:(?![/\\]|\w:|%\()")
_KEYS_THAT_NAME_APPS = frozenset({"use", "next", "pipeline", "filter-with"})

# A file on disk, or one inside a zip archive on sys.path.
_File: TypeAlias = "Path | zipfile.Path"


def merged_parser(
    path: Path, given: Mapping[str, object], *, named_in: str | None = None, given_wins: bool = False
) -> ResolvingParser:
    """Read the file at ``path`` and all that it includes.

    ``given`` are values from outside, as :class:`ResolvingParser` takes them; ``named_in`` is the file that names this
    one, for the error where it is missing.

    :raises SettingsError: a file is missing, unreadable or no INI file, or includes itself
    """
    return ResolvingParser(str(path), _merged(path, given, named_in), given, given_wins=given_wins)


def resolved_sections(parser: ResolvingParser) -> Mapping[str, Mapping[str, str]]:
    """Return every section with its own keys, those of ``[DEFAULT]`` left out.

    A value is resolved when it is asked for, so one that nobody reads here, as the format of a log or a port that the
    command line of the server gives, cannot fail.
    """
    return LazyMapping(
        parser.sections(),
        lambda section: LazyMapping(parser.own[section], lambda key: parser.get(section, key)),
    )


def places(file: _File) -> dict[str, str]:
    """Return what ``%(here)s`` and ``%(__file__)s`` are in a file."""
    return {"here": os.path.dirname(str(file)), "__file__": str(file)}  # noqa: PTH120 - it may lie in an archive


def absolute(path: Path) -> Path:
    """Return the path from the root on, without ``..``. Links stay as they are written, as PasteDeploy does it."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve() would follow the links


# Values


class LazyMapping(Mapping[str, T]):
    """A read-only mapping whose values are made when they are asked for."""

    def __init__(self, keys: Collection[str], make: Callable[[str], T]) -> None:
        self._keys = keys
        self._make = make

    def __getitem__(self, key: str) -> T:
        if key not in self._keys:
            raise KeyError(key)
        return self._make(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@dataclass(frozen=True, slots=True)
class _Value:
    """A value before interpolation, and the file that it stands in."""

    raw: str
    file: str


class _IniParser(RawConfigParser):
    """An INI file as PasteDeploy reads it: the case of keys is kept."""

    def optionxform(self, optionstr: str) -> str:
        """Return the key as it is."""
        return optionstr


class ResolvingParser(_IniParser):
    """Resolves the values of sections that were read from files.

    ``given`` are values from outside: they are taken as they are, and ``[DEFAULT]`` has precedence over them, unless
    ``given_wins``. That is what plaster_pastedeploy does for applications and for plain sections.
    """

    def __init__(
        self,
        path: str,
        own: Mapping[str, Mapping[str, _Value]],
        given: Mapping[str, object],
        *,
        given_wins: bool = False,
    ) -> None:
        raw = {section: {key: value.raw for key, value in values.items()} for section, values in own.items()}
        literal = {key: str(value).replace("%", "%%") for key, value in given.items()}
        default = raw.pop(DEFAULT, {})
        super().__init__(
            defaults=default | literal if given_wins else literal | default, interpolation=_Interpolation(path, own)
        )
        self.own = own
        self.read_dict(raw)

    def defaults(self) -> dict[str, str]:
        """Return ``[DEFAULT]`` with its values resolved, as PasteDeploy expects it."""
        return {key: self.get(DEFAULT, key) for key in super().defaults()}


class _Interpolation(BasicInterpolation):
    """``%(name)s`` first, then ``${NAME}`` from the environment, which is not interpolated again."""

    def __init__(self, path: str, own: Mapping[str, Mapping[str, _Value]]) -> None:
        self._path = path
        self._own = own

    def before_get(
        self,
        parser: MutableMapping[str, Mapping[str, str]],
        section: str,
        option: str,
        value: str,
        defaults: Mapping[str, str],
    ) -> str:
        """Return the value that a reader of the settings gets."""
        try:
            text = super().before_get(parser, section, option, value, defaults)
        except InterpolationError as error:
            # Python's own message shows the value.
            raise self._error(section, option, error) from None
        return _ENVIRONMENT.sub(lambda found: os.environ.get(found[1], found[0]), text)

    def before_set(self, parser: MutableMapping[str, Mapping[str, str]], section: str, option: str, value: str) -> str:
        """Return the value as it is; the formats of logging would not pass Python's check."""
        return value

    def _error(self, section: str, option: str, error: InterpolationError) -> SettingsError:
        home = section if option in self._own.get(section, {}) else DEFAULT
        value = self._own.get(home, {}).get(option)
        # The value itself is not shown: it may be a password.
        reason, remedy = _interpolation_reason(error)
        return SettingsError(
            f"{value.file if value else self._path}, section [{home}], key {option!r}: {reason}", remedy
        )


def _interpolation_reason(error: InterpolationError) -> tuple[str, str]:
    """Return what is wrong, and what to do."""
    if isinstance(error, InterpolationMissingOptionError):
        # Which one is not said: it may be a part of a password.
        return "it has a %(name)s that is not set", "set it in the section or in [DEFAULT], or write a literal % as %%"
    if isinstance(error, InterpolationDepthError):
        return "it refers to itself, or is nested too deep", "correct the %(name)s in it"
    return "it has a % that begins no %(name)s", "write a literal % as %%"


# Files and includes


def _merged(path: Path, given: Mapping[str, object], named_in: str | None) -> dict[str, dict[str, _Value]]:
    """Read a file and its includes into one mapping of sections; the first file that has a key wins."""
    merged: dict[str, dict[str, _Value]] = {}
    for file, sections in _read(path, named_in, {}, set(), given):
        for section, values in sections.items():
            if section != INCLUDES or file is path:
                known = merged.get(section, {})
                merged[section] = known | values | known
    return merged


def _read(
    file: _File, named_in: str | None, trail: dict[str, str], seen: set[str], given: Mapping[str, object]
) -> Iterator[tuple[_File, dict[str, dict[str, _Value]]]]:
    """Yield a file, then all that it includes, depth first. A file that is included twice is read once.

    ``trail`` maps the identities of the files that led here to their names.
    """
    identity = str(file.resolve()) if isinstance(file, Path) else str(file)
    if identity in trail:
        start = list(trail).index(identity)
        cycle = " -> ".join((*list(trail.values())[start:], str(file)))
        raise SettingsError(f"the settings files include each other in a circle: {cycle}", "remove one of the includes")
    if identity in seen:
        return
    seen.add(identity)
    sections = _parse(file, named_in)
    yield file, sections
    for reference in _includes(file, sections, given):
        yield from _read(_locate(reference, file), str(file), trail | {identity: str(file)}, seen, given)


def _includes(file: _File, sections: dict[str, dict[str, _Value]], given: Mapping[str, object]) -> list[str]:
    """Return what the file includes; the names in its own ``[includes]`` come from this file only."""
    if INCLUDE_KEY not in sections.get(INCLUDES, {}):
        return []
    own = {section: sections[section] for section in (DEFAULT, INCLUDES) if section in sections}
    return ResolvingParser(str(file), own, given).get(INCLUDES, INCLUDE_KEY).split()


def _parse(file: _File, named_in: str | None) -> dict[str, dict[str, _Value]]:
    # No section is special here: what a file has in [DEFAULT] must not look like keys of its other sections.
    parser = _IniParser(default_section="", interpolation=None)
    try:
        parser.read_string(_text(file, named_in))
    except (DuplicateSectionError, DuplicateOptionError, ParsingError) as error:
        # Python's own message shows the line.
        raise InvalidSettingsFile(str(file), _line(error), _what_is_wrong(error)) from None
    return {
        section: {key: _Value(_rooted(file, key, raw), str(file)) for key, raw in parser.items(section)}
        for section in parser.sections()
    }


def _text(file: _File, named_in: str | None) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsFileMissing(str(file), named_in) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidSettingsFile(str(file), line, "it is not UTF-8 text") from None
    except OSError as error:
        raise SettingsFileUnreadable(str(file), error.strerror or "it is a folder") from error


def _line(error: DuplicateSectionError | DuplicateOptionError | ParsingError) -> int | None:
    line: int | None = getattr(error, "lineno", None)
    return error.errors[0][0] if line is None and isinstance(error, ParsingError) else line


def _what_is_wrong(error: DuplicateSectionError | DuplicateOptionError | ParsingError) -> str:
    match error:
        case DuplicateSectionError():
            return f"section [{error.section}] is there twice"
        case DuplicateOptionError():
            return f"key {error.option!r} is twice in section [{error.section}]"
        case MissingSectionHeaderError():
            return "there is text before the first [section]"
    return "this is neither 'key = value' nor a [section]"


def _rooted(file: _File, key: str, raw: str) -> str:
    """Put the file's own place into a value, because the merged file has no single place."""
    known = places(file)
    raw = _PLACE.sub(lambda found: known[found[1]].replace("%", "%%") if found[1] else found[0], raw)
    if key not in _KEYS_THAT_NAME_APPS:
        return raw
    folder = quote(known["here"]).replace("%", "%%")
    return _RELATIVE_CONFIG.sub(lambda _: f"config:{folder}/", raw)


def _locate(reference: str, named_in: _File) -> _File:
    """Return the file that an include names."""
    scheme = _SCHEME.match(reference)
    if scheme is None:
        return _beside(named_in, reference)
    if scheme[1].lower() != "resource":
        raise SettingsError(
            f"{named_in}: include_ini_files names {reference!r}, which has an unknown scheme",
            "write a path, or resource://package/folder/file.ini",
        )
    return _resource(reference, str(named_in))


def _beside(file: _File, reference: str) -> _File:
    if isinstance(file, Path) or Path(reference).is_absolute():
        return absolute(Path(str(file)).parent / reference)
    place: Any = file.parent
    for part in PurePosixPath(reference).parts:
        place = place.parent if part == ".." else place / part
    return place  # type: ignore[no-any-return]


def _resource(reference: str, named_in: str) -> _File:
    package, _, path = reference.partition("://")[2].partition("/")
    place = _package_folder(package)
    if place is None:
        raise SettingsError(
            f"{named_in}: the package {package!r} of the include {reference!r} is not installed",
            "install it, or correct include_ini_files",
        )
    for part in PurePosixPath(path).parts:
        place = place / part
    if not isinstance(place, Path | zipfile.Path):
        raise SettingsFileUnreadable(reference, "it is not a file on disk or in a zip archive")
    return absolute(place) if isinstance(place, Path) else place


def _package_folder(package: str) -> Traversable | None:
    """Return the folder of an installed package, None where there is none. The package itself is not imported."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.submodule_search_locations is None:
        return None
    return resources.files(module_from_spec(spec))
