"""The pages between an app and its token: sign in, choose a patient, say why, consent; and one's own account."""
