"""What only the engine on MongoDB has: how it is opened, what its queries are, what it stands when a server dies."""
