"""The web site for people, in French and English, whole without JavaScript: how a page is made; pages of signing in.

May import `oauth`, `http`, `smart` and what is below. A page of a service is a row of that service.
"""
