"""Windows of real and made series side by side: the measures of TSGBench and TimeGAN, as pure functions on arrays.

All take `real` and `made`, float [windows, length, columns] of the same length and columns, without missing cells; how many windows there
are may differ. Differences are 0 where both are of one law, up to chance. Scale first (`scaled`): distances, Fréchet distance and scores
of a constant factor are not comparable otherwise.

Sources: Ang et al. 2023, TSGBench (marginal distribution, autocorrelation, skewness, kurtosis, Euclidean and DTW distance); Yoon et al.
2019, TimeGAN (discriminative and predictive score); Jeha et al. 2022, PSA-GAN (context-FID: here the embedding is that of random
convolutions, ROCKET, Dempster et al. 2020, which needs no training and is the same for every table); Sakoe and Chiba 1978 (DTW).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike._compile import compiled

__all__ = [
    "Directions",
    "Told",
    "autocorrelation",
    "autocorrelation_difference",
    "correlation_difference",
    "cut",
    "discriminative",
    "distances",
    "embed",
    "frechet",
    "marginal_difference",
    "moment_difference",
    "predictive",
    "scaled",
    "spectrum_difference",
]

KERNELS, SPAN = 256, (3, 5, 7, 9)
"""Random convolutions of the embedding, and how long they may be."""
DIMENSIONS = 32
"""Principal directions in which embedded windows are compared."""
BINS, LAGS, AHEAD = 32, 24, 6
"""Bins of a margin; lags of an autocorrelation at most; steps that a prediction looks back."""
TINY = 1e-12


@dataclass(frozen=True)
class Told:
    """How well a judge tells made from real windows: `score` = |accuracy − 1/2|, 0 … 1/2, and `auc` 1/2 … 1 about."""

    score: float
    auc: float


def cut(series: np.ndarray, length: int, *, stride: int = 1) -> np.ndarray:
    """float [n, length, columns]: windows of one series [steps, columns], `stride` apart; without a gap in them."""
    starts = np.arange(0, len(series) - length + 1, stride)
    found = np.lib.stride_tricks.sliding_window_view(series, length, axis=0)[starts].transpose(0, 2, 1)
    return np.ascontiguousarray(found[np.isfinite(found).all(axis=(1, 2))])


def scaled(real: np.ndarray, made: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in units of the real columns: their least value is 0 and their largest 1."""
    low, high = real.min(axis=(0, 1)), real.max(axis=(0, 1))
    wide = np.where(high > low, high - low, 1.0)
    return (real - low) / wide, (made - low) / wide


def marginal_difference(real: np.ndarray, made: np.ndarray, *, bins: int = BINS) -> float:
    """Mean over steps and columns of the total variation of the values in `bins` bins of equal width over the real range."""
    _, length, columns = real.shape
    found = np.empty((length, columns))
    for c in range(columns):
        edges = np.linspace(real[:, :, c].min(), real[:, :, c].max() + TINY, bins + 1)[1:-1]
        shares = [_shares(np.searchsorted(edges, x[:, :, c], side="right"), bins) for x in (real, made)]
        found[:, c] = np.abs(shares[0] - shares[1]).sum(axis=1) / 2
    return float(found.mean())


def _shares(codes: np.ndarray, bins: int) -> np.ndarray:
    """float64 [length, bins]: the share of windows in each bin at each step."""
    n, length = codes.shape
    flat = codes + bins * np.arange(length)
    return np.bincount(flat.ravel(), minlength=bins * length).reshape(length, bins) / n


def autocorrelation(x: np.ndarray, *, lags: int = LAGS) -> np.ndarray:
    """float64 [lags + 1, columns]: correlation of each column with itself `0 … lags` steps later, about the mean of all windows."""
    centred = x - x.mean(axis=(0, 1))
    lags = min(lags, x.shape[1] - 1)
    found = [(centred[:, : x.shape[1] - k] * centred[:, k:]).mean(axis=(0, 1)) for k in range(lags + 1)]
    return np.array(found) / np.maximum(found[0], TINY)


def autocorrelation_difference(real: np.ndarray, made: np.ndarray, *, lags: int = LAGS) -> float:
    """Mean over lags and columns of the absolute difference of the autocorrelations; at each lag of the values and of their steps."""
    pairs = [(real, made)] + ([(np.diff(real, axis=1), np.diff(made, axis=1))] if real.shape[1] > 2 else [])
    return float(np.mean([np.abs(autocorrelation(a, lags=lags) - autocorrelation(b, lags=lags))[1:].mean() for a, b in pairs]))


def correlation_difference(real: np.ndarray, made: np.ndarray) -> float:
    """Mean absolute difference of the correlations of columns at the same step; 0 where there is one column."""
    columns = real.shape[2]
    if columns < 2:
        return 0.0
    a, b = (_correlation(x.reshape(-1, columns)) for x in (real, made))
    return float(np.abs(a - b)[np.triu_indices(columns, 1)].mean())


