"""Subscriptions in the space: the standard's, under the rules of the space."""
