"""The nation in small: years of the space, month by month, by the rules that are in force for everybody.

Drives the rooms below; knows no rule of its own. Imported by commands alone.
"""
