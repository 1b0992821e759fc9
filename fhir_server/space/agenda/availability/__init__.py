"""Free slots of what a Schedule says of its availability."""
