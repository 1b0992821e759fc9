"""Jobs: when they are due, who does them, how they went."""
