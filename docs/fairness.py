"""Draws what fairness costs into `fairness.png`, from what benchmarks/steer/fairness.py has measured: `python docs/fairness.py`.

One panel a table: accuracy on real rows upwards, the difference between groups to the right, so that the upper left corner is best. A line
joins the strengths of one way of drawing: rows as the model drew them, 0.5, 0.8 (0.9), full parity. Needs Chromium.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from toys import GROUND, INK, SOFT, WIDTH, photograph, text

KEPT = Path(__file__).parents[1] / "benchmarks" / "results" / "fairness.json"
PICTURE = Path(__file__).with_name("fairness.png")
JUDGE = "trees, sees"
"""Whose figures are shown: boosted trees that see the protected column."""
LINES = {
    "parity": ("demographic", "#174ea6"),
    "parity, seen": ("demographic, group seen", "#d67000"),
    "selection, seen": ("selection, group seen", "#00856e"),
}
POINTS = {"real rows": "real rows", "real rows, reweighed": "reweighed", "forest": "forest", "mostlyai-engine": "mostlyai, fair"}
STRENGTHS = ("0.5", "0.8", "0.9", "1")
SIDE, TALL, LEFT, TOP = 330, 400, 76, 56

Spot = tuple[float, float]
"""Demographic parity and AUC."""


def spots(kept: dict[str, dict], name: str) -> dict[str, Spot]:
    """Means over the seeds, by method."""
    found: dict[str, list[Spot]] = {}
    for key, cell in kept.items():
        table, _, method = key.split("/", 2)
        if table == name:
            found.setdefault(method, []).append((cell[JUDGE][1], cell[JUDGE][0]))
    return {method: tuple(np.mean(values, axis=0)) for method, values in found.items()}


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`."""
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / s <= 6)
    return [round(step * i, 2) for i in range(int(np.ceil(low / step - 1e-9)), int(high / step + 1e-9) + 1)]


def axes(name: str, x0: int, place: Callable[[Spot], Spot], spread: tuple[float, float, float]) -> list[str]:
    """The frame of a panel with its ticks; `spread`: greatest difference, least and greatest AUC."""
    most, low, high = spread
    parts = [
        f'<rect x="{x0}" y="{TOP}" width="{SIDE}" height="{TALL}" fill="#ffffff"/>',
        text(x0 + SIDE // 2, TOP - 16, name, size=16, bold=True),
    ]
    for tick in ticks(0, most):
        x, _ = place((tick, low))
        parts += [f'<path d="M{x:.1f} {TOP}v{TALL}" stroke="#e4e4df"/>', text(round(x), TOP + TALL + 18, f"{tick:g}", fill=SOFT)]
    for tick in ticks(low, high):
        _, y = place((0, tick))
        parts += [f'<path d="M{x0} {y:.1f}h{SIDE}" stroke="#e4e4df"/>', text(x0 - 22, round(y) + 4, f"{tick:.2f}", fill=SOFT)]
    parts.append(text(x0 + SIDE // 2, TOP + TALL + 40, "difference in the share selected", fill=INK))
    return parts


def panel(name: str, found: dict[str, Spot], x0: int) -> str:
    """One table's lines and points."""
    shown = [m for m in found if m in POINTS or m.rpartition(" ")[0] in LINES]
    most = 1.08 * max(found[m][0] for m in shown)
    low, high = min(found[m][1] for m in shown), max(found[m][1] for m in shown)
    low, high = low - 0.06 * (high - low), high + 0.08 * (high - low)
    place = lambda s: (x0 + s[0] / most * SIDE, TOP + (high - s[1]) / (high - low) * TALL)  # noqa: E731
    parts = axes(name, x0, place, (most, low, high))
    for way, (_, ink) in LINES.items():
        way_spots = [place(found[m]) for m in ("forest", *(f"{way} {s}" for s in STRENGTHS)) if m in found]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in way_spots)
        parts.append(f'<path d="M{path}" fill="none" stroke="{ink}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{ink}"/>' for x, y in way_spots[1:]]
    for method, said in POINTS.items():
        if method in found:
            x, y = place(found[method])
            parts.append(f'<path d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z" fill="{INK}"/>')
            above = 24 if method == "forest" else -12
            parts.append(text(round(min(x, x0 + SIDE - 34)), round(y) + above, said, size=12))
    return "".join(parts)


def picture(kept: dict[str, dict]) -> tuple[str, int]:
    """The SVG of all tables, and its height in pixels."""
    names = sorted({key.split("/")[0] for key in kept}, key=lambda name: (name == "simulated", -len(spots(kept, name)), name))
    step, tall = SIDE + LEFT, TOP + TALL + 92
    parts = [panel(name, spots(kept, name), LEFT + i * step) for i, name in enumerate(names)]
    parts.append(f'<g transform="translate(22 {TOP + TALL // 2}) rotate(-90)">{text(0, 0, "AUC on real rows", fill=INK)}</g>')
    for i, (said, ink) in enumerate(LINES.values()):
        x, y = LEFT + 60 + i * 330, TOP + TALL + 70
        parts.append(f'<path d="M{x} {y}h36" stroke="{ink}" stroke-width="2.5"/><circle cx="{x + 18}" cy="{y}" r="5" fill="{ink}"/>')
        parts.append(text(x + 130, y + 5, said))
    ground = f'<rect width="{WIDTH}" height="{tall}" fill="{GROUND}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{tall}">{ground}{"".join(parts)}</svg>', tall


def main() -> None:
    """Read, draw, write."""
    if not KEPT.is_file():
        raise SystemExit("measure first: python benchmarks/steer/fairness.py")
    PICTURE.write_bytes(photograph(*picture(json.loads(KEPT.read_text(encoding="utf-8")))))
    sys.stdout.write(f"{PICTURE.name}: {PICTURE.stat().st_size / 1024:.0f} KB\n")


if __name__ == "__main__":
    main()
