"""Linked tables: what is planted across them is learned, every link holds, and what holds exactly goes on holding."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike as la
from lookalike import models
from lookalike.data import Dataset, formats
from lookalike.errors import CannotError, DataError, SettingError
from lookalike.models import _kin_exact as exact
from lookalike.models._family import Family, Given
from lookalike.models._kin import Kin, links_of
from lookalike.models._kin_groups import Spread, features, groups, slots
from lookalike.models._kin_pick import assign, repeated
from lookalike.protocol import State
from lookalike.schema import Column, Link, Schema, Table

QUICK = {"trees": 8, "rounds": 0}
CUSTOMERS, PRODUCTS, CLUBS, STAFF = 300, 120, 60, 90


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def key(name: str, **facts: object) -> Column:
    return Column(name=name, kind="key", **{"nullable": False, "storage": "int64", **facts})  # type: ignore[arg-type]


def arrow(frame: pd.DataFrame, table: Table) -> pa.Table:
    return pa.table({c.name: pa.array(frame[c.name], from_pandas=True).cast(plain(c)).cast(formats.canonical(c)) for c in table})


def plain(column: Column) -> pa.DataType:
    return pa.string() if column.kind in ("category", "key", "text") else formats.canonical(column)


def numbered(rows: int, low: int) -> list[str]:
    return [str(low + i) for i in range(rows)]


def link(column: str, table: str, to: str = "id") -> Link:
    return Link(columns=(column,), table=table, references=(to,))


def number(name: str, kind: str = "number", **facts: object) -> Column:
    return Column(name=name, kind=kind, **{"nullable": False, **facts})  # type: ignore[arg-type]


@cache
def market(seed: int = 0) -> Dataset:
    """Customers of three classes, with as many orders as their class says; lines of products whose colour goes with the class."""
    r = rng(seed)
    regions = pd.DataFrame({"id": ["n", "e", "s", "w"], "name": ["North", "East", "South", "West"]})
    kind = r.integers(0, 3, CUSTOMERS)
    town = np.array([f"town{k}" for k in r.integers(0, 8, CUSTOMERS)])
    region = np.array(["n", "e", "s", "w"])[np.where(r.random(CUSTOMERS) < 0.9, kind, 3)]
    customers = pd.DataFrame({"id": numbered(CUSTOMERS, 100), "class": np.array(list("abc"))[kind], "town": town, "region": region})
    sizes = np.array([1, 3, 6])[kind] + r.integers(0, 2, CUSTOMERS)
    sizes[r.random(CUSTOMERS) < 0.1] = 0
    owner = np.repeat(np.arange(CUSTOMERS), sizes)
    n = len(owner)
    channel = np.where(r.random(n) < 0.9, np.array(["shop", "web", "phone"])[kind[owner]], "shop")
    orders = pd.DataFrame({"id": numbered(n, 5_000), "customer": customers.id[owner].to_numpy(), "town": town[owner], "channel": channel})
    colour = r.integers(0, 3, PRODUCTS)
    price = np.round(r.lognormal(2, 0.5, PRODUCTS), 2)
    products = pd.DataFrame({"id": numbered(PRODUCTS, 800), "colour": np.array(["red", "green", "blue"])[colour], "price": price})
    lines = []
    for order in range(n):
        want = kind[owner[order]] if r.random() < 0.95 else r.integers(3)
        for place, p in enumerate(r.choice(np.flatnonzero(colour == want), 1 + r.integers(0, 4), replace=False), start=1):
            lines.append((orders.id[order], str(place), products.id[p], price[p], 1 + kind[owner[order]] * 10 + r.integers(0, 3)))
    lines = pd.DataFrame(lines, columns=["order", "place", "product", "price", "quantity"])
    total = (lines.price * lines.quantity).groupby(lines.order).sum().round(2)
    orders["total"] = orders.id.map(total).to_numpy()
    notes = pd.DataFrame({"id": numbered(400, 1), "order": np.where(r.random(400) < 0.3, None, r.choice(orders.id, 400)), "stars": 1})
    notes["stars"] = r.integers(1, 6, 400)
    passports = pd.DataFrame({"customer": customers.id[r.random(CUSTOMERS) < 0.6]}).reset_index(drop=True)
    passports["year"] = r.integers(2000, 2010, len(passports))
    clubs = pd.DataFrame({"id": numbered(CLUBS, 30), "fee": np.round(r.lognormal(3, 0.4, CLUBS), 1)})
    pairs = [(customers.id[c], clubs.id[k]) for c in range(CUSTOMERS) for k in r.choice(CLUBS, r.integers(0, 4), replace=False)]
    members = pd.DataFrame(pairs, columns=["customer", "club"])
    level = np.array([0] + [1] * 9 + [2] * 80)
    boss = [None] + ["1"] * 9 + [str(2 + k) for k in r.integers(0, 9, 80)]
    staff = pd.DataFrame({"id": numbered(STAFF, 1), "boss": boss, "pay": np.round(9_000 - 3_000 * level + r.normal(0, 100, STAFF), 0)})
    tables = (
        Table(
            name="regions",
            columns=(key("id", storage="string", unique=True), Column(name="name", kind="category")),
            key=("id",),
            public=True,
        ),
        Table(
            name="customers",
            columns=(
                key("id", unique=True),
                Column(name="class", kind="category"),
                Column(name="town", kind="category"),
                key("region", storage="string"),
            ),
            key=("id",),
            links=(link("region", "regions"),),
        ),
        Table(
            name="orders",
            columns=(
                key("id", unique=True),
                key("customer"),
                Column(name="town", kind="category"),
                Column(name="channel", kind="category"),
                number("total"),
            ),
            key=("id",),
            links=(link("customer", "customers"),),
        ),
        Table(
            name="lines",
            columns=(key("order"), key("place"), key("product"), number("price"), number("quantity", "integer")),
            key=("order", "place"),
            links=(link("order", "orders"), link("product", "products")),
        ),
        Table(name="products", columns=(key("id", unique=True), Column(name="colour", kind="category"), number("price")), key=("id",)),
        Table(
            name="notes",
            columns=(key("id", unique=True), key("order", nullable=True), number("stars", "integer")),
            key=("id",),
            links=(link("order", "orders"),),
        ),
        Table(
            name="passports",
            columns=(key("customer", unique=True), number("year", "integer")),
            key=("customer",),
            links=(link("customer", "customers"),),
        ),
        Table(name="clubs", columns=(key("id", unique=True), number("fee")), key=("id",)),
        Table(
            name="members",
            columns=(key("customer"), key("club")),
            key=("customer", "club"),
            links=(link("customer", "customers"), link("club", "clubs")),
        ),
        Table(
            name="staff",
            columns=(key("id", unique=True), key("boss", nullable=True), number("pay")),
            key=("id",),
            links=(link("boss", "staff"),),
        ),
    )
    frames = {
        "regions": regions, "customers": customers, "orders": orders, "lines": lines, "products": products, "notes": notes,
        "passports": passports, "clubs": clubs, "members": members, "staff": staff,
    }  # fmt: skip
    schema = Schema(tables=tables, subject="customers.id")
    return Dataset.from_arrow({t.name: arrow(frames[t.name], t) for t in tables}, schema)


@pytest.fixture(scope="module")
def fitted() -> object:
    return models.build("relational", {"inner_settings": QUICK}).fit(market(), rng=rng())


@pytest.fixture(scope="module")
def made(fitted: object) -> dict[str, pd.DataFrame]:
    return frames(fitted.sample(CUSTOMERS, rng=rng(1)))


def frames(data: Dataset) -> dict[str, pd.DataFrame]:
    return {t.name: data.table(t.name).to_pandas() for t in data.schema.tables}


@pytest.fixture(scope="module")
def real() -> dict[str, pd.DataFrame]:
    return frames(market())


def joined(of: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Lines with their orders, customers and products."""
    return (
        of["lines"]
        .merge(of["products"], left_on="product", right_on="id", suffixes=("", " of product"))
        .merge(of["orders"], left_on="order", right_on="id", suffixes=("", " of order"))
        .merge(of["customers"], left_on="customer", right_on="id", suffixes=("", " of customer"))
    )


