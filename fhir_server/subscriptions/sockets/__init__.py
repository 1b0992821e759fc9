"""Subscriptions by websocket: who may listen (`binding`), and what is said on one socket (`conversation`).

Every worker has sockets (`hub`). The one that attends to subscriptions numbers and keeps events; who holds a socket
hears of the numbers in the feed of changes, reads the events and tells them, under the rights of that moment.
"""
