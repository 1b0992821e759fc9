"""FHIR's verbs, one file each, over `Request` and `Context`.

May import `jobs`, `access` and below. A handler is `async (Request, Context) -> Response`.
"""
