"""One file for each search parameter type: how its values are written in a query and become filters."""
