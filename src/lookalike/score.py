"""No number alone: a value beside what real data would score, what worthless tables would score, and intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Better = Literal["higher", "lower", "target"]
Zero = Literal["floor", "uniform", "copy"]
Interval = tuple[float, float]
Z = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Score:
    """One measured quantity, beside its four controls.

    `value` is for the synthetic table; `low`, `high` bound it with 95 % confidence. `ceiling`: real rows that the model never saw.
    `floor`: a table in which every column is drawn on its own. `copy`: the training rows themselves. `uniform`: every column uniform
    over its range. `better="target"` means that the ceiling itself is the aim, neither more nor less. `zero` names the control that
    counts as worthless. `draws`: values of further tables of the same model, after this one's. None: not computed; `note` says why.
    """

    name: str
    value: float | None
    better: Better
    title: str = ""
    metric: str = ""
    area: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None
    ceiling_interval: Interval | None = None
    floor: float | None = None
    floor_interval: Interval | None = None
    copy: float | None = None
    uniform: float | None = None
    zero: Zero | None = None
    zero_interval: Interval | None = None
    draws: tuple[float, ...] = ()
    tested: int = 0
    flagged: tuple[dict[str, Any], ...] = ()
    note: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def worthless(self) -> float | None:
        """The value of the control that `zero` names."""
        return None if self.zero is None else getattr(self, self.zero)

    @property
    def skill(self) -> float | None:
        """1 is as good as real rows, 0 as bad as the worthless control: (value − zero) / (ceiling − zero).

        Where the ceiling is the aim, what lies beyond it counts as what falls short: 1 − |value − ceiling| / |zero − ceiling|.
        """
        value, ceiling, zero = self.value, self.ceiling, self.worthless
        if value is None or ceiling is None or zero is None or ceiling == zero:
            return None
        missed = (value - ceiling) / (zero - ceiling)
        return 1 - abs(missed) if self.better == "target" else 1 - missed

    @property
    def skill_interval(self) -> Interval | None:
        """95 % interval of the skill, from those of value, ceiling and zero (Fieller 1954); None if any is unknown or too wide."""
        value, ceiling, zero = self.value, self.ceiling, self.worthless
        ends = (self.low, self.high), self.ceiling_interval, self.zero_interval
        if value is None or ceiling is None or zero is None or any(e is None or None in e for e in ends):
            return None
        v, c, z = (_variance(at, end) for at, end in zip((value, ceiling, zero), ends, strict=True))
        found = _fieller((value - ceiling, zero - ceiling), v + c, z + c, c)
        if found is None:
            return None
        near, far = found
        if self.better == "target":
            near, far = (0.0 if near <= 0 <= far else min(abs(near), abs(far))), max(abs(near), abs(far))
        return 1 - far, 1 - near

    @property
    def detectable(self) -> float | None:
        """The smallest difference from the ceiling that would have shown in four of five such comparisons."""
        if self.value is None or self.ceiling is None or self.ceiling_interval is None or self.low is None or self.high is None:
            return None
        both = _variance(self.value, (self.low, self.high)) + _variance(self.ceiling, self.ceiling_interval)
        return (Z + 0.8416212335729143) * both**0.5


def _variance(value: float, interval: Any) -> float:
    """From a 95 % interval; the longer side, as the other may have been cut off at what is possible."""
    return (max(interval[1] - value, value - interval[0]) / Z) ** 2


def _fieller(ratio: tuple[float, float], above: float, below: float, common: float) -> Interval | None:
    """95 % interval of a ratio of two normal quantities with these variances and covariance; None if it has no end."""
    top, bottom = ratio
    a, b, c = bottom**2 - Z**2 * below, top * bottom - Z**2 * common, top**2 - Z**2 * above
    if a <= 0:
        return None
    root = max(b * b - a * c, 0.0) ** 0.5  # below 0 by rounding only, where all is certain
    return (b - root) / a, (b + root) / a
