"""The report: compute once into JSON, then draw it as text or as a page. `build` is the way in."""

from __future__ import annotations

from lookalike.report.plan import Options, Plan
from lookalike.report.report import Report, Source, build

__all__ = ["Options", "Plan", "Report", "Source", "build"]
