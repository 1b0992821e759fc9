"""The page of delegations: who acts for oneself, and for whom one acts."""
