"""More rows of the classes and groups that have few: a resampler as scikit-learn and imbalanced-learn know them.

Rows of a class are drawn by a model of that class beside a few times as many other rows, so that it learns what is particular to the
class; rows that could not be real are refused. Validation rows are never seen: all that is learned is learned in `fit_resample`, which
pipelines call with training rows only. (docs/decisions.md has the designs that were tried beside it.)
"""

from lookalike.augment.resampler import Augmentation, AugmentedClassifier
from lookalike.augment.shares import wanted

__all__ = ["Augmentation", "AugmentedClassifier", "wanted"]
