"""Acting for others: caregivers are matched, invited, answer, and either side ends it."""
