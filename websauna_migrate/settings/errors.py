"""Errors of an INI file, an include or a setting, and of an application that does not start from them."""

from __future__ import annotations

from websauna_migrate.exceptions import SettingsError, listed


class MissingDatabaseUrl(SettingsError):
    """The settings have no ``sqlalchemy.url``."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        super().__init__(f"{origin} has no sqlalchemy.url in the section of the application; add one")


class InvalidDatabaseUrl(SettingsError):
    """A ``sqlalchemy.*`` setting or another URL cannot be used. It may hold a password, so it is not shown."""

    def __init__(
        self,
        origin: str,
        reason: str = "it is not of the form dialect://user:password@host/database",
        setting: str = "sqlalchemy.url",
    ) -> None:
        self.origin = origin
        self.reason = reason
        self.setting = setting
        super().__init__(
            f"{origin}: {setting} cannot be used: {reason}; special characters in a password are written as %XX, "
            f"and an INI file doubles the percent sign"
        )


class UnsetVariable(SettingsError):
    """A setting takes its value from an environment variable that is not set."""

    def __init__(self, origin: str, setting: str, variable: str) -> None:
        self.origin = origin
        self.setting = setting
        self.variable = variable
        super().__init__(f"{origin}: {setting} needs the environment variable {variable}, which is not set; set it")


class MissingDriver(SettingsError):
    """The Python package that talks to the database is not installed."""

    def __init__(self, origin: str, drivername: str, reason: str) -> None:
        self.origin = origin
        self.drivername = drivername
        super().__init__(f"{origin}: the driver of {drivername}:// is not installed ({reason}); install it with pip")


class InvalidNumber(SettingsError):
    """A setting that has to be a number is none."""

    def __init__(self, origin: str, setting: str, value: str, wanted: str) -> None:
        self.origin = origin
        self.setting = setting
        self.value = value
        super().__init__(f"{origin}: {setting} = {value}: write {wanted}")


class UnknownApplication(SettingsError):
    """It cannot be told which registered package is the application."""

    def __init__(self, origin: str, registered: tuple[str, ...]) -> None:
        self.origin = origin
        self.registered = registered
        super().__init__(
            f"{origin}: cannot tell which package is the application (registered: {listed(registered)}); "
            f"set websauna_migrate.app to its dotted name"
        )


TO_IMPORT = "correct its name, or install the project (pip install -e .), or set prepend_sys_path in [alembic]"


class InvalidInitializer(SettingsError):
    """``websauna.init`` does not name an Initializer."""

    def __init__(
        self,
        origin: str,
        dotted_name: str,
        reason: str,
        remedy: str = "name a subclass of websauna_migrate.Initializer",
    ) -> None:
        self.origin = origin
        self.dotted_name = dotted_name
        super().__init__(f"{origin}: websauna.init = {dotted_name}: {reason}; {remedy}")


class ApplicationDidNotStart(SettingsError):
    """The application raised an error while it started."""

    def __init__(self, origin: str, error: BaseException) -> None:
        self.origin = origin
        self.error = error
        super().__init__(
            f"the application of {origin} did not start: {type(error).__name__}: {' '.join(str(error).split())}; "
            f"mend it, or see the trace with --raiseerr"
        )


class QueriedWhileStarting(SettingsError):
    """The application asked the database for a table that its migrations have yet to create."""

    def __init__(self, origin: str, reason: str) -> None:
        self.origin = origin
        super().__init__(
            f"the application of {origin} queries the database while it starts, and a table is missing ({reason}); "
            f"set websauna.init to its Initializer: then migrations only run its include_addons() and "
            f"configure_models(), and no query may stand there"
        )


class InvalidConfigUri(SettingsError):
    """What was given as the settings file is not of a kind that can be read."""

    def __init__(self, config_uri: str, scheme: str) -> None:
        self.config_uri = config_uri
        self.scheme = scheme
        super().__init__(
            f"settings of the kind {scheme + '://'!r} cannot be read here; "
            f"name an INI file, as in development.ini, development.ini#name or ws://development.ini"
        )


class SettingsFileMissing(SettingsError):
    """A settings file is not there. ``named_in`` is the file that asks for it, None for the first one."""

    def __init__(self, path: str, named_in: str | None = None) -> None:
        self.path = path
        self.named_in = named_in
        remedy = "correct the path" if named_in is None else f"correct its name in {named_in}"
        super().__init__(f"there is no settings file {path}; {remedy}")


class SettingsFileUnreadable(SettingsError):
    """A settings file is there and cannot be read."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"settings file {path} cannot be read: {reason}; name a file that this user may read")


