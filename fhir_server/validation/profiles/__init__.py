"""What profiles ask beyond their types: where they are known from, and what they are compiled to.

`known` finds them, `snapshots` reads them, `compiled` turns one into schema and FHIRPath, `conformance` judges by it.
"""
