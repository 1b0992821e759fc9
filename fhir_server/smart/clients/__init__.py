"""The software that asks: what is known of each client, its keys and assertions, how it registers, what an app gets.

May import `space.catalogue` and what is below. A way for clients to prove themselves is a file here.
"""
