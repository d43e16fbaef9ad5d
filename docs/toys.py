"""Draws what each model makes of three toys, into `toys.png` and `models.md`: `python docs/toys.py` (some minutes; needs Chromium).

A toy is a law of two numbers and a label that hangs on where they lie. Every model learns it from the same rows at its defaults. The
darker a spot, the denser it is; its colour is the label, and a mixture where labels mix.
"""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from settings import PAGE, within

import lookalike
from lookalike.compare.boost import one_thread

PICTURE = PAGE.with_name("toys.png")
ROWS, DRAWN, JUDGED = 10_000, 50_000, 10_000
"""Rows that a model learns from, that the picture shows, and that the classifier sees of either kind."""
BY_OTHERS = ("auto", "relational", "ruled", "sequence", "series", "surrogate")
"""Models that draw by others, or draw sequences."""
NAMES = ("a", "b", "c")
"""The labels."""
REACH = 1.12
"""Toys lie within −1 … 1, and the picture shows a little more."""
WIDTH, MARGIN, GAP = 1_280, 20, 12
"""Of the picture, in pixels; it is drawn at twice that for sharp screens."""
INKS = np.array([(23, 78, 166), (214, 112, 0), (0, 133, 110)])
PAPER, GROUND, INK, SOFT = np.array([255, 255, 255]), "#f3f3f0", "#1b1f24", "#5d6670"
SHADES = 10

Points = tuple[np.ndarray, np.ndarray, np.ndarray]
"""x, y and the number of the label of each row."""


def checkerboard(n: int, rng: np.random.Generator) -> Points:
    """Half of the sixteen fields of a board; neither its line nor its column alone tells a field's label."""
    field = rng.integers(0, 8, n)
    down, across = field // 2, 2 * (field % 2) + field // 2 % 2
    x, y = (across + rng.random(n)) / 2 - 1, (down + rng.random(n)) / 2 - 1
    return x, y, (across + 2 * down) // 2 % 3


def rings(n: int, rng: np.random.Generator) -> Points:
    """Three rings, one in the other, with as many rows as they are long; the ring is the label."""
    ring = rng.choice(3, n, p=np.array([1, 2, 3]) / 6)
    far, turn = (ring + 1) * 0.3 + rng.normal(0, 0.02, n), 2 * np.pi * rng.random(n)
    return far * np.cos(turn), far * np.sin(turn), ring


def spiral(n: int, rng: np.random.Generator) -> Points:
    """Three arms of a spiral, one in the other; the arm is the label."""
    arm, along = rng.integers(0, 3, n), np.sqrt(rng.random(n))
    turn, far = 2 * np.pi * (arm / 3 + 0.9 * along), 0.06 + 0.88 * along
    return far * np.cos(turn) + rng.normal(0, 0.02, n), far * np.sin(turn) + rng.normal(0, 0.02, n), arm


TOYS: dict[str, Callable[[int, np.random.Generator], Points]] = {"checkerboard": checkerboard, "rings": rings, "spiral": spiral}


@dataclass(frozen=True)
class Panel:
    """What one model made of one toy."""

    toy: str
    model: str
    """Empty for the toy itself."""
    points: Points
    auc: float
    """Of boosted trees that tell its rows from fresh ones of the toy."""
    seconds: float | None = None
    """Of the fit, over all cores: other work on the machine hardly changes them."""


def table(points: Points) -> pd.DataFrame:
    """The rows as a model is given them."""
    x, y, label = points
    return pd.DataFrame({"x": x.round(4), "y": y.round(4), "label": np.array(NAMES)[label]})


def points_of(frame: pd.DataFrame) -> Points:
    """The rows that a model made."""
    label = frame["label"].map({name: k for k, name in enumerate(NAMES)})
    return frame["x"].to_numpy(float), frame["y"].to_numpy(float), label.to_numpy(int)


