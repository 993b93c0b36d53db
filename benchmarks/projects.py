"""Writes projects with the same packages, models and revisions for each peer.

Some revisions create a table with an index, the others add a column to this table. The first table of a package has a
foreign key to the first table of the preceding package, except for stillhead, which does not support foreign keys
between its modules.
"""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(sys.executable).parent
URL = "DATABASE_URL"  # the environment variable that every project reads


@dataclass(frozen=True)
class Size:
    """The number of packages, and of revisions per package; one of ``every`` revisions creates a table.

    Without ``models``, only the first table has a model, so that commands that only read histories do not spend time
    on importing models.
    """

    packages: int
    revisions: int
    every: int = 4
    models: bool = True

    def __str__(self) -> str:
        return f"{self.packages} x {self.revisions}"

    @property
    def names(self) -> list[str]:
        """The names of the packages."""
        return [f"p{number:02}" for number in range(self.packages)]


def write_packages(folder: Path, size: Size) -> None:
    """Write the packages with models and revisions, and the Pyramid application ``bench`` that registers them.

    The application includes the same add-ons as Pyramid's own cookiecutter with SQLAlchemy and Jinja2.
    """
    before = None
    for name in size.names:
        versions = folder / name / "alembic" / "versions"
        versions.mkdir(parents=True)
        _write(folder / name / "__init__.py", "")
        _write(folder / name / "models.py", _models(name, size, before))
        _write(folder / name / "alembic" / "env.py", _OUR_ENV.format(name=name))
        for number in range(size.revisions):
            _write(versions / f"{name}r{number:04}.py", _revision(name, number, size, before))
        before = name
    _write(folder / "bench.py", _APPLICATION.format(names=size.names))
    _write(folder / "bench.ini", _INI)


def write_wide(folder: Path, tables: int, schemas: int) -> Size:
    """Write one package with ``tables`` in ``schemas``, all created by its only revision, and return its size."""
    size = Size(1, 1)
    write_packages(folder, size)
    (name,) = size.names
    classes = "".join(_WIDE_MODEL.format(number=n, schema=n % schemas) for n in range(tables))
    _write(folder / name / "models.py", _WIDE_BASE + classes.replace('"schema0"', "None"))
    revision = _WIDE_REVISION.format(name=name, schemas=[f"schema{n}" for n in range(1, schemas)])
    _write(folder / name / "alembic" / "versions" / f"{name}r0000.py", revision)
    return size


def our_command(folder: Path, *args: str) -> list[str]:
    """Return the command line of ws-alembic for all packages."""
    return [str(SCRIPTS / "ws-alembic"), "-q", "-c", str(folder / "bench.ini"), "-x", "packages=all", *args]


def served(mode: str, requests: int) -> list[str]:
    """Return the command line of a program that answers requests, guarded as ``mode`` says."""
    program = Path(__file__).with_name("serve.py")
    return [sys.executable, "-W", "ignore", str(program), mode, str(requests)]


def only_imports(size: Size) -> list[list[str]]:
    """Return the command line of a program that loads the models with Pyramid's configurator and connects."""
    program = (
        "import os\nfrom pyramid.config import Configurator\nfrom sqlalchemy import create_engine, pool\n"
        f"config = Configurator()\nfor name in {size.names}:\n    config.maybe_dotted(name + '.models')\n"
        "create_engine(os.environ['DATABASE_URL'], poolclass=pool.NullPool).connect()"
    )
    return [[sys.executable, "-W", "ignore", "-c", program]]


def write_alembic(folder: Path, size: Size, env: str) -> None:
    """Write a plain Alembic environment for each package; ``env`` is a key of :data:`ENVS`."""
    for name in size.names:
        home = folder / env / name
        home.mkdir(parents=True)
        _write(home / "env.py", ENVS[env].format(name=name))
        versions = folder / name / "alembic" / "versions"
        ini = f"[alembic]\nscript_location = %(here)s\nversion_locations = {versions}\npath_separator = newline\n"
        _write(home / "alembic.ini", ini)


def alembic_commands(folder: Path, size: Size, env: str, *args: str) -> list[list[str]]:
    """Return the command lines of plain Alembic, one per package."""
    program = str(SCRIPTS / "alembic")
    return [[program, "-q", "-c", str(folder / env / name / "alembic.ini"), *args] for name in size.names]


def alembic_in_one_process(folder: Path, size: Size, env: str) -> list[str]:
    """Return the command line of a program that upgrades all packages with plain Alembic in one process."""
    inis = [str(folder / env / name / "alembic.ini") for name in size.names]
    program = (
        "import sys; from alembic import command, config\n"
        "for ini in sys.argv[1:]: command.upgrade(config.Config(ini), 'heads')"
    )
    return [sys.executable, "-c", program, *inis]


