"""The software that asks: what is known of each client, its keys and assertions, how it registers, what an app gets.

What a service that governs clients is asked stands in `governing`. A way for clients to prove themselves is a file
here.
"""