def told_apart(one: Points, other: Points, *, rows: int) -> float:
    """AUC of boosted trees, five-fold, that tell the first rows of both apart; 0.5 where nothing does."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    sides = [np.stack([v[:rows] for v in points], axis=1) for points in (one, other)]
    x, truth = np.concatenate(sides), np.repeat([0, 1], [len(s) for s in sides])
    judge = HistGradientBoostingClassifier(max_iter=100, categorical_features=[2], early_stopping=False, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    with one_thread():
        seen = cross_val_predict(judge, x, truth, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(truth, seen))


def learned(toy: str, model: str, *, rows: int = ROWS, drawn: int = DRAWN, judged: int = JUDGED) -> Panel:
    """Fit a model at its defaults to rows of a toy, and let it draw."""
    law = TOYS[toy]
    real = table(law(rows, np.random.default_rng(0)))
    start = time.process_time()
    made = lookalike.fit(real, model=model, seed=0)
    took = time.process_time() - start
    points = points_of(lookalike.sample(made, drawn, seed=1))
    return Panel(toy, model, points, told_apart(points, law(judged, np.random.default_rng(1)), rows=judged), took)


def fresh(toy: str, *, drawn: int = DRAWN, judged: int = JUDGED) -> Panel:
    """The toy itself, judged as a model is."""
    points = TOYS[toy](drawn, np.random.default_rng(2))
    return Panel(toy, "", points, told_apart(points, TOYS[toy](judged, np.random.default_rng(1)), rows=judged))


def drawn_by() -> list[str]:
    """The models that are drawn: all of them, but those that draw by others or draw sequences; the floor comes last."""
    names = [name for name in lookalike.known_models() if name not in ("independent", *BY_OTHERS)]
    return [*names, "independent"]


def measured(models: Sequence[str]) -> list[Panel]:
    """All panels, toy by toy; libraries are loaded and code is compiled before a clock runs."""
    panels = []
    for toy, law in TOYS.items():
        panels.append(fresh(toy))
        for model in models:
            if toy == next(iter(TOYS)):
                lookalike.fit(table(law(500, np.random.default_rng(3))), model=model, seed=0)
            panels.append(learned(toy, model))
            sys.stdout.write(f"{toy:14} {model:16} C2ST {panels[-1].auc:.3f}  fit {brief(panels[-1].seconds)} CPU s\n")
            sys.stdout.flush()
    return panels


def counts(points: Points, side: int) -> np.ndarray:
    """int64 [side, side, labels]: rows in each square of the picture; the first index goes down."""
    x, y, label = points
    across, down = (np.floor((v + REACH) / (2 * REACH) * side).astype(int) for v in (x, -y))
    inside = (across >= 0) & (across < side) & (down >= 0) & (down < side)
    out = np.zeros((side, side, len(NAMES)), int)
    np.add.at(out, (down[inside], across[inside], label[inside]), 1)
    return out


def colours(found: np.ndarray, full: float) -> np.ndarray:
    """int [side, side, 3]: the colour of each square; `full` rows are darkest. Shades are roots, so that single strays show."""
    total = found.sum(axis=2)
    shade = np.ceil(SHADES * np.sqrt(np.minimum(total / full, 1))) / SHADES
    parts = np.round(4 * found / np.maximum(total, 1)[:, :, None])  # quarters: few colours make a small file
    ink = parts @ INKS / np.maximum(parts.sum(axis=2), 1)[:, :, None]
    return np.round(PAPER + shade[:, :, None] * (ink - PAPER)).astype(int)


def squares(paint: np.ndarray) -> str:
    """SVG paths of all squares that are not paper, one path a colour; neighbours in a line are one rectangle."""
    paths: dict[tuple[int, ...], list[str]] = {}
    for down, line in enumerate(paint):
        ends = np.flatnonzero(np.any(np.diff(line, axis=0) != 0, axis=1)) + 1
        for first, last in zip([0, *ends], [*ends, len(line)], strict=True):
            colour = tuple(int(v) for v in line[first])
            if colour != tuple(PAPER):
                paths.setdefault(colour, []).append(f"M{first} {down}h{last - first}v1h-{last - first}z")
    return "".join(f'<path fill="rgb{colour}" d="{"".join(parts)}"/>' for colour, parts in paths.items())


def picture(panels: Sequence[Panel]) -> tuple[str, int]:
    """The SVG of all panels, a line a toy and a column a model, and its height in pixels."""
    models = list(dict.fromkeys(panel.model for panel in panels))
    room = (WIDTH - 2 * MARGIN + GAP) // len(models) - GAP
    side = room // 2
    lines, step = list(dict.fromkeys(panel.toy for panel in panels)), 2 * side + 54
    left, parts = (WIDTH - len(models) * (2 * side + GAP) + GAP) // 2, []
    for panel in panels:
        x = left + models.index(panel.model) * (2 * side + GAP)
        y, middle = 40 + lines.index(panel.toy) * step, x + side
        mine = [p for p in panels if p.toy == panel.toy]
        scale = counts(mine[0].points, side).sum(axis=2)
        full = float(np.quantile(scale[scale > 0], 0.9)) * len(panel.points[0]) / len(mine[0].points[0])
        best = bool(panel.model) and panel.auc < min(p.auc for p in mine if p.model) + 0.01
        if panel.toy == lines[0]:
            parts.append(text(middle, 28, panel.model or "real", size=15, bold=True))
        parts.append(f'<rect x="{x}" y="{y}" width="{2 * side}" height="{2 * side}" fill="rgb{tuple(int(v) for v in PAPER)}"/>')
        parts.append(f'<g transform="translate({x} {y}) scale(2)" shape-rendering="crispEdges">')
        parts.append(squares(colours(counts(panel.points, side), full)) + "</g>")
        parts.append(text(middle, y + 2 * side + 18, f"C2ST {panel.auc:.3f}", bold=best))
        parts.append(text(middle, y + 2 * side + 35, "fresh rows" if panel.seconds is None else f"{brief(panel.seconds)} CPU s", fill=SOFT))
    tall = 40 + (len(lines) - 1) * step + 2 * side + 35 + MARGIN
    ground = f'<rect width="{WIDTH}" height="{tall}" fill="{GROUND}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{tall}">{ground}{"".join(parts)}</svg>', tall


def brief(seconds: float) -> str:
    """Seconds with one digit, or two if they are few."""
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"


def text(x: int, y: int, words: str, *, size: int = 13, bold: bool = False, fill: str = INK) -> str:
    """Words about the middle `x`."""
    font = f'font-family="Liberation Sans, Arial, Helvetica, sans-serif" font-size="{size}"' + (' font-weight="700"' if bold else "")
    return f'<text x="{x}" y="{y}" text-anchor="middle" fill="{fill}" {font}>{words}</text>'


def photograph(svg: str, tall: int) -> bytes:
    """The picture as PNG, twice as large, by Chromium."""
    from selenium import webdriver

    browser, driver = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if not (browser and driver):
        raise SystemExit("needs chromium and chromedriver to draw the picture")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    with tempfile.TemporaryDirectory() as folder:
        for flag in ("headless", "no-sandbox", "disable-gpu", f"user-data-dir={folder}/profile"):
            options.add_argument(f"--{flag}")
        page = Path(folder) / "picture.html"
        page.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0;overflow:hidden">{svg}', encoding="utf-8")
        chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            size = {"width": WIDTH, "height": tall, "deviceScaleFactor": 2, "mobile": False}
            chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            chrome.get(page.as_uri())
            return base64.b64decode(chrome.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])
        finally:
            chrome.quit()


def told(panels: Sequence[Panel]) -> str:
    """The picture, and its figures as a Markdown table."""
    found = {(panel.toy, panel.model): panel for panel in panels}
    toys, models = list(dict.fromkeys(t for t, _ in found)), [m for m in dict.fromkeys(m for _, m in found) if m]
    alt = f"Densities of {', '.join(toys)} as {', '.join(models)} make them, beside the real ones"
    out = [f"![{alt}]({PICTURE.name})", "", "C2ST AUC · CPU seconds of the fit, over all cores:", ""]
    out += ["| model | " + " | ".join(toys) + " |", "|---|" + "--:|" * len(toys)]
    out.append("| fresh rows of the toy | " + " | ".join(f"{found[toy, ''].auc:.3f}" for toy in toys) + " |")
    for model in models:
        mine = [f"{p.auc:.3f} · {brief(p.seconds)} s" for p in (found[toy, model] for toy in toys)]
        out.append(f"| `{model}` | " + " | ".join(mine) + " |")
    return "\n".join(out) + "\n"


def main() -> None:
    """Fit, draw, write."""
    panels = measured(drawn_by())
    PICTURE.write_bytes(photograph(*picture(panels)))
    before, _, after = within(PAGE.read_text(encoding="utf-8"), "toys")
    PAGE.write_text(before + told(panels) + after, encoding="utf-8")
    sys.stdout.write(f"{PICTURE.name}: {PICTURE.stat().st_size / 1024:.0f} KB\n")


if __name__ == "__main__":
    main()
