"""What flags mean: settings, models, plans and places, made of what a person typed; what cannot be meant is refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import lookalike as la
from lookalike import _json, _shown

DELTA = 1e-6
"""The delta of a fit under differential privacy that names none."""


def settings(pairs: list[str] | None, *, model: str, minutes: float | None) -> dict[str, Any]:
    """`key=value` pairs as settings; a value is JSON if it can be, else text. `minutes` is short for the setting of that name."""
    found: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise la.errors.SettingError(f"{pair!r} is not a setting", where="--set", fix="write --set key=value")
        try:
            found[key] = _json.read(value)
        except json.JSONDecodeError:
            found[key] = value
    if minutes is None:
        return found
    if "minutes" in found:
        raise la.errors.SettingError("given twice", where="minutes", fix="leave out --minutes, or --set minutes=")
    known = la.known_models()
    timed = [name for name, made in known.items() if "minutes" in _shown.settings(made)]
    if model in known and model not in timed:
        fix = f"leave it out, or take --model {', '.join(timed[:-1])} or {timed[-1]}"
        raise la.errors.SettingError(f"the model {model!r} has no time budget: it ends by itself", where="--minutes", fix=fix)
    return found | {"minutes": minutes}


def planned(path: str | None, *, fix: str | None = None, **flags: list[str] | None) -> la.Plan:
    """The plan of a file, and of flags, which add to it."""
    made = (la.Plan() if path is None else la.Plan.read(path)).to_json()
    for text in flags.get("given") or ():
        name, value = _pair(text, "--given", "sex=Female")
        made.setdefault("given", {})[name] = _cell(value)
    told: dict[str, list[Any]] = {}
    for text in flags.get("share") or ():
        name, value = _pair(text, "--share", "sex=Female:0.5")
        level, colon, share = value.rpartition(":")
        if not colon or not isinstance(_value(share), int | float):
            raise la.errors.SettingError(f"{text!r} is not a share", where="--share", fix="write --share sex=Female:0.5")
        told.setdefault(name, []).append([[_cell(level)], _value(share)])
    for name, of in told.items():
        rest = 1 - sum(share for _, share in of)
        made.setdefault("shares", []).append({"columns": [name], "of": [*of, ["*", rest]] if rest > 1e-9 else of})
    for text in flags.get("rebalance") or ():
        name, _, share = text.partition("=")
        made.setdefault("rebalance", {})[name] = _value(share) if share else None
    for text in flags.get("parity") or ():
        target, colon, group = text.partition(":")
        if not colon or not target or not group:
            raise la.errors.SettingError(f"{text!r} names no target and group", where="--parity", fix="write --parity income:sex")
        groups = tuple(group.split(",")) if "," in group else group
        made["parity"] = made.get("parity", {}) | {"target": target, "group": groups}
    for file in flags.get("rules") or ():
        read = la.Plan.read(file)
        made["rules"] = [*made.get("rules", ()), *read.rules]
        made["found"] = [*made.get("found", ()), *("rules" for name in read.found if name == "rules")]
    if flags.get("rule"):
        made["rules"] = [*made.get("rules", ()), *flags["rule"]]
    return la.Plan.from_json(made | ({"fix": fix} if fix is not None else {}))


def _pair(text: str, flag: str, example: str) -> tuple[str, str]:
    """What stands before and after the sign of equality."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise la.errors.SettingError(f"{text!r} says nothing of a column", where=flag, fix=f"write {flag} {example}")
    return name, value


def _value(text: str) -> Any:
    """A value of a cell or a condition: JSON, if it can be; `20..30`, of which one end may be left out, is a range; else the text.

    `1..2..3` is no range, but a text.
    """
    ends = re.fullmatch(r"(.*?)\.\.(.*)", text)
    if ends and any(ends.groups()) and ".." not in ends[2]:
        return {side: _value(end) for side, end in zip(("low", "high"), ends.groups(), strict=True) if end}
    try:
        found = _json.read(text)
    except json.JSONDecodeError:
        return text
    return text if isinstance(found, bool) else found


