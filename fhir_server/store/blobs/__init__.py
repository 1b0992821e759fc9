"""Where content that is too long for a row is kept: bytes under handles. It knows nothing of resources or of callers.

`protocol.py` is the promise, `files.py` keeps it beside an embedded store; `tests/store/contract` holds them to it.
"""