def write_stillhead(folder: Path, size: Size) -> list[str]:
    """Write the packages as modules of stillhead, and return the command line that upgrades all of them."""
    home = folder / "stillhead"
    for name in size.names:
        versions = home / name / "versions"
        versions.mkdir(parents=True)
        _write(home / name / "__init__.py", "")
        _write(home / name / "models.py", _models(name, size, None))
        for number in range(size.revisions):
            _write(versions / f"{name}r{number:04}.py", _revision(name, number, size, None))
    _write(home / "run.py", _STILLHEAD.format(names=size.names))
    return [sys.executable, str(home / "run.py")]


def write_django(folder: Path, size: Size) -> list[str]:
    """Write the packages as Django applications, and return the command line that migrates all of them."""
    home = folder / "django"
    before = None
    for name in size.names:
        migrations = home / name / "migrations"
        migrations.mkdir(parents=True)
        _write(home / name / "__init__.py", "")
        _write(migrations / "__init__.py", "")
        _write(home / name / "models.py", _django_models(name, size, before))
        for number in range(size.revisions):
            _write(migrations / f"{number + 1:04}_t.py", _django_migration(name, number, size, before))
        before = name
    _write(home / "settings.py", _DJANGO_SETTINGS.format(names=size.names))
    return [sys.executable, "-m", "django", "migrate", "-v", "0", "--pythonpath", str(home), "--settings", "settings"]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _models(name: str, size: Size, before: str | None) -> str:
    classes = []
    for first in range(0, size.revisions if size.models else 1, size.every):
        target = f"ForeignKey('{before}_t0000.id')" if before and first == 0 else "Integer"
        columns = "".join(f"    c{n:04} = Column(Integer)\n" for n in _columns(first, size))
        classes.append(_MODEL.format(name=name, number=first, target=target) + columns)
    imports = f"import {before}.models\nBase = {before}.models.Base\n" if before else _BASE
    return "from sqlalchemy import Column, ForeignKey, Integer, String\n" + imports + "".join(classes)


def _columns(first: int, size: Size) -> range:
    return range(first + 1, min(first + size.every, size.revisions))


def _revision(name: str, number: int, size: Size, before: str | None) -> str:
    refers = bool(before) and number == 0
    body = _ADDS if number % size.every else _CREATES
    return (_HEADER + body).format(
        name=name,
        number=number,
        table=number - number % size.every,
        down=repr(f"{name}r{number - 1:04}") if number else None,
        requires=repr({before: f"{before}r0000"}) if refers else "{}",
        target=f"sa.Integer, sa.ForeignKey('{before}_t0000.id')" if refers else "sa.Integer",
    )


def _django_models(name: str, size: Size, before: str | None) -> str:
    lines = ["from django.db import models\n"]
    for first in range(0, size.revisions, size.every):
        columns = "".join(f"    c{n:04} = {_INTEGER}\n" for n in _columns(first, size))
        fields = f"    name = {_CHAR}\n    other = {_django_other(before, first)}\n{columns}"
        lines.append(f"class T{first:04}(models.Model):\n{fields}")
    return "\n".join(lines)


def _django_migration(name: str, number: int, size: Size, before: str | None) -> str:
    needed = [(name, f"{number:04}_t")] if number else [(before, "0001_t")] if before else []
    operation = _DJANGO_ADDS if number % size.every else _DJANGO_CREATES
    return _DJANGO_MIGRATION.format(needed=needed, operation=operation).format(
        number=number,
        table=number - number % size.every,
        char=_CHAR,
        integer=_INTEGER,
        other=_django_other(before, number),
    )


def _django_other(before: str | None, number: int) -> str:
    return f"models.ForeignKey('{before}.T0000', models.CASCADE, null=True)" if before and not number else _INTEGER


_INTEGER = "models.IntegerField(null=True)"
_CHAR = "models.CharField(max_length=50, null=True, db_index=True)"

_BASE = textwrap.dedent("""
    from sqlalchemy.orm import DeclarativeBase

    class Base(DeclarativeBase):
        pass
    """)

_MODEL = textwrap.dedent("""
    class T{number:04}(Base):
        __tablename__ = "{name}_t{number:04}"
        __module__ = "{name}.models"
        id = Column(Integer, primary_key=True)
        name = Column(String(50), index=True)
        other = Column({target})
    """)

_WIDE_BASE = textwrap.dedent("""
    from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Integer, MetaData, Numeric, String, Text, func, true
    from sqlalchemy.orm import DeclarativeBase

    class Base(DeclarativeBase):
        pass

    before = None
    """)

