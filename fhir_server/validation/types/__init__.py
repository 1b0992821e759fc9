"""What base R4 asks of each type: its structure as one JSON Schema, and beside it what no schema can say.

A rule of base R4 is a row of `stated` or a file here; its one-change example is in `tests/validation/test_rules.py`.
"""
