"""A search answered: run, included, paged by signed cursors, and joined into a searchset from stored bytes."""
