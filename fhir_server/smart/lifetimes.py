"""How long each secret lives, in seconds: one table, since a regulator may change any of them.

RFC 9700 §4.14, SMART App Launch 2.2 §5.1.7, OWASP ASVS 2 and 3.
"""

from __future__ import annotations

#: An authorization code: taken once, and at most this old.
CODE = 60
#: An access token. SMART backend services: no longer than five minutes.
ACCESS = 300
#: A refresh token with `online_access`: the session's own limit ends it earlier.
ONLINE = 8 * 3600
#: A refresh token with `offline_access`, from its own issue; each use gives a new one.
OFFLINE = 30 * 86_400
#: Everything that one authorization gave, however often it is refreshed.
FAMILY = 180 * 86_400
#: Everything that an authorization in an emergency gave, unless a setting says otherwise.
EMERGENCY = 4 * 3600
#: An authorization request while the person signs in and chooses.
ASK = 600
#: A launch context handed to an app.
LAUNCH = 300
#: A client's signed assertion: SMART backend services §exp.
ASSERTION = 300
#: Difference of clocks that is forgiven, in assertions.
LEEWAY = 30
#: A session without a request, and a session in all.
SESSION_IDLE, SESSION = 30 * 60, 8 * 3600
#: A provisional code for the first activation of an account.
PROVISIONAL = 7 * 86_400
#: What a person allowed an app, before they are asked again.
APPROVAL = 90 * 86_400
#: Failures are forgotten, and a lock is lifted, after this.
LOCK = 15 * 60
#: Wrong codes of a second factor are forgotten after this.
CODES = 3600
#: An address from which a person signed in stays known as theirs.
FAMILIAR = 30 * 86_400
#: A refresh token that was just used gives the same client the same successor again: two tabs, or an answer that was
#: lost on its way. RFC 9700 §4.14.2 leaves it to the server; later, the token is in two hands.
GRACE = 5
#: A draft that registered itself and that no publisher answers for, before it makes room for others.
DRAFT = 30 * 86_400
#: A retired signing key stays published this long: an id_token signed with it has expired by then.
RETIRED_KEY = 2 * ACCESS + 3600
