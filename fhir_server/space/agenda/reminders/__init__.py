"""Reminders of appointments: kept for whom they are, apart from the Appointment, and told when they are due."""
