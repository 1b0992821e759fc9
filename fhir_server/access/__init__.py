"""Who may see and do what: Grant to Filter, the Repository (the only door to the store), audit.

May import `search`, `validation`, `terminology`, `store` and `fhir`.
"""
