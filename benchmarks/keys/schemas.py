"""Databases made up after the patterns of known ones, in one line a table: `name rows: columns`. A column is a name and what it holds:

`*` a key from 1 · `*5000` from 5000 · `*sparse`, `*uuid`, `*code5` keys of other kinds · `*>table` key and link at once (one to one) ·
`>table` a link to a table's key · `?>table` one that is null at times · `+>table`, `+1..3` parts of a key of two columns ·
`1..9` whole numbers · `a|b` one of these · `real` · `text` · `word` · `day`.
"""

from __future__ import annotations

import string
import uuid
from collections.abc import Iterator

import numpy as np
import pandas as pd

KNOWN = {
    "tpch": """
        region 5: r_regionkey *, r_name word
        nation 25: n_nationkey *, n_name word, n_regionkey >region
        customer 300: c_custkey *, c_name word, c_nationkey >nation, c_acctbal real
        supplier 20: s_suppkey *, s_name word, s_nationkey >nation
        part 400: p_partkey *, p_size 1..50, p_retailprice real
        partsupp 1600: ps_partkey +>part, ps_suppkey +>supplier, ps_availqty 1..9999
        orders 1500: o_orderkey *sparse, o_custkey >customer, o_orderstatus F|O|P
        lineitem 6000: l_orderkey +>orders, l_linenumber +1..4, l_partkey >part, l_quantity 1..50
    """,
    "sakila": """
        actor 200: actor_id *, first_name word, last_name word
        country 100: country_id *, country word
        city 300: city_id *, city word, country_id >country
        address 600: address_id *, district word, city_id >city
        store 2: store_id *, address_id >address
        staff 2: staff_id *, address_id >address, store_id >store, username word
        customer 500: customer_id *, store_id >store, address_id >address, active 0..1
        language 6: language_id *, name word
        film 400: film_id *, title text, language_id >language, original_language_id ?>language, rental_duration 3..7, length 46..185
        film_actor 1200: actor_id +>actor, film_id +>film
        inventory 1200: inventory_id *, film_id >film, store_id >store
        rental 3000: rental_id *, inventory_id >inventory, customer_id >customer, staff_id >staff
        payment 3000: payment_id *, customer_id >customer, staff_id >staff, rental_id *>rental, amount 0..11
    """,
    "imdb": """
        kind_type 7: id *, kind word
        title 800: id *, title text, kind_id >kind_type, production_year 1950..2012, episode_of_id ?>title
        name 900: id *, name text, gender m|f
        role_type 12: id *, role word
        cast_info 4000: id *, person_id >name, movie_id >title, nr_order 1..29, role_id >role_type
        company_name 300: id *, name word, country_code [us]|[de]
        movie_companies 1500: id *, movie_id >title, company_id >company_name
    """,
    "airline": """
        airports 60: iata *code3, lat real, city word
        carriers 12: carrier *code2, name word
        flights 3000: month 1..12, day 1..28, dep_delay 0..200, flight 1..2000, carrier >carriers, origin >airports, dest >airports
    """,
    "football": """
        Team 40: team_api_id *sparse, team_long_name word
        Match 600: match_api_id *sparse, home_team_api_id >Team, away_team_api_id >Team, home_team_goal 0..5, season 2008/2009|2009/2010
    """,
    "bank": """
        district 77: district_id *, A2 word, A3 north|south|west, A4 40000..1200000
        account 700: account_id *sparse, district_id >district, frequency monthly|weekly, date day
        client 800: client_id *sparse, gender M|F, district_id >district
        disp 900: disp_id *sparse, client_id >client, account_id >account, type OWNER|USER
        loan 300: loan_id *sparse, account_id >account, amount 5000..600000, duration 12|24|36
        trans 5000: trans_id *sparse, account_id >account, amount 1..90000
    """,
    "hospital": """
        patients 250: subject_id *sparse, gender M|F, dob day
        admissions 700: hadm_id *sparse, subject_id >patients, los_days 1..29, admittime day
        icd 120: icd9_code *code5, long_title text
        diagnoses 2100: hadm_id +>admissions, seq_num +1..3, icd9_code >icd
        labevents 3000: row_id *, subject_id >patients, hadm_id ?>admissions, value real
    """,
    "salesforce": """
        User 12: Id *code15, Alias word, ManagerId ?>User
        Account 150: Id *code15, Name word, OwnerId >User, ParentId ?>Account, NumberOfEmployees 1..5000
        Contact 300: Id *code15, AccountId >Account, OwnerId >User, ReportsToId ?>Contact
        Opportunity 400: Id *code15, AccountId >Account, OwnerId >User, Amount 100..99999, StageName Won|Lost|Open
    """,
    "wordpress": """
        wp_users 40: ID *, user_login word, user_status 0..1
        wp_posts 900: ID *, post_author >wp_users, post_parent ?>wp_posts, comment_count 0..39, post_status publish|draft
        wp_comments 2000: comment_ID *, comment_post_ID >wp_posts, comment_karma 0..4, user_id ?>wp_users
        wp_postmeta 3000: meta_id *, post_id >wp_posts, meta_key _edit|_thumb
    """,
    "django": """
        auth_user 90: id *, username word, is_staff 0..1
        blog_category 11: id *, name word, parent_id ?>blog_category
        blog_post 400: id *, author_id >auth_user, category_id >blog_category, likes 0..79
        blog_tag 50: id *, slug word
        blog_post_tags 1200: id *, post_id >blog_post, tag_id >blog_tag
        blog_comment 1500: id *, post_id >blog_post, user_id >auth_user, rating 1..5
    """,
    "adventure": """
        Person 500: BusinessEntityID *sparse, PersonType EM|IN, EmailPromotion 0..2
        SalesTerritory 10: TerritoryID *, Name word
        SalesPerson 17: BusinessEntityID *>Person, TerritoryID ?>SalesTerritory, Bonus 0..5000
        Customer 400: CustomerID *, PersonID >Person, TerritoryID >SalesTerritory
        Address 700: AddressID *, City word
        Product 293: ProductID *707, Name word, SafetyStockLevel 4..1000
        SalesOrderHeader 1200: SalesOrderID *43659, CustomerID >Customer, SalesPersonID ?>SalesPerson, BillToAddressID >Address, ShipToAddressID >Address
        SalesOrderDetail 2400: SalesOrderDetailID *, SalesOrderID >SalesOrderHeader, OrderQty 1..39, ProductID >Product
    """,  # noqa: E501
    "kunden": """
        tbl_filialen 7: FilialNr *, Ort word
        tbl_kunden 150: KundenNr *, Nachname word, Alter 18..90, Filiale >tbl_filialen
        tbl_artikel 80: ArtikelNr *code6, Bezeichnung text, Preis real
        tbl_bestellungen 600: BestellNr *1001, KundenNr >tbl_kunden, Datum day
        tbl_positionen 1800: BestellNr +>tbl_bestellungen, PosNr +1..3, Artikel >tbl_artikel, Menge 1..9
    """,
    "commandes": """
        Villes 30: IdVille *, Ville word
        Clients 120: IdClient *, Nom word, IdVille >Villes
        Vendeurs 9: IdVendeur *, Prenom word, ResponsableId ?>Vendeurs
        Commandes 500: NumCommande *, ClientId >Clients, VendeurId >Vendeurs
    """,
    "school": """
        schools 12: school_key *, city word
        students 300: student_key *, fk_school >schools, gender 0..1
        teachers 20: teacher_key *, years 1..29
        courses 40: course_key *, credits 1..5, fk_teacher >teachers
        enrolments 900: fk_student +>students, fk_course +>courses, grade 1..5
        student_details 300: student_key *>students, height real, siblings 0..3
    """,
    "machines": """
        machines 100: machineID *, model model1|model2, age 0..20
        telemetry 2400: machineID +>machines, hour +1..24, volt real
        errors 300: at day, machineID >machines, errorID error1|error2|error3
    """,
    "traps": """
        shops 60: shop_id *, rating 1..5, floors 1..3, opened 1950..2019
        channels 3: channel *, channel_name word
        visits 5000: visit_id *, shop_id >shops, age 18..59, basket 1..59, weekday 1..7, channel >channels, shop_size 1..59
        staff 80: staff_id *, shop >shops, grade 1..6, salary 1000..5000
    """,
    "nameless": """
        x1 100: a *uuid, b real
        x3 60: f *code5, g 0..8
        x2 400: c *uuid, d >x1, e ?>x3
        x4 900: h >x2, k real
    """,
    "unrelated": """
        weather 300: day day, temp real, station 1..8
        cars 200: make a|b|c, year 1990..2023, doors 2..5, price 1000..99999
        wine 400: quality 3..8, ph real
    """,
}  # fmt: skip


