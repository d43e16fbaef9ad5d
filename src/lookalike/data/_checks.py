"""Check digits, vectorised: card numbers (Luhn), IBANs (ISO 7064 mod 97-10) and national identity numbers.

Numbers are uint8 matrices [n, length] of characters, without separators. `complete` sets the check characters right, so that a number is
valid if completing it changes nothing. The rules are those of python-stdnum, against which the tests hold them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ZERO = ord("0")
_DNI = np.frombuffer(b"TRWAGMYFPDXBNJZSQVHLCKE", np.uint8)
_HETU = np.frombuffer(b"0123456789ABCDEFHJKLMNPRSTUVWXY", np.uint8)


def matrix(strings: pa.Array, length: int) -> np.ndarray:
    """uint8 [n, length] of strings that all have `length` ASCII characters."""
    joined = "".join(strings.to_pylist()).encode("ascii")
    return np.frombuffer(joined, np.uint8).reshape(-1, length).copy()


def luhn(m: np.ndarray) -> np.ndarray:
    """`m` with its last digit set by Luhn's rule."""
    out = m.copy()
    doubled = (m[:, -2::-2] - ZERO).astype(np.int64) * 2
    plain = (m[:, -3::-2] - ZERO).astype(np.int64)
    total = (doubled - 9 * (doubled > 9)).sum(axis=1) + plain.sum(axis=1)
    out[:, -1] = (-total) % 10 + ZERO
    return out


def iban(m: np.ndarray) -> np.ndarray:
    """`m` (country, two check digits, account) with its check digits set."""
    out = m.copy()
    out[:, 2:4] = ZERO
    left = np.zeros(len(m), np.int64)
    for c in [*range(4, m.shape[1]), 0, 1, 2, 3]:
        digit = out[:, c] <= ord("9")
        value = np.where(digit, out[:, c] - ZERO, out[:, c] - ord("A") + 10).astype(np.int64)
        left = (left * np.where(digit, 10, 100) + value) % 97
    check = 98 - left
    out[:, 2], out[:, 3] = check // 10 + ZERO, check % 10 + ZERO
    return out


def _sum(m: np.ndarray, weights: tuple[int, ...]) -> np.ndarray:
    """int64 [n]: weighted sum of the first digits."""
    return (m[:, : len(weights)] - ZERO).astype(np.int64) @ np.array(weights)


def _number(m: np.ndarray) -> np.ndarray:
    """int64 [n]: the digits as a number."""
    return _sum(m, tuple(10**p for p in range(m.shape[1] - 1, -1, -1)))


def _last(m: np.ndarray, value: np.ndarray) -> np.ndarray:
    out = m.copy()
    out[:, -1] = value + ZERO
    return out


def _cpf(m: np.ndarray) -> np.ndarray:
    out = m.copy()
    out[:, 9] = (-_sum(out, tuple(range(10, 1, -1))) % 11) % 10 + ZERO
    out[:, 10] = (-_sum(out, tuple(range(11, 1, -1))) % 11) % 10 + ZERO
    # A remainder of 0 or 1 gives 0, which (-s) % 11 says as 0 and 10.
    return out


def _fixed(m: np.ndarray, check: Callable[[np.ndarray], np.ndarray], at: int) -> np.ndarray:
    """`m` with its last digit `check`; where that is 10, digit `at` is changed until it is not, as no such number is given out."""
    out, left = m.copy(), np.arange(len(m))
    for _ in range(10):
        found = check(out[left])
        good = found < 10
        out[left[good], -1] = found[good] + ZERO
        left = left[~good]
        out[left, at] = (out[left, at] - ZERO + 1) % 10 + ZERO
    return out


def _bsn(m: np.ndarray) -> np.ndarray:
    return _fixed(m, lambda x: _sum(x, (9, 8, 7, 6, 5, 4, 3, 2)) % 11, 7)


