"""The health space's own rules, one folder a service: record, agenda, messages, catalogue, accounts.

May import `access` and below.
"""