def parsed(text: str) -> Iterator[tuple[str, int, list[tuple[str, str]]]]:
    """Name, rows and (column, what it holds) of each table."""
    for line in text.strip().splitlines():
        head, _, columns = line.strip().partition(": ")
        name, rows = head.split()
        yield name, int(rows), [tuple(c.split(" ", 1)) for c in columns.split(", ")]  # type: ignore[misc]


def truth(text: str) -> tuple[set[tuple[str, str, str]], dict[str, tuple[str, ...]]]:
    """Links as (table, column, table), and the primary key of each table."""
    links = {(name, column, what.split(">")[1]) for name, _, columns in parsed(text) for column, what in columns if ">" in what}
    keys = {}
    for name, _, columns in parsed(text):
        parts = tuple(c for c, what in columns if what.startswith("+"))
        keys[name] = parts or tuple(c for c, what in columns if what.startswith("*"))[:1]
    return links, keys


def made(text: str, seed: int) -> dict[str, pd.DataFrame]:
    """The tables, filled at random."""
    rng = np.random.default_rng(seed)
    keys: dict[str, np.ndarray] = {}
    tables = {}
    for name, rows, columns in parsed(text):
        frame = {}
        parts = [(c, what[1:]) for c, what in columns if what.startswith("+")]
        for (column, _), values in zip(parts, _pairs(parts, rows, keys, rng), strict=True) if parts else ():
            frame[column] = values
        for column, what in columns:
            if not what.startswith("+"):
                keys[name] = keys.get(name, np.arange(0))
                own = keys[name] if len(keys[name]) else _cells("*", rows, keys, rng)
                frame[column] = _cells(what, rows, keys | {name: own}, rng)
                if what.startswith("*") and not len(keys[name]):
                    keys[name] = frame[column]
        tables[name] = pd.DataFrame({c: frame[c] for c, _ in columns})
    return tables


