"""A table of orders in which twelve rules are planted, among columns that follow none."""

from __future__ import annotations

import numpy as np
import pandas as pd

PLANTED: dict[str, tuple[str, ...]] = {
    "net = price * quantity": ("net = price * quantity", "net = quantity * price"),
    "gross = net + tax": ("gross = net + tax",),
    "cost = material + labour + freight": ("cost = material + labour + freight",),
    "ordered <= shipped": ("ordered <= shipped",),
    "transit = delivered - shipped": ("transit = delivered - shipped",),
    "low_bid <= high_bid": ("low_bid <= high_bid",),
    "combination(city, country)": ("combination(city, country)",),
    "combination(product, category)": ("combination(product, category)",),
    "onehot(by_road, by_rail, by_air)": ("onehot(by_road, by_rail, by_air)",),
    "step(weight, 0.25)": ("step(weight, 0.25)",),
    'if status = "cancelled" then delivered is missing': (
        'if status = "cancelled" then shipped is missing',
        'if status in ("open", "cancelled") then shipped is missing',
        'if status in ("cancelled", "open") then shipped is missing',
        'if status = "cancelled" then delivered is missing',
    ),
    "together_missing(shipped, delivered, transit)": ("together_missing(shipped, delivered, transit)",),
}
"""What was planted, and the ways in which it may be written when it is found."""

FOLLOWS: frozenset[str] = frozenset(
    {
        "shipped <= delivered",  # transit is never below 0
        'if status = "shipped" then shipped is known',
        'product ~ "[A-Z][0-9]{2}"',
    }
)
"""What is true by the making of the table as well, without being one of the twelve."""

_CITIES = {
    "Norway": ("Oslo", "Bergen", "Trondheim"), "Sweden": ("Stockholm", "Malmö", "Uppsala", "Lund"), "Denmark": ("Aarhus", "Odense"),
    "Germany": ("Berlin", "Hamburg", "Köln", "Leipzig", "Bremen"), "Italy": ("Roma", "Milano", "Torino"), "Spain": ("Madrid", "Sevilla"),
}  # fmt: skip


def orders(rows: int, seed: int) -> pd.DataFrame:
    """`rows` orders of 24 columns; the same rules whatever the seed."""
    g = np.random.default_rng(seed)
    cities = [(c, k) for k, names in _CITIES.items() for c in names]
    place = g.choice(len(cities), rows, p=np.random.default_rng(1).dirichlet(np.full(len(cities), 2.0)))
    product = g.integers(0, 40, rows)
    listed = np.random.default_rng(2).lognormal(3, 0.8, 40)
    price = (listed[product] * g.lognormal(0, 0.15, rows)).round(2)
    quantity = 1 + g.poisson(2.5 + 3 * (product % 5 == 0), rows)
    net = (price * quantity).round(2)
    tax = (net * g.choice([0.07, 0.19, 0.25], rows) * g.uniform(0.98, 1.02, rows)).round(2)
    material, labour, freight = (g.gamma(2, s, rows).round(2) for s in (14.0, 9.0, 4.0))
    status = g.choice(["open", "cancelled", "shipped"], rows, p=[0.12, 0.07, 0.81])
    ordered = pd.Timestamp("2022-01-01") + pd.to_timedelta((700 * g.beta(1.2, 1, rows)).astype(int), "D")
    shipped = ordered + pd.to_timedelta(g.geometric(0.3, rows) - 1, "D")
    transit = g.poisson(2 + 3 * (place % 4 == 0), rows)
    delivered = shipped + pd.to_timedelta(transit, "D")
    there = status == "shipped"
    low = g.gamma(3, 20, rows).round(1)
    high = (low + np.where(g.random(rows) < 0.2, 0, g.gamma(1.5, 18, rows))).round(1)
    way = g.choice(3, rows, p=[0.6, 0.3, 0.1])
    return pd.DataFrame(
        {
            "order_no": [f"O-{v:07d}" for v in g.permutation(9_000_000)[:rows]],
            "ordered": ordered,
            "status": status,
            "shipped": shipped.where(there),
            "delivered": delivered.where(there),
            "transit": pd.Series(transit, dtype="Int64").where(pd.Series(there)),
            "city": [cities[p][0] for p in place],
            "country": [cities[p][1] for p in place],
            "product": [f"P{p:02d}" for p in product],
            "category": np.array(["tools", "garden", "paint", "light", "wood"])[product % 5],
            "price": price,
            "quantity": quantity,
            "net": net,
            "tax": tax,
            "gross": (net + tax).round(2),
            "material": material,
            "labour": labour,
            "freight": freight,
            "cost": (material + labour + freight).round(2),
            "low_bid": low,
            "high_bid": high,
            "by_road": (way == 0).astype(int),
            "by_rail": (way == 1).astype(int),
            "by_air": (way == 2).astype(int),
            "weight": (0.25 * g.integers(1, 160, rows)).round(2),
            "rating": g.choice(5, rows, p=[0.05, 0.05, 0.2, 0.4, 0.3]) + 1,
            "clicks": g.negative_binomial(2, 0.1, rows),
            "channel": g.choice(["web", "shop", "phone"], rows),
            "score": g.normal(50, 9, rows).round(3),
        }
    )
