"""The software that asks: what is known of each client, its keys, where it comes from, what an app gets.

What a service that governs clients is asked stands in `governing`. How clients prove themselves is in `tokens`, how
they register in `registration`, over both.
"""
