"""The search parameters: the standard's, those that come with the server, where they lead, how values are spelt."""
