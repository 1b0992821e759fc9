"""Telling people that there is something to see, and nothing of their health: by e-mail, by SMS, in their centre."""
