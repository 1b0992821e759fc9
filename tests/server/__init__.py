"""Servers for tests. In this process: `calls` and `searches` (no HTTP), `whole` and `closed` (every room, through ASGI),
`stub` and `listening` (the wire alone). In one of its own: `command` and `process`. Who and what is in them: `people`."""
