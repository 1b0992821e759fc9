"""The catalogue: referenced apps, their purposes, what patients accept of them, and how an app gets referenced.

`apps`, `dossiers` and `consent_resource` are the resources, from and to FHIR; `registry` and `consents` find and keep
them; `rights` says what they give a token, `governing` tells smart; `referencing` is the way in. May import what
`space` may.
"""
