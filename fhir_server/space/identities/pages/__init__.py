"""Pages of identities: what a person asks to have put right, and the operator's desk."""