def _nhs(m: np.ndarray) -> np.ndarray:
    return _fixed(m, lambda x: -_sum(x, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11, 8)


def _dni(m: np.ndarray) -> np.ndarray:
    out = m.copy()
    out[:, 8] = _DNI[_number(m[:, :8]) % 23]
    return out


def _pesel(m: np.ndarray) -> np.ndarray:
    return _last(m, -_sum(m, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def _hetu(m: np.ndarray) -> np.ndarray:
    out = m.copy()
    out[:, 10] = _HETU[(_number(m[:, :6]) * 1_000 + _number(m[:, 7:10])) % 31]
    return out


def _nir(m: np.ndarray) -> np.ndarray:
    out = m.copy()
    check = 97 - _number(m[:, :13]) % 97
    out[:, 13], out[:, 14] = check // 10 + ZERO, check % 10 + ZERO
    return out


def _ahv(m: np.ndarray) -> np.ndarray:
    return _last(m, -_sum(m, (1, 3) * 6) % 10)


@dataclass(frozen=True)
class Scheme:
    """A kind of national identity number.

    pattern: of the number without separators. complete: sets its check characters; None: it has none. ranges: least and greatest value of
    digits that stand at a place, as {place: (digits, least, greatest)}: days, months, areas. usual: how it is written, # for a digit, @ for
    a letter. checks: places that the others decide. bare: characters that only part the number.
    """

    pattern: str
    complete: Callable[[np.ndarray], np.ndarray] | None
    ranges: dict[int, tuple[int, int, int]]
    usual: str
    checks: tuple[int, ...] = ()
    bare: str = " ./-"


SCHEMES: dict[str, Scheme] = {
    "us_ssn": Scheme(r"^\d{9}$", None, {0: (3, 900, 999), 3: (2, 1, 49), 5: (4, 1, 9999)}, "###-##-####"),
    "ca_sin": Scheme(r"^[1-79]\d{8}$", luhn, {0: (1, 1, 7)}, "### ### ###", (8,)),
    "br_cpf": Scheme(r"^\d{11}$", _cpf, {}, "###.###.###-##", (9, 10)),
    "nl_bsn": Scheme(r"^\d{9}$", _bsn, {0: (1, 1, 9)}, "#########", (7, 8)),
    "es_dni": Scheme(r"^\d{8}[A-Z]$", _dni, {}, "########@", (8,)),
    "pl_pesel": Scheme(
        r"^\d{2}(0[1-9]|1[0-2]|2[1-9]|3[0-2])(0[1-9]|[12]\d|3[01])\d{5}$", _pesel,
        {0: (2, 40, 99), 2: (2, 1, 12), 4: (2, 1, 28)}, "###########", (10,),
    ),
    "gb_nhs": Scheme(r"^\d{10}$", _nhs, {0: (1, 4, 7)}, "### ### ####", (8, 9)),
    "fr_nir": Scheme(
        r"^[12]\d{2}(0[1-9]|1[0-2])\d{10}$", _nir,
        {0: (1, 1, 2), 1: (2, 40, 99), 3: (2, 1, 12), 5: (2, 10, 19), 7: (3, 1, 400)}, "# ## ## ## ### ### ##", (13, 14),
    ),
    "se_personnummer": Scheme(
        r"^\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{4}$", luhn,
        {0: (2, 40, 99), 2: (2, 1, 12), 4: (2, 1, 28)}, "######-####", (9,),
    ),
    "fi_hetu": Scheme(
        r"^(0[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])\d{2}[-+A-FU-Y]\d{3}[0-9A-Y]$", _hetu,
        {0: (2, 1, 28), 2: (2, 1, 12), 4: (2, 40, 99), 7: (3, 900, 999)}, "######-###@", (10,), "",
    ),
    "ch_ahv": Scheme(r"^756\d{10}$", _ahv, {0: (3, 756, 756)}, "###.####.####.##", (12,)),
}  # fmt: skip
"""us_ssn: area 900 to 999 with group 01 to 49, fi_hetu: numbers from 900 on, are given to nobody."""


def valid(strings: pa.Array, complete: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """bool [n]: the strings, whose characters are letters and digits as they should be, have the right check characters."""
    out = np.zeros(len(strings), bool)
    lengths = pc.utf8_length(strings).to_numpy(zero_copy_only=False)
    for length in np.unique(lengths).tolist():
        at = np.flatnonzero(lengths == length)
        m = matrix(strings.take(pa.array(at)), length)
        out[at] = (complete(m) == m).all(axis=1)
    return out
