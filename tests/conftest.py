"""What all tests share: examples that hypothesis draws are the same in every run, and a busy machine is no reason to fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("same", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


@pytest.fixture(scope="module")
def few_trees() -> Iterator[None]:
    """For tests that ask whether a report comes and how it is shown: a sixth of the trees, which are most of what it costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lookalike.compare.boost.TREES", 10)
        yield
