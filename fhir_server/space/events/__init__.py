"""Events of a person, declared by who saw them, and notified to who subscribed: the national guide NDE."""