def _correlation(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=0)
    spread = np.maximum(np.sqrt((centred**2).mean(axis=0)), TINY)
    return (centred.T @ centred) / len(x) / np.outer(spread, spread)


def moment_difference(real: np.ndarray, made: np.ndarray, order: int) -> float:
    """Mean over columns of the absolute difference of the standardised moment: order 3, skewness; 4, kurtosis (3 for a normal law)."""

    def moment(x: np.ndarray) -> np.ndarray:
        flat = x.reshape(-1, x.shape[2])
        centred = flat - flat.mean(axis=0)
        return (centred**order).mean(axis=0) / np.maximum((centred**2).mean(axis=0), TINY) ** (order / 2)

    return float(np.abs(moment(real) - moment(made)).mean())


def spectrum_difference(real: np.ndarray, made: np.ndarray) -> float:
    """Mean over columns of the total variation of the shares that frequencies have in the variance within a window (Hann taper)."""
    taper = np.hanning(real.shape[1] + 2)[1:-1, None]

    def shares(x: np.ndarray) -> np.ndarray:
        power = (np.abs(np.fft.rfft((x - x.mean(axis=1, keepdims=True)) * taper, axis=1)) ** 2).mean(axis=0)
        return power / np.maximum(power.sum(axis=0), TINY)

    return float(np.abs(shares(real) - shares(made)).sum(axis=0).mean() / 2)


