"""Whether a resource is right: compiled base types and profiles, invariants.

May import `terminology`, `store` and `fhir`.
"""
