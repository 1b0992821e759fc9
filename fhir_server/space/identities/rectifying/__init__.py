"""What people ask to have put right, and what they are answered. RGPD art. 16 and 12.3."""
