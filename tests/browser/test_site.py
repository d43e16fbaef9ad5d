"""The site of the documentation, built once, and opened from a folder in a real browser: it draws, finds, and asks nobody for anything."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: the site was NOT looked at in a browser")
for package in ("mkdocstrings", "material"):
    pytest.importorskip(package, reason="the extra `docs` is not installed: the site was NOT built")
CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")

without = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver: the site was NOT looked at in a browser")
FOUND = "return [...document.querySelectorAll('.md-search-result__article h1')].map((title) => title.textContent)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built without a warning into a folder whose name has a space."""
    folder = tmp_path_factory.mktemp("a site")
    made = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(made, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("headless", "no-sandbox", "disable-gpu", f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield chrome
    chrome.quit()


def shown(browser: Any, width: int) -> None:
    """Make the window as wide as that of a desk or a phone."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def test_every_page_is_there_and_loads_nothing_from_the_net(site: Path) -> None:
    pages = {page.name: page.read_text(encoding="utf-8") for page in site.glob("*.html")}
    assert {page.with_suffix(".html").name for page in (ROOT / "docs").glob("*.md")} <= set(pages)
    for name, page in pages.items():
        loaded = re.findall(
            r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?([^\s\">]+)|<link[^>]*rel=\"?(?:stylesheet|icon|preload)[^>]*href=\"?([^\s\">]+)",
            page,
        )
        assert loaded, name
        assert not [part for parts in loaded for part in parts if part.startswith(("http:", "https:", "//"))], name
    assert "a fifth of the rows" in pages["api.html"].lower()


@pytest.mark.browser
@without
def test_search_works_without_a_server_and_nothing_is_asked_of_the_net(site: Path, browser: Any) -> None:
    shown(browser, 1_280)
    browser.get((site / "index.html").as_uri())
    field = browser.find_element("css selector", ".md-search__input")
    browser.execute_script("arguments[0].focus()", field)
    field.send_keys("epsilon")
    wait = importlib.import_module("selenium.webdriver.support.ui").WebDriverWait(browser, 60)
    found = wait.until(lambda chrome: chrome.execute_script(FOUND))
    assert "Differential privacy" in found and "Commands" in found
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert not [address for address in loaded if not address.startswith(("file:", "data:", "blob:"))]
    assert not [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.browser
@without
@pytest.mark.parametrize("page", ["index", "examples", "api", "benchmarks"])
def test_a_page_fits_a_phone_and_all_its_pictures_are_there(site: Path, browser: Any, page: str) -> None:
    shown(browser, 390)
    browser.get((site / f"{page}.html").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert browser.execute_script("return [...document.images].every((image) => image.complete && image.naturalWidth > 0)")
