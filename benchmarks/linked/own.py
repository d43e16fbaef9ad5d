"""This project's own report on a folder of tables, without a holdout: all figures by name.

python own.py REAL SYNTHETIC OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import lookalike
from lookalike.data import Dataset

if __name__ == "__main__":
    real, made, out = map(Path, sys.argv[1:4])
    data = Dataset.of(real)
    report = lookalike.report(data, made, effort="quick")
    out.write_text(json.dumps({s.name: s.value for s in report.scores} | {f"{s.name} of real": s.ceiling for s in report.scores}))
