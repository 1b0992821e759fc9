"""The medical record: its documents, who sees and who writes them, and what is told of it."""
