"""Loading files into a store: what is read, how it is judged (as a POST is) and written, and how far it has come.

May import `app` and what is below; commands of `cli` stand on it.
"""
