"""The command `lookalike`, also as `python -m lookalike`: what Ctrl-C does before the modules of the command are there."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def main() -> None:
    """Run the command. Until its modules are imported nothing is written, and Ctrl-C ends it at once."""
    signal.signal(signal.SIGINT, _stopped)
    from lookalike.cli import main as run

    run()


def _stopped(*_: Any) -> None:
    sys.stderr.write("stopped\n")
    sys.stderr.flush()
    os._exit(130)  # an exit that is raised amid an import may be lost or take another shape


if __name__ == "__main__":
    main()
