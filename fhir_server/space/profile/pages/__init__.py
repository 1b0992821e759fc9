"""The pages of a person's medical profile: what a summary says, to read and to take along."""
