"""Pro Santé Connect and FranceConnect+ as they look to a relying party, for demonstrations and tests on one machine.

Real OpenID Connect providers with invented people: anyone may sign in as anyone. May import what `http` may.
"""
