"""Identities: an INS that changes, two records of one person made one, what was filed about another, rectification."""
