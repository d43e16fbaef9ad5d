"""The report page in a real browser: it draws, asks nobody for anything, fits a phone, turns dark, and works by keyboard and on paper."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.data import Dataset
from lookalike.report import Report, build
from lookalike.schema import Column, Link, Schema, Table

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: the page was NOT looked at in a browser")
CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.usefixtures("few_trees"),
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


def ward(seed: int, patients: int = 40) -> Dataset:
    """Patients, and their visits in the order of the days; a table and a column have names that would run."""
    rng = np.random.default_rng(seed)
    whose = np.repeat(np.arange(patients), rng.integers(1, 6, patients))
    key = {"kind": "key", "storage": "int64"}
    people = Table(name="people", columns=(Column(name="id", **key), Column(name=NASTY, kind="category")), key=("id",))
    columns = (Column(name="person", **key), Column(name="day", kind="integer"), Column(name="pulse", kind="number"))
    visits = Table(name=NASTY, columns=columns, links=(Link(columns=("person",), table="people", references=("id",)),), order="day")
    tables = {
        "people": pa.table({"id": pa.array(range(patients)), NASTY: pa.array(rng.choice([NASTY, "b"], patients)).dictionary_encode()}),
        NASTY: pa.table(
            {"person": pa.array(whose), "day": pa.array(np.arange(len(whose)) % 7), "pulse": pa.array(60 + 9 * rng.normal(size=len(whose)))}
        ),
    }
    return Dataset.from_arrow(tables, Schema(tables=(people, visits), subject="people.id"))


PAGES = ("internal", "several", "public", "no holdout", "linked", "linked, public")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One comparison of two tables as several pages: each a file's address."""
    folder = tmp_path_factory.mktemp("page")
    both = build(people(1), people(2), holdout=people(3), others={NASTY: people(4)}, about={NASTY: NASTY}, require=["c2st<=0.9"])
    reports = {
        "internal": Report(both.data | {"others": []}, both.scores),
        "several": both,
        "public": both.public(),
        "no holdout": build(people(1), people(2)),
        "linked": (tied := build(ward(1), ward(2), holdout=ward(3, 24), effort="quick")),
        "linked, public": tied.public(),
    }
    return {name: report.write(folder / f"{name}.html").as_uri() for name, report in reports.items()}


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
def look(browser: Any, pages: dict[str, str]) -> Callable[..., Any]:
    """Open the page at a width, in light or dark, and scroll through all of it."""

    def opened(width: int = 1280, *, dark: bool = False, page: str = "internal") -> Any:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        browser.get_log("browser"), browser.get_log("performance")
        browser.get(pages[page])
        browser.execute_async_script(SCROLL)
        await_(lambda: not browser.find_elements("css selector", "[data-chart]:not([data-drawn])"))
        return browser

    return opened


