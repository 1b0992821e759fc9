"""The pages of messages: conversations, each asked as software with the person's grant would ask."""
