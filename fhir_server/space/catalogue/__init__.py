"""The catalogue: referenced apps, their purposes, what patients accept of them, and how an app gets referenced.

`apps` and `decisions` are the resources read and written; `catalogue` and `consents` find and keep them; `rights` says
what they give a token; `referencing` is the way in. May import what `space` may.
"""
