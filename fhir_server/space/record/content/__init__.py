"""What the record asks of the content of documents: that it is what it says, of a kind its author may file, and clean.

The store keeps any content; these are rules of the record's own (`service.py` has the steps).
"""
