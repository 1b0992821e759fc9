"""Runs TestScripts against any FHIR server over HTTP and says what came of it. Start at `runner.run`.

https://hl7.org/fhir/R4/testscript.html. May import `validation` and `fhir`; knows nothing of this server. A kind of
assertion is a row in `assertions.py`, an operation code a row in `requests.py`.
"""
