"""The wire: routes, negotiation, headers, errors, pages for people. The only room that knows Starlette and FastAPI."""
