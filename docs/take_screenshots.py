"""The script behind ``make pictures``: takes the screenshots of the documentation from a running application.

What a command prints on a terminal becomes an SVG, what a browser shows a PNG.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import sysconfig
import tempfile
import termios
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from rich.console import Console
from rich.text import Text
from shown_application import APPLIED, write_application

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from browser import Browser

DOCS = Path(__file__).parent
SCREENSHOTS = DOCS / "screenshots"
# The browser of the tests.
sys.path.insert(0, str(DOCS.parent / "tests"))

#: What is typed for a picture of a terminal.
COMMANDS = {
    "graph": "ws-alembic -c development.ini -x packages=all graph",
    "status": "ws-alembic -c development.ini -x packages=all status",
}
COLUMNS = 120
#: Pixels; a page is as high as its content.
WIDTH = 920
PANEL_WIDTH = 1040
#: The most that a PNG with a palette can have, which is half as large as one without.
PNG_COLOURS = 256
#: The fonts of another server, which rich names.
FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def main() -> None:
    """Take all screenshots."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_application(folder)
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        for revision in APPLIED:
            command = f"ws-alembic -q -c development.ini -x packages=all upgrade {revision}"
            printed_by(command, folder, environment)
        for picture, command in COMMANDS.items():
            text = printed_by(command, folder, environment)
            (SCREENSHOTS / f"{picture}.svg").write_text(terminal_svg(picture, command, text), encoding="utf-8")
        with served(folder, environment) as address, browser() as window:
            take_pages(window, address)


def take_pages(window: Browser, address: str) -> None:
    """Take pictures of the page of the guard and of the panel of the toolbar."""
    window.show_as((WIDTH, 100))
    window.open(address)
    take(window, WIDTH, "pending")
    window.show_as((PANEL_WIDTH, 700))
    window.open(f"{address}/_debug_toolbar/")
    window.find('a[href="#global"]').click()
    window.find("#pDebugPanel-migrations a").click()
    take(window, PANEL_WIDTH, "toolbar")


def take(window: Browser, width: int, name: str) -> None:
    """Take a picture of all that the page shows."""
    window.show_as((width, window.driver.execute_script("return document.documentElement.scrollHeight")))
    path = SCREENSHOTS / f"{name}.png"
    window.screenshot(path)
    picture = Image.open(path).convert("RGB")
    picture.quantize(PNG_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)


def printed_by(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Return what ``command`` prints on a terminal; end with it when it fails."""
    program, *arguments = shlex.split(command)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    argv = [str(Path(sysconfig.get_path("scripts"), program)), *arguments]
    process = subprocess.Popen(argv, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    chunks = []
    with suppress(OSError):  # the end of a terminal
        while chunk := os.read(master, 65536):
            chunks.append(chunk)
    os.close(master)
    text = b"".join(chunks).decode().replace("\r\n", "\n")
    if process.wait():
        sys.exit(f"FAILED: {command}\n{text}")
    return text


def terminal_svg(name: str, command: str, printed: str) -> str:
    """Return a terminal with ``command`` and what it printed."""
    text = Text.assemble(("$ ", "bold green"), (command, "bold"), "\n", Text.from_ansi(printed.rstrip()))
    width = max(line.cell_len for line in text.split())
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(text, soft_wrap=True)
    console.print()  # rich cuts the last line at its foot
    return FONT_FACE.sub("", console.export_svg(title="", unique_id=f"picture-{name}"))


@contextmanager
def served(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Serve the application, and yield its address."""
    from browser import wait_for
    from servers import free_port

    port = free_port()
    pserve = Path(sysconfig.get_path("scripts"), "pserve")
    argv = [str(pserve), "ws://development.ini", f"http_port={port}"]
    process = subprocess.Popen(argv, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _answers(port), "pserve did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def browser() -> Iterator[Browser]:
    """Yield a browser."""
    from browser import Browser
    from keeper import Keeper

    window = Browser(Keeper())
    try:
        yield window
    finally:
        window.close()


def _answers(port: int) -> bool:
    import socket

    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
