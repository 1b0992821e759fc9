"""The services of the health space, one folder each: its rules, operations, jobs and pages.

May import `site` and what is below; nothing below imports a service.
"""
