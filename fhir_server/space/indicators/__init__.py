"""What the space reports of itself: counts kept as things happen, and no person's data."""
