"""What the server does by itself as time passes: when each job is due, who does it, and the outbox that tells people.

May import `access` and what is below. A job is a row of the service it belongs to.
"""
