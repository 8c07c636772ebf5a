"""A sub-account's routing on its page: rules, the default, the policy, and what a dry run says."""

import pytest
from sqlalchemy import select, update

from portal.messaging import senders
from portal.models import Base, Contact, Conversation, Location, Message, RoutingRule, Sender, SenderState
from tests.web.conftest import post
from tests.web.test_every_route import counts

BOTH_ENGINES = True


@pytest.fixture
def other(parts, acme) -> int:
    """A second sender of Acme's, so that there is something to choose."""
    with parts.database.write() as session:
        location = session.get_one(Location, acme.location)
        return senders.add(session, parts.vault, location, senders.NewSender("simulator", "Spare line", {})).id


def rules(database) -> list[tuple[str, str, int]]:
    with database.read() as session:
        rows = session.scalars(select(RoutingRule).order_by(RoutingRule.position, RoutingRule.id))
        return [(row.kind, row.value, row.sender_id) for row in rows]


def ids(database) -> list[int]:
    with database.read() as session:
        return list(session.scalars(select(RoutingRule.id).order_by(RoutingRule.position)))


def page_of(acme) -> str:
    return f"/admin/locations/{acme.location}/routing"


def test_rules_are_added_changed_moved_and_removed(database, acme, other, signed_in) -> None:
    client, page = signed_in(acme.agency), page_of(acme)
    for kind, value in (("tag", "VIP"), ("prefix", "+63 917"), ("user", "user-7")):
        answer = post(client, f"{page}/rules", page, kind=kind, value=value, sender=str(other))
        assert (answer.status_code, answer.headers["Location"]) == (303, page)
    assert rules(database) == [("tag", "VIP", other), ("prefix", "+63917", other), ("user", "user-7", other)]
    first, second, third = ids(database)
    post(client, f"{page}/rules/move", page, rule=str(third), way="earlier")
    assert ids(database) == [first, third, second]
    post(client, f"{page}/rules/move", page, rule=str(first), way="earlier")  # it is the first already
    assert ids(database) == [first, third, second]
    shown = client.get(f"{page}?edit={third}").text
    assert "Change the rule" in shown and 'value="user-7"' in shown
    post(client, f"{page}/rules", page, kind="tag", value="Gold", sender=str(acme.sender), rule=str(third))
    assert rules(database)[1] == ("tag", "Gold", acme.sender)
    post(client, f"{page}/rules/remove", page, rule=str(first))
    assert len(rules(database)) == 2
    assert "The rule is removed." in client.get(page).text


