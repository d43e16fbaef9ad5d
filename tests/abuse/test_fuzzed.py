"""What others wrote is read, or refused in our own words: what a fuzzer found once, and some more; `make fuzz` tries a million."""

from __future__ import annotations

import json
import random
from pathlib import Path

import fuzz_targets
import mutate
import pytest
from fuzz_targets import CORPUS, TARGETS, ours
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lookalike import _json
from lookalike.errors import LookalikeError
from lookalike.plan import Plan
from lookalike.rules import Rules

FOUND = sorted(p.relative_to(CORPUS) for p in CORPUS.rglob("*") if p.is_file())
READ = {
    "giant_budget",
    "long_number",
    "long_minutes",
    "long_training",
    "endless_training",
    "backtracking",
    "bare_exponent",
    "thousands_of_digits",
}
FEW = {"csv": 12, "gzip": 6, "jsonl": 12, "parquet": 12, "feather": 12, "excel": 4, "keys": 5, "sqlite": 12, "model": 10}
NAMES = st.text(max_size=6) | st.sampled_from(["sex", "low", "of"])
WORDS = [*"age sx()+-*/<>=!~\"'`,.019", " and ", " or ", "not ", "if ", " then ", " in "]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["sex", "age", "f", "*", "high"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.parametrize("path", FOUND, ids=str)
def test_what_was_found_once(path: Path, tmp_path: Path) -> None:
    refused = ours(TARGETS[path.parts[0]], (CORPUS / path).read_bytes(), tmp_path)
    assert (refused is None) == (path.name in READ)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_fine_is_read(name: str, tmp_path: Path) -> None:
    for seed in TARGETS[name].seeds():
        refused = ours(TARGETS[name], seed, tmp_path)
        assert refused is None, f"{seed[:200]!r}: {refused}"


@pytest.mark.parametrize("name", TARGETS)
def test_some_mutations(name: str, tmp_path: Path) -> None:
    seeds = TARGETS[name].seeds()
    for k in range(FEW.get(name, 60)):
        ours(TARGETS[name], mutate.mutated(random.Random(f"suite {name} {k}"), TARGETS[name].kind, seeds), tmp_path)


@MANY
@given(plan=st.dictionaries(st.sampled_from(list(fuzz_targets.PLAN)), JSON, max_size=3))
def test_plans_of_any_shape(plan: dict[str, object]) -> None:
    try:
        Plan.from_json(plan).check(fuzz_targets.small().schema)
    except LookalikeError as error:
        assert str(error)


@MANY
@given(text=st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
def test_rules_of_any_words(text: str) -> None:
    try:
        Rules.of([text], fuzz_targets.small().schema)
    except LookalikeError as error:
        assert str(error)


@MANY
@given(text=st.text() | JSON.map(repr) | JSON.map(json.dumps))
def test_json_is_read_or_refused_in_one_way(text: str) -> None:
    try:
        found = _json.read(text)
    except json.JSONDecodeError:
        return
    assert json.loads(json.dumps(found, allow_nan=False)) == found