_WIDE_MODEL = textwrap.dedent("""
    class T{number:04}(Base):
        __tablename__ = "t{number:04}"
        __table_args__ = {{"schema": "schema{schema}"}}
        __module__ = "p00.models"
        id = Column(Integer, primary_key=True)
        name = Column(String(50), index=True, nullable=False)
        code = Column(String(20), unique=True)
        before_id = Column(ForeignKey(before.id) if before else Integer, index=True)
        price = Column(Numeric(10, 2), server_default="0")
        active = Column(Boolean, server_default=true(), nullable=False)
        created = Column(DateTime, server_default=func.now())
        notes = Column(Text)

    before = T{number:04}
    """)

_WIDE_REVISION = textwrap.dedent("""
    from alembic import op

    from p00.models import Base

    revision = "{name}r0000"
    down_revision = None


    def upgrade():
        for schema in {schemas}:
            op.execute(f"CREATE SCHEMA {{schema}}")
        tables = Base.metadata.sorted_tables
        for start in range(0, len(tables), 100):
            Base.metadata.create_all(op.get_bind(), tables[start : start + 100])
    """)

_HEADER = textwrap.dedent('''
    """Change {name}_t{table:04}"""

    import sqlalchemy as sa
    from alembic import op

    revision = "{name}r{number:04}"
    down_revision = {down}
    requires = {requires}

    ''')

_CREATES = textwrap.dedent("""
    def upgrade():
        op.create_table(
            "{name}_t{table:04}",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(50)),
            sa.Column("other", {target}),
        )
        op.create_index("ix_{name}_t{table:04}_name", "{name}_t{table:04}", ["name"])


    def downgrade():
        op.drop_table("{name}_t{table:04}")
    """)

_ADDS = textwrap.dedent("""
    def upgrade():
        op.add_column("{name}_t{table:04}", sa.Column("c{number:04}", sa.Integer))


    def downgrade():
        op.drop_column("{name}_t{table:04}", "c{number:04}")
    """)

_APPLICATION = textwrap.dedent("""
    import websauna_migrate


    class Initializer(websauna_migrate.Initializer):
        def configure_models(self):
            for name in {names}:
                self.config.add_migration_package(name, name + ".models:Base")

        def configure_views(self):
            for addon in ("pyramid_jinja2", "pyramid_retry", "pyramid_debugtoolbar", "websauna_migrate.dbsession"):
                self.config.include(addon)
            self.config.add_route("home", "/")


    def main(global_config, **settings):
        return Initializer(global_config, settings).make_wsgi_app()
    """)

_INI = textwrap.dedent("""
    [app:main]
    use = call:bench:main
    websauna.init = bench.Initializer
    websauna_migrate.app = p00
    sqlalchemy.url = ${DATABASE_URL}
    """)

_OUR_ENV = 'from websauna_migrate.env import run_alembic\n\nrun_alembic(package="{name}")\n'

_PLAIN_ENV = textwrap.dedent("""
    import os

    from alembic import context
    from sqlalchemy import create_engine, pool

    {{models}}

    engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            version_table="alembic_version_{name}",
            include_schemas=any(table.schema for table in metadata.tables.values()),
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    """)

# How env.py gets the models: it imports them, or it starts the Pyramid application, as Pyramid's documentation shows.
ENVS = {
    "plain": _PLAIN_ENV.replace("{{models}}", "from {name}.models import Base\nmetadata = Base.metadata"),
    "boots": _PLAIN_ENV.replace(
        "{{models}}",
        "import pathlib\n"
        "from pyramid.paster import bootstrap\n"
        'bootstrap(str(pathlib.Path(__file__).parents[2] / "bench.ini") )\n'
        "from {name}.models import Base\nmetadata = Base.metadata",
    ),
}

_STILLHEAD = textwrap.dedent("""
    import importlib
    import os

    from stillhead import apply_pending, define_module, versions_dir

    modules = [
        define_module(
            name=name,
            metadata=importlib.import_module(name + ".models").Base.metadata,
            versions_path=versions_dir(name),
        )
        for name in {names}
    ]
    apply_pending(modules, os.environ["DATABASE_URL"])
    """)

_DJANGO_SETTINGS = textwrap.dedent("""
    import os
    from urllib.parse import urlsplit

    url = urlsplit(os.environ["DATABASE_URL"])
    INSTALLED_APPS = {names}
    DATABASES = {{
        "default": {{
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path[1:],
            "USER": url.username,
            "HOST": url.hostname,
            "PORT": url.port,
        }}
    }}
    DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
    """)

_DJANGO_MIGRATION = textwrap.dedent("""
    from django.db import migrations, models


    class Migration(migrations.Migration):
        initial = {needed} == []
        dependencies = {needed}
        operations = [{operation}]
    """)

_DJANGO_CREATES = (
    'migrations.CreateModel("T{table:04}", [("id", models.AutoField(primary_key=True, serialize=False)), '
    '("name", {char}), ("other", {other})])'
)
_DJANGO_ADDS = 'migrations.AddField("T{table:04}", "c{number:04}", {integer})'
