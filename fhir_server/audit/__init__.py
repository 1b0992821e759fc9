"""AuditEvents: `kinds` is the table of them, `audit_event` builds them, `recording` keeps them, `reading` reads them.

Imports access and what is below. A new kind of event is a row of `kinds`, or of the service whose event it is.
"""
