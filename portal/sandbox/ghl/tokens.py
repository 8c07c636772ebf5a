"""What a grant is made of: whom it speaks for, its two tokens, and how a refresh went."""

from dataclasses import dataclass


class Refused(Exception):
    """A grant that cannot be given: HTTP status and HighLevel's words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a token speaks for: `location_id` is "" for a Company token."""

    company_id: str
    location_id: str = ""

    @property
    def kind(self) -> str:
        """`Location` or `Company`."""
        return "Location" if self.location_id else "Company"

    @property
    def id(self) -> str:
        """The location's or the company's id."""
        return self.location_id or self.company_id


@dataclass(frozen=True, slots=True)
class Refresh:
    """One use of a refresh token. `outcome`: rotated, grace (again within the window), reused, inactive, unknown."""

    at: float
    owner_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token and the refresh token that came with it; `scope` names what both may do."""

    owner: Owner
    access_token: str
    refresh_token: str
    expires_in: int
    scope: str
