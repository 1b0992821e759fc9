"""The engine on MongoDB: `FHIR_STORE=mongodb://…`. It may import what engines share, and pymongo.

`store/opening.py` alone imports it. A new kind of filter goes into `queries.py`, a collection into `schema.py`.
"""
