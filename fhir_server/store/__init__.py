"""Where versions are kept: the protocol, the filter language and its meaning, and a folder for each engine.

May import `fhir`. An engine is a folder here; the contract suite in `tests/store` says when it is done.
"""
