"""An invented population: people, professionals, establishments, and years of documents, appointments and messages.

May import `fhir` only. Its tables are in `seed/`; `generation.population` is the door; each other file makes one part
of a life.
"""
