"""Identity by others: this server as a relying party of Pro Santé Connect, FranceConnect+ and the like.

May import what `smart` may. A kind of provider is a row of `providers.KINDS` and a function of `people.matching`.
"""
