"""Whether a resource is right: by its type (`types`), and by the profiles it claims (`profiles`).

`validator` asks both. May import `terminology`, `store` and `fhir`.
"""
