"""The demonstration: invented people who may sign in, a sample app on an origin of its own, an example of software."""
