"""The report page in a real browser: it draws, asks nobody for anything, fits a phone, and turns dark."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.data import Dataset
from lookalike.report import build
from lookalike.schema import Column, Schema, Table

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: the page was NOT looked at in a browser")
CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver: the page was NOT looked at in a browser"),
]
# Each chart comes into view and stays for two frames, as long as an observer needs to see it.
SCROLL = """
    const done = arguments[arguments.length - 1], charts = [...document.querySelectorAll("[data-chart]")];
    const frames = () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
    (async () => {
      for (const chart of charts) { chart.scrollIntoView({ behavior: "instant" }); await frames(); }
    })().then(done);
"""
NASTY = "<script>document.title='owned'</script>"
KINDS = {"age": "integer", NASTY: "category", "pay": "number", "day": "date", "rich": "boolean"}


def people(seed: int, rows: int = 300) -> Dataset:
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    table = pa.table(
        {
            "age": pa.array(age, pa.int64()),
            NASTY: pa.array(rng.choice([NASTY, "nurse"], rows)).dictionary_encode(),
            "pay": pa.array(age * 50 + rng.normal(0, 500, rows), mask=rng.random(rows) < 0.1),
            "day": pa.array((age * 30).astype(np.int32)).cast(pa.date32()),
            "rich": pa.array(age > 50),
        }
    )
    schema = Schema(tables=(Table(columns=tuple(Column(name=n, kind=k) for n, k in KINDS.items())),))
    return Dataset.from_arrow({"table": table}, schema)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    return build(people(1), people(2), holdout=people(3), about={NASTY: NASTY}).write(path).as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{flag}")
    for flag in ("disable-component-update", "disable-sync", f"user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def look(browser: Any, page: str) -> Callable[..., Any]:
    """Open the page at a width, in light or dark, and scroll through all of it."""

    def opened(width: int = 1280, *, dark: bool = False) -> Any:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        browser.get_log("browser"), browser.get_log("performance")
        browser.get(page)
        browser.execute_async_script(SCROLL)
        await_(lambda: not browser.find_elements("css selector", "[data-chart]:not([data-drawn])"))
        return browser

    return opened


def await_(done: Callable[[], bool], *, seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "the page did not get there in time"
        time.sleep(0.03)


def background(browser: Any) -> int:
    """Brightness of the page's ground, 0 to 255."""
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    return int(colour.strip("rgba() ").split(",")[0])


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (400, False)])
def test_it_draws_all_charts_without_a_word_in_the_console(look: Callable[..., Any], width: int, dark: bool) -> None:
    browser = look(width, dark=dark)
    charts = browser.find_elements("css selector", "[data-chart]")
    assert len(charts) == len(KINDS) + 3 + 2
    for chart in charts:
        assert browser.execute_script("return arguments[0].querySelectorAll('path, canvas').length", chart) > 0
    assert browser.get_log("browser") == []
    assert (background(browser) < 60) == dark


def test_it_asks_nobody_for_anything(look: Callable[..., Any]) -> None:
    browser = look()
    sent = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"]
    assert asked and all(url.startswith(("file:", "data:", "blob:")) for url in asked)


@pytest.mark.parametrize("width", [400, 768, 1280])
def test_nothing_sticks_out_sideways(look: Callable[..., Any], width: int) -> None:
    browser = look(width)
    await_(lambda: browser.execute_script("return document.documentElement.scrollWidth") <= width)  # charts follow a new width in a while


def test_names_do_not_run(look: Callable[..., Any]) -> None:
    browser = look()
    assert browser.title == "Lookalike report"
    names = [e.get_attribute("textContent") for e in browser.find_elements("css selector", ".card h3")]
    assert NASTY in names


def test_theme_can_be_chosen(look: Callable[..., Any]) -> None:
    browser = look()
    button = browser.find_element("id", "theme")
    for wanted, dark in (("light", False), ("dark", True), ("system", False)):
        button.send_keys("\ue007")  # Enter: by keyboard
        assert button.text == f"Theme: {wanted}"
        assert (background(browser) < 60) == dark


def test_columns_are_found_and_ordered(look: Callable[..., Any]) -> None:
    browser = look()
    browser.find_element("id", "find").send_keys("PAY")
    assert [c.find_element("tag name", "h3").text for c in browser.find_elements("css selector", ".card:not([hidden])")] == ["pay"]
    browser.find_element("id", "find").clear()
    browser.execute_script("const o = document.getElementById('order'); o.value = 'table'; o.dispatchEvent(new Event('change'))")
    assert [c.get_attribute("data-index") for c in browser.find_elements("css selector", ".card")] == list("01234")


def test_it_prints_all_charts(look: Callable[..., Any], page: str, browser: Any) -> None:
    browser.get(page)  # nothing scrolled: charts below were never seen
    browser.execute_cdp_cmd("Page.printToPDF", {})
    assert not browser.find_elements("css selector", "[data-chart]:not([data-drawn])")
