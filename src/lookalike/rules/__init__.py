"""Rules that rows must obey: written by a person, or found in the data and confirmed by one."""

from lookalike.rules.find import Found, find
from lookalike.rules.rules import Rule, Rules, Seen

__all__ = ["Found", "Rule", "Rules", "Seen", "find"]
