"""Parity: rows are drawn as a model draws them, then one column, the outcome, is drawn anew so that it favours no group.

Labels that are merely flipped until groups have equal rates leave models unfair, through all that tells the group. So what is repaired is
the score that a model would learn, P(outcome | row): within each group (and stratum of legitimate columns) its distribution is moved to
that of all groups between them, and outcomes follow the repaired score, each changed as seldom as that allows. The repair is learned from
rows that were drawn, not from real ones: it is post-processing, and a guarantee of the model holds for what comes out.

Feldman et al. 2015 and Gouic, Loubes & Rigollet 2020 (transport of a score to the barycentre of its groups); Gaucher, Schreuder &
Chzhen 2023 (where the group is not seen, its probability takes its place); Kilbertus et al. 2017 (proxies). docs/decisions.md has what
was tried.
"""

from lookalike.fair.parity import Parity, check
from lookalike.fair.repair import Repair
from lookalike.fair.twins import Twins, twins

__all__ = ["Parity", "Repair", "Twins", "check", "twins"]