def distances(real: np.ndarray, made: np.ndarray, *, rng: np.random.Generator, pairs: int = 500) -> tuple[float, float]:
    """Mean Euclidean and mean DTW distance of random pairs of a real and a made window.

    The best value is not 0 but that of two real windows: less means that the made windows vary too little. Both are divided by the
    square root of the number of cells; a warp is at most a tenth of the length (Sakoe-Chiba band).
    """
    a, b = (x[rng.integers(0, len(x), pairs)].astype(np.float64) for x in (real, made))
    root = np.sqrt(real.shape[1] * real.shape[2])
    straight = np.sqrt(((a - b) ** 2).sum(axis=(1, 2)))
    warped = np.sqrt(_warped(a, b, max(1, real.shape[1] // 10)))
    return float(straight.mean() / root), float(warped.mean() / root)


@compiled
def _warped(a: np.ndarray, b: np.ndarray, band: int) -> np.ndarray:
    """float64 [pairs]: least sum of squared distances over all warps within the band."""
    pairs, length, columns = a.shape
    out = np.empty(pairs)
    for p in range(pairs):
        last = np.full(length + 1, np.inf)
        last[0] = 0.0
        for i in range(1, length + 1):
            now = np.full(length + 1, np.inf)
            for j in range(max(1, i - band), min(length, i + band) + 1):
                cost = 0.0
                for c in range(columns):
                    cost += (a[p, i - 1, c] - b[p, j - 1, c]) ** 2
                now[j] = cost + min(last[j], now[j - 1], last[j - 1])
            last = now
        out[p] = last[length]
    return out


def embed(x: np.ndarray, *, kernels: int = KERNELS, seed: int = 0) -> np.ndarray:
    """float32 [windows, 3 kernels]: for random convolutions the share of positive answers, the largest and the mean answer.

    The kernels depend on `seed`, length and number of columns alone.
    """
    n, length, columns = x.shape
    draw, out = np.random.default_rng([seed, length, columns]), np.empty((n, 3 * kernels), np.float32)
    x = x.astype(np.float32)
    for k in range(kernels):
        taps = int(draw.choice([s for s in SPAN if s <= length] or [length]))
        spread = int(2 ** draw.uniform(0, np.log2(max(1.0, (length - 1) / max(taps - 1, 1)))))
        used = draw.choice(columns, size=int(min(columns, 2 ** draw.integers(0, 3))), replace=False)
        weights = draw.standard_normal((taps, len(used))).astype(np.float32)
        weights -= 0 if draw.random() < 0.25 else weights.mean(axis=0)
        reach, bias = length - (taps - 1) * spread, draw.random()
        answer = sum(x[:, t * spread : t * spread + reach, used] @ weights[t] for t in range(taps))
        level = np.float32(bias - 0.5) * np.float32(np.abs(weights).sum() * 0.2)
        out[:, 3 * k], out[:, 3 * k + 1], out[:, 3 * k + 2] = (answer > level).mean(axis=1), answer.max(axis=1), answer.mean(axis=1)
    return out


@dataclass(frozen=True)
class Directions:
    """The principal directions of embedded real windows, whitened, in which others are held against them."""

    centre: np.ndarray
    scale: np.ndarray
    basis: np.ndarray
    mean: np.ndarray
    cov: np.ndarray
    root: np.ndarray

    @classmethod
    def of(cls, real: np.ndarray) -> Directions:
        """Of embedded windows, float [windows, features]."""
        centre, scale = real.mean(axis=0), np.maximum(real.std(axis=0), 1e-6)
        a = (real - centre) / scale
        values, vectors = np.linalg.eigh(a.T @ a / len(a))
        top = min(DIMENSIONS, int((values > values[-1] * 1e-6).sum()))
        basis = vectors[:, -top:] / np.sqrt(values[-top:])
        a = a @ basis
        cov = np.cov(a, rowvar=False).reshape(top, top)
        return cls(centre, scale, basis, a.mean(axis=0), cov, _root(cov))

    def frechet(self, made: np.ndarray) -> float:
        """The Fréchet distance of embedded windows, float [windows, features], over how many directions there are."""
        b = (made - self.centre) / self.scale @ self.basis
        cov = np.cov(b, rowvar=False).reshape(self.cov.shape)
        cross = np.sqrt(np.maximum(np.linalg.eigvalsh(self.root @ cov @ self.root), 0)).sum()
        found = ((self.mean - b.mean(axis=0)) ** 2).sum() + np.trace(self.cov) + np.trace(cov) - 2 * cross
        return float(max(found, 0.0) / len(cov))


def frechet(real: np.ndarray, made: np.ndarray, *, seed: int = 0) -> float:
    """Context-FID: the Fréchet distance of the embedded windows in the whitened principal directions of the real ones, over how many.

    About 2 × directions / windows / directions by chance; 1 where the mean is one standard deviation off in each direction.
    """
    return Directions.of(embed(real, seed=seed)).frechet(embed(made, seed=seed))


def _root(x: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(x)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def discriminative(real: np.ndarray, made: np.ndarray, *, rng: np.random.Generator, most: int = 2_000) -> Told:
    """TimeGAN's discriminative score: a judge learns from four fifths of both and is asked about the rest.

    The judge is a penalised logistic regression on the embedding (`embed`), values and steps: stronger and quicker than a small recurrent
    network, and the same for each table. The same number of both, `most` of each at most.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    count = min(len(real), len(made), most)
    a, b = (x[rng.permutation(len(x))[:count]] for x in (real, made))
    features = np.concatenate([_described(a), _described(b)])
    truth = np.repeat([0, 1], count)
    order = rng.permutation(2 * count)
    learn, test = order[: round(1.6 * count)], order[round(1.6 * count) :]
    if len(set(truth[learn])) < 2 or len(set(truth[test])) < 2:
        return Told(0.0, 0.5)
    scale = StandardScaler().fit(features[learn])
    x = np.clip(scale.transform(features), -8, 8)
    judge = LogisticRegression(C=0.02, max_iter=300, tol=1e-3).fit(x[learn], truth[learn])
    chance = judge.predict_proba(x[test])[:, 1]
    accuracy = float(((chance > 0.5) == truth[test]).mean())
    return Told(abs(accuracy - 0.5), float(roc_auc_score(truth[test], chance)))


def _described(x: np.ndarray) -> np.ndarray:
    """float32 [windows, features]: embedding of values, roughness, spread and repeats of each column."""
    steps = np.diff(x, axis=1)
    bends = np.diff(steps, axis=1)
    own = [x.mean(axis=1), x.std(axis=1), np.abs(steps).mean(axis=1), steps.std(axis=1), np.abs(bends).mean(axis=1)]
    own += [(steps == 0).mean(axis=1), np.abs(steps).max(axis=1), x.min(axis=1), x.max(axis=1)]
    rough = np.log([np.maximum(v, 1e-6) for v in own[1:5]])
    return np.concatenate([embed(x), *own, *rough], axis=1).astype(np.float32)


def predictive(made: np.ndarray, test: np.ndarray, *, rng: np.random.Generator, most: int = 20_000) -> float:
    """TimeGAN's predictive score: mean absolute error on real windows `test` of a one-step forecast that learned from `made` ones.

    Each of up to eight columns is forecast from the `AHEAD` steps before it of all columns, by ridge regression and by boosted trees on
    what it leaves; the mean over columns.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import Ridge

    back = min(AHEAD, made.shape[1] - 1)
    (x, y), (u, v) = (_forecast(w, back, rng, most) for w in (made, test))
    errors = []
    for c in range(min(8, made.shape[2])):
        line = Ridge(alpha=1e-3 * len(x)).fit(x - x.mean(axis=0), y[:, c])
        rest = y[:, c] - line.predict(x - x.mean(axis=0))
        trees = HistGradientBoostingRegressor(max_iter=40, max_leaf_nodes=15, early_stopping=False, random_state=0).fit(x, rest)
        errors.append(np.abs(v[:, c] - line.predict(u - x.mean(axis=0)) - trees.predict(u)).mean())
    return float(np.mean(errors))


def _forecast(x: np.ndarray, back: int, rng: np.random.Generator, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(what went before [rows, back × columns], what came next [rows, columns]) of random places."""
    n, length, columns = x.shape
    count = min(most, n * (length - back))
    window, at = rng.integers(0, n, count), rng.integers(back, length, count)
    before = x[window[:, None], at[:, None] - np.arange(1, back + 1)]
    return before.reshape(count, back * columns), x[window, at]
