"""Erasing a space: what of it, in what order, and that no old copy brings it back; `erasing` has the order."""
