"""What several tests share: a database server of our own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of an empty database of a PostgreSQL server of our own, up to its parameters."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql): its tests did NOT run")
    user = None if os.geteuid() else "nobody"
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if user:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data = Path(folder) / "data"

        def run(*command: str | Path) -> None:
            subprocess.run([str(c) for c in command], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)

        run(programs / "initdb", "-D", data, "-A", "trust", "-U", "lookalike", "-E", "UTF8", "--no-sync", "--locale", "C")
        run(programs / "pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", f"-k {folder} -c listen_addresses='' -F", "start")
        try:
            yield f"postgresql:///postgres?host={folder}&user=lookalike"
        finally:
            run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
