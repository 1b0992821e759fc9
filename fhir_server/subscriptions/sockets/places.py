"""How many websockets a worker holds, in all and of one caller: RFC 6455 §10 leaves the limits to the server."""

from __future__ import annotations

#: Sockets of one caller on one worker, and of one address while it is not said whose they are: browsers say it by a
#: message, and many people share an address.
MOST_EACH, MOST_UNSAID = 16, 64


class Places:
    """Counts them.

    Attributes:
        count: how many there are.
    """

    def __init__(self, most: int) -> None:
        """`most` of them in all."""
        self.count = 0
        self._most = most
        self._each: dict[str, int] = {}

    def enter(self, who: str, unsaid: bool) -> bool:
        """Take a place for a caller, or an address that is nobody's yet; False where there is none."""
        return self.count < self._most and self._taken(who, MOST_UNSAID if unsaid else MOST_EACH)

    def move(self, before: str, who: str) -> bool:
        """Give the place of an address to the caller that it turned out to be; False where they have none left."""
        if not self._taken(who, MOST_EACH):
            return False
        self.leave(before)
        return True

    def leave(self, who: str) -> None:
        """Give a place back."""
        self.count -= 1
        self._each[who] -= 1
        if not self._each[who]:
            del self._each[who]

    def _taken(self, who: str, most: int) -> bool:
        if self._each.get(who, 0) >= most:
            return False
        self._each[who] = self._each.get(who, 0) + 1
        self.count += 1
        return True
