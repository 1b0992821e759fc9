"""The pages on which people see what they were told, and choose what they are told of."""
