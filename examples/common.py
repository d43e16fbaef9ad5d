"""What the examples share: where the data are, how many rows to take, and a picture with little ink."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

REAL, MADE, OTHER = "#5f6b7a", "#1a73e8", "#d67000"


def asked(about: str, *needs: str, rows: int) -> argparse.Namespace:
    """The flags of an example. `needs` are files below the data folder; one that is missing ends the example with what to do."""
    home = Path(os.environ.get("LOOKALIKE_DATA") or Path(__file__).resolve().parents[1] / "../shared/data").resolve()
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=home, help="folder of the data sets; LOOKALIKE_DATA if not given")
    parser.add_argument("--rows", type=int, default=rows, help=f"rows or subjects of each table to take at most ({rows:,})")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the picture and what is made")
    parser.add_argument("--database", help="where linked tables go: sqlite:///shop.db or postgresql://…")
    found = parser.parse_args()
    lost = [name for name in needs if not (found.data / name).is_file()]
    if lost:
        raise SystemExit(f"no {', '.join(lost)} in {found.data}\n  → examples/README.md says where it comes from; then --data FOLDER")
    found.out.mkdir(parents=True, exist_ok=True)
    return found


def panels(*titles: str) -> tuple[plt.Figure, list[plt.Axes]]:
    """A figure with a panel for each title, side by side."""
    figure, axes = plt.subplots(1, len(titles), figsize=(4.6 * len(titles), 3.6), dpi=120, layout="constrained", squeeze=False)
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, loc="left", fontsize=10, fontweight="bold")
        panel.spines[["top", "right"]].set_visible(False)
    return figure, list(axes[0])


def keep(figure: plt.Figure, path: Path, *gained: str) -> None:
    """Write the picture, with a legend where things have names, and say what was gained."""
    for panel in figure.axes:
        if panel.get_legend_handles_labels()[0] and panel.get_legend() is None:
            panel.legend(frameon=False, fontsize=8)
    figure.savefig(path)
    plt.close(figure)
    print(f"picture: {path}")
    print("Gained:", *gained)
