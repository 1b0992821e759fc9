"""The command line `fhir-server`: one file a command, and what loading is made of.

May import `app` and everything below; nothing imports it. A new command is a file with one function, and a row in
`main.py`.
"""
