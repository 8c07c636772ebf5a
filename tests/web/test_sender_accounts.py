"""What the overview tells of senders whose provider has accounts: balance, sandbox keys, gates that are shared."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from portal import clock
from portal.messaging import senders
from portal.models import Gate, Location, Message, Part, ProviderAccount, Sender, Status
from portal.queue import gates


@pytest.fixture
def add(parts):
    """Gives a tenant a Cast sender; its id and account come back."""

    def add(tenant, name: str, api_key: str = "cast_shared") -> Sender:
        with parts.database.write() as session:
            wanted = senders.NewSender("cast", name, {"api_key": api_key, "sender_id": name.upper()})
            return senders.add(session, parts.vault, session.get_one(Location, tenant.location), wanted)

    return add


def known(database, sender, **values) -> None:
    with database.write() as session:
        mine = ProviderAccount.key == sender.account_key
        session.execute(update(ProviderAccount).where(mine).values(**values))


def test_the_balance_with_its_time(database, acme, add, signed_in) -> None:
    line = add(acme, "acmecast")
    client = signed_in(acme.agency)
    assert "credits left" not in client.get("/admin").text
    known(database, line, balance=4750, balance_at=clock.now())
    page = client.get("/admin").text
    assert "4750 credits left" in page
    known(database, line, balance=-12, postpaid=True)
    assert "-12 credits (postpaid)" in client.get("/admin").text


def test_a_balance_that_cannot_be_read_shows_the_last_one_and_its_age(database, acme, add, signed_in) -> None:
    line = add(acme, "acmecast")
    read = clock.now() - timedelta(hours=3)
    known(database, line, balance=4750, balance_at=read, balance_failure="Cast is not available now.")
    page = signed_in(acme.agency).get("/admin").text
    for words in ("4750 credits left", "The balance could not be read: Cast is not available now.", "3 hours old"):
        assert words in " ".join(page.split()), words


def test_a_list_of_opt_outs_that_cannot_be_read(database, acme, add, signed_in) -> None:
    known(database, add(acme, "acmecast"), opt_outs_failure="Cast had an error of its own.")
    assert "Who has unsubscribed at the provider could not be read" in signed_in(acme.agency).get("/admin").text


def test_a_sandbox_key_is_marked_on_the_sender_and_on_its_messages(
    parts, database, acme, add, queue, signed_in
) -> None:
    marked = "sandbox key: sends nothing, costs nothing"
    client = signed_in(acme.agency)
    assert marked not in client.get("/admin").text
    line = add(acme, "acmecast", api_key="cast_test_1")
    assert marked in client.get("/admin").text
    with database.write() as session:
        senders.make_default(session, line.id)
    message = queue(acme)
    assert marked in client.get(f"/admin/messages/{message.uuid}").text
    with database.write() as session:
        reason = "The provider's sandbox key sends nothing and costs nothing: this went nowhere."
        session.execute(update(Part).values(status=Status.ACCEPTED))
        session.execute(update(Message).values(status=Status.ACCEPTED, reason=reason))
    assert "this went nowhere" in client.get("/admin/messages").text


def test_a_shared_gate_names_only_ones_own_sender(database, acme, rival, add, signed_in) -> None:
    ours, theirs = add(acme, "acmecast"), add(rival, "rivalcast")
    assert ours.account_key == theirs.account_key
    with database.write() as session:
        gates.block(session, gates.sender_gate(0, ours.account_key), "Cast asks to send more slowly.", seconds=60)
        gates.block(session, gates.poll_gate(0, ours.account_key), "Too many questions.", seconds=60)
    for tenant, own, foreign in ((acme, "acmecast", "rivalcast"), (rival, "rivalcast", "acmecast")):
        page = signed_in(tenant.agency).get("/admin").text
        assert f"{own} and its account" in page and "held back" in page
        assert f"status questions of {own}" in page
        assert foreign not in page
    everything = signed_in().get("/admin").text
    assert "acmecast and its account" in everything and "rivalcast" in everything


def test_an_account_of_others_is_nobodys_business(database, acme, rival, add, signed_in) -> None:
    theirs = add(rival, "rivalcast", api_key="cast_theirs")
    with database.write() as session:
        gates.block(session, gates.sender_gate(0, theirs.account_key), "They have no credits.", seconds=60)
        assert session.get(Gate, gates.sender_gate(0, theirs.account_key)) is not None
    known(database, theirs, balance=77, balance_at=clock.now())
    page = signed_in(acme.agency).get("/admin").text
    assert "They have no credits." not in page and "77 credits" not in page
