"""The routes of authorization, thin: what they decide is in `fhir_server.smart`.

May import `smart` and what is below. A page is a template in `http/templates/smart` and a route here.
"""
