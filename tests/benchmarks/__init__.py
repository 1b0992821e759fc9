"""Each scenario beside its ceiling: a bare route on the same server, the same bytes, the same engine, no FHIR.

Run by `make bench` (`python -m tests.benchmarks --help`), never by pytest. Prints the README's tables.
"""
