"""The verdict in plain words, area by area: what the scores say, each beside what real rows score. No total, no grade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lookalike.compare.stats import variance
from lookalike.score import Score

Said = dict[str, str]
AREAS = ("fidelity", "diversity", "utility", "fairness", "privacy")
SURE = 3.3
"""Standard errors by which a figure must be worse than that of real rows to count: some forty are looked at, and not one in twenty
reports on rows of the same law should say that one of them is worse."""
AS_REAL, NEAR = 0.97, 0.85
"""Skills from which on a figure is as good as that of real rows, and near it."""
SLIGHT = {"%": 1.0, "": 0.01}
"""Differences that are near where no control is far enough off to tell skill."""
FALSE = 0.01
"""Chance that a table of the real law is said to differ in any column, pair or group: small, as the other statements together have four
in a hundred of their own."""
VAGUE = 0.5
"""Width of an interval of a share that says nothing."""
SEQUENCES = ("step_trend", "step_dependence", "intervals", "length", "sequence_shape")
WINDOWS = ("autocorrelation", "cross_correlation", "spectrum", "context_fid", "discriminative", "predictive", "dtw")
"""Scores of the order of rows that are told together."""
ALONE = (
    "c2st_sequence",
    *SEQUENCES,
    *WINDOWS,
    "shape",
    "trend",
    "dependence",
    "correlation",
    "c2st",
    "utility",
    "exact_copies",
    "dcr_share",
)
"""Scores with a statement of their own; the others are told together, an area at a time."""
WELL = 0.75
"""Area under the curve from which a classifier tells tables well; one that could not even notice that much has nothing to say."""


def judged(scores: Sequence[Score], *, given: bool, target: str | None) -> list[Said]:
    """Statements of (tone, area, title, text) on the scores: tone is `good`, `fair`, `poor` or `open` (cannot be said)."""
    by_name = {s.name: s for s in scores}
    rest = {area: [s for s in scores if s.area == area and s.name not in ALONE] for area in AREAS}
    said = [
        _differing(scores),
        alone(by_name.get("shape"), "Single columns", "column shapes"),
        _pairs(by_name),
        together(rest["fidelity"], "Other likeness"),
        told(by_name.get("c2st")),
        together(rest["diversity"], "Diversity"),
        _useful(by_name.get("utility"), target),
        together(rest["utility"], "Other uses"),
        together(rest["fairness"], "Fairness"),
        _copied(by_name.get("exact_copies"), given),
        _near(by_name.get("dcr_share"), given),
        together(rest["privacy"], "Other traces of training rows") if given else {},
    ]
    return [s for s in said if s]


def doubted(said: Sequence[Said], split: Mapping[str, Any], *, few: bool) -> list[Said]:
    """The verdict: a word on a bad holdout first, and nothing called good where few rows, or that holdout, make it look so.

    What attacks say of members and strangers means nothing at all if the two are not of one law.
    """
    out = [say("poor", "split", "The holdout", split["text"])] if split["tone"] == "poor" else []
    for s in said:
        kind = s["tone"] in ("good", "fair") or (s["title"] == "Attacks" and "fidelity" in split["doubts"])
        if few and s["tone"] in ("good", "fair"):
            s = s | {"tone": "open", "text": f"Too few rows to say. {s['text']}"}
        elif kind and s["tone"] != "open" and s["area"] in split["doubts"]:
            s = s | {"tone": "open", "text": f"In doubt, as the holdout is not what it must be. {s['text']}"}
        out.append(s)
    return out


def say(tone: str, area: str, title: str, text: str) -> Said:
    """A statement."""
    return {"tone": tone, "area": area, "title": title, "text": text}


def _open(score: Score, title: str) -> Said:
    return say("open", score.area, title, f"Not computed: {score.note}.")


def _differing(scores: Sequence[Score]) -> Said:
    """What differs beyond chance, however many columns, pairs and groups were looked at."""
    tested = [s for s in scores if s.tested and s.value is not None]
    if not tested:
        return {}
    title, total = "Beyond chance", sum(s.tested for s in tested)
    # Each score's rate is its own: a share of the whole keeps the chance that anything at all is named in vain.
    rate = FALSE / len(tested)
    found = sorted((f["q"], str(f["name"]), s.title.lower()) for s in tested for f in s.flagged if f["q"] <= rate)
    if not found:
        return say("good", "fidelity", title, f"None of {total:,} columns, pairs and groups that were looked at differs beyond chance.")
    named = ", ".join(f"{name} ({of})" for _, name, of in found[:4]) + (f" and {len(found) - 4:,} more" if len(found) > 4 else "")
    return say("fair", "fidelity", title, f"Of {total:,} columns, pairs and groups that were looked at, these differ: {named}.")


def worse(score: Score) -> bool:
    """Whether the figure is surely worse than that of fresh real rows."""
    if score.value is None or score.ceiling is None:
        return False
    gap = score.value - score.ceiling
    gap = abs(gap) if score.better == "target" else gap if score.better == "lower" else -gap
    noise = variance(score.value, (score.low, score.high)) + variance(score.ceiling, score.ceiling_interval)
    return gap > SURE * noise**0.5 + 1e-9


def tone(score: Score) -> str:
    """How the figure stands to that of fresh real rows."""
    if score.value is None or score.ceiling is None:
        return "open"
    skill = score.skill
    if not worse(score) or (skill is not None and skill >= AS_REAL):
        return "good"
    slight = abs(score.value - score.ceiling) <= SLIGHT.get(score.unit, 0.01)
    near = slight if skill is None else skill >= NEAR
    return "fair" if near else "poor"


def together(scores: Sequence[Score], title: str) -> Said:
    """One statement on several figures: how many are as of real rows, and which are not."""
    tones = {s.name: tone(s) for s in scores}
    judged = [s for s in scores if tones[s.name] != "open"]
    if not judged:
        reasons = list(dict.fromkeys(s.note for s in scores if s.note))
        return say("open", scores[0].area, title, f"Not judged: {'; '.join(reasons[:3]) or 'no ceiling'}.") if scores else {}
    far, near = ([s for s in judged if tones[s.name] == t] for t in ("poor", "fair"))
    good = len(judged) - len(far) - len(near)
    parts = [f"{_number(good, len(judged))} as of real rows"]
    far.sort(key=lambda s: s.skill if s.skill is not None else 0.0)
    for word, some in (("far from them", far), ("near them", near)):
        if some:
            more = f" and {len(some) - 3} more" if len(some) > 3 else ""
            parts.append(f"{word}: {', '.join(_pair(s) for s in some[:3])}{more}")
    worst = "poor" if far else "fair" if near else "good"
    return say(worst, scores[0].area, title, "; ".join(parts) + ".")


def _number(good: int, of: int) -> str:
    if of == 1:
        return "The one figure is" if good else "The one figure is not"
    if of == 2 and good != 1:
        return "Both figures are" if good else "Neither figure is"
    return f"All {of} figures are" if good == of else f"None of {of} figures is" if not good else f"{good} of {of} figures are"


def _pair(score: Score) -> str:
    return f"{score.title.lower()} ({figure(score.value, score.unit)}, real rows {figure(score.ceiling, score.unit)})"


def figure(value: float | None, unit: str) -> str:
    """A figure as a verdict writes it."""
    return "–" if value is None else f"{value:.2f} %" if unit == "%" else f"{value:.3f}"


def alone(score: Score | None, title: str, what: str) -> Said:
    """The statement on one error in percent; nothing where there is no such score."""
    if score is None:
        return {}
    if score.value is None:
        return _open(score, title)
    if score.ceiling is None or score.low is None:
        return say("open", score.area, title, f"The error of {what} is {score.value:.2f} %; there is nothing to compare it with.")
    pair = f"{score.value:.2f} % error, where fresh real rows of the same number have {score.ceiling:.2f} %"
    differ = ""
    if score.flagged:
        named = ", ".join(str(f["name"]) for f in score.flagged[:3])
        differ = f" {len(score.flagged)} of {score.tested} differ for sure, such as {named}."
    if not worse(score):
        return say("good", score.area, title, f"As good as real rows: {pair}.{differ}")
    found = "fair" if score.value <= _tolerable(score) else "poor"
    return say(found, score.area, title, f"{'Near' if found == 'fair' else 'Far from'} real rows: {pair}.{differ}")


def _pairs(by_name: Mapping[str, Score]) -> Said:
    """The statement on pairs: shares of cells can be near where what they say of dependence is far, so that the worst of three counts."""
    said = alone(by_name.get("trend"), "Pairs of columns", "pair trends")
    others = [by_name[n] for n in ("dependence", "correlation") if n in by_name]
    off = [s for s in others if tone(s) in ("fair", "poor")]
    if not said or not off:
        return said
    named = " and ".join(_pair(s) for s in off)
    if any(tone(s) == "poor" for s in off) and said["tone"] != "poor":
        # The text of a lesser tone would contradict this one.
        _, _, figures = said["text"].partition(": ")
        return said | {"tone": "poor", "text": f"Far from real rows in {named}. Cells of two-way tables: {figures}"}
    return said | {"tone": said["tone"] if said["tone"] == "poor" else "fair", "text": f"{said['text']} Off as well: {named}."}


def _tolerable(score: Score) -> float:
    """An error that is still near: a few times that of real rows, and at most a quarter of the way to the floor where that lies far off."""
    ceiling, floor = score.ceiling or 0.0, score.floor or 0.0
    near = 2.5 * ceiling + 0.5
    return min(near, ceiling + (floor - ceiling) / 4) if floor > 1.5 * ceiling else near


def _upper(score: Score) -> float:
    """Upper end of the ceiling's own interval."""
    return score.ceiling_interval[1] if score.ceiling_interval else score.ceiling or 0.0


