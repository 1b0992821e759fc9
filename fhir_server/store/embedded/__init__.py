"""The default engine: SQLite in WAL mode through apsw, one group-committing writer, many readers.

The only place that imports apsw.
"""