@pytest.mark.parametrize(
    "form, field, sentence",
    [
        ({"kind": "prefix", "value": "0917"}, "value", "Write it with + and the country code"),
        ({"kind": "tag", "value": "   "}, "value", "Write the tag as it stands"),
        ({"kind": "moon", "value": "full"}, "kind", "Choose what the rule looks at."),
        ({"kind": "tag", "value": "x" * 161}, "value", "longer than 160"),
        ({"kind": "tag", "value": "vip"}, "value", "There is a rule for this already"),
        ({"kind": "tag", "value": "new", "sender": "999999"}, "sender", "one of this sub-account"),
        ({"kind": "tag", "value": "new", "sender": "9" * 30}, "sender", "one of this sub-account"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(database, acme, other, signed_in, form, field, sentence) -> None:
    client, page = signed_in(acme.agency), page_of(acme)
    post(client, f"{page}/rules", page, kind="tag", value="VIP", sender=str(other))
    answer = post(client, f"{page}/rules", page, **{"sender": str(other), **form})
    assert answer.status_code == 422
    place = answer.text.index(f'id="{field}-fault"')
    assert sentence in answer.text[place : place + 300]
    assert f'value="{form["value"]}"' in answer.text  # nothing typed is lost
    assert len(rules(database)) == 1


def test_another_tenants_rule_and_sender_are_not_there(database, acme, rival, other, signed_in) -> None:
    mine, page = signed_in(acme.agency), page_of(acme)
    post(mine, f"{page}/rules", page, kind="tag", value="VIP", sender=str(other))
    (rule,) = ids(database)
    client, own = signed_in(rival.agency), f"/admin/locations/{rival.location}/routing"
    for deed in ("remove", "move"):
        assert post(client, f"{own}/rules/{deed}", own, rule=str(rule)).status_code == 404
    theirs = post(client, f"{own}/rules", own, kind="tag", value="x", sender=str(rival.sender), rule=str(rule))
    assert theirs.status_code == 404
    assert post(client, f"{own}/rules", own, kind="tag", value="x", sender=str(other)).status_code == 422
    assert post(client, f"{own}/default", own, default=str(other)).status_code == 422
    assert rules(database) == [("tag", "VIP", other)]


def test_a_default_lets_go_what_waited_for_one(database, acme, other, queue, signed_in) -> None:
    message = queue(acme)
    assert message.status == "held"
    client, page = signed_in(acme.agency), page_of(acme)
    assert "no default" in client.get(page).text
    assert post(client, f"{page}/default", page, default=str(other)).status_code == 303
    with database.read() as session:
        assert session.get_one(Sender, other).is_default
        kinds = [row[0] for row in session.execute(select(Base.metadata.tables["job"].c.kind))]
    assert "release_held" in kinds
    assert post(client, f"{page}/default", page, default="").status_code == 303
    with database.read() as session:
        assert not session.get_one(Sender, other).is_default


def test_the_policy_is_kept(database, acme, other, signed_in) -> None:
    client, page = signed_in(acme.agency), page_of(acme)
    assert post(client, f"{page}/policy", page, policy="family", itself="on").status_code == 303
    with database.read() as session:
        place = session.get_one(Location, acme.location)
    assert (place.failover, place.family_stands_in, place.switches_itself) == ("same_channel", True, True)
    answer = post(client, f"{page}/policy", page, policy="coin")
    assert answer.status_code == 422 and "The policy is one of" in answer.text


def test_a_dry_run_says_who_and_why_and_keeps_nothing(database, acme, other, queue, signed_in) -> None:
    client, page = signed_in(acme.agency), page_of(acme)
    post(client, f"{page}/default", page, default=str(acme.sender))
    post(client, f"{page}/rules", page, kind="tag", value="vip", sender=str(other))
    queue(acme, phone="+639170000077")
    with database.write() as session:
        session.execute(update(Contact).values(tags=["VIP"], name="Ana Reyes"))
        session.execute(update(Conversation).values(sticky_sender_id=None))
    before = counts(database)
    for text in ("0917 000 0077", "contact-+639170000077", "ana"):
        shown = client.get(f"{page}/try", query_string={"q": text}).text
        assert "It would go out through Spare line." in shown, text
        assert "rule: tag vip" in shown and "Has the conversation a sender of its own?" in shown
        assert "Is there a default sender?" not in shown  # the rule decided: the rest is not asked
    assert counts(database) == before
    with database.read() as session:
        assert session.scalars(select(Conversation)).one().sticky_sender_id is None


def test_a_dry_run_to_a_new_number_and_what_it_costs(database, acme, other, signed_in) -> None:
    client, page = signed_in(acme.agency), page_of(acme)
    post(client, f"{page}/default", page, default=str(acme.sender))
    before = counts(database)
    shown = client.get(f"{page}/try", query_string={"q": "+639170000088", "text": "x" * 400}).text
    assert "It would go out through Acme line." in shown and "not known here yet" in shown
    assert "1 part, " in shown and "the default sender" in shown
    assert counts(database) == before


def test_a_dry_run_tells_what_stands_in_the_way(database, acme, other, queue, signed_in) -> None:
    client, page = signed_in(acme.agency), page_of(acme)
    unclear = client.get(f"{page}/try", query_string={"q": "+639170000088"}).text
    assert "It would be held." in unclear and "Nothing names a sender." in unclear
    post(client, f"{page}/default", page, default=str(acme.sender))
    with database.write() as session:
        session.get_one(Sender, acme.sender).state = SenderState.PAUSED
    held = client.get(f"{page}/try", query_string={"q": "+639170000088"}).text
    assert "It would be held." in held and "It is paused." in held
    post(client, f"{page}/policy", page, policy="channel")
    instead = client.get(f"{page}/try", query_string={"q": "+639170000088"}).text
    assert "It would go out through Spare line." in instead and "Spare line stands in." in instead
    nobody = client.get(f"{page}/try", query_string={"q": "Zoltan"})
    assert nobody.status_code == 422 and 'value="Zoltan"' in nobody.text and "Nobody here" in nobody.text


def test_a_dry_run_knows_no_other_tenants_contact(database, acme, rival, queue, signed_in) -> None:
    queue(rival)
    with database.read() as session:
        theirs = session.scalars(select(Contact)).one().id
        talk = session.scalars(select(Conversation)).one().id
    client, page = signed_in(acme.agency), page_of(acme)
    assert client.get(f"{page}/try", query_string={"contact": theirs}).status_code == 404
    assert client.get(f"{page}/try", query_string={"q": f"contact-{'+639170000042'}"}).status_code == 422
    assert post(client, f"{page}/own", page, conversation=str(talk), sender="").status_code == 404


def test_several_of_one_name_are_offered(database, acme, queue, signed_in) -> None:
    for phone in ("+639170000071", "+639170000072"):
        queue(acme, phone=phone)
    with database.write() as session:
        session.execute(update(Contact).values(name="Ana <b>Reyes</b>"))
    client = signed_in(acme.agency)
    shown = client.get(f"{page_of(acme)}/try", query_string={"q": "reyes"}).text
    assert "Who is meant?" in shown and shown.count("Ana &lt;b&gt;Reyes") == 2 and "Step by step" not in shown


def test_a_conversation_is_given_another_sender_of_its_own(database, acme, other, queue, signed_in) -> None:
    with database.write() as session:
        senders.make_default(session, acme.sender)
    queue(acme)
    with database.read() as session:
        talk = session.scalars(select(Conversation)).one()
    assert talk.sticky_sender_id == acme.sender
    client, page = signed_in(acme.agency), page_of(acme)
    form = {"conversation": str(talk.id), "contact": str(talk.contact_id)}
    assert post(client, f"{page}/own", page, sender=str(other), **form).status_code == 303
    assert "It would go out through Spare line." in client.get(f"{page}/try?contact={talk.contact_id}").text
    assert post(client, f"{page}/own", page, sender="", **form).status_code == 303
    with database.read() as session:
        assert session.get_one(Conversation, talk.id).sticky_sender_id is None
    queue(acme, "Again")
    with database.read() as session:
        assert {each.sender_id for each in session.scalars(select(Message))} == {acme.sender}
