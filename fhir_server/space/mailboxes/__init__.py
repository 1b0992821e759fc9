"""The directory of MSSanté mailboxes: whose they are, how they are found and written, and which are on the red list."""
