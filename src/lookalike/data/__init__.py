"""Reading, writing and streaming typed tables: the only place where formats and dtypes are argued about."""

from lookalike.data.dataset import Dataset, columns_of
from lookalike.data.shelf import LinkedWriter
from lookalike.data.write import Writer

__all__ = ["Dataset", "LinkedWriter", "Writer", "columns_of"]
