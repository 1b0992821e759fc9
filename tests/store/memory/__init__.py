"""An engine for tests alone: in memory, as far away as a test wants it, its commits in any order.

It has no index, no file and no thread of its own. What runs on it relies on nothing but `store/protocol.py`: every call
takes a journey there and one back, and calls that were begun together arrive in an order that chance decides.
"""
