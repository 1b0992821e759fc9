"""The notebook's pages: for who acts for the child, and for professionals who have the record open."""
