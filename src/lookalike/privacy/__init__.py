"""Differential privacy: what may be looked at, at what cost, and what is promised for it."""
