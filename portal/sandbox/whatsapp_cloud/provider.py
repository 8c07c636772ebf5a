"""What the stand-in Cloud API keeps, and what sending, receiving and time do to it."""

import base64
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from portal.sandbox.outgoing import Answer
from portal.sandbox.webhooks import Signature
from portal.sandbox.whatsapp_cloud import fate, orders, webhooks
from portal.sandbox.whatsapp_cloud.errors import CATALOGUE, GraphError
from portal.sandbox.whatsapp_cloud.files import Files
from portal.sandbox.whatsapp_cloud.limits import Limits
from portal.sandbox.whatsapp_cloud.numbers import (
    ENTRY_POINT_SECONDS,
    WINDOW_SECONDS,
    Account,
    App,
    Body,
    Number,
    Person,
    Progress,
    Received,
    Sent,
)
from portal.sandbox.whatsapp_cloud.poster import Letter, Posted, Poster, Target
from portal.sandbox.whatsapp_cloud.templates import EVENTS, REASONS, Template, demo_templates
from portal.sandbox.whatsapp_cloud.webhooks import Item
from portal.sandbox.world import (
    CLOUD_ACCOUNT,
    CLOUD_APP,
    CLOUD_APP_SECRET,
    CLOUD_NUMBER,
    CLOUD_NUMBER_ID,
    CLOUD_TOKEN,
    CLOUD_VERIFY_TOKEN,
    Ids,
    demo_cloud_location,
    number_key,
)


@dataclass(slots=True)
class Refusal:
    """The next `times` sends (None: all) are refused with this code; `phone` limits it to one recipient."""

    code: int
    times: int | None = 1
    phone: str = ""


