"""The command line `fhir-server`: one file a command.

May import `loading`, `app` and everything below; nothing imports it. A new command is a file with one function, and a
row in `main.py`.
"""
