"""How software and people get in: the authorization server, its clients, tokens and pages' logic.

The only place that imports authlib. Its rooms: `clients`, `people`, `federation`, `authorizing`, `tokens`; what they
share stands beside them, and `authorization` puts them together.
"""
