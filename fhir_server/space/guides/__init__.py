"""What the national guides say of searching otherwise than R4."""
