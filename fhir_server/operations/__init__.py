"""FHIR's named operations (`$everything`, `$validate`, …), one file each named after its code.

May import `interactions` and below.
"""
