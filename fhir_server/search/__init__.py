"""From a query to filters, and from a resource to its index; assembling a searchset.

May import `terminology`, `store` and `fhir`. A modifier is a row in its parameter type's table in `kinds/`.
"""