class InvalidSettingsFile(SettingsError):
    """A settings file is not an INI file. The broken line itself is not kept: it may hold a password."""

    def __init__(self, path: str, line: int | None, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        where = path if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {reason}; correct the file")


class IncludeCycle(SettingsError):
    """A settings file includes itself, by way of others or at once."""

    def __init__(self, trail: tuple[str, ...]) -> None:
        self.trail = trail
        super().__init__(f"settings files include each other: {' -> '.join(trail)}; remove one of these includes")


class UnknownIncludeScheme(SettingsError):
    """An include names a place of a kind that is not known."""

    def __init__(self, reference: str, named_in: str) -> None:
        self.reference = reference
        self.named_in = named_in
        super().__init__(
            f"{named_in}: include_ini_files names {reference!r}; give a path or resource://package/folder/file.ini"
        )


class IncludedPackageMissing(SettingsError):
    """An include names a file of a package that cannot be found."""

    def __init__(self, package: str, reference: str, named_in: str) -> None:
        self.package = package
        self.reference = reference
        self.named_in = named_in
        super().__init__(
            f"{named_in}: there is no package {package!r} for the include {reference!r}; "
            f"install it, or correct include_ini_files"
        )


class InvalidInterpolation(SettingsError):
    """A ``%`` in a value cannot be resolved. The value itself is not kept: it may be a password."""

    def __init__(self, path: str, section: str, key: str, reason: str) -> None:
        self.path = path
        self.section = section
        self.key = key
        self.reason = reason
        super().__init__(f"{path}, section [{section}], key {key!r}: {reason}")


class SectionMissing(SettingsError, LookupError):
    """A section that is asked for is not there. ``kind`` is application, filter or server."""

    def __init__(self, path: str, kind: str, name: str, available: tuple[str, ...]) -> None:
        self.path = path
        self.kind = kind
        self.name = name
        self.available = available
        super().__init__(
            f"{path}: there is no {kind} {name!r}; "
            + (f"name one of these: {', '.join(available)}" if available else f"add a section for the {kind}")
        )


class AppIsComposite(SettingsError):
    """The section holds several applications, so there is no one whose settings were meant."""

    def __init__(self, path: str, name: str, available: tuple[str, ...]) -> None:
        self.path = path
        self.name = name
        self.available = available
        example = available[0] if available else "name"
        super().__init__(
            f"{path}: {name!r} is a composite of several applications; name the one that is meant, "
            f"as in {path}#{example}; there are: {', '.join(available)}"
        )


class UseCycle(SettingsError):
    """Sections refer to each other in a circle."""

    def __init__(self, trail: tuple[str, ...]) -> None:
        self.trail = trail
        super().__init__(f"sections use each other: {' -> '.join(trail)}; correct one of them")


class InvalidPasteSection(SettingsError, LookupError):
    """A section of an application, filter or server is not as PasteDeploy wants it."""

    def __init__(self, path: str, name: str, reason: str) -> None:
        self.path = path
        self.name = name
        self.reason = reason
        super().__init__(f"{path}: {name!r}: {reason}; correct the section")


class DistributionMissing(SettingsError, LookupError):
    """A section names a distribution that is not installed."""

    def __init__(self, path: str, distribution: str) -> None:
        self.path = path
        self.distribution = distribution
        super().__init__(f"{path}: no distribution {distribution!r} is installed here; install it, or correct its name")


class EntryPointMissing(SettingsError, LookupError):
    """A distribution has no entry point of the name that a section gives."""

    def __init__(self, path: str, use: str, groups: tuple[str, ...]) -> None:
        self.path = path
        self.use = use
        self.groups = groups
        super().__init__(
            f"{path}: {use!r} names no entry point of {' or '.join(groups)}; "
            f"correct it, or install the distribution again"
        )


class FactoryMissing(SettingsError, LookupError):
    """A section names a factory whose module or attribute does not exist."""

    def __init__(self, path: str, use: str, reason: str) -> None:
        self.path = path
        self.use = use
        self.reason = reason
        super().__init__(f"{path}: the factory {use!r} cannot be imported: {reason}; {TO_IMPORT}")
