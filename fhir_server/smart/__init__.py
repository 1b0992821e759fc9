"""How software and people get in: the authorization server, its clients, tokens and pages' logic.

The only place that imports authlib.
"""
