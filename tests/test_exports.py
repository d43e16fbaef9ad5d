"""The public names: few, listed, documented, and what they say they are."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import lookalike


def test_all_is_sorted_and_small() -> None:
    assert list(lookalike.__all__) == sorted(lookalike.__all__)
    assert len(lookalike.__all__) <= 25


@pytest.mark.parametrize("name", lookalike.__all__)
def test_name_resolves_and_is_described(name: str) -> None:
    assert inspect.getdoc(getattr(lookalike, name))
    assert name in dir(lookalike)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="sampel"):
        lookalike.sampel  # noqa: B018


def test_verbs_win_over_modules_of_the_same_name() -> None:
    import lookalike.report
    import lookalike.schema

    assert inspect.isfunction(lookalike.schema)
    assert inspect.isfunction(lookalike.report)
    from lookalike.schema import Schema

    assert Schema is lookalike.Schema


def test_type_checkers_see_every_name() -> None:
    tree = ast.parse(Path(inspect.getfile(lookalike)).read_text(encoding="utf-8"))
    branch = next(n for n in tree.body if isinstance(n, ast.If))
    seen = {a.name for n in branch.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert seen == set(lookalike.__all__)


@pytest.mark.parametrize("verb", ["fit", "load", "make", "model", "report", "sample", "save", "schema", "stream"])
def test_verbs_say_what_they_raise(verb: str) -> None:
    assert "Raises:" in (inspect.getdoc(getattr(lookalike, verb)) or "")


def test_version_is_that_of_the_project() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{lookalike.__version__}"' in text
