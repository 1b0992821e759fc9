"""Following what is committed, by whatever worker."""
