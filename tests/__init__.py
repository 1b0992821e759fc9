"""The tests: one folder a room, decision tables where there is a table to decide."""