def _cell(text: str) -> Any:
    """The value of a cell; a number that is written in another way than its value is (1.10, 1e5) stays text: it may be a level."""
    found = _value(text)
    return text if isinstance(found, int | float) and str(found) != text else found


def rules(texts: list[str] | None, path: str | None) -> list[str]:
    """Rules of flags and of a plan's file."""
    return [*(() if path is None else la.Plan.read(path).rules), *(texts or ())]


def learner(
    model: str | None, *, set: list[str] | None, minutes: float | None, rules: list[str], epsilon: float | None, **guard: Any
) -> Any:
    """The model to fit, under differential privacy if there is an epsilon; flags that would then do nothing are refused.

    None if no flag says anything of it: then the data decide.
    """
    if epsilon is None:
        for flag, unset in (("delta", DELTA), ("ledger", None), ("rows_per_subject", 1), ("buy", False)):
            if guard[flag] != unset:
                shown = f"--{flag.replace('_', '-')}"
                what = "says something only of a fit under differential privacy"
                raise la.errors.SettingError(what, where=shown, fix="give --epsilon, too")
        if model is None and not set and minutes is None and not rules:
            return None
    elif rules:
        fix = "give --rule when rows are drawn: lookalike sample, or lookalike make"
        raise la.errors.SettingError("a private fit learns no rules", where="--rule", fix=fix)
    name = model or ("forest" if epsilon is None else "marginals")
    given = settings(set, model=name, minutes=minutes)
    made = la.model(name, **given)  # what is wrong with its settings is said in its own name
    if rules:
        made = la.model("ruled", rules=rules, inner=name, inner_settings=given)
    return made if epsilon is None else la.Private(made, epsilon=epsilon, **guard)


def check_place(path: str) -> None:
    """Refuse a file whose folder is not there, before the work rather than after it."""
    folder = Path(path).parent
    if not folder.is_dir():
        raise la.errors.FileError("its folder is not there", where=path, fix=f"mkdir -p {folder}")


def tables(asked: int | None, *, best: bool, out: str) -> int:
    """How many completed tables are to be drawn: none where best guesses are wanted instead."""
    if best:
        if asked is not None:
            raise la.errors.SettingError("--best is one table", where=f"--tables {asked}", fix="leave out one of them")
        if "{}" in out:
            raise la.errors.SettingError("--best is one table, and {} the number of one", where=f"--out {out}", fix="leave out {}")
        return 0
    many = 5 if asked is None else asked
    if many == 0:
        raise la.errors.SettingError("no table would be written", where="--tables", fix="--best for one table of best guesses")
    if many > 1 and "{}" not in out:
        fix = f'--out "{Path(out).stem}-{{}}{Path(out).suffix}", or --best for one table of best guesses'
        raise la.errors.SettingError(f"{many} tables need as many files", where="--out", fix=fix)
    return many


def check_picture(path: str) -> None:
    """Refuse a picture whose name is not that of one, or whose folder is not there."""
    if Path(path).suffix.lower() != ".svg":
        raise la.errors.SettingError("pictures are SVG files", where=f"--draw {path}", fix=f"--draw {Path(path).with_suffix('.svg')}")
    check_place(path)


def keep_secret(path: Path, key: bytes) -> None:
    """Write a secret to a file that is not there yet, which only its owner may read."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
    except OSError as error:
        raise la.errors.FileError.of(error, where=str(path), doing="keep the secret") from None


def stem(source: str) -> str:
    """What a folder made of `source` is called after: the name of its file, folder or database."""
    place = Path(re.sub(r"[?].*", "", source))
    names = [place.name, place.parent.name] if not place.is_dir() else [place.resolve().name]
    stems = (re.split(r"[.*\[]", name)[0].strip("-_ ") for name in names)
    return next(filter(None, stems), "table")
