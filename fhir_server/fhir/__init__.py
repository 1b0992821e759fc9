"""The standard itself: definitions, JSON and XML, FHIRPath, dates, units, outcomes.

Imports nothing of the other rooms. Add here only what the specification says.
"""
