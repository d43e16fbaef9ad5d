"""What is written is whole or not there: a file or folder appears under its name only when it is finished."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from lookalike.errors import FileError, LookalikeError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_OURS = ("synthetic.*", "report.html", "report.json", "schema.json", "model.lookalike")


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name to write under; the file is moved to `path` at the end, or removed if the work fails or is stopped.

    Raises:
        FileError: there is no place to write.
    """
    path = Path(path)
    unfinished = _beside(path)
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        if isinstance(error, LookalikeError):
            raise
        raise _unwritable(path, error) from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


class NewFolder:
    """A folder that appears under its name when all of it is written: `with NewFolder("out") as folder: …`.

    Entering claims the place, so that a bad one is refused before any work. An older folder is replaced if it
    holds only what `make` writes; with `overwrite` any is written into, file by file. Other files are never removed.

    Raises:
        FileError: the folder cannot be made, or holds files that are not ours.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        self.path, self.overwrite = Path(path), overwrite

    def __enter__(self) -> Path:
        if self.path.exists() and not self.path.is_dir():
            raise FileError("a file is in the way of the folder", where=str(self.path), fix="choose another folder with --out")
        if not self.overwrite and (foreign := self._foreign()):
            what = f"the folder holds other files ({', '.join(foreign[:3])}{' …' if len(foreign) > 3 else ''})"
            raise FileError(what, where=str(self.path), fix="choose another folder with --out, or --force")
        self._unfinished = _beside(self.path)
        try:
            self._unfinished.mkdir()
        except OSError as error:
            raise _unwritable(self.path, error) from None
        return self._unfinished

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._publish()
        except OSError as problem:
            raise _unwritable(self.path, problem) from None
        finally:
            shutil.rmtree(self._unfinished, ignore_errors=True)
        if isinstance(error, FileError):  # names the place under the name that its reader knows
            raise FileError(error.what, where=error.where.replace(str(self._unfinished), str(self.path)), fix=error.fix) from error
        if isinstance(error, OSError):
            raise _unwritable(self.path, error) from None

    def _foreign(self) -> list[str]:
        """Names in the folder that are not ours."""
        if not self.path.is_dir():
            return []
        return sorted(f.name for f in self.path.iterdir() if not any(f.match(name) for name in _OURS))

    def _publish(self) -> None:
        """Move what was written to its place."""
        if not self.path.exists():
            self._unfinished.rename(self.path)
            return
        if not self._foreign():
            old = _beside(self.path)
            self.path.rename(old)
            self._unfinished.rename(self.path)
            shutil.rmtree(old)
            return
        for file in self._unfinished.iterdir():
            file.replace(self.path / file.name)


def _beside(path: Path) -> Path:
    """A fresh hidden name in the same folder, so that a rename stays within one disk."""
    return path.parent / f".{path.name}.{secrets.token_hex(4)}"


def _unwritable(path: Path, error: OSError) -> FileError:
    """What a person reads when `path` cannot be written."""
    fix = "free some space or choose another disk" if error.errno in _FULL else "choose a place where you may write"
    if not path.parent.is_dir():
        fix = f"make the folder {path.parent} first"
    return FileError(f"cannot be written: {error.strerror or error}", where=str(path), fix=fix)
