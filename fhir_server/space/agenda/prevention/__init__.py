"""Prevention: what is due at somebody's age by dated data, what they say of it, and telling them unless they refuse."""
