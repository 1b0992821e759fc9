"""A search as it is written, read into filters: criteria, chains, `_filter`, sorting and what shapes the answer."""
