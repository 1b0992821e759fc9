"""What codes mean: code systems, value sets, concept maps.

May import `store` and `fhir`.
"""
