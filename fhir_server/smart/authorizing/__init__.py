"""From an app's authorization request to the answer it is sent: what is asked of the person, and what they decide.

A step of the road is a file here; its page is in `site/authorizing`.
"""
