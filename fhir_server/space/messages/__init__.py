"""Secure messages between patients and those who care for them: `service.py` says what the room adds."""
