"""What is written is whole or not there: a file or folder appears under its name only when it is finished."""

from __future__ import annotations

import errno
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from lookalike.errors import FileError, LookalikeError

_OURS = ("synthetic.*", "report.html", "report.json", "schema.json", "model.lookalike")

_TURNS = 1_000
"""How often a folder is tried to be put in a place that others want, too."""


class Unfinished:
    """A file that is written under the hidden name `path`, until `keep` gives it its own name or `drop` removes it.

    A link is followed. There may be no folder of that name.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.shown, self._place = str(path), Path(path).resolve()
        if self._place.is_dir():
            raise FileError("there is a folder of this name", where=self.shown, fix="choose another name")
        if not self._place.parent.is_dir():
            raise _no_folder(Path(path))
        self.path = _beside(self._place)

    def keep(self) -> None:
        """Put what was written on the disk, and give it its name."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        self.path.replace(self._place)

    def drop(self) -> None:
        """Remove what was written, if it is still there."""
        with suppress(OSError):
            self.path.unlink()


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name to write under; the file is moved to `path` at the end, or removed if the work fails or is stopped.

    Raises:
        FileError: there is no place to write.
    """
    unfinished = Unfinished(path)
    try:
        yield unfinished.path
        unfinished.keep()
    except LookalikeError:
        raise
    except OSError as error:
        raise FileError.of(error, where=unfinished.shown, doing="write the file") from None
    finally:
        unfinished.drop()


class NewFolder:
    """A folder that appears under its name when all of it is written: `with NewFolder("out") as folder: …`.

    Entering claims the place, so that a bad one is refused before any work. An older folder is replaced if it holds only what `make`
    writes, or the names in `ours`; with `overwrite` any is written into, file by file. Other files are never removed.

    Raises:
        FileError: the folder cannot be made, or holds files that are not ours.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False, ours: tuple[str, ...] = _OURS) -> None:
        self.path, self.overwrite, self._ours = Path(path), overwrite, ours
        self._place = self.path.resolve()

    def __enter__(self) -> Path:
        try:
            foreign = self._foreign()
        except NotADirectoryError:
            raise FileError("a file is in the way of the folder", where=str(self.path), fix="choose another folder with --out") from None
        except OSError as error:
            raise self._told(error) from None
        if foreign and not self.overwrite:
            what = f"the folder holds other files ({', '.join(foreign[:3])}{' …' if len(foreign) > 3 else ''})"
            raise FileError(what, where=str(self.path), fix="choose another folder with --out, or --force")
        if not self._place.parent.is_dir():
            raise _no_folder(self.path)
        self._unfinished = _beside(self._place)
        try:
            self._unfinished.mkdir()
        except OSError as error:
            raise self._told(error) from None
        return self._unfinished

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._publish()
        except OSError as problem:
            raise self._told(problem) from None
        finally:
            shutil.rmtree(self._unfinished, ignore_errors=True)
        if isinstance(error, FileError):  # names the place under the name that its reader knows
            raise FileError(error.what, where=error.where.replace(str(self._unfinished), str(self.path)), fix=error.fix) from error
        if isinstance(error, OSError):
            raise self._told(error) from None

    def _told(self, error: OSError) -> FileError:
        return FileError.of(error, where=str(self.path), doing="write the folder")

    def _foreign(self) -> list[str]:
        """Names in the folder that are not ours; none where there is no folder, or no longer one."""
        try:
            return sorted(f.name for f in self.path.iterdir() if not any(f.match(name) for name in self._ours))
        except FileNotFoundError:
            return []

    def _publish(self) -> None:
        """Move what was written to its place; of several processes that do so at once the last one stays."""
        for _ in range(_TURNS):
            with suppress(FileNotFoundError):  # another took the old one away
                if not self._place.exists():
                    if self._put():
                        return
                    continue
                if self._foreign() or self._place == Path.cwd():
                    break
                old = _beside(self._place)
                self._place.rename(old)
                try:
                    done = self._put()
                except OSError:
                    old.rename(self._place)
                    raise
                shutil.rmtree(old)
                if done:
                    return
        for file in self._unfinished.iterdir():
            file.replace(self._place / file.name)

    def _put(self) -> bool:
        """Give the folder its name; False if another has just taken it."""
        try:
            self._unfinished.rename(self._place)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            return False
        return True


def expanded(place: str | os.PathLike[str]) -> Path:
    """The path in which `~` is a home folder.

    Raises:
        FileError: there is no user of this name, or it has a NUL in it, which no path may have.
    """
    if "\0" in str(place):
        raise FileError("a NUL is in its name", where=repr(str(place)), fix="check the path")
    try:
        return Path(place).expanduser()
    except RuntimeError:
        raise FileError("there is no home folder of this name", where=str(place), fix="write the whole path") from None


def _beside(path: Path) -> Path:
    """A fresh hidden name in the same folder, so that a rename stays within one disk."""
    return path.parent / f".{path.name[:200]}.{secrets.token_hex(4)}"


def _no_folder(path: Path) -> FileError:
    """What a person reads when `path` cannot be made because its folder is not there."""
    if path.parent.exists():
        return FileError(f"{path.parent} is a file, not a folder", where=str(path), fix="choose another place")
    return FileError("its folder is not there", where=str(path), fix=f"mkdir -p {shlex.quote(str(path.parent))}")
