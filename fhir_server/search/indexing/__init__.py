"""One file for each search parameter type: how elements of a resource become rows of its index.

May import `search.parameters`, `store.filters` and `fhir`. A type of element is a row in
the table of its parameter type.
"""
