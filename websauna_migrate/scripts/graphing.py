"""The command ``graph``: the revisions, or the tables, of the selected packages as a picture."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from websauna_migrate.database.errors import ClientFailed
from websauna_migrate.drawing.diagrams import dot, is_too_large, mermaid, revisions_diagram, tables_diagram, tables_text
from websauna_migrate.drawing.graph_text import graph_text
from websauna_migrate.drawing.state import graph_state
from websauna_migrate.exceptions import ClientError, MigrateError, SettingsError, one_line
from websauna_migrate.files import remedy_for_file, replaced
from websauna_migrate.scripts.loading import import_models
from websauna_migrate.scripts.outputs import refuse_database
from websauna_migrate.scripts.printing import show, warn

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from pathlib import Path

    from websauna_migrate.drawing.diagrams import Diagram
    from websauna_migrate.scripts.loading import Loaded


def graph(options: Namespace, loaded: Loaded) -> int:
    """Draw the revisions of the selected packages, or their tables."""
    if options.output is not None:
        with suppress(SettingsError):  # a graph can be drawn without a database
            refuse_database(options.output, loaded.app.url, "--output")
    in_colour = options.output is None and sys.stdout.isatty()
    if options.tables:
        import_models(options, loaded)
        diagram = tables_diagram(loaded.app.ownership, loaded.packages)
        picture = tables_text(diagram) if options.format == "text" else _drawn(diagram, options.format)
    else:
        packages = [one.history.package for one in loaded.selected]
        state = graph_state(loaded.app.graph(), packages, _rows(options, loaded))
        if options.format == "text":
            picture = graph_text(state, colour=in_colour)
        else:
            picture = _drawn(revisions_diagram(state), options.format)
    if options.format == "mermaid" and is_too_large(picture):
        what = "the diagram is larger than what GitHub and Mermaid show by default: 500 links, 50000 characters"
        warn(options, MigrateError(what, "select fewer packages with -x packages=, or use --format svg"))
    if options.output is None:
        show(picture, coloured=True)
    else:
        _write(options.output, picture)
    return 0


def _rows(options: Namespace, loaded: Loaded) -> Mapping[str, tuple[str, ...]] | None:
    """Return the rows of the history tables; None, with a warning, where the database cannot be asked."""
    from websauna_migrate.database.history_table import read_heads

    try:
        with loaded.app.connected(writes=False) as connection:
            return read_heads(connection, [one.history for one in loaded.selected])
    except MigrateError as error:
        warn(options, error)
        return None


def _drawn(diagram: Diagram, format: str) -> str:
    if format == "mermaid":
        return mermaid(diagram)
    return _svg(dot(diagram)) if format == "svg" else dot(diagram)


def _svg(source: str) -> str:
    """Return what Graphviz draws.

    :raises ClientError: it is not installed, or fails
    """
    try:
        done = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise ClientError(
            "dot is not installed, or not in PATH, and --format svg needs it",
            "install Graphviz, or use --format mermaid, which GitHub shows",
        ) from None
    if done.returncode:
        raise ClientFailed("dot", done.returncode, one_line(done.stderr), "use --format dot, and look into its result")
    return done.stdout


def _write(path: Path, picture: str) -> None:
    try:
        with replaced(path) as file:
            file.write(picture.encode())
    except OSError as error:
        remedy = remedy_for_file(error) or "name a file in a folder that this user may write to"
        raise ClientError(f"{path}: the graph cannot be written: {error.strerror}", remedy) from error
