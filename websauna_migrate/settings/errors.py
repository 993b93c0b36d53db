"""Errors of an INI file, an include or a setting, and of an application that does not start from them."""

from __future__ import annotations

from websauna_migrate.exceptions import SettingsError, cause_of


class MissingDatabaseUrl(SettingsError):
    """The settings have no ``sqlalchemy.url``."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        super().__init__(f"{origin} has no sqlalchemy.url in the section of the application", "add one")


class InvalidDatabaseUrl(SettingsError):
    """A ``sqlalchemy.*`` setting or another URL cannot be used. It may hold a password, so it is not shown."""

    def __init__(
        self,
        origin: str,
        reason: str = "it is not of the form dialect://user:password@host/database",
        setting: str = "sqlalchemy.url",
        remedy: str = "write special characters of a password as %XX, and double each percent sign in an INI file",
    ) -> None:
        self.origin = origin
        self.reason = reason
        self.setting = setting
        super().__init__(f"{origin}: {setting} cannot be used: {reason}", remedy)


class MissingDriver(SettingsError, ImportError):
    """The Python package that talks to the database is not installed. ``remedy`` names it."""

    def __init__(self, origin: str, drivername: str, reason: str, remedy: str) -> None:
        self.origin = origin
        self.drivername = drivername
        super().__init__(f"{origin}: the driver of {drivername}:// is not installed ({reason})", remedy)


TO_IMPORT = "correct its name, or install the project (pip install -e .), or set prepend_sys_path in [alembic]"


class ApplicationDidNotStart(SettingsError):
    """The application raised an error while it started."""

    def __init__(self, origin: str, error: BaseException) -> None:
        self.origin = origin
        self.error = error
        super().__init__(
            f"the application of {origin} did not start: {cause_of(error)}",
            "fix it, or pass --raiseerr to see the traceback",
        )


class SettingsFileMissing(SettingsError, FileNotFoundError):
    """A settings file does not exist. ``named_in`` is the file that asks for it, None for the first one."""

    def __init__(self, path: str, named_in: str | None = None) -> None:
        self.path = path
        self.named_in = named_in
        remedy = "correct the path" if named_in is None else f"correct its name in {named_in}"
        super().__init__(f"the settings file {path} does not exist", remedy)


class SettingsFileUnreadable(SettingsError, OSError):
    """A settings file exists and cannot be read."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"the settings file {path} cannot be read: {reason}", "name a file that this user may read")


class InvalidSettingsFile(SettingsError):
    """A settings file is not an INI file. The broken line itself is not kept: it may hold a password."""

    def __init__(self, path: str, line: int | None, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        where = path if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {reason}", "correct the file")


class SectionMissing(SettingsError, LookupError):
    """A section that is asked for does not exist. ``kind`` is application, filter or server."""

    def __init__(self, path: str, kind: str, name: str, available: tuple[str, ...]) -> None:
        self.path = path
        self.kind = kind
        self.name = name
        self.available = available
        remedy = f"name one of these: {', '.join(available)}" if available else f"add a section for the {kind}"
        super().__init__(f"{path}: there is no {kind} {name!r}", remedy)


class InvalidPasteSection(SettingsError, LookupError):
    """What a section of an application, filter or server names cannot be found: PasteDeploy raises a LookupError."""

    def __init__(self, path: str, what: str, remedy: str = "correct the section") -> None:
        self.path = path
        super().__init__(f"{path}: {what}", remedy)
