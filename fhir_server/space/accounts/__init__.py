"""The life of a person's space: told of it, opposed, opened, activated, closed, suspended, erased."""
