"""What matters of a person's health, in one view: the international patient summary."""
