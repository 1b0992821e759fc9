"""The wire: routes, negotiation, headers, errors, connections. Below it nothing knows Starlette or FastAPI."""