def await_(done: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "the page did not get there in time"
        time.sleep(0.03)


def background(browser: Any) -> int:
    """Brightness of the page's ground, 0 to 255."""
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    return int(colour.strip("rgba() ").split(",")[0])


@pytest.mark.parametrize(
    ("page", "width", "dark"),
    [
        ("internal", 1280, False),
        ("internal", 1280, True),
        ("internal", 400, False),
        ("several", 400, True),
        ("public", 1280, True),
        ("no holdout", 1280, False),
    ],
)
def test_it_draws_all_charts_without_a_word_in_the_console(look: Callable[..., Any], page: str, width: int, dark: bool) -> None:
    browser = look(width, dark=dark, page=page)
    charts = browser.find_elements("css selector", "[data-chart]")
    distances_and_curves = 2 if page in ("internal", "several") else 0
    assert len(charts) == (0 if page == "public" else len(KINDS) + 3 + distances_and_curves)
    for chart in charts:
        assert browser.execute_script("return arguments[0].querySelectorAll('path, canvas').length", chart) > 0
    assert browser.get_log("browser") == []
    assert (background(browser) < 60) == dark


def test_it_asks_nobody_for_anything(look: Callable[..., Any]) -> None:
    browser = look()
    sent = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"]
    assert asked and all(url.startswith(("file:", "data:", "blob:")) for url in asked)


@pytest.mark.parametrize(
    ("page", "width"),
    [("several", 400), ("several", 768), ("several", 1280), ("public", 400), ("linked", 400), ("linked", 1280), ("linked, public", 400)],
)
def test_nothing_sticks_out_sideways(look: Callable[..., Any], page: str, width: int) -> None:
    browser = look(width, page=page)
    browser.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    await_(lambda: browser.execute_script("return document.documentElement.scrollWidth") <= width)  # charts follow a new width in a while


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_linked_tables_have_a_picture_their_links_and_bars(look: Callable[..., Any], width: int, dark: bool) -> None:
    browser = look(width, dark=dark, page="linked")
    assert browser.get_log("browser") == []
    assert browser.title == "Lookalike report"
    database = browser.find_element("id", "database")
    assert [h.text for h in database.find_elements("css selector", "h3")][:2] == ["Tables", "Links"]
    picture = database.find_element("css selector", ".picture svg")
    assert picture.size["width"] > 100 and picture.size["height"] > 40
    drawn = picture.get_attribute("textContent")
    assert "people" in drawn and NASTY[:8] in drawn
    rows = [r.text for r in database.find_elements("css selector", "table.plain tbody th[scope=row]")]
    assert rows[0].startswith("people") and rows[1].startswith(NASTY)
    (link,) = database.find_elements("css selector", ".link-card")
    assert link.find_element("css selector", ".error .figure").text == "0"
    bars = link.find_elements("css selector", "svg.counts rect")
    assert len(bars) >= 8 and sum(b.size["height"] > 0 for b in bars) >= 8
    scrolled = browser.execute_script("return [...document.querySelectorAll('#database .scroll')].map((s) => s.tabIndex)")
    assert scrolled and set(scrolled) == {0}  # what is wider than a phone is reached by keyboard


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


def test_it_prints_all_charts_and_all_details(look: Callable[..., Any], pages: dict[str, str], browser: Any) -> None:
    browser.get(pages["internal"])  # nothing scrolled: charts below were never seen
    browser.execute_script(
        "addEventListener('beforeprint', () => { window.closed_ = document.querySelectorAll('.drill:not([open])').length; })"
    )
    browser.execute_cdp_cmd("Page.printToPDF", {})
    assert not browser.find_elements("css selector", "[data-chart]:not([data-drawn])")
    assert browser.execute_script("return window.closed_") == 0
    assert browser.execute_script("return document.querySelectorAll('details[open]').length") == 0  # as it was before


def test_details_open_by_keyboard(look: Callable[..., Any]) -> None:
    browser = look()
    summary = browser.find_element("css selector", "#fidelity .drill summary")
    summary.send_keys("\ue007")  # Enter
    assert browser.find_element("css selector", "#fidelity .drill[open] .inside").is_displayed()
    browser.get(browser.current_url.split("#")[0])
    browser.find_element("tag name", "body").send_keys("\ue004")  # Tab: the first stop is the way past the sections
    assert browser.execute_script("return document.activeElement.className") == "skip"


def test_a_curve_can_be_taken_away(look: Callable[..., Any]) -> None:
    browser = look()
    count = "return [...document.querySelectorAll('#privacy .roc path')].filter((p) => p.getAttribute('d')).length"
    before = browser.execute_script(count)
    browser.execute_script("document.querySelector('[data-curve]').click()")
    await_(lambda: browser.execute_script(count) == before - 1)


def test_every_section_of_the_list_is_there(look: Callable[..., Any]) -> None:
    for page in PAGES:
        browser = look(page=page)
        wanted = [a.get_attribute("hash")[1:] for a in browser.find_elements("css selector", "nav a")]
        assert wanted == [s.get_attribute("id") for s in browser.find_elements("css selector", "main > section")]


def test_a_public_page_has_no_figure_that_is_not_coarse(look: Callable[..., Any], pages: dict[str, str]) -> None:
    browser = look(page="public")
    text = browser.find_element("tag name", "main").text
    assert "As confidential as the data" not in text and "public" in text
    figures = re.findall(r"\d+\.(\d+)", browser.find_element("id", "overview").text)
    assert figures and max(map(len, figures)) <= 2
    assert "95 %" not in browser.find_element("id", "overview").text
