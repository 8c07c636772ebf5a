"""Cast's customers: credits, sender ids, channels, who has unsubscribed, and how fast each may send."""

from collections import deque
from dataclasses import dataclass, field

from portal.sandbox.world import DEMO_LOCATIONS, number_key

TEST_KEY = "cast_test_"


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """A number that has left one sender id. `at` is unix seconds."""

    phone: str
    sender_id: str
    at: float
    ip: str | None = None


@dataclass(slots=True)
class Account:
    """One customer of Cast. A credit pays one part; a postpaid account goes below zero, down to `-credit_limit`.

    `sender_ids` are those for SMS and OTP, `sim_ids` those of the SIM gateway. `channels` is what the account may
    use. `refused` is the error code that every call gets (`API_KEY_REVOKED`, `USER_INACTIVE` …), "" for none.
    """

    credits: int = 1_000_000
    sender_ids: tuple[str, ...] = tuple(location.sender_name for location in DEMO_LOCATIONS)
    sim_ids: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("sms", "otp", "bulk")
    postpaid: bool = False
    credit_limit: int = 10_000
    refused: str = ""
    unsubscribed: list[Unsubscribed] = field(default_factory=list)
    recent: deque[float] = field(default_factory=deque)

    def pays(self, parts: int) -> str:
        """Takes the credits; the error code when they are not there."""
        if self.postpaid and self.credits - parts < -self.credit_limit:
            return "CREDIT_LIMIT_REACHED"
        if not self.postpaid and self.credits < parts:
            return "INSUFFICIENT_CREDITS"
        self.credits -= parts
        return ""

    def has_left(self, phone: str, sender_id: str) -> bool:
        """Has this number unsubscribed from the sender id?"""
        number = number_key(phone)
        return any(number_key(one.phone) == number and one.sender_id == sender_id for one in self.unsubscribed)

    def too_fast(self, now: float, rate: float | None) -> bool:
        """Counts a send call; True when it is one more than `rate` in the last second."""
        if rate is None:
            return False
        while self.recent and self.recent[0] <= now - 1:
            self.recent.popleft()
        if len(self.recent) >= rate:
            return True
        self.recent.append(now)
        return False


@dataclass(slots=True)
class AddressLimit:
    """Cast's limit by IP address: so many requests a second, so many at once. None is no limit."""

    rate: float | None = None
    burst: float = 50.0
    left: float = 50.0
    at: float = 0.0

    def too_fast(self, now: float) -> bool:
        """Counts a request of any kind; True when it is one too many."""
        if self.rate is None:
            return False
        self.left = min(self.burst, self.left + max(now - self.at, 0.0) * self.rate)
        self.at = now
        if self.left < 1:
            return True
        self.left -= 1
        return False
