"""Missing cells: drawn several times over, for estimates that say how sure they are, or guessed once."""

from lookalike.impute.tables import Imputed, Pooled, impute, pool

__all__ = ["Imputed", "Pooled", "impute", "pool"]
