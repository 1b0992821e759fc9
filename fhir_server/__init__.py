"""A FHIR R4 server for a national patient health space. `app.py` wires the rooms; ARCHITECTURE.md shows the house."""
