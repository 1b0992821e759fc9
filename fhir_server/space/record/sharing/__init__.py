"""Sharing documents as PDSm and IHE MHD have it: lots, single documents, replacements, and how consumers ask.

May import: all but `app` and the services beside. A transaction of the guide is a file here.
"""
