"""Portability: all that is in one's space, as one file to take away. GDPR art. 15 and 20; CSP R1111-36."""
