"""What the space does by itself as time passes: reminders, deadlines, and the outbox that tells people of them.

May import access and what is below. A job is a file here and a row in `table.py`.
"""
