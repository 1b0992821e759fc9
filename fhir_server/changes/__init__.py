"""How a worker comes to know what was committed, by itself or by others: one follower, and what goes by it.

May import `store` and below. Who remembers something of the store subscribes here, or keeps it in a `Cache`.
"""
