"""The catalogue's pages: the public catalogue, my apps, the desks of referencing, the professional's tools."""