def told(score: Score | None, title: str = "A classifier's view") -> Said:
    """The statement on a classifier that tells synthetic from fresh real rows; nothing where there is no such score."""
    if score is None:
        return {}
    if score.value is None or score.low is None:
        return _open(score, title)
    names = [r["name"] for r in score.detail["synthetic"].get("reasons", []) if r["loss"] > 0.003][:3]
    by = f" What gives it away: {', '.join(names)}." if names else ""
    figure = f"(AUC {score.value:.3f}; 0.5 is a coin toss, 1 is certainty)"
    least = None if score.detectable is None else max(0.5, score.ceiling or 0.5) + score.detectable
    if least is not None and least >= WELL and score.low <= max(0.5, _upper(score)):
        blind = "not even an AUC of 1 would stand out" if least >= 1 else f"only an AUC above {least:.3f} would stand out"
        interval = f"95 % interval {score.low:.3f} to {score.high:.3f}"
        text = f"Too few rows to say {figure[:-1]}; {interval}). With so few, {blind} from that of real rows."
        return say("open", score.area, title, text)
    if score.low <= max(0.5, _upper(score)) or score.value < 0.51:
        return say("good", score.area, title, f"It cannot tell synthetic from fresh real rows {figure}.")
    if score.value < 0.6:
        return say("fair", score.area, title, f"It can hardly tell synthetic from fresh real rows {figure}.{by}")
    if score.value < WELL:
        return say("fair", score.area, title, f"It tells synthetic from fresh real rows in part {figure}.{by}")
    return say("poor", score.area, title, f"It tells synthetic from fresh real rows well {figure}.{by}")