# ------------------------------------------------------------------------------------------------------------ what is planted


def test_how_many_rows_an_owner_has_goes_with_its_columns(made: dict[str, pd.DataFrame], real: dict[str, pd.DataFrame]) -> None:
    def orders(of: dict[str, pd.DataFrame]) -> pd.Series:
        return of["customers"].id.map(of["orders"].customer.value_counts()).fillna(0)

    was, now = (orders(of).groupby(of["customers"]["class"].astype(str)).mean() for of in (real, made))
    assert (now - was).abs().max() < 0.5
    shares = [orders(of).value_counts(normalize=True) for of in (real, made)]
    assert (shares[0] - shares[1].reindex(shares[0].index).fillna(0)).abs().max() < 0.02


def test_rows_go_with_their_owners_and_with_owners_of_these(fitted: object, real: dict[str, pd.DataFrame]) -> None:
    draws = [joined(frames(fitted.sample(CUSTOMERS, rng=rng(seed)))) for seed in range(3)]  # products are others each time
    was, now = joined(real), pd.concat(draws)
    for column in ("channel", "colour"):
        shares = [pd.crosstab(j["class"].astype(str), j[column].astype(str), normalize="index") for j in (was, now)]
        assert (shares[0] - shares[1]).abs().to_numpy().max() < 0.1, column
    means = [j.groupby(j["class"].astype(str)).quantity.mean() for j in (was, now)]
    assert (means[0] - means[1]).abs().max() < 1.5


def test_how_often_a_row_is_named_stays_as_it_was(made: dict[str, pd.DataFrame], real: dict[str, pd.DataFrame]) -> None:
    was, now = (np.sort(of["products"].id.map(of["lines"]["product"].value_counts()).fillna(0)) for of in (real, made))
    assert abs(was.mean() - now.mean()) < 0.1 * was.mean()
    assert abs(was.std() - now.std()) < 0.3 * was.std()
    shares = np.linspace(0.05, 0.95, 19)
    assert np.abs(np.quantile(was, shares) - np.quantile(now, shares)).mean() < 0.2 * was.mean()


