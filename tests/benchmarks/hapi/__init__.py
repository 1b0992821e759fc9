"""HAPI's JPA server over PostgreSQL, measured beside this one: built from Maven's packages, run, filled, asked the same.

Never part of continuous integration. It needs Java 17, Maven and PostgreSQL on the machine, and nothing of the project's own.
"""