def in_order(by: Mapping[str, Score]) -> list[Said]:
    """Statements on sequences, where there are any."""
    found = [by[n] for n in (*SEQUENCES, *WINDOWS) if n in by]
    if not found:
        return []
    return [s for s in (together(found, "Order"), told(by.get("c2st_sequence"), "A classifier's view of sequences")) if s]


def _useful(score: Score | None, target: str | None) -> Said:
    title = "Use for prediction"
    if score is None:
        return {}
    if score.value is None:
        return _open(score, title)
    measure = score.detail["synthetic"].get("measure", "")
    if score.ceiling is None or score.floor is None or score.low is None:
        return say("open", score.area, title, f"Predicting {target}: {measure} {score.value:.3f}; there is nothing to compare it with.")
    pair = f"predicting {target}, {measure} {score.value:.3f} where real rows give {score.ceiling:.3f}"
    reach = score.ceiling - score.floor
    if reach < 0.02:
        text = f"{pair[0].upper()}{pair[1:]}; not even real rows predict it much better than chance does, so this says little."
        return say("open", score.area, title, text)
    share = (score.value - score.floor) / reach
    if share < AS_REAL and not worse(score):
        return say("good", score.area, title, f"No less than real rows teach, as far as so many rows can tell: {pair}.")
    found = "good" if share >= AS_REAL else "fair" if share >= NEAR else "poor"
    word = {"good": "Nearly all of", "fair": "Most of", "poor": "Only a part of"}[found]
    return say(found, score.area, title, f"{word} what real rows teach: {pair}.")


def _copied(score: Score | None, given: bool) -> Said:
    title = "Copied rows"
    if score is None:
        return {}
    if score.value is None:
        return _open(score, title)
    if not given or score.ceiling is None or score.low is None:
        why = f"Not judged: {score.note}" if given and score.note else "Without a holdout nobody can say whether that is chance or memory"
        text = f"{_equal(score.value, 'a real row').capitalize()}. {why}."
        return say("open", score.area, title, text)
    forced = score.detail["synthetic"].get("forced", 0.0)
    pair = f"{_equal(score.value, 'a training row')}; {_equal(score.ceiling, 'one', 'fresh real row')}"
    more = f" ({forced:.2f} % also equal a held-out row, so they are common by nature)" if forced > 0 else ""
    if score.low <= _upper(score):
        return say("good", score.area, title, f"No more than by chance: {pair}{more}.")
    return say("poor", score.area, title, f"More than by chance: {pair}{more}. The model repeats people.")


def _equal(percent: float, what: str, row: str = "row") -> str:
    """How many rows equal something, where none is said to be none."""
    if percent == 0:
        return f"no {row} equals {what}"
    return f"{f'{percent:.2f}' if percent >= 0.01 else 'under 0.01'} % of {row}s equal {what}"


def _near(score: Score | None, given: bool) -> Said:
    title = "Memory of training rows"
    if score is None:
        return {}
    if not given:
        text = "Cannot be judged without a holdout: keep some real rows from the model and give them to the report."
        return say("open", score.area, title, text)
    if score.value is None or score.low is None or score.high is None:
        return _open(score, title)
    if score.high - score.low > VAGUE:
        return say("open", score.area, title, f"Cannot be judged: {score.note or 'too few rows'}.")
    figure = f"{100 * score.value:.1f} % of rows lie nearer to a training row than to a held-out one; 50 % means that no trace is left"
    end = "This finds copying, not every leak."
    if score.value - SURE * variance(score.value, (score.low, score.high)) ** 0.5 <= 0.5 or score.value <= 0.51:
        return say("good", score.area, title, f"{figure}. {end}")
    return say("fair" if score.value <= 0.54 else "poor", score.area, title, f"{figure}. The model remembers its training rows. {end}")
