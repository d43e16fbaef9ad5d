"""What all tests share: examples that hypothesis draws are the same in every run, and a busy machine is no reason to fail."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("same", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")
gc.disable()  # while tests are collected: modules stay, and looking for rubbish among them takes a quarter of the time


def pytest_collection_finish() -> None:
    """What was loaded so far is looked through no more, and the rest less often: each look costs, and tests leave little behind."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_unconfigure() -> None:
    """At the end all is taken away in order: some libraries complain of what is left."""
    gc.unfreeze()


def trees(number: int) -> Iterator[None]:
    """So many trees in the classifiers of a report, which are most of what it costs; 60 where nothing is said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lookalike.compare.boost.TREES", number)
        yield


@pytest.fixture(scope="module")
def few_trees() -> Iterator[None]:
    """For tests that ask whether a report comes and how it is shown."""
    yield from trees(5)


@pytest.fixture(scope="module")
def fewer_trees() -> Iterator[None]:
    """For tests of what a report finds in tables of a few hundred rows."""
    yield from trees(25)
