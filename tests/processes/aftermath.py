"""What must be true when the drill is over: nothing lost, nothing doubled, in order, told truly, nothing stuck."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from portal.sandbox import world as demo
from portal.sandbox.cast.messages import OUTCOMES
from portal.sandbox.deliveries import Delivery
from portal.sandbox.phone import Text
from portal.sandbox.record import Call
from tests.portal import eventually
from tests.processes.chaos import LOST, Kill
from tests.processes.harness import Deployment

# How HighLevel must show what the provider says last.
SHOWN = {"delivered": "delivered", "undelivered": "failed", "failed": "failed", "sent": "pending"}
# A result may wait so long for its turn at the database after the provider has answered.
WRITING = 2.0
OPEN = "'queued', 'held', 'sending', 'accepted', 'sent', 'unknown'"
_PARTS = (
    "SELECT message.ghl_message_id, message.status, sender.channel, part.sending_at, part.price, message.address"
    " FROM part JOIN message ON message.id = part.message_id LEFT JOIN sender ON sender.id = message.sender_id"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A part as the database has it; `sending_at` in unix seconds."""

    ghl_message_id: str
    status: str
    channel: str
    sending_at: float
    price: int
    address: str


class Aftermath:
    """Looks at one portal from all sides. `channels` says which channel serves a location."""

    def __init__(
        self,
        deployment: Deployment,
        sent: Sequence[Delivery],
        said: Mapping[str, Sequence[Text]],
        read: set[str],
        kills: Sequence[Kill],
        channels: Mapping[str, str],
    ) -> None:
        self.deployment = deployment
        self.sandbox = deployment.sandbox
        self.sent = sent
        self.said = said
        self.read = read
        self.kills = kills
        self.channels = channels
        self.facts: list[str] = []

    def check(self) -> None:
        """Everything. `facts` then holds the figures."""
        self.check_taken()
        self.check_calls()
        self.note_writing()
        self.check_doubts()
        self.check_order()
        self.check_told()
        self.check_inbound()
        self.check_credits()
        self.check_nothing_is_stuck()

    def await_rest(self, patience: float) -> None:
        """Waits until nothing moves but the polls for those that never get a last word.

        Raises when nothing came any nearer to that for `patience` seconds.
        """
        began = nearer = time.monotonic()
        least = self.way_to_go()
        while least:
            time.sleep(0.5)
            left = self.way_to_go()
            if left < least:
                least, nearer = left, time.monotonic()
            if time.monotonic() > nearer + patience:
                raise AssertionError(f"no rest: {self._state()}\n{self.deployment.tails()}")
        self.facts.append(f"at rest {time.monotonic() - began:.1f} s after the last answer and kill")

    def way_to_go(self) -> int:
        """0 at rest. Every step of a message makes it smaller: it is applied, gets its last word, is told."""
        jobs = self.deployment.jobs()
        moving = sum(1 for row in self._rows(f"{_PARTS} WHERE message.status IN ({OPEN})") if self._moves(row))
        return 3 * jobs["apply"] + 2 * moving + jobs["send"] + jobs["push_status"] + jobs["post_message"]

    def _state(self) -> list:
        gates = self.deployment.rows("SELECT key, failures, blocked_until, reason FROM gate WHERE failures > 0")
        statuses = Counter((row.channel, row.status) for row in self._rows(_PARTS))
        return [dict(self.deployment.jobs()), len(self.deployment.leased()), statuses, gates]

    def _moves(self, row: Row) -> bool:
        if row.status in ("accepted", "sent"):
            return self._outcome(row.address) != "sent"
        return row.status != "unknown" or row.channel == "cast"

    def _rows(self, statement: str) -> list[Row]:
        return [Row(*row[:3], _unix(row[3]), *row[4:]) for row in self.deployment.rows(statement)]

    def _outcome(self, phone: str) -> str:
        """What the provider says last of messages to this number."""
        return OUTCOMES[self.sandbox.cast.outcomes.get(demo.number_key(phone), "delivered")][0]

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The parts by HighLevel's message id; every message here has one."""
        return {row.ghl_message_id: row for row in self._rows(f"{_PARTS} WHERE message.direction = 'out'")}

    @cached_property
    def listed(self) -> list[dict]:
        return self.deployment.messages()

    @cached_property
    def calls(self) -> dict[str, list[Call]]:
        """The calls at the provider by HighLevel's message id."""
        ids = {(each.payload["phone"], each.message.text): each.message.id for each in self.sent}
        found = defaultdict(list)
        for call in self.sandbox.records.calls("cast.send"):
            found[ids[call.body["to"], call.body["message"]]].append(call)
        return found

    def _channel(self, delivery: Delivery) -> str:
        return self.channels[delivery.message.location_id]

    def check_taken(self) -> None:
        """Every id that was answered 2xx exists exactly once, and nothing else does."""
        assert all(delivery.taken for delivery in self.sent)
        answers = Counter(answer.status for delivery in self.sent for answer in delivery.answers)
        assert set(answers) <= {0, 200}, answers
        self.facts.append(f"{len(self.sent)} ids, answered {dict(answers)}")
        ids = [line["ghl_message_id"] for line in self.listed if line["direction"] == "out"]
        assert sorted(ids) == sorted(delivery.message.id for delivery in self.sent)
        texts = [line["external_ids"][0] for line in self.listed if line["direction"] == "in"]
        assert sorted(texts) == sorted(text.id for texts in self.said.values() for text in texts)

    def check_calls(self) -> None:
        """Taken at most once. Another call follows only a definite refusal, or asks again under the same key."""
        doubled = [pair for pair, _ in self.sandbox.cast.repeats().items()]
        assert not doubled, [self._story(*pair) for pair in doubled]
        assert self.sandbox.cast.mismatches == []
        repeated = 0
        for delivery in self.sent:
            calls = self.calls[delivery.message.id]
            repeated += max(len(calls) - 1, 0)
            if self._channel(delivery) == "plain":
                assert all(_refused(call) for call in calls[:-1]), calls
            if self._channel(delivery) == "cast":
                last = calls[-1].key
                earlier = [call for call in calls if call.key != last]
                assert last and all(_refused(call) for call in earlier), calls
                assert [call.key for call in calls[len(earlier) :]] == [last] * (len(calls) - len(earlier)), calls
        struck = Counter(call.fault for call in self.sandbox.records.calls("cast.send") if call.fault)
        self.facts.append(f"{repeated} repeated calls, 0 doubled, faults {dict(struck)}")
        assert len(struck) >= 6, "the faults did strike"

    def _story(self, phone: str, text: str) -> list:
        """All that is known of one message, for a failure's report."""
        message = next(one.message for one in self.sent if (one.payload["phone"], one.message.text) == (phone, text))
        ours = f"SELECT id FROM message WHERE ghl_message_id = '{message.id}'"
        part = f"SELECT id FROM part WHERE message_id = ({ours})"
        calls = "number, idempotency_key, started_at, ended_at, outcome, detail"
        state = "status, attempt, key_round, in_doubt, sending_at, accepted_at"
        asked = (
            f"SELECT {calls} FROM attempt WHERE part_id = ({part})",
            f"SELECT before, after, who, detail, at FROM status_change WHERE message_id = ({ours}) ORDER BY id",
            f"SELECT {state} FROM part WHERE message_id = ({ours})",
        )
        return [message.id, self.calls[message.id], *(self.deployment.rows(each) for each in asked), self.kills]

    def check_doubts(self) -> None:
        """What is unknown was in the hands of a killed process, or its only call ended so that nobody can know."""
        unknown = [row for row in self.rows.values() if row.status == "unknown"]
        lost = [row for row in unknown if any(call.fault in LOST for call in self.calls[row.ghl_message_id][-1:])]
        killed = [row for row in unknown if row not in lost]
        assert not [row for row in unknown if row.channel == "cast"], "its provider can be asked again"
        odd = [(row, self.calls[row.ghl_message_id]) for row in killed if not self._was_in_flight(row)]
        assert not odd, (odd, [(kill.at, kill.how, kill.whom) for kill in self.kills])
        plain = {delivery.message.id for delivery in self.sent if self._channel(delivery) == "plain"}
        unknowable = sum(1 for id_ in plain for call in self.calls[id_] if call.fault in LOST)
        assert len(lost) <= unknowable
        uncalled = sum(1 for row in killed if row.channel == "plain" and not self.calls[row.ghl_message_id])
        words = f"{len(unknown)} unknown: {len(lost)} of {unknowable} calls that ended unknowably"
        self.facts.append(f"{words}, {len(killed)} in flight at {len(self.kills)} kills, {uncalled} not yet begun")

    def note_writing(self) -> None:
        """How long after the provider's answer its result was on its way to the disk: so long a kill leaves doubt."""
        ended = self.deployment.rows(
            "SELECT message.ghl_message_id, attempt.ended_at FROM attempt JOIN part ON part.id = attempt.part_id"
            " JOIN message ON message.id = part.message_id"
        )
        gaps = sorted(
            _unix(at) - call.at - call.ms / 1000
            for id_, at in ended
            if len(calls := self.calls[id_]) == 1 and not (call := calls[0]).fault
        )
        middle, late = gaps[len(gaps) // 2], gaps[int(len(gaps) * 0.99)]
        self.facts.append(
            f"results written {middle:.2f} s after the answer, 99 % in {late:.2f} s, all in {gaps[-1]:.2f}"
        )

    def _was_in_flight(self, row: Row) -> bool:
        call = next(iter(self.calls[row.ghl_message_id][-1:]), None)
        ended = call.at + call.ms / 1000 if call else row.sending_at
        return any(row.sending_at - 0.1 <= kill.at <= ended + WRITING for kill in self.kills)

    def check_order(self) -> None:
        """Received in the order of posting, and accepted by the provider in the order of receipt.

        Posted in order means: the earlier one was answered before the later one was first posted. All faults here are
        the provider's own, so no message may step aside.
        """
        ids = [line["ghl_message_id"] for line in self.listed if line["direction"] == "out"]
        place = {id_: number for number, id_ in enumerate(ids)}
        by_contact = defaultdict(list)
        for delivery in self.sent:
            by_contact[delivery.payload["phone"]].append(delivery)
        posted_in_order, violations = 0, []
        for phone, theirs in by_contact.items():
            theirs.sort(key=lambda delivery: place[delivery.message.id])
            taken = [one.text for one in self.sandbox.cast.accepted(to=phone)]
            wanted = [delivery.message.text for delivery in theirs if self._went_out(delivery)]
            if taken != wanted:
                violations.append((phone, taken, wanted))
            for number, later in enumerate(theirs):
                began = min(answer.at for answer in later.answers)
                for earlier in theirs[number + 1 :]:
                    answered = min(answer.at + answer.ms / 1000 for answer in earlier.answers if answer.taken)
                    posted_in_order += 1
                    if answered < began:
                        violations.append((phone, earlier.message.text, later.message.text))
        self.facts.append(f"{len(by_contact)} conversations, {len(violations)} out of order")
        assert posted_in_order and not violations, violations

    def _went_out(self, delivery: Delivery) -> bool:
        """Must the provider have it? Of what is unknown, it has what it has."""
        if self._channel(delivery) == "simulator":
            return False
        unknown = self.rows[delivery.message.id].status == "unknown"
        return not unknown or any(call.applied for call in self.calls[delivery.message.id])

    def check_told(self) -> None:
        """HighLevel shows what the provider said last, heard it only after that, and nothing else before."""
        accepted = {(one.to, one.text): one for one in self.sandbox.cast.accepted()}
        shown: Counter[str] = Counter()
        for delivery in self.sent:
            wanted = self._wanted(delivery)
            shown[wanted] += 1
            told = [change.status for change in delivery.message.history]
            assert delivery.message.status == wanted, (delivery.message, wanted)
            assert set(told) <= {"pending", "delivered", wanted} and "pending" not in told[1:], told
            assert wanted == "read" or set(told) <= {"pending", wanted}, told
            one = accepted.get((delivery.payload["phone"], delivery.message.text))
            for change in delivery.message.history:
                assert change.status == "pending" or one is None or change.at >= one.at + one.progress.final_after
        self.facts.append(f"HighLevel shows {dict(shown)}, none of it early")

    def _wanted(self, delivery: Delivery) -> str:
        row = self.rows[delivery.message.id]
        if row.status == "unknown":
            return "pending"
        if self._channel(delivery) == "simulator":
            line = self._lines[delivery.message.id]
            return "read" if set(line["external_ids"]) & self.read else "delivered"
        return SHOWN[self._outcome(delivery.payload["phone"])]

    @cached_property
    def _lines(self) -> dict[str, dict]:
        return {line["ghl_message_id"]: line for line in self.listed}

    def check_inbound(self) -> None:
        """Every text is in HighLevel exactly once, each customer's in the order of writing."""
        there = defaultdict(list)
        for message in self.sandbox.ghl.mailbox.messages(direction="inbound"):
            there[message.contact_id].append(message.alt_id)
        written = {contact: [text.id for text in texts] for contact, texts in self.said.items()}
        assert dict(there) == written, [(there[contact], texts) for contact, texts in written.items()]
        self.facts.append(f"{sum(map(len, written.values()))} texts of {len(written)} customers, {len(self.read)} read")

    def check_credits(self) -> None:
        """The ledger proves, failed is free, and only what is unknown is held."""
        self.deployment.flask("credits", "prove")
        for line in self.listed:
            if line["direction"] == "out":
                assert line["credits"] == (0 if line["status"] == "failed" else 1), line
        held = self.deployment.rows("SELECT coalesce(sum(held), 0) FROM wallet")[0][0]
        assert held == sum(row.price for row in self.rows.values() if row.status == "unknown")

    def check_nothing_is_stuck(self) -> None:
        """No lease, no job but polls, nothing held or parked, no dead token, an empty spool, no fault of our own."""
        deployment = self.deployment
        eventually(lambda: not deployment.leased(), what="no leases")
        assert set(deployment.jobs()) <= {"check_status"}
        assert deployment.rows("SELECT id FROM message WHERE status = 'held' OR held") == []
        assert deployment.rows("SELECT id, note FROM event WHERE state NOT IN ('applied', 'ignored')") == []
        assert deployment.rows("SELECT ghl_id, failure FROM installation WHERE state <> 'active'") == []
        assert not {one.outcome for one in self.sandbox.ghl.grants.refreshes} - {"rotated", "grace"}
        assert deployment.spooled() == []
        assert deployment.complaints() == []
        assert deployment.lines("database away") == [], "it was there all the time"


def _refused(call: Call) -> bool:
    """For certain: no harm in another call."""
    return not call.applied and 400 <= call.status < 500


def _unix(moment: object) -> float:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if not isinstance(moment, datetime):
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
