"""The pages of accounts: activate a space or object to it, and one's own account."""
