"""What can go wrong, said so that the reader knows what, where and what to do next.

LookalikeError
├── DataError      (ValueError)      the data cannot be used as they are
├── FileError      (OSError)         a file, folder or database cannot be read or written
├── SchemaError    (ValueError)      a schema contradicts itself or the data
├── SettingError   (ValueError)      a setting, flag or argument has a bad value
├── UnknownName    (LookupError)     no such column, model, metric …; names the near matches
├── CannotError    (TypeError)       the chosen model cannot do this; says which one can
├── StoreError     (ValueError)      a model file is damaged, foreign or too new
├── BudgetError    (ValueError)      a privacy budget does not allow what was asked
├── TrainingError  (RuntimeError)    a training cannot go on: it diverged, memory is full, or its device is not there
└── MissingExtra   (ImportError)     an optional dependency is not installed; prints the pip line
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Collection, Iterable

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


_WHOLE = "is the file whole, and of the type that its name says?"


class LookalikeError(Exception):
    """Root of all errors that Lookalike raises on purpose."""

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  → {self.fix}" if self.fix else head


class DataError(LookalikeError, ValueError):
    """The data cannot be used as they are."""


class FileError(LookalikeError, OSError):
    """A file, folder or database cannot be read or written."""

    @classmethod
    def of(cls, error: OSError, *, where: str, doing: str, fix: str = "") -> FileError:
        """What the system complained of while `doing` something; `fix` helps where the reason does not say what does."""
        if error.errno in _FULL:
            reason, fix = "no space left", "free some space, or choose another disk"
        elif error.errno == errno.EFBIG:
            reason = "it would be larger than a file may be here"
            fix = "raise the limit on the size of files (ulimit -f), choose a disk that takes larger ones, or write less"
        else:
            reason = error.strerror or str(error)
        if error.errno in _DENIED:
            fix = "check its permissions, or choose another place"
        return cls(f"cannot {doing}: {reason}", where=where, fix=fix or ("check the path" if error.errno else _WHOLE))


class SchemaError(LookalikeError, ValueError):
    """A schema contradicts itself or the data."""


class SettingError(LookalikeError, ValueError):
    """A setting, flag or argument has a value that cannot be used."""


class CannotError(LookalikeError, TypeError):
    """The chosen model cannot do what was asked."""


class StoreError(LookalikeError, ValueError):
    """A model file is damaged, foreign or from a newer version."""


class BudgetError(LookalikeError, ValueError):
    """A privacy budget does not allow what was asked, or is spent."""


class TrainingError(LookalikeError, RuntimeError):
    """A training cannot go on: it diverged, memory is full, or its device is not there."""


class UnknownName(LookalikeError, LookupError):
    """A name that does not exist, with the near matches that do; `hint`: why it may be missing."""

    def __init__(self, name: str, known: Iterable[str], *, what: str = "name", where: str = "", hint: str = "") -> None:
        self.name, self.known = name, tuple(known)
        near = near_matches(name, self.known)
        if near:
            fix = "did you mean " + " or ".join(repr(n) for n in near) + "?"
        elif self.known:
            shown = ", ".join(self.known[:12]) + (" …" if len(self.known) > 12 else "")
            fix = f"known: {shown}"
        else:
            fix = "there are none"
        super().__init__(f"no {what} named {name!r}", where=where, fix=joined(fix, hint))


class MissingExtra(LookalikeError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, *, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package!r}, which is not installed", fix=f'pip install "lookalike[{extra}]"')


def joined(*hints: str) -> str:
    """What to do, of several hints: a semicolon between them, but none after a question."""
    return "; ".join(filter(None, hints)).replace("?;", "?")


def near_matches(name: str, known: Collection[str]) -> list[str]:
    """Up to three of `known` that `name` may have meant, case ignored, best first; 3 where only leading zeros lack: 003."""
    padded = [k for k in known if k.isdigit() and name.isdigit() and k.lstrip("0") == name.lstrip("0")]
    if padded:
        return padded[:3]
    lower: dict[str, str] = {}
    for k in known:
        lower.setdefault(k.lower(), k)
    return [lower[m] for m in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
