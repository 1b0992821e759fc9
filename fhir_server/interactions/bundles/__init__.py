"""Bundles posted to the base: batches, each entry on its own, and transactions, all or nothing."""