@dataclass
class CloudProvider:
    """The stand-in's state.

    `progress` is how sent messages go on, `outcomes` (set by `decide`) their end by number. `window_enforced` fails
    free-form messages to people who have not written for a day; `fetches_links` has files by link fetched, loopback
    alone. Of the webhooks: up to `batch` items go out in one request, gathered for `gather` seconds; `copies` is how
    often each request is posted, `shuffled` has the newest go first, `delay` is the pause before each, a `deaf` number
    posts none until it is switched off; `again_after` seconds pass before one that was not answered 200 is posted
    again, each time twice as long; `early` posts the status `sent` before the send is answered; with the code
    `first_lost` (0: none) every message fails the first time, though it was taken; `signature` is how requests are
    signed.
    """

    ids: Ids
    clock: Callable[[], float]
    keep: int
    wait: Callable[[float], None]
    closing: Callable[[], threading.Event]
    portal_url: Callable[[], str]
    seen: Callable[[str, str], None]
    answered: Callable[[str, Answer], None]
    progress: Progress = field(default_factory=Progress)
    outcomes: dict[str, str] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    window_enforced: bool = True
    fetches_links: bool = True
    batch: int = 1
    gather: float = 0.0
    copies: int = 1
    shuffled: bool = False
    delay: float = 0.0
    deaf: bool = False
    again_after: float = 10.0
    early: bool = False
    first_lost: int = 0
    signature: Signature = Signature.GOOD
    apps: dict[str, App] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    numbers: dict[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self.limits = Limits(self.clock)
        self.files = Files(self.ids, self.clock)
        self.poster = Poster(self)
        self.posted: deque[Posted] = deque(maxlen=5000)
        self.stopped = threading.Event()
        if not self.numbers:
            self.apps[CLOUD_APP] = App(CLOUD_APP, CLOUD_APP_SECRET, CLOUD_VERIFY_TOKEN)
            self.accounts[CLOUD_ACCOUNT] = Account(CLOUD_ACCOUNT, CLOUD_TOKEN, CLOUD_APP, templates=demo_templates())
            demo = Number(CLOUD_NUMBER_ID, CLOUD_ACCOUNT, CLOUD_NUMBER, location_id=demo_cloud_location())
            self.numbers[demo.id] = demo

    def number_of(self, location_id: str) -> Number | None:
        """The location's number, the first when there are several."""
        return next((one for one in self.numbers.values() if one.location_id == location_id), None)

    def target(self, item: Item) -> Target | None:
        """Where an item goes: the number's own callback, its account's, the app's; None where nobody subscribed."""
        account = self.accounts[item.account]
        app, number = self.apps[account.app_id], self.numbers.get(item.number)
        shared = app.callback or f"{self.portal_url()}/webhooks/whatsapp"
        url = (number.override if number is not None else "") or account.override or shared
        return Target(url, app.secret) if account.subscribed else None

    def note(self, posted: Posted, letter: Letter) -> None:
        """Keeps what was posted."""
        self.posted.append(posted)
        for item in letter.items:
            if item.about and not item.word:
                self.answered(item.about, posted.answer)

    def decide(self, phone: str, outcome: str) -> None:
        """Messages to this number will end so: one of `OUTCOMES` or `failed:<code>`; "" lifts it."""
        if outcome:
            fate.check(outcome)
        self.outcomes[number_key(phone)] = outcome

    def refuse(self, code: int, times: int | None = 1, phone: str = "") -> None:
        """Has the next sends refused with this code."""
        if code not in CATALOGUE:
            raise ValueError("code must be one of Graph's: " + ", ".join(map(str, CATALOGUE)))
        self.refusals.append(Refusal(code, times, number_key(phone)))

    def take(self, number: Number, body: Body) -> tuple[Sent, str]:
        """A send through the API: the message and whom the caller named. Raises `GraphError`."""
        account = self.accounts[number.account_id]
        order = orders.read(body, orders.Known(account.templates, lambda one: self._owns(account, one)))
        who = orders.recipient(body)
        if number_key(who) == number_key(number.phone):
            raise GraphError(131021, "Recipient phone number is same as sender phone number")
        with self._lock:
            group = body.get("recipient_type") == "group"
            person, known = number.group(who) if group else number.person(who), "." in who
            self._refuse(person)
            if known and order.template is not None and order.template.category == "AUTHENTICATION":
                raise GraphError(131062)
            self.limits.send(number, person)
            one = self._sent(number, person, order, body)
            self._keep_sent(number, one)
        about = number.heard(order.about) if order.kind == "reaction" else None
        if about is not None:
            about.reaction = order.text
        fate.set_out(self, number, one)
        return one, who

    def mark_read(self, number: Number, message_id: str, *, typing: bool = False) -> None:
        """The business has read a message and all before it. Raises `GraphError` for one that is not known."""
        found, now = number.heard(message_id), self.clock()
        if found is None:
            raise GraphError(131009, "message_id is not a message that this number received")
        for one in list(number.received):
            if one.person is found.person and one.at <= found.at:
                one.read_at = one.read_at or now
        found.typing_at = now if typing else found.typing_at

    def receive(
        self,
        number: Number,
        person: Person,
        kind: str,
        text: str,
        item: Body,
        *,
        group: str = "",
        begun: Callable[[str], None] = lambda message_id: None,
    ) -> Received:
        """A customer's message reaches the number, and opens the window. `begun` hears of its id first."""
        one = Received(self.new_id(), self.clock(), person, kind, text, item, group)
        self.limits.note(number)
        with self._lock:
            person.wrote_at = one.at
            if group:
                number.group(group).wrote_at = one.at
            person.marketing = []
            if "referral" in item:
                person.free_until = one.at + ENTRY_POINT_SECONDS
            number.received.append(one)
        begun(one.id)
        self.poster.push([webhooks.message(number, one)])
        return one

    def typed(self, number: Number, person: Person, text: str, item: Body) -> Sent:
        """The owner writes in the phone app: an echo, and no status."""
        now = self.clock()
        one = Sent(self.new_id(), now, person, "text", text, item, by="phone", stages=[(now, "delivered")])
        with self._lock:
            self._keep_sent(number, one)
        self.poster.push([webhooks.echo(number, one, item)])
        return one

    def close_window(self, person: Person) -> None:
        """A day passes since the person last wrote."""
        person.wrote_at = min(person.wrote_at, self.clock() - WINDOW_SECONDS)
        person.free_until = 0.0

    def judge(self, account: Account, template: Template, event: str) -> None:
        """Meta changes its mind on a template, and tells."""
        if event not in EVENTS:
            raise ValueError(f"event must be one of {', '.join(EVENTS)}")
        template.status, template.reason = event, REASONS.get(event, "NONE")
        self.poster.push([webhooks.template_event(account, template, event)])

    def repeats(self) -> dict[tuple[str, str], int]:
        """(address, text) of every message that the API took more than once, with how often."""
        counts: dict[tuple[str, str], int] = {}
        for one in self._by_api():
            pair = (one.person.address, one.text)
            counts[pair] = counts.get(pair, 0) + 1
        return {pair: count for pair, count in counts.items() if count > 1}

    def taken(self) -> int:
        """How many messages the API took."""
        return len(self._by_api())

    def received(self) -> int:
        """How many messages of customers reached a number."""
        return sum(len(each.received) for each in self.numbers.values())

    def find(self, message_id: str) -> Sent | None:
        """The sent message with this id, of whatever number."""
        found = (number.sent.get(message_id) for number in self.numbers.values())
        return next((one for one in found if one is not None), None)

    def new_id(self) -> str:
        """A message id in Meta's shape."""
        return "wamid." + base64.b64encode(f"sandbox/{self.ids.new('cloud')}".encode()).decode().rstrip("=")

    def _by_api(self) -> list[Sent]:
        return [one for each in self.numbers.values() for one in list(each.sent.values()) if one.by == "api"]

    def _owns(self, account: Account, media_id: str) -> bool:
        found = self.files.get(media_id)
        return found is not None and found.account_id == account.id

    def _refuse(self, person: Person) -> None:
        for one in list(self.refusals):
            if one.phone in ("", number_key(person.phone)):
                one.times = None if one.times is None else one.times - 1
                if one.times is not None and one.times <= 0:
                    self.refusals.remove(one)
                raise GraphError(one.code, "The sandbox was asked to refuse this")

    def _sent(self, number: Number, person: Person, order: orders.Order, body: Body) -> Sent:
        template, now = order.template, self.clock()
        category = template.category.lower() if template is not None else "service"
        context = body.get("context") or {}
        one = Sent(
            self.new_id(),
            now,
            person,
            order.kind,
            order.text,
            body,
            str(body.get("biz_opaque_callback_data") or ""),
            str(context.get("message_id") or ""),
            category,
            options=order.options,
            link=order.link,
            file=order.file,
        )
        one.code = fate.lost(self, person, category, one.key)
        return one

    def _keep_sent(self, number: Number, one: Sent) -> None:
        number.sent[one.id] = one
        while len(number.sent) > self.keep:
            number.sent.popitem(last=False)
