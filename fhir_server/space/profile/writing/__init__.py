"""What people write in their own profile: each kind as fields of a form, and as the resource that it makes."""
