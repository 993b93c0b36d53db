"""A real browser for the tests: Chromium without a window, driven by selenium, and gone with the test run.

Its programs are what ``tests/setup/servers`` unpacked, else those of the machine. It reaches this machine only: no name
but those of this machine can be looked up, so a page that asks another server fails.
"""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig

from keeper import START_SECONDS, Keeper
from servers import CHROMIUM, ServerMissing, free_port, installed_program, version_of, within_reach

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement

#: The width and height of a phone.
PHONE = (390, 844)
DESKTOP = (1280, 900)
_ARGUMENTS = (
    "--headless=new",
    # The account of the tests, often that of a container, may not make a sandbox; the pages are our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    # It ends with its driver, even where that is killed.
    "--remote-debugging-pipe",
)
_IS_LOADED = "return !window.isOfBefore && document.readyState === 'complete'"
#: Without the proxy of the machine.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Browser:
    """A browser, with ``driver`` to do all that selenium can do."""

    def __init__(self, keeper: Keeper) -> None:
        program, chromedriver = _programs(keeper)
        self.version = version_of(program)
        self._keeper = keeper
        self._folder = keeper.new_folder("chromium")
        self._process, address = self._start(chromedriver)
        options = webdriver.ChromeOptions()
        options.binary_location = str(program)
        for argument in (*_ARGUMENTS, f"--user-data-dir={self._folder / 'profile'}"):
            options.add_argument(argument)
        # A page is looked at while it comes; ``open`` waits for all of it.
        options.page_load_strategy = "none"
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        direct = ClientConfig(address, proxy=Proxy({"proxyType": ProxyType.DIRECT}))
        self.driver = webdriver.Remote(address, options=options, client_config=direct)
        self._width = DESKTOP[0]
        self._first = self.driver.current_window_handle

    def _start(self, chromedriver: Path) -> tuple[Any, str]:
        port = free_port()
        process = self._keeper.spawn([str(chromedriver), f"--port={port}"], self._folder)
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: _is_ready(address), f"ChromeDriver did not start: {self._folder / 'log'}")
        return process, address

    def reset(self) -> None:
        """Forget all that a test did: windows, cookies, sizes and what was logged."""
        for window in set(self.driver.window_handles) - {self._first}:
            self.driver.switch_to.window(window)
            self.driver.close()
        self.driver.switch_to.window(self._first)
        self.command("Network.clearBrowserCookies")
        self.command("Network.clearBrowserCache")
        self.show_as(DESKTOP)
        self.open("about:blank")
        self.requests()

    def open(self, url: str) -> None:
        """Open ``url`` in the window, and wait for all of it."""
        self.driver.execute_script("window.isOfBefore = true")
        self.driver.get(url)
        wait_for(lambda: self.driver.execute_script(_IS_LOADED), f"{url} did not load")

    def wait_for_text(self, text: str) -> None:
        """Wait until the page shows ``text``."""
        wait_for(lambda: text in self.text(), text)

    def command(self, name: str, **arguments: object) -> Any:
        """Run a command of Chromium's own protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def show_as(self, size: tuple[int, int], scheme: str = "light") -> None:
        """Show pages with the width and height of a screen, and in the colours ``light`` or ``dark``."""
        self._width, height = size
        is_mobile = size == PHONE
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=self._width,
            height=height,
            deviceScaleFactor=1,
            mobile=is_mobile,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", features=features)

    def scrolls_sideways(self) -> bool:
        """Tell whether the page is wider than the screen: a phone would also show all of it smaller."""
        return bool(self.driver.execute_script("return document.documentElement.scrollWidth") > self._width)

    def requests(self) -> list[str]:
        """Return the URLs that servers were asked for since the last call, by all windows."""
        log = self.driver.execute("getLog", {"type": "performance"})["value"]
        events = [json.loads(entry["message"])["message"] for entry in log]
        sent = [event["params"]["request"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [request["url"] for request in sent if request["url"].startswith(("http:", "https:"))]

    def find(self, selector: str) -> WebElement:
        """Return the first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[WebElement]:
        """Return the elements of a CSS selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self) -> str:
        """Return what the page shows by now."""
        return str(self.driver.execute_script("return document.body ? document.body.innerText : ''"))

    def style(self, selector: str, name: str) -> str:
        """Return how an element is shown: the value of a property of CSS."""
        return self.find(selector).value_of_css_property(name)

    def screenshot(self, path: Path) -> None:
        """Write what the page shows to a file."""
        self.driver.get_screenshot_as_file(str(path))

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()
        self._keeper.end(self._process, signal.SIGTERM)


def wait_for(is_so: Callable[[], object], otherwise: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def _programs(keeper: Keeper) -> tuple[Path, Path]:
    """Return the browser and its driver."""
    if (CHROMIUM / "bin" / "chromedriver").exists():
        folder = within_reach(CHROMIUM.resolve(), keeper) / "bin"
        return folder / "chromium", folder / "chromedriver"
    browser = installed_program("chromium") or installed_program("google-chrome")
    driver = installed_program("chromedriver")
    if browser is None or driver is None:
        raise ServerMissing("make servers on Debian, elsewhere install chromium and chromedriver")
    return browser, driver


def _is_ready(address: str) -> bool:
    try:
        with _DIRECT.open(f"{address}/status", timeout=5) as answer:
            return bool(json.load(answer)["value"]["ready"])
    except OSError:
        return False
