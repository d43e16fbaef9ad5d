"""What may happen to an output while it is written: another process wants the same place, or the process is killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import killed
import pandas as pd
import pyarrow as pa
import pytest

import lookalike as la
from lookalike._whole import NewFolder
from lookalike.data import Dataset, Writer
from lookalike.errors import FileError
from lookalike.schema import Column, Table

TABLE = Table(name="t", columns=(Column(name="n", kind="integer", storage="int64"),))
FOLDERS = """
import sys
from lookalike._whole import NewFolder, whole
for k in range(60):
    with NewFolder("out", ours=("a", "b")) as folder:
        for name in ("a", "b"):
            (folder / name).write_text(f"{sys.argv[1]} {k}" * 1_000)
    with whole("file") as unfinished:
        unfinished.write_text(f"{sys.argv[1]} {k};" * 1_000)
"""


# ----------------------------------------------------------------------------------------------------------- two processes


def test_processes_that_write_to_one_place_leave_the_whole_of_one(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", FOLDERS, str(k)], cwd=tmp_path, stderr=subprocess.PIPE, text=True) for k in range(3)]
    while any(w.poll() is None for w in writers):
        _same(tmp_path / "out")
    assert [w.communicate()[1] for w in writers] == [""] * 3
    _same(tmp_path / "out")
    assert len(set((tmp_path / "file").read_text().split(";")[:-1])) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "out"]


def _same(folder: Path) -> None:
    """Both files of the folder are of one writer; a folder that is just being exchanged is looked at as it was opened."""
    try:
        at = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        found = {Path(f"/proc/self/fd/{at}/{name}").read_text() for name in ("a", "b")}
    except FileNotFoundError:  # it has been replaced, and is being removed
        return
    finally:
        os.close(at)
    assert len(found) == 1


def test_an_old_folder_stays_if_the_new_one_cannot_be_put_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old", encoding="utf-8")

    def full(self: NewFolder) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(NewFolder, "_put", full)
    with pytest.raises(FileError, match="no space left"), NewFolder(tmp_path / "out", ours=("a",)) as folder:
        (folder / "a").write_text("new", encoding="utf-8")
    assert (tmp_path / "out" / "a").read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_database_that_another_process_writes_to_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}?table="
    with Writer(url + "one", TABLE) as first:
        first.append(pa.table({"n": pa.array([1, 2], pa.int64())}))
        with pytest.raises(FileError, match="database is locked"), Writer(url + "two", TABLE):
            pass
    assert Dataset.of(url + "one").rows == 2


# ------------------------------------------------------------------------------------------------------------------ killed


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """A few moments of two deeds; `make abuse` tries more of all."""
    rng, known = random.Random(0), killed.deeds(tmp_path)
    for title in ("csv", "database"):
        found = [killed.tried(known[title], tmp_path, rng, 2.0, before=False) for _ in range(2)]
        assert set(found) <= {"nothing", "whole"}


def test_what_a_kill_leaves_is_not_read_as_a_table(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    pd.DataFrame({"a": [1, 2]}).to_csv(tmp_path / "shop" / "t-1.csv", index=False)
    (tmp_path / "shop" / ".t-2.csv.1a2b3c4d").write_text("a\n3", encoding="utf-8")
    (tmp_path / "shop" / ".t-3.csv").write_text("a\n4", encoding="utf-8")
    assert la.Dataset.of(str(tmp_path / "shop")).rows == la.Dataset.of(str(tmp_path / "shop" / "*.csv")).rows == 2
