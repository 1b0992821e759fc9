"""What people take away of their spaces."""
