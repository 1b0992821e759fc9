"""Subscriptions: who asked to be told of what, what happened since, and telling them.

https://hl7.org/fhir/R4/subscription.html. A caller's Subscription is written like any resource (`writing`, `owners`);
one worker at a time reads the feed of commits and keeps what concerns whom (`matching`), and sends it (`delivery`).
"""
