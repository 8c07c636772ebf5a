"""What Cast deals in: accounts, answers, and accepted messages with their progress."""

from dataclasses import dataclass
from typing import Any

from portal.sandbox.world import DEMO_LOCATIONS

# The carrier's last word by outcome: status, raw receipt, sentence.
OUTCOMES = {
    "delivered": ("delivered", "DELIVRD", ""),
    "rejected": ("undelivered", "REJECTD", "The carrier rejected the message"),
    "undelivered": ("undelivered", "UNDELIV", "The handset could not be reached"),
    "expired": ("undelivered", "EXPIRED", "The handset was off for too long"),
    "failed": ("failed", "", "The message could not be handed to the carrier"),
    "stuck": ("sent", "", ""),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How an accepted message goes on: seconds to `sent`, seconds to the last word, and that word (`OUTCOMES`)."""

    sent_after: float = 1.0
    final_after: float = 2.5
    outcome: str = "delivered"


@dataclass(slots=True)
class Account:
    """One customer of Cast. A credit pays one part."""

    credits: int = 1_000_000
    sender_ids: tuple[str, ...] = tuple(location.sender_name for location in DEMO_LOCATIONS)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, as it may be stored under a key and replayed."""

    status: int
    body: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message Cast took and will bill: this is what must never happen twice."""

    message_id: str
    at: float
    api_key: str
    key: str
    to: str
    text: str
    sender_id: str
    parts: int
    progress: Progress

    def status(self, now: float) -> dict[str, Any]:
        """What `GET /sms/status/{id}` says of the message; times are unix seconds."""
        age = now - self.at
        answer: dict[str, Any] = {"success": True, "message_id": self.message_id, "status": "pending"}
        if age < self.progress.sent_after:
            return answer
        answer.update(status="sent", sent_at=self.at + self.progress.sent_after)
        if age < self.progress.final_after or self.progress.outcome == "stuck":
            return answer
        word, raw, sentence = OUTCOMES[self.progress.outcome]
        answer.update(status=word)
        if raw:
            answer.update(dlr_status=raw)
        if sentence:
            answer.update(error_message=sentence)
        if word == "delivered":
            answer.update(delivered_at=self.at + self.progress.final_after)
        return answer


def refusal(status: int, code: str, words: str) -> Reply:
    """An error in Cast's shape; callers must branch on `error_code` only."""
    return Reply(status, {"success": False, "error": words, "error_code": code})
