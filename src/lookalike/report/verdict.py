"""The verdict in plain words: what the scores say, each beside what real rows score, and what limits it."""

from __future__ import annotations

from collections.abc import Mapping

from lookalike.score import Score

UNTESTED = (
    (
        "Membership inference",
        "Whether an attacker can tell that a given person was in the training data. Copies and nearness do not answer it.",
    ),
    ("Attribute inference", "Whether a secret of a known person can be guessed better with the synthetic table than without it."),
    ("Singling out and linkability", "The other two risks that European data protection guidance names."),
    ("Differential privacy", "Nothing here measures or proves a differential privacy guarantee."),
    ("Subjects with several rows", "Every row was taken as one person; a person with many rows is exposed more than these figures say."),
    ("Fairness and subgroups", "Quality within small groups, and bias that the table carries or adds."),
    ("Three columns or more at once", "Beyond pairs, only the classifier test and utility look at dependence among many columns."),
    ("Order in time", "Rows were compared as a set; sequences within a person or over time were not."),
    ("Free text", "Text columns were compared only by length, keys not at all."),
    ("Other draws", "One synthetic table was judged; another draw or another fit of the same model would score a little differently."),
)


def verdict(scores: Mapping[str, Score], *, given: bool, target: str | None, few: bool = False) -> list[dict[str, str]]:
    """Statements of (tone, title, text): tone is `good`, `fair`, `poor` or `open` (cannot be said).

    With `few` rows nothing is called good: it would be so for want of evidence.
    """
    said = [
        _split(scores.get("c2st"), given),
        _alone(scores.get("shape"), "Single columns", "column shapes"),
        _alone(scores.get("trend"), "Pairs of columns", "pair trends"),
        _told(scores.get("c2st")),
        _useful(scores.get("utility"), target),
        _copied(scores.get("exact_copies"), given),
        _near(scores.get("dcr_share"), given),
    ]
    doubt = {"good", "fair"} if few else set()
    return [s | {"tone": "open", "text": f"Too few rows to say. {s['text']}"} if s["tone"] in doubt else s for s in said if s]


def _say(tone: str, title: str, text: str) -> dict[str, str]:
    return {"tone": tone, "title": title, "text": text}


def _open(score: Score, title: str) -> dict[str, str]:
    return _say("open", title, f"Not computed: {score.note}.")


def _split(score: Score | None, given: bool) -> dict[str, str]:
    """A word only if train and holdout are not of the same law."""
    if score is None or score.ceiling is None or not given or score.detail["ceiling_interval"][0] <= 0.52:
        return {}
    text = f"A classifier tells the holdout from the training rows (AUC {score.ceiling:.3f}): it is no fresh sample of the same law. "
    return _say("poor", "The holdout", text + "Ceilings, copies and nearness mislead; split the rows at random.")


def _alone(score: Score | None, title: str, what: str) -> dict[str, str]:
    if score is None:
        return {}
    if score.value is None:
        return _open(score, title)
    if score.ceiling is None or score.low is None:
        return _say("open", title, f"The error of {what} is {score.value:.2f} %; there is nothing to compare it with.")
    pair = f"{score.value:.2f} % error, where fresh real rows of the same number have {score.ceiling:.2f} %"
    if score.low <= max(score.ceiling, _upper(score)):
        return _say("good", title, f"As good as real rows: {pair}.")
    tone = "fair" if score.value <= _tolerable(score) else "poor"
    return _say(tone, title, f"{'Near' if tone == 'fair' else 'Far from'} real rows: {pair}.")


def _tolerable(score: Score) -> float:
    """An error that is still near: a few times that of real rows, and at most a quarter of the way to the floor where that lies far off."""
    ceiling, floor = score.ceiling or 0.0, score.floor or 0.0
    near = 2.5 * ceiling + 0.5
    return min(near, ceiling + (floor - ceiling) / 4) if floor > 1.5 * ceiling else near


def _upper(score: Score) -> float:
    """Upper end of the ceiling's own interval."""
    return float((score.detail.get("ceiling_interval") or [0.0, score.ceiling or 0.0])[1])


def _told(score: Score | None) -> dict[str, str]:
    title = "A classifier's view"
    if score is None:
        return {}
    if score.value is None or score.low is None:
        return _open(score, title)
    names = [r["name"] for r in score.detail["synthetic"].get("reasons", []) if r["loss"] > 0.003][:3]
    by = f" What gives it away: {', '.join(names)}." if names else ""
    figure = f"(AUC {score.value:.3f}; 0.5 is a coin toss, 1 is certainty)"
    if score.low <= max(0.5, _upper(score)) or score.value < 0.51:
        return _say("good", title, f"It cannot tell synthetic from fresh real rows {figure}.")
    if score.value < 0.6:
        return _say("fair", title, f"It can hardly tell synthetic from fresh real rows {figure}.{by}")
    if score.value < 0.75:
        return _say("fair", title, f"It tells synthetic from fresh real rows in part {figure}.{by}")
    return _say("poor", title, f"It tells synthetic from fresh real rows well {figure}.{by}")


def _useful(score: Score | None, target: str | None) -> dict[str, str]:
    title = "Use for prediction"
    if score is None:
        return {}
    if score.value is None:
        return _open(score, title)
    measure = score.detail["synthetic"].get("measure", "")
    if score.ceiling is None or score.floor is None or score.low is None:
        return _say("open", title, f"Predicting {target}: {measure} {score.value:.3f}; there is nothing to compare it with.")
    pair = f"predicting {target}, {measure} {score.value:.3f} where real rows give {score.ceiling:.3f}"
    reach = score.ceiling - score.floor
    if reach < 0.02:
        return _say(
            "open", title, f"{pair[0].upper()}{pair[1:]}; not even real rows predict it much better than chance does, so this says little."
        )
    share = (score.value - score.floor) / reach
    tone = "good" if share >= 0.97 else "fair" if share >= 0.85 else "poor"
    word = {"good": "Nearly all of", "fair": "Most of", "poor": "Only a part of"}[tone]
    return _say(tone, title, f"{word} what real rows teach: {pair}.")


def _copied(score: Score | None, given: bool) -> dict[str, str]:
    title = "Copied rows"
    if score is None:
        return {}
    if score.value is None:
        return _open(score, title)
    if not given or score.ceiling is None or score.low is None:
        return _say(
            "open",
            title,
            f"{score.value:.2f} % of rows equal a real row. Without a holdout nobody can say whether that is chance or memory.",
        )
    forced = score.detail["synthetic"].get("forced", 0.0)
    pair = f"{score.value:.2f} % of rows equal a training row; fresh real rows do so in {score.ceiling:.2f} %"
    more = f" ({forced:.2f} % also equal a held-out row, so they are common by nature)" if forced > 0 else ""
    if score.low <= _upper(score):
        return _say("good", title, f"No more than by chance: {pair}{more}.")
    return _say("poor", title, f"More than by chance: {pair}{more}. The model repeats people.")


def _near(score: Score | None, given: bool) -> dict[str, str]:
    title = "Memory of training rows"
    if score is None:
        return {}
    if not given:
        return _say("open", title, "Cannot be judged without a holdout: keep some real rows from the model and give them to the report.")
    if score.value is None or score.low is None or score.high is None:
        return _open(score, title)
    figure = f"{100 * score.value:.1f} % of rows lie nearer to a training row than to a held-out one; 50 % means that no trace is left"
    end = "This finds copying, not every leak."
    if score.low <= 0.51:
        return _say("good", title, f"{figure}. {end}")
    return _say("fair" if score.value <= 0.54 else "poor", title, f"{figure}. The model remembers its training rows. {end}")
