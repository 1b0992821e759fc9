"""CDA R2 documents as they arrive: read without trusting them, their header turned into metadata, filed whole."""
