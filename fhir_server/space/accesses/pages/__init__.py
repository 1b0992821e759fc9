"""Pages of accesses: emergencies as administrators look through them."""
