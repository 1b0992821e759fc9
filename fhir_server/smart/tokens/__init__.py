"""What clients hold: codes, access, refresh and identity tokens, given, kept, verified, told of and ended.

A request with a bearer token needs `verify` and nothing else of this room.
"""