def test_public_rows_stay_and_are_named_by_those_who_did(made: dict[str, pd.DataFrame], real: dict[str, pd.DataFrame]) -> None:
    assert made["regions"].equals(real["regions"])
    was, now = (pd.crosstab(of["customers"]["class"].astype(str), of["customers"].region, normalize="index") for of in (real, made))
    assert (was - now).abs().to_numpy().max() < 0.1


# --------------------------------------------------------------------------------------------------------------- what holds


@pytest.mark.parametrize("rows", [30, CUSTOMERS, 900])
def test_every_link_names_a_row_and_every_key_is_of_one(fitted: object, rows: int) -> None:
    data = fitted.sample(rows, rng=rng(rows))
    links = links_of(data)
    assert len(data.table("customers")) == rows
    for t in data.schema.tables:
        table = data.table(t.name)
        assert table.group_by(list(t.key)).aggregate([]).num_rows == table.num_rows, t.name
        assert table.schema.types == [formats.canonical(c) for c in t]
        for c in t:
            assert c.nullable or not table[c.name].null_count, f"{t.name}.{c.name}"
            assert not c.unique or len(table[c.name].unique()) == table.num_rows, f"{t.name}.{c.name}"
        for k, to in enumerate(links[t.name]):
            assert table[t.links[k].columns[0]].null_count == (to < 0).sum()


