"""The agenda as calendars have it: what others subscribe to, and files that people bring and take away.

RFC 5545, RFC 7986.
"""
