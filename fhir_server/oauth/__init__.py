"""The endpoints of authorization that software calls, thin: what they decide is in `fhir_server.smart`.

May import `http`, `smart` and what is below.
"""