def test_tables_grow_with_the_subjects(fitted: object, real: dict[str, pd.DataFrame]) -> None:
    few, many = (frames(fitted.sample(n, rng=rng(5))) for n in (CUSTOMERS // 10, 10 * CUSTOMERS))
    for name in ("products", "staff"):  # ten times the customers do not buy of ten times the products
        assert len(few[name]) == len(many[name]) == len(real[name])
    for name in ("orders", "lines", "notes", "members"):
        assert abs(len(many[name]) / len(real[name]) / 10 - 1) < 0.1, name
        assert abs(len(few[name]) / len(real[name]) * 10 - 1) < 0.5, name
    assert len(many["regions"]) == len(few["regions"]) == 4


def test_copies_sums_and_places_hold_in_every_row(made: dict[str, pd.DataFrame]) -> None:
    whole = joined(made)
    assert (whole.price == whole["price of product"]).all()
    assert (whole["town"].astype(str) == whole["town of customer"].astype(str)).all()
    total = (made["lines"].price * made["lines"].quantity).groupby(made["lines"]["order"]).sum()
    own = made["orders"].set_index("id").total
    assert np.allclose(own[total.index], total, atol=0.0051)
    places = made["lines"].groupby("order").place.apply(lambda p: sorted(map(int, p)) == list(range(1, len(p) + 1)))
    assert places.all()


def test_rows_come_grouped_by_their_owner(made: dict[str, pd.DataFrame]) -> None:
    for table, column in (("orders", "customer"), ("lines", "order"), ("members", "customer")):
        runs = (made[table][column] != made[table][column].shift()).sum()
        assert runs == made[table][column].nunique(), table


def test_nobody_is_above_himself_and_pay_goes_with_the_level(made: dict[str, pd.DataFrame]) -> None:
    staff = made["staff"].set_index("id")
    up = staff.boss.to_dict()
    for who in up:
        seen = {who}
        while isinstance(up[who], str):
            who = up[who]
            assert who not in seen
            seen.add(who)
    assert 1 <= staff.boss.isna().sum() <= 8
    below = staff[staff.boss.notna()]
    assert (staff.pay[below.boss].to_numpy() > below.pay.to_numpy()).mean() > 0.75


def test_links_are_missing_as_often(made: dict[str, pd.DataFrame], real: dict[str, pd.DataFrame]) -> None:
    assert abs(made["notes"].order.isna().mean() - real["notes"].order.isna().mean()) < 0.08


def test_keys_are_fresh(made: dict[str, pd.DataFrame], real: dict[str, pd.DataFrame]) -> None:
    for table in ("customers", "orders", "products", "notes", "clubs", "staff"):
        assert not set(made[table].id) & set(real[table].id), table


# ---------------------------------------------------------------------------------------------------------- storing, sampling


def test_a_stored_model_draws_the_same_rows_and_so_does_the_same_seed(fitted: object) -> None:
    state = fitted.state()
    assert json.loads(json.dumps(state.card, allow_nan=False)) == state.card
    assert all(a.dtype.kind in "iufb" for a in state.arrays.values())
    again = models.build("relational", {"inner_settings": QUICK}).restore(
        fitted.schema, State(json.loads(json.dumps(state.card)), state.arrays)
    )
    first, second, third = (m.sample(50, rng=rng(s)) for m, s in ((fitted, 3), (again, 3), (again, 4)))
    for name in (t.name for t in fitted.schema.tables):
        assert first.table(name).equals(second.table(name)), name
    assert not first.table("orders").equals(third.table("orders"))


def test_subjects_come_part_by_part_and_hang_together(fitted: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lookalike.models.relational.BLOCK", 2_000)
    parts = list(fitted.pieces(CUSTOMERS, rng=rng(8)))
    ends = [done for done, _ in parts]
    assert len(parts) > 3
    assert ends[0] == 0
    assert ends[-1] == CUSTOMERS
    assert set(parts[0][1]) == {"regions", "products", "clubs", "staff"}  # drawn once
    assert all(set(made) == {"customers", "orders", "lines", "notes", "passports", "members"} for _, made in parts[1:])
    assert [made["customers"].num_rows for _, made in parts[1:]] == np.diff(ends).tolist()
    whole = fitted.sample(CUSTOMERS, rng=rng(8))
    for t in whole.schema.tables:
        table = whole.table(t.name)
        assert table.equals(pa.concat_tables([made[t.name] for _, made in parts if t.name in made]).unify_dictionaries())
        assert table.group_by(list(t.key)).aggregate([]).num_rows == table.num_rows, t.name
    links_of(whole)
    there: dict[str, set[str]] = {t.name: set() for t in whole.schema.tables}
    for _, made in parts:
        for name, rows in made.items():
            for x in whole.schema[name].links:
                if x.table != name:
                    assert set(rows[x.columns[0]].drop_null().to_pylist()) <= there[x.table], f"{name} comes before {x.table}"
            if whole.schema[name].key == ("id",):
                there[name] |= set(rows["id"].to_pylist())
    shorter = fitted.sample(ends[1] + 1, rng=rng(8))
    for name in ("customers", "lines", "products"):
        same = sum(made[name].num_rows for _, made in parts[:2] if name in made)
        assert shorter.table(name).to_pylist()[:same] == whole.table(name).to_pylist()[:same]


def test_what_only_the_whole_can_settle_is_drawn_at_once(fitted: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lookalike.models.relational.BLOCK", 600)
    assert fitted._parted(30)[1]
    once = {**fitted.branches_["members"].namings_[1].facts, "once": True}
    with monkeypatch.context() as with_:
        with_.setattr(fitted.branches_["members"].namings_[1], "facts", once)  # a club for each, and clubs are as many as they were
        assert fitted._parted(30) == (list(fitted.kin_.order), [])
    with monkeypatch.context() as with_:
        with_.setitem(fitted.kin_.late, "orders", (0,))
        assert fitted._parted(30) == (list(fitted.kin_.order), [])
    with pytest.raises(CannotError, match="drawn in one go") as refused:
        fitted.sample(40, rng=rng(), start=40)
    assert refused.value.where == "relational.sample"


def test_another_inner_model_learns_joint_rows_and_the_nearest_are_taken() -> None:
    data = market()
    names = ("customers", "orders")
    schema = Schema(
        tables=tuple(
            t.model_copy(update={"links": tuple(x for x in t.links if x.table in names)}) for t in data.schema.tables if t.name in names
        )
    )
    two = Dataset.from_arrow({name: data.table(name) for name in names}, schema)
    of = frames(models.build("relational", {"inner": "copula"}).fit(two, rng=rng()).sample(CUSTOMERS, rng=rng(1)))
    whole = of["orders"].merge(of["customers"], left_on="customer", right_on="id", suffixes=("", " of customer"))
    share = pd.crosstab(whole["class"].astype(str), whole.channel.astype(str), normalize="index")
    assert share.loc["b", "web"] > share.loc["a", "web"] + 0.2
    assert share.loc["c", "phone"] > share.loc["a", "phone"] + 0.2


def test_ordered_rows_follow_one_another() -> None:
    r, owners = rng(1), 200
    sizes = r.integers(1, 12, owners)
    rows = []
    for k in range(owners):
        day, level = r.integers(0, 50), "low" if k % 2 else "high"
        for _ in range(sizes[k]):
            day += 1 + r.integers(0, 3)
            level = level if r.random() < 0.95 else {"low": "high", "high": "low"}[level]
            rows.append((str(k), int(day), level))
    machines = Table(name="machines", columns=(key("id", unique=True), number("size")), key=("id",))
    columns = (key("machine"), number("day", "integer"), Column(name="level", kind="category"))
    log = Table(name="log", columns=columns, links=(link("machine", "machines"),), order="day")
    machine = pd.DataFrame({"id": [str(k) for k in range(owners)], "size": r.normal(0, 1, owners)})
    schema = Schema(tables=(machines, log))
    frame = pd.DataFrame(rows, columns=["machine", "day", "level"])
    data = Dataset.from_arrow({"machines": arrow(machine, machines), "log": arrow(frame.sample(frac=1, random_state=0), log)}, schema)
    fitted = models.build("relational", {"inner_settings": QUICK}).fit(data, rng=rng())
    state = fitted.state()
    again = models.build("relational", {"inner_settings": QUICK}).restore(schema, state)
    out = frames(again.sample(owners, rng=rng(2)))["log"]
    assert out.equals(frames(fitted.sample(owners, rng=rng(2)))["log"])
    steps = [b - a for _, g in out.groupby("machine", sort=False) for a, b in pairwise(g.day)]
    assert 1 <= min(steps) and max(steps) <= 3
    stays = np.mean([a == b for _, g in out.groupby("machine", sort=False) for a, b in pairwise(g.level.astype(str))])
    assert stays > 0.88


def test_tables_in_a_circle_and_tiny_ones_are_drawn() -> None:
    r = rng(3)
    teams = Table(
        name="teams",
        columns=(key("id", unique=True), key("captain", nullable=True), number("age", "integer")),
        key=("id",),
        links=(link("captain", "players"),),
    )
    players = Table(
        name="players",
        columns=(key("id", unique=True), key("team"), number("goals", "integer")),
        key=("id",),
        links=(link("team", "teams"),),
    )
    team = pd.DataFrame({"id": numbered(40, 1), "captain": [str(1 + 10 * k) for k in range(40)], "age": r.integers(1, 90, 40)})
    player = pd.DataFrame({"id": numbered(400, 1), "team": [str(1 + k // 10) for k in range(400)], "goals": r.integers(0, 9, 400)})
    whole = Dataset.from_arrow({"teams": arrow(team, teams), "players": arrow(player, players)}, Schema(tables=(teams, players)))
    three = Dataset.from_arrow({"teams": arrow(team[:3], teams), "players": arrow(player[:30], players)}, Schema(tables=(teams, players)))
    for data in (whole, three):
        fitted = models.build("relational", {"inner_settings": QUICK}).fit(data, rng=rng())
        drawn = fitted.sample(len(data.table("teams")), rng=rng(1))
        links_of(drawn)
        assert drawn.table("teams")["captain"].null_count == 0
    of = frames(models.build("relational", {"inner_settings": QUICK}).fit(whole, rng=rng()).sample(40, rng=rng(1)))
    own = of["teams"].merge(of["players"], left_on="captain", right_on="id")
    assert (own["id_x"] == own["team"]).all()
    assert any("too few" in note for note in fitted.trained_["notes"])


def test_what_cannot_be_is_refused() -> None:
    data = market()
    schema = data.schema
    tables = {t.name: data.table(t.name) for t in schema.tables}
    hidden = schema.model_copy(update={"tables": tuple(t.model_copy(update={"public": t.name == "orders"}) for t in schema.tables)})
    with pytest.raises(CannotError, match="not public") as refused:
        models.build("relational").fit(Dataset.from_arrow(tables, hidden), rng=rng())
    assert refused.value.where == "orders.customer"
    lost = tables | {"orders": tables["orders"].slice(1)}
    with pytest.raises(DataError, match="name a row of 'orders' that is not there") as refused:
        models.build("relational").fit(Dataset.from_arrow(lost, schema), rng=rng())
    assert refused.value.where == "lines.order"
    twice = tables | {"clubs": pa.concat_tables([tables["clubs"], tables["clubs"].slice(0, 2)])}
    with pytest.raises(DataError, match="2 rows have a key that another row has") as refused:
        models.build("relational").fit(Dataset.from_arrow(twice, schema), rng=rng())
    assert refused.value.where == "clubs.id"
    odd = next((m for m in models.names() if "category" not in models.find(m).can.kinds and m != "relational"), None)
    if odd is not None:
        with pytest.raises(CannotError, match="does not take the kind"):
            models.build("relational", {"inner": odd}).fit(data, rng=rng())
    with pytest.raises(SettingError, match="cannot learn for itself"):
        models.build("relational", {"inner": "relational"})


# -------------------------------------------------------------------------------------------------------------------- the parts


def test_rows_are_named_as_often_as_they_are_meant_to_be() -> None:
    degree = np.array([0, 1, 2, 3, 4, 0, 5, 5])
    group, child = np.array([0, 0, 0, 0, 0, 1, 1, 1]), np.array([0] * 10 + [1] * 20 + [-1] * 3)
    found = assign([(child, group)], degree, rng=rng())
    assert (found[30:] == -1).all()
    wide = assign([(child, group), (np.zeros(33, int), np.zeros(8, int))], degree, rng=rng())
    assert np.bincount(wide[wide >= 0], minlength=8).max() <= 10 and (wide[:30] >= 0).all()
    assert np.bincount(found[:10], minlength=5).tolist() == [0, 1, 2, 3, 4]
    assert np.bincount(found[10:30], minlength=8)[5:].tolist() == [0, 10, 10]


def test_no_family_names_a_row_twice_and_no_row_is_named_twice_where_it_may_not() -> None:
    r = rng(2)
    family, child, group = np.repeat(np.arange(200), 5), r.integers(0, 3, 1_000), np.arange(30) % 3
    degree = r.integers(1, 60, 30)
    found = assign([(child, group), (np.zeros(1_000, int), np.zeros(30, int))], degree, rng=r, family=family)
    assert (found >= 0).all() and not repeated(family, found).any()
    assert (group[found] == child).mean() > 0.95
    once = assign([(child, group[:30]), (np.zeros(1_000, int), np.zeros(30, int))], degree, rng=r, once=True)
    assert len(np.unique(once[once >= 0])) == (once >= 0).sum() == 30


def test_a_family_that_is_too_large_names_each_row_once_and_then_none() -> None:
    found = assign([(np.zeros(9, int), np.zeros(4, int))], np.ones(4), rng=rng(), family=np.zeros(9, int))
    assert sorted(found.tolist()) == [-1] * 5 + [0, 1, 2, 3]


def test_rows_are_grouped_by_whom_they_are_named_and_not_by_chance() -> None:
    r = rng(4)
    kind, to = r.integers(0, 3, 90), r.integers(0, 90, 4_000)
    own = features([(kind, False), (r.normal(size=90), True)], 90)
    told = features([(np.where(r.random(4_000) < 0.9, kind[to], r.integers(0, 3, 4_000)), False)], 4_000)
    found = groups(own, to, told, least=5, rng=r)
    assert np.bincount(found).min() >= 5
    assert all(len(set(kind[found == g])) == 1 for g in range(found.max() + 1))
    assert groups(own, to, features([(r.integers(0, 3, 4_000), False)], 4_000), least=5, rng=r).max() == 0
    assert groups(own[:9], to[to < 9], told[to < 9], least=5, rng=r).max() == 0


def test_rows_of_a_small_table_that_many_name_are_groups_of_their_own() -> None:
    to = np.array([0] * 8 + [1] * 3 + [3] * 6 + [4])
    group, degree = slots(to, np.arange(len(to)), 5, least=5)
    assert group.tolist() == [0, 2, 2, 1, 2]
    assert degree.tolist() == [8, 2, 0, 6, 2]
    assert slots(to, np.zeros(len(to), int), 5, least=5)[0].tolist() == [0] * 5


def test_counts_are_spread_as_they_were_in_the_order_that_was_drawn() -> None:
    r = rng(5)
    counts = np.minimum(r.geometric(0.3, 2_000) - 1, 9)
    drawn = r.permutation(np.arange(2_000))
    put = Spread.of(counts, 5).put(drawn, r)
    assert np.array_equal(np.sort(put), np.sort(counts))
    assert (np.diff(put[np.argsort(drawn)]) >= 0).all()
    tail = Spread.of(np.array([1] * 50 + [10, 30, 90, 200, 700]), 5)
    assert tail.mean.tolist() == [1, 206]
    assert tail.put(np.arange(5_500), r).mean() == pytest.approx((50 + 5 * 206) / 55, rel=0.1)


def test_totals_copies_and_places_are_found_and_no_others() -> None:
    r = rng(6)
    owner = np.repeat(np.arange(100), r.integers(1, 5, 100))
    x, y = r.integers(1, 9, len(owner)).astype(float), np.round(r.lognormal(1, 1, len(owner)), 2)
    spec = Table(name="lines", columns=(number("x"), number("y"), number("z")))
    rows = pa.table({"x": x, "y": y, "z": r.random(len(owner)) / 2})
    sums = {
        "count": np.bincount(owner), "sum": np.bincount(owner, x), "product": np.bincount(owner, x * y).round(2), "other": r.random(100),
        "less": np.bincount(owner, x * y * (1 - rows["z"].to_numpy())).round(2),
    }  # fmt: skip
    above = Table(name="orders", columns=tuple(number(name) for name in sums))
    table = pa.table({name: np.asarray(v, float) for name, v in sums.items()})
    found = exact.find_totals(above, table, list(sums), {"lines": (spec, rows, owner)})
    assert [(t.column, t.of, t.less) for t in found] == [
        ("count", (), False),
        ("sum", ("x",), False),
        ("product", ("x", "y"), False),
        ("less", ("x", "y", "z"), True),
    ]
    columns = {c: rows[c].to_numpy() for c in ("x", "y", "z")}
    for t in found:
        assert np.allclose(t.value(columns, owner, 100), sums[t.column], atol=0.0051)
    own = Table(name="lines", columns=(number("same"), number("near"), Column(name="text", kind="text"), number("free")))
    free = r.random(len(owner))
    mine = pa.table(
        {
            "same": sums["sum"][owner],
            "near": np.where(free < 0.7, sums["sum"][owner], -1.0),
            "text": [f"t{o}" if f < 0.8 else "u" for o, f in zip(owner, free, strict=True)],
            "free": free,
        }
    )
    path = (
        (0,),
        Table(name="orders", columns=(number("sum"), Column(name="text", kind="text"))),
        table.select(["sum"]).append_column("text", pa.array([f"t{k}" for k in range(100)])),
        owner,
    )
    copies = exact.find_copies(own, mine, own.names, [path])
    assert [(c.column, c.source, c.flagged) for c in copies] == [("same", "sum", False), ("text", "text", True)]


def test_owners_are_those_through_whom_rows_hang_together_and_nobody_owns_himself() -> None:
    data = market()
    links = links_of(data)
    kin = Kin.plan(data.schema, links, {t.name: data.table(t.name).num_rows for t in data.schema.tables})
    owners = {t.name: kin.owner_of(t) for t in data.schema.tables}
    assert owners == {
        "regions": None, "customers": None, "orders": "customers", "lines": "orders", "products": None, "notes": "orders",
        "passports": "customers", "clubs": None, "members": "customers", "staff": None,
    }  # fmt: skip
    assert kin.early["customers"] == (0,) and kin.early["lines"] == (1,) and kin.late["staff"] == (0,)
    assert kin == Kin.from_json(json.loads(json.dumps(kin.to_json())))
    for name, parent in owners.items():
        assert parent is None or kin.order.index(parent) < kin.order.index(name)


def test_siblings_are_drawn_given_those_before_them() -> None:
    r, families = rng(7), 400
    sizes = r.integers(1, 9, families)
    whose = np.repeat(np.arange(families), sizes)
    level, mood = r.normal(0, 3, families)[whose], r.integers(0, 4, families)[whose]
    rows = pa.table({"x": np.round(level + r.normal(0, 0.3, len(whose)), 2), "m": pa.array([f"m{k}" for k in mood]).dictionary_encode()})
    drawn = (number("x"), Column(name="m", kind="category"))
    family = Family(drawn, (), (), "forest", QUICK).fit(None, rows, sizes, rng=r)
    made = Family.restore(family.state()).draw(None, sizes, rng=rng(8)).to_pandas()
    groups_ = made.groupby(whose)
    within = groups_.x.transform("mean").sub(made.x).std()
    assert within < 1.0 < made.x.std()
    assert (groups_.m.transform("first") == made.m).mean() > 0.85


def test_given_draws_as_it_was_learned_whatever_the_model() -> None:
    r = rng(9)
    context = pa.table({"c": pa.array(r.choice(["u", "v"], 1_500)).dictionary_encode()})
    rows = pa.table({"y": np.where(np.array(context["c"].to_pylist()) == "u", 5.0, -5.0) + r.normal(0, 1, 1_500)})
    for inner, settings in (("forest", QUICK), ("copula", {})):
        given = Given((number("y"),), (Column(name="c", kind="category"),), inner, settings)
        given.fit(rows, context, None, rng=rng(), on_step=lambda _: None)
        asked = pa.table({"c": pa.array(["u", "v"] * 200).dictionary_encode()})
        y = given.draw(asked, 400, rng=rng(1))["y"].to_numpy()
        near = 1 if inner == "forest" else 3
        assert abs(y[::2].mean() - 5) < near and abs(y[1::2].mean() + 5) < near, inner


def test_rows_that_could_name_none_are_told_of() -> None:
    import lookalike as la

    r = rng()
    customers = pd.DataFrame({"customer_id": range(1, 201), "age": r.integers(20, 80, 200)})
    seats = pd.DataFrame({"seat_id": range(1, 401), "price": r.integers(10, 99, 400)})
    tickets = pd.DataFrame({"ticket_id": range(1, 301), "customer_id": r.integers(1, 201, 300), "seat_id": r.permutation(400)[:300] + 1})
    tables = {"customers": customers, "seats": seats, "tickets": tickets}
    model = la.fit(tables, model=models.build("relational", {"inner_settings": QUICK}), subject="customers")
    assert la.steer(model, None, n=200).account.notes == ()
    drawn = la.steer(model, None, n=1_000)
    assert len(drawn.rows["tickets"]) <= 400
    assert [note for note in drawn.account.notes if note.startswith("tickets: ") and "left out" in note]
    made = la.make(tables, model=models.build("relational", {"inner_settings": QUICK}), subject="customers", rows=1_000)
    assert [note for note in made.report.json()["notes"] if "drawn rows were left out" in note]


def test_patterns_of_keys_are_told_if_as_many_share_them_as_are_protected() -> None:
    names = [f"VIP/{i:07d}" if i < 6 else f"C-{i:06d}" for i in range(400)]
    codes = [names[i] for i in rng().permutation(400)]
    customers = pd.DataFrame({"code": codes, "visits": rng().integers(0, 9, 400)})
    orders = pd.DataFrame({"order": range(800), "code": rng(1).choice(codes, 800), "paid": rng(2).normal(size=800)})
    data = Dataset.of({"customers": customers, "orders": orders})
    for protect, told in ((5, True), (50, False)):
        fitted = models.build("relational", {"protect": protect, "inner": "independent"}).fit(data, rng=rng())
        drawn = fitted.sample(2_000, rng=rng()).table("customers")["code"].to_pylist()
        assert any(code.startswith("VIP") for code in drawn) == told


def test_a_single_table_that_links_to_itself_keeps_its_links_without_a_model_named() -> None:
    import lookalike as la

    boss = [None, *(f"E{rng().integers(0, i // 4 + 1):04d}" for i in range(1, 120))]
    staff = pd.DataFrame({"emp_id": [f"E{i:04d}" for i in range(120)], "manager_id": boss, "pay": rng().integers(20, 90, 120)})
    plain = la.schema(staff)
    schema = plain.amend_table("table", links=[{"columns": ["manager_id"], "table": "table", "references": ["emp_id"]}])
    fitted = la.fit(staff, schema=schema, seed=0)
    made = la.sample(fitted, 120, seed=1)
    assert models.name_of(fitted) == "relational" and models.name_of(la.fit(staff, schema=plain)) == "forest"
    assert made.manager_id.dropna().isin(made.emp_id).all() and made.manager_id.notna().mean() > 0.9
    for part in Dataset.of(staff, schema=schema).split(0.3, rng=rng()):
        rows = part.native()
        assert rows.manager_id.notna().any() and rows.manager_id.dropna().isin(rows.emp_id).all()


def test_a_link_of_a_table_to_itself_by_a_column_that_nothing_else_tells_is_refused() -> None:
    """The branch would be that of the row named, which has it of the row that it names; another link may give it."""
    up = Link(columns=("branch", "boss"), table="members", references=("branch", "member"))
    over = Link(columns=("branch",), table="branches", references=("branch",))
    columns, rows = (key("branch"), key("member"), key("boss", nullable=True)), {"members": 60, "branches": 20}

    def plan(*links: Link) -> Kin:
        members = Table(name="members", columns=columns, key=("branch", "member"), links=links)
        schema = Schema(tables=(members, Table(name="branches", columns=columns[:1], key=("branch",))))
        return Kin.plan(schema, {"members": [np.zeros(60, int) for _ in links], "branches": []}, rows)

    with pytest.raises(CannotError, match="nothing says whence"):
        plan(up)
    assert plan(up, over).order == ("branches", "members")


@pytest.mark.parametrize("days", [40, 8])
def test_a_key_of_an_owner_and_a_day_is_drawn_once(days: int) -> None:
    """Redrawn while there are days; of an owner who has more rows than there are, rows are left out and told of."""
    import lookalike as la

    r = rng()
    taken = [(s, d) for s in range(1, 81) for d in r.choice(days, 6, replace=False)]
    readings = pd.DataFrame(taken, columns=["station_id", "day"])
    readings["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(readings.day, "D")
    tables = {"stations": pd.DataFrame({"station_id": range(1, 81), "height": r.normal(size=80)})}
    tables["readings"] = readings.assign(rain=r.normal(size=len(readings)))
    assert la.schema(tables)["readings"].key == ("station_id", "day")
    model = la.fit(tables, model=models.build("relational", {"inner": "independent"}))
    steered = la.steer(model, None, n=300)
    drawn = steered.rows["readings"]
    assert not drawn.duplicated(["station_id", "day"]).any() and drawn.station_id.isin(steered.rows["stations"].station_id).all()
    assert len(drawn) == 1_800 if days == 40 else len(drawn) > 1_700
    assert len(drawn) == 1_800 or "or no key" in steered.account.notes[0]


def dangling(child: pd.DataFrame, columns: list[str], parent: pd.DataFrame, references: list[str]) -> int:
    named = set(parent[references].itertuples(index=False, name=None))
    return sum(key not in named for key in child[columns].dropna().itertuples(index=False, name=None))


def test_links_that_share_a_column_name_rows_of_the_same() -> None:
    rng = np.random.default_rng(0)
    tenants = pd.DataFrame({"tenant": [f"t{i:02d}" for i in range(30)]})
    several = [[(t, k + 1, int(rng.integers(1, 80))) for t in tenants.tenant for k in range(rng.integers(4, 9))] for _ in range(2)]
    customers = pd.DataFrame(several[0], columns=["tenant", "customer", "age"])
    products = pd.DataFrame(several[1], columns=["tenant", "product", "price"])
    bought = customers.loc[customers.index.repeat(3), ["tenant", "customer"]].merge(products[["tenant", "product"]], on="tenant")
    orders = bought.sample(400, random_state=0).assign(order=range(1, 401))[["order", "tenant", "customer", "product"]]
    of = {"customers": customers, "products": products, "orders": orders}
    schema = la.schema({"tenants": tenants, **of}).amend_table("tenants", key=["tenant"])
    for name, key in (("customers", "customer"), ("products", "product")):
        link = {"columns": ["tenant"], "table": "tenants", "references": ["tenant"]}
        schema = schema.amend_table(name, key=["tenant", key], links=[link])
    links = [{"columns": ["tenant", c], "table": f"{c}s", "references": ["tenant", c]} for c in ("customer", "product")]
    schema = schema.amend_table("orders", key=["order"], links=links)
    drawn = la.sample(la.fit({"tenants": tenants, **of}, schema=schema, subject="customers", seed=0), len(customers), seed=1)
    assert len(drawn["orders"]) > 200
    assert dangling(drawn["orders"], ["tenant", "product"], drawn["products"], ["tenant", "product"]) == 0
    assert dangling(drawn["orders"], ["tenant", "customer"], drawn["customers"], ["tenant", "customer"]) == 0


def test_a_link_to_the_own_table_that_shares_a_column_names_rows_of_the_same() -> None:
    rng = np.random.default_rng(0)
    branches = pd.DataFrame({"branch": [f"{i:03d}" for i in range(12)]})
    rows = [
        (b, k, int(rng.integers(1, max(2, k // 3))) if k > 1 else None) for b in branches.branch for k in range(1, rng.integers(20, 50))
    ]
    members = (
        pd.DataFrame(rows, columns=["branch", "number", "manager"]).astype({"manager": "Int64"}).assign(age=rng.integers(18, 70, len(rows)))
    )
    schema = la.schema({"branches": branches, "members": members}).amend_table("branches", key=["branch"])
    first = {"columns": ["branch"], "table": "branches", "references": ["branch"]}
    links = [first, {"columns": ["branch", "manager"], "table": "members", "references": ["branch", "number"]}]
    schema = schema.amend_table("members", key=["branch", "number"], links=links)
    drawn = la.sample(la.fit({"branches": branches, "members": members}, schema=schema, subject="members", seed=0), len(members), seed=1)
    made = drawn["members"]
    assert made.manager.notna().sum() > 150
    assert dangling(made, ["branch", "manager"], made, ["branch", "number"]) == 0
