"""The people who sign in: their accounts, what they prove themselves with, their sessions, exercises and patients.

What they prove elsewhere, with an identity provider, is in `federation`.
"""
