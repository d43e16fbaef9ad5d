"""What an audit can prove: lower bounds on ε and ρ from how often an event was seen, and from how many guesses were right."""

from __future__ import annotations

import numpy as np

Interval = tuple[float, float]
"""Of a probability: its lowest and highest value, 0..1."""

ORDERS = np.concatenate([[1.0], 1 + np.geomspace(1e-3, 1e3, 60)])
"""Rényi orders at which two probabilities are compared."""
MOST = 100.0
"""No lower bound on ε above this is looked for."""


def least_epsilon(one: Interval, other: Interval, delta: float) -> float:
    """The least ε that lets an event have probabilities within `one` on one input and within `other` on its neighbour; 0 or more.

    (ε, δ)-differential privacy wants p ≤ e^ε·q + δ of the event and of its complement, both ways round.
    """
    pairs = ((one[0], other[1]), (other[0], one[1]), (1 - one[1], 1 - other[0]), (1 - other[1], 1 - one[0]))
    return max([0.0, *(float(np.log((p - delta) / q)) for p, q in pairs if p - delta > q > 0)])


def least_rho(one: Interval, other: Interval, *, slack: float = 0.0) -> float:
    """The least ρ of zero-concentrated differential privacy that lets an event have such probabilities; 0 or more.

    ρ-zCDP wants every Rényi divergence of order α to be at most α·ρ, hence also that of one event (data processing; Bun and Steinke
    2016). `slack` is the chance outside the guarantee, as a threshold has (their approximate zCDP).
    """
    return max(_rho(one[0], other[1], slack), _rho(other[0], one[1], slack))


def _rho(p: float, q: float, slack: float) -> float:
    """The greatest over orders α of D_α(p ‖ q) / α, of p at least and q at most, once the slack has taken its part."""
    p, q = (p - slack) / (1 - slack), q / (1 - slack)
    if not p > q > 0:
        return 0.0
    a = ORDERS[1:]
    hit = a * np.log(p) + (1 - a) * np.log(q)
    lack = a * np.log1p(-p) + (1 - a) * np.log1p(-q) if p < 1 else np.full(len(a), -np.inf)
    renyi = np.logaddexp(hit, lack) / (a - 1)
    first = p * np.log(p / q) + ((1 - p) * np.log((1 - p) / (1 - q)) if p < 1 else 0.0)
    return float(max(first, (renyi / a).max(), 0.0))


def p_value(canaries: int, guesses: int, right: int, *, epsilon: float, delta: float) -> float:
    """The most likely that `right` or more of the guesses can be right in one run of an (ε, δ)-private mechanism.

    Each of the `canaries` was in or out by a fair coin; the mechanism's output alone made the `guesses`. Without δ no more are right than
    under randomised response, a binomial; δ adds at most 2·m·δ·max over i of P[right > binomial ≥ right − i] / i (Steinke, Nasr and
    Jagielski 2023, Theorem 5.2 and Appendix D).
    """
    from scipy.special import bdtrc
    from scipy.stats import binom

    if not right:
        return 1.0
    share = 1 / (1 + np.exp(-epsilon))
    tail = float(bdtrc(right - 1, guesses, share))
    if not delta:
        return tail
    below = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses, share))
    steepest = float((below / np.arange(1, right + 1)).max())
    return min(1.0, tail + 2 * canaries * delta * steepest)


def guessed(canaries: int, guesses: int, right: int, *, delta: float, miss: float) -> float:
    """The greatest ε that so many right guesses refute, with a chance of at most `miss` to be wrong; 0 where they refute none.

    The number of guesses must not depend on which of them turned out right.
    """

    def refuted(epsilon: float) -> bool:
        return p_value(canaries, guesses, right, epsilon=epsilon, delta=delta) < miss

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while refuted(high) and high < MOST:
        low, high = high, high + 1
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
