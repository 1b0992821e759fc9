"""The health space's pages: the public catalogue, my apps, the desks of referencing, the professional's tools.

May import `smart`, `space` and what is below. A page is a template in `http/templates/space` and a file here.
"""
