"""Majority: a minor's space is their own from their eighteenth birthday on; what continues, waits for them, or ends."""