def _pairs(parts: list[tuple[str, str]], rows: int, keys: dict[str, np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Distinct pairs of keys, or of a key and a number that counts its rows."""
    sides = [keys[what[1:]] if what.startswith(">") else np.arange(1, int(what.split("..")[1]) + 1) for _, what in parts]
    size = len(sides[0]) * len(sides[1])
    at = np.sort(rng.permutation(size)[:rows]) if parts[1][1].startswith(">") else np.arange(size)
    return [sides[0][at // len(sides[1])], sides[1][at % len(sides[1])]]


def _cells(what: str, rows: int, keys: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    if what.startswith("*>"):
        return keys[what[2:]][:rows]
    if ">" in what:
        picked = rng.choice(keys[what.split(">")[1]], rows).astype(object)
        return np.where(rng.random(rows) < 0.4, None, picked) if what[0] == "?" else picked
    if what.startswith("*"):
        return _key(what[1:], rows, rng)
    if ".." in what:
        low, high = map(int, what.split(".."))
        return rng.integers(low, high + 1, rows)
    if "|" in what:
        return rng.choice(what.split("|"), rows)
    if what == "real":
        return rng.normal(size=rows)
    if what == "day":
        return pd.date_range("2020-01-01", periods=rows).to_numpy()
    return np.array([("some words " if what == "text" else "") + w.title() for w in _codes(7, rows, string.ascii_lowercase, rng)])


def _key(what: str, rows: int, rng: np.random.Generator) -> np.ndarray:
    if what == "sparse":
        return np.sort(rng.choice(np.arange(1, 20 * rows), rows, replace=False))
    if what == "uuid":
        return np.array([str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(rows)])
    if what.startswith("code"):
        return np.array(_codes(int(what[4:]), rows, string.ascii_uppercase, rng))
    return np.arange(rows) + int(what or 1)


def _codes(length: int, rows: int, letters: str, rng: np.random.Generator) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < rows:
        found["".join(rng.choice(list(letters), length))] = None
    return list(found)
