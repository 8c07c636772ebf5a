"""Linking a phone to a sender, for a person who waits for it: the code to scan or to type, sign-out, restart."""

import re

from sqlalchemy.orm import Session

from portal.channels import registry
from portal.channels.base import Account, ChannelError
from portal.channels.capabilities import LinkCode, LinksPhone
from portal.database import Database
from portal.errors import InvalidInput, NotFound
from portal.http import HttpClient
from portal.messaging import lines, numbers
from portal.messaging.accounts import Accounts
from portal.messaging.line_watch import LineWatch
from portal.models import Location, Sender, SenderState

# A person does not look longer at a page that does nothing.
PATIENCE = 8.0
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


class Linking:
    """Everything raises `NotFound` without such a sender, `InvalidInput` where there is no phone to link, and
    `ChannelError` when the provider does not do it within `PATIENCE` seconds."""

    def __init__(self, database: Database, accounts: Accounts, watch: LineWatch) -> None:
        self._database = database
        self._accounts = accounts
        self._watch = watch
        self._http = HttpClient(longest=PATIENCE)

    def look(self, sender_id: int) -> None:
        """Asks how the line is, now."""
        self._watch.look(sender_id, self._http)

    def code(self, sender_id: int) -> LinkCode:
        """What the phone has to scan now. Once nothing is left to link, the line is asked for."""
        channel, account = self._phone(sender_id)
        found = channel.link_code(self._http, account)
        if found.image and _BASE64.fullmatch(found.image) is None:
            raise ChannelError("The provider gave no code that could be shown: try again in a moment.", retry=True)
        if found.linked:
            self._ask_soon(sender_id)
        return found

    def pairing_code(self, sender_id: int, phone: str) -> str:
        """The code to type on the phone with this number, as a person writes it."""
        channel, account = self._phone(sender_id)
        with self._database.read() as session:
            location = session.get_one(Location, session.get_one(Sender, sender_id).location_id)
        number = numbers.normalise(phone, location.country or None)
        if isinstance(number, numbers.Rejection):
            raise InvalidInput(number.sentence)
        return channel.pairing_code(self._http, account, number.e164)

    def sign_out(self, sender_id: int) -> None:
        """Unlinks the phone: nothing is sent or received until one is linked again."""
        channel, account = self._phone(sender_id)
        channel.sign_out(self._http, account)
        self._ask_soon(sender_id)

    def restart(self, sender_id: int) -> None:
        """Starts the provider's side of the line anew."""
        channel, account = self._phone(sender_id)
        channel.restart(self._http, account)
        self._ask_soon(sender_id)

    def _phone(self, sender_id: int) -> tuple[LinksPhone, Account]:
        with self._database.read() as session:
            sender = session.get(Sender, sender_id)
        if sender is None or sender.state == SenderState.REMOVED:
            raise NotFound(f"There is no sender {sender_id}.")
        channel = registry.get(sender.channel)
        if not isinstance(channel, LinksPhone):
            raise InvalidInput(f"{channel.name} has no phone to link.")
        return channel, self._accounts.get(sender_id, fresh=True).account

    def _ask_soon(self, sender_id: int) -> None:
        def ask(session: Session) -> None:
            lines.ask_again(session, session.get_one(Sender, sender_id))

        self._database.patiently(ask)
