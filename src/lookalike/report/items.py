"""What is measured of linked tables and of sequences: which metric on which view, and what the figure is called and means.

The metrics are those of single tables. What they see is a view: a flat table made of linked ones or of ordered rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lookalike import metrics


@dataclass(frozen=True)
class Item:
    """A metric on the views of one kind. `names`: the metric's findings that are kept → (name, title) in the report."""

    kind: str
    metric: str
    names: Mapping[str, tuple[str, str]]
    definition: str
    source: str = ""
    own: str = ""
    """The name of the definition; the metric's own where its figures keep their names."""
    quick: bool = True
    title: str = ""

    @property
    def called(self) -> str:
        """The name of what is defined."""
        return self.own or self.metric

    def entry(self) -> dict[str, Any]:
        """The definition as the report has it."""
        about = metrics.load(self.metric).ABOUT
        return {
            "name": self.called,
            "kind": "metric",
            "title": self.title or about.title,
            "text": f"{self.definition} {about.definition}".strip(),
            "source": f"{self.source}; {about.source}" if self.source else about.source,
            "area": about.area,
            "better": metrics.load(self.metric).BETTER,
            "against": about.against,
            "rows": about.rows,
            "control_rows": about.control_rows,
        }


SHAPES = {
    "shape": ("shape", "Column shapes"),
    "wasserstein": ("wasserstein", "Moved mass"),
    "jensen_shannon": ("jensen_shannon", "Jensen–Shannon distance"),
}
TABLES = "Every table alone, without its keys; the figure is the mean over all columns (pairs, tables) of the database."
LINKED = (
    Item("table", "shape", SHAPES, TABLES),
    Item("table", "trend", {"trend": ("trend", "Pair trends"), "dependence": ("dependence", "Dependence")}, TABLES),
    Item("table", "missing", {"missing": ("missing", "Missing cells")}, TABLES),
    Item("table", "c2st", {"c2st": ("c2st", "Classifier test")}, TABLES),
    Item(
        "counts", "shape", {"shape": ("cardinality", "Cardinality")},
        "Children per parent, those without any included: for each link the greatest difference between the two cumulative distributions "
        "of the number of rows that refer to a row of the other table; the mean over all links.",
        "as SDMetrics' CardinalityShapeSimilarity, turned into an error", "cardinality", title="Cardinality",
    ),
    Item(
        "link", "trend", {"trend": ("link_trend", "Trends across links"), "dependence": ("link_dependence", "Dependence across links")},
        "Rows of a child table beside the row that they refer to: only pairs of a column of the one and a column of the other; the mean "
        "over all such pairs of the database.",
        "as SDMetrics' inter-table trends", "link_trend", title="Trends across links",
    ),
    Item(
        "hop", "trend", {"trend": ("hop_trend", "Trends two links away"), "dependence": ("hop_dependence", "Dependence two links away")},
        "As trends across links, of two tables that are two links apart: a row and its grandparent, or the two parents of one row.",
        "k-hop column pair trends: Kapenekakis et al. 2024, Hudovernik et al. 2024", "hop_trend", title="Trends two links away",
    ),
    Item(
        "parent", "c2st", {"c2st": ("c2st_agg", "Classifier test, parents with children")},
        "Each parent with what its children are together: how many, and of each of their columns the mean, least and greatest number, or "
        "the commonest level and how many levels; children have with them how many children of their own, and their means. The mean over "
        "all tables that others refer to.",
        "C2ST-Agg of SyntheRela: Hudovernik et al. 2024", "c2st_agg", title="Classifier test, parents with children",
    ),
)  # fmt: skip
ORDERED = (
    Item(
        "steps", "trend",
        {"trend": ("step_trend", "Trends from row to row"), "dependence": ("step_dependence", "Dependence from row to row")},
        "Each row of a sequence beside the one before it, of the same owner: only pairs of a column of the one and a column of the other. "
        "Of a label these are its transitions; of a number, what a step depends on.",
        "transition matrices on bins of both rows", "step_trend", title="Trends from row to row",
    ),
    Item(
        "gaps", "shape", {"shape": ("intervals", "Intervals between rows")},
        "What lies between a row and the one before it, in units of the order: the greatest difference between the two cumulative "
        "distributions.",
        "inter-event times", "intervals", title="Intervals between rows",
    ),
    Item(
        "lengths", "shape", {"shape": ("length", "Lengths")},
        "Rows an owner has: the greatest difference between the two cumulative distributions.",
        "as SDMetrics' SequenceLengthSimilarity, turned into an error", "length", title="Lengths",
    ),
    Item(
        "features", "shape", {"shape": ("sequence_shape", "Shapes of sequences")},
        "Each owner's sequence as one row: of numbers the mean, spread, first and last value, slope and correlation of a row with the one "
        "before; of labels the share of the commonest levels and how often they change. The mean over these features.",
        "this project", "sequence_shape", title="Shapes of sequences",
    ),
    Item(
        "features", "c2st", {"c2st": ("c2st_sequence", "Classifier test of sequences")},
        "On the same features with the number of rows: can whole sequences be told from fresh real ones?",
        "this project", "c2st_sequence", title="Classifier test of sequences",
    ),
)  # fmt: skip
SUBJECT = (
    Item(
        "subject", "copies", {"exact_copies": ("exact_copies", "Exact copies"), "near_copies": ("near_copies", "Near copies")},
        "Whole subjects: each with what its rows are together, so that a copy is a copied subject.",
    ),
    Item(
        "subject", "nearness", {"dcr_share": ("dcr_share", "Nearness to training rows")},
        "Whole subjects: each with what its rows are together.",
    ),
)  # fmt: skip
