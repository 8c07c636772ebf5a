"""What the stand-in Cloud API posts: signed, in batches, again until it is taken, and spoilt as it was asked to be."""

import json
from contextlib import suppress

import pytest

from portal.sandbox import Effect, Sandbox, Signature
from portal.sandbox.switches import SWITCHES
from portal.sandbox.whatsapp_cloud import people, webhooks
from portal.sandbox.whatsapp_cloud.numbers import Progress, user_id_of
from portal.sandbox.world import CLOUD_ACCOUNT, CLOUD_APP, CLOUD_NUMBER_ID
from tests.sandbox.cloud import LIZA, RAMON, Meta, Portal, prepare
from tests.sandbox.conftest import Caller, Clock

WHO = f"+{RAMON}"
DAY = 24 * 3600


@pytest.fixture
def portal():
    portal = Portal()
    yield portal
    portal.stop()


@pytest.fixture
def meta(call: Caller, sandbox: Sandbox, portal: Portal) -> Meta:
    prepare(sandbox, portal)
    return Meta(call)


@pytest.fixture
def number(sandbox: Sandbox):
    return sandbox.cloud.numbers[CLOUD_NUMBER_ID]


@pytest.fixture
def wait(sandbox: Sandbox, meta: Meta):
    def until(satisfied) -> None:
        assert sandbox.records.wait(satisfied)

    return until


@pytest.fixture
def sent(meta: Meta, sandbox: Sandbox, number):
    """Sends a text to somebody who has just written, and returns its id."""

    def send(text: str = "Hello", **more: object) -> str:
        people.write(sandbox, number, WHO, text="Hi")
        return meta.send(text, **more).json()["messages"][0]["id"]

    return send


def test_the_bytes_are_signed_with_everything_escaped(portal, sandbox, number, wait) -> None:
    people.write(sandbox, number, WHO, text="café 👋")
    wait(lambda: portal.messages())
    assert b"caf\\u00e9 \\ud83d\\udc4b" in portal.raw[0] and portal.raw[0].isascii()
    assert portal.messages()[0]["text"]["body"] == "café 👋"
    sandbox.cloud.signature = Signature.BAD
    people.write(sandbox, number, WHO, text="forged")
    wait(lambda: portal.refused)
    assert len(portal.messages()) == 1


def test_statuses_carry_our_key_and_a_price(portal, sent, wait, sandbox) -> None:
    sandbox.cloud.progress = Progress(0, 0, 0, "played")
    wamid = sent(biz_opaque_callback_data="41:1")
    wait(lambda: portal.statuses_of(wamid) == ["sent", "delivered", "read", "played"])
    told = portal.status(wamid)
    assert (told["biz_opaque_callback_data"], told["recipient_id"]) == ("41:1", RAMON)
    assert told["pricing"] == {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "service"}


def test_after_an_advertisement_nothing_is_billed(portal, meta, sandbox, number, wait) -> None:
    people.write(sandbox, number, WHO, kind="referral", text="Is it free?")
    wamid = meta.send().json()["messages"][0]["id"]
    wait(lambda: portal.statuses_of(wamid))
    pricing = portal.status(wamid)["pricing"]
    assert (pricing["billable"], pricing["type"], pricing["category"]) == (
        False,
        "free_entry_point",
        "referral_conversion",
    )


def test_the_window_closes_after_a_day(portal, meta, sandbox, number, clock: Clock, wait) -> None:
    stranger = meta.send("Hello", to=LIZA)
    assert stranger.status_code == 200
    people.write(sandbox, number, WHO, text="Hi")
    clock.forward(DAY - 1)
    good = meta.send().json()["messages"][0]["id"]
    clock.forward(1)
    late = meta.send().json()["messages"][0]["id"]
    template = meta.template("visit_reminder", "Ramon", "Friday").json()["messages"][0]["id"]
    wait(lambda: portal.statuses_of(template) == ["sent", "delivered"])
    assert portal.statuses_of(good) == ["sent", "delivered"]
    assert portal.statuses_of(late) == ["failed"]
    told = portal.status(late)
    assert told["errors"][0]["code"] == 131047 and "pricing" not in told
    assert portal.status(stranger.json()["messages"][0]["id"])["status"] == "failed"
    assert portal.status(template)["pricing"]["category"] == "utility"
    people.write(sandbox, number, WHO, text="Still here")
    sandbox.cloud.close_window(number.person(WHO))
    assert not number.person(WHO).may_be_answered(clock())


def test_what_is_not_taken_comes_again_and_holds_up_nothing(portal, sandbox, number, clock: Clock, wait) -> None:
    held = sandbox.cloud.poster
    portal.statuses = [500]
    people.write(sandbox, number, WHO, text="one")
    wait(lambda: [each.tries for each in held.letters] == [1])
    people.write(sandbox, number, WHO, text="two")
    wait(lambda: len(portal.got) == 2)
    portal.statuses = [503]
    clock.forward(11)
    wait(lambda: [each.tries for each in held.letters] == [2])
    clock.forward(11)
    people.write(sandbox, number, WHO, text="three")
    wait(lambda: len(portal.got) == 4)
    clock.forward(10)
    wait(lambda: len(portal.got) == 5 and not held.count)
    assert [one["text"]["body"] for one in portal.messages()] == ["one", "two", "one", "three", "one"]


def test_it_is_given_up_after_seven_days(portal, sandbox, number, clock: Clock, wait) -> None:
    portal.statuses = [500] * 9
    sandbox.cloud.again_after = 3 * DAY
    people.write(sandbox, number, WHO, text="lost")
    wait(lambda: sandbox.cloud.poster.letters)
    sandbox.cloud.poster.letters[0].first_at -= 7 * DAY
    clock.forward(3601)
    wait(lambda: len(portal.got) == 2 and not sandbox.cloud.poster.count)


def test_several_go_out_in_one_request(portal, sandbox, number, meta, wait) -> None:
    sandbox.cloud.batch, sandbox.cloud.gather = 4, 5.0
    for text in ("one", "two"):
        people.write(sandbox, number, WHO, text=text)
    people.write(sandbox, number, f"+{LIZA}", text="three")
    people.prefer(sandbox, number, WHO, "stop")
    wait(lambda: portal.got)
    assert len(portal.got) == 1
    changes = portal.got[0]["entry"][0]["changes"]
    assert [change["field"] for change in changes] == ["messages", "user_preferences"]
    value = changes[0]["value"]
    assert [one["text"]["body"] for one in value["messages"]] == ["one", "two", "three"]
    assert [one["wa_id"] for one in value["contacts"]] == [RAMON, LIZA]


def test_numbers_and_accounts_are_kept_apart_in_a_request() -> None:
    def item(account: str, number: str, listed: str, name: int):
        value = {"metadata": {"phone_number_id": number}, listed: [{"id": name}]}
        return webhooks.Item(account, number, "messages", value)

    told = webhooks.request_body(
        [
            item("A", "1", "messages", 1),
            item("A", "1", "statuses", 2),
            item("A", "2", "messages", 3),
            item("B", "9", "messages", 4),
            item("A", "1", "messages", 5),
        ]
    )
    shape = [
        (entry["id"], [change["value"].get("messages", change["value"].get("statuses")) for change in entry["changes"]])
        for entry in told["entry"]
    ]
    assert shape == [("A", [[{"id": 1}, {"id": 5}], [{"id": 2}], [{"id": 3}]]), ("B", [[{"id": 4}]])]


def test_duplicates(portal, sandbox, number, wait) -> None:
    sandbox.cloud.copies = 3
    people.write(sandbox, number, WHO, text="one")
    wait(lambda: len(portal.got) == 3)
    assert portal.raw[0] == portal.raw[1] == portal.raw[2]


@pytest.mark.parametrize("batch", [1, 10])
def test_read_comes_before_sent(portal, sandbox, sent, wait, clock: Clock, batch: int) -> None:
    sandbox.cloud.shuffled, sandbox.cloud.batch = True, batch
    sandbox.cloud.progress = Progress(1, 2, 3, "read")
    wamid = sent()
    clock.forward(2.5)
    wait(lambda: portal.messages())
    assert portal.statuses_of(wamid) == []
    clock.forward(1)
    wait(lambda: portal.statuses_of(wamid) == ["read", "delivered", "sent"])


def test_a_deaf_number_posts_later(portal, sandbox, number, sent, wait) -> None:
    sandbox.cloud.deaf = True
    wamid = sent()
    wait(lambda: sandbox.cloud.poster.count == 3)
    assert not portal.got
    sandbox.cloud.deaf = False
    wait(lambda: portal.statuses_of(wamid) == ["sent", "delivered"])
    assert len(portal.messages()) == 1


def test_a_status_can_come_before_the_answer(portal, sandbox, sent) -> None:
    sandbox.cloud.early = True
    sandbox.cloud.progress = Progress(0, 900, 900)
    seen: list[list[str]] = []
    sandbox.app.after_request(lambda response: seen.append(len(portal.got)) or response)  # type: ignore[arg-type]
    wamid = sent()
    assert portal.statuses_of(wamid) == ["sent"] and seen[-1] >= 1


@pytest.mark.parametrize("effect", [Effect.RESET_AFTER, Effect.HALF_ANSWER, Effect.STATUS_AFTER])
def test_a_lost_answer_is_told_by_the_status(portal, sandbox, meta, number, wait, effect: Effect) -> None:
    people.write(sandbox, number, WHO, text="Hi")
    sandbox.faults.arm("cloud.messages", effect)
    with suppress(OSError):
        assert meta.send(biz_opaque_callback_data="41:1").status_code == 500
    wait(lambda: [each for value in portal.values() for each in value.get("statuses", [])])
    assert next(iter(number.sent.values())).key == "41:1"


@pytest.mark.parametrize(("status", "code"), [(429, 130429), (500, 131000), (503, 131016), (401, 190)])
def test_a_fault_is_worded_as_graph_does(meta, sandbox, number, status: int, code: int) -> None:
    sandbox.faults.arm("cloud.*", Effect.STATUS, status=status, retry_after=7)
    answer = meta.send()
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["Retry-After"] == "7" and not number.sent


class TestPeople:
    @pytest.mark.parametrize(
        "kind",
        ["image", "video", "audio", "voice", "document", "sticker"],
    )
    def test_files_come_with_an_id_and_an_address(self, portal, sandbox, number, meta, wait, kind: str) -> None:
        people.write(sandbox, number, WHO, kind=kind, text="cap", file_name="Bill.pdf")
        wait(lambda: portal.messages())
        told = portal.messages()[0]
        own = told[told["type"]]
        token = sandbox.cloud.accounts[CLOUD_ACCOUNT].token
        fetched = meta.call.session.get(own["url"], headers={"Authorization": f"Bearer {token}"}, timeout=60)
        known = meta("GET", own["id"]).json()
        assert fetched.content and known["file_size"] == len(fetched.content) and known["mime_type"] == own["mime_type"]
        assert own.get("voice") == {"voice": True, "audio": False}.get(kind)

    def test_what_is_tapped_was_offered(self, portal, sandbox, number, meta, wait) -> None:
        people.write(sandbox, number, WHO, text="Hi")
        buttons = [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}}]
        order = {"type": "button", "body": {"text": "Shall we come?"}, "action": {"buttons": buttons}}
        asked = meta.order({"type": "interactive", "interactive": order}).json()["messages"][0]["id"]
        people.write(sandbox, number, WHO, kind="tap", text="Yes")
        rows = [{"id": "r1", "title": "Monday", "description": "early"}]
        listed = {"type": "list", "body": {"text": "When?"}, "action": {"button": "Days", "sections": [{"rows": rows}]}}
        days = meta.order({"type": "interactive", "interactive": listed}).json()["messages"][0]["id"]
        people.write(sandbox, number, WHO, kind="tap", text="Monday", about=days)
        wait(lambda: len(portal.messages()) == 3)
        yes, monday = portal.messages()[1:]
        assert yes["context"] == {"from": "639171110003", "id": asked}
        assert yes["interactive"] == {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}}
        assert monday["interactive"]["list_reply"] == {"id": "r1", "title": "Monday", "description": "early"}
        with pytest.raises(ValueError, match="nothing of this name"):
            people.write(sandbox, number, WHO, kind="tap", text="Tuesday", about=days)

    def test_a_quick_reply_gives_its_payload_back(self, portal, sandbox, number, meta, wait) -> None:
        header = {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://a.test/a.png"}}]}
        own = {"name": "rainy_season_offer", "language": {"code": "en"}, "components": [header]}
        meta.order({"type": "template", "template": own})
        people.write(sandbox, number, WHO, kind="tap", text="Stop promotions")
        wait(lambda: portal.messages())
        told = portal.messages()[0]
        assert told["type"] == "button" and told["button"] == {"payload": "Stop promotions", "text": "Stop promotions"}

    def test_what_speaks_of_another_message(self, portal, sandbox, number, sent, wait) -> None:
        wamid = sent()
        first = next(iter(number.received)).id
        wait(lambda: portal.statuses_of(wamid))
        people.write(sandbox, number, WHO, kind="reaction", text="❤️", about=wamid)
        assert number.sent[wamid].reaction == "❤️"
        people.write(sandbox, number, WHO, kind="unreact", about=wamid)
        people.write(sandbox, number, WHO, kind="edit", text="Hi there")
        people.write(sandbox, number, WHO, kind="delete")
        wait(lambda: len(portal.messages()) == 5)
        told = portal.messages()
        assert told[1]["reaction"] == {"message_id": wamid, "emoji": "❤️"}
        assert told[2]["reaction"] == {"message_id": wamid} and number.sent[wamid].reaction == ""
        assert told[3]["edit"]["original_message_id"] == told[4]["revoke"]["original_message_id"] == first
        assert (number.heard(first).text, number.heard(first).deleted) == ("Hi there", True)
        with pytest.raises(ValueError, match="no message in this chat"):
            people.write(sandbox, number, f"+{LIZA}", kind="reply", text="?")

    def test_a_number_changes_and_the_id_with_it(self, portal, sandbox, number, wait) -> None:
        people.write(sandbox, number, WHO, text="old")
        moved = people.move(sandbox, number, WHO, "+639180000000")
        people.write(sandbox, number, moved.address, text="new")
        wait(lambda: len(portal.messages()) == 3)
        old, system, new = portal.messages()
        assert system["system"]["type"] == "user_changed_number" and system["system"]["wa_id"] == "639180000000"
        assert (system["from"], new["from"]) == (RAMON, "639180000000")
        assert old["from_user_id"] != new["from_user_id"] == user_id_of("+639180000000")

    def test_who_hides_the_number_is_known_by_an_id(self, portal, sandbox, number, meta, wait) -> None:
        people.write(sandbox, number, WHO, text="before")
        person = people.hide(number, WHO, "ramon.b")
        people.write(sandbox, number, person.user_id, text="after")
        wamid = meta.send("Back", to=person.user_id).json()["messages"][0]["id"]
        wait(lambda: portal.statuses_of(wamid))
        told = portal.messages()[1]
        assert "from" not in told and told["from_user_id"] == person.user_id
        contact = portal.values()[1]["contacts"][0]
        assert contact["profile"]["username"] == "ramon.b" and "wa_id" not in contact
        assert portal.status(wamid)["recipient_user_id"] == person.user_id

    def test_the_owner_types_in_the_app(self, portal, sandbox, number, wait) -> None:
        wamid = people.type_in_app(sandbox, number, WHO, "On my way")
        wait(lambda: portal.got)
        echo = portal.values("smb_message_echoes")[0]["message_echoes"][0]
        assert (echo["id"], echo["to"], echo["text"]) == (wamid, RAMON, {"body": "On my way"})
        assert sandbox.cloud.taken() == 0


class TestControls:
    def post(self, call: Caller, path: str, **body: object):
        return call.request("POST", f"/control/cloud/{path}", json=body)

    def test_settings(self, call: Caller, sandbox: Sandbox) -> None:
        wanted = {
            "cloud_batch": 5,
            "cloud_gather": 0.5,
            "cloud_rate": 7,
            "cloud_url_seconds": 2,
            "cloud_outcome": "read",
        }
        assert call.request("PATCH", "/control/settings", json=wanted).status_code == 200
        here = sandbox.cloud
        assert (here.batch, here.gather, here.limits.rate, here.files.url_seconds) == (5, 0.5, 7, 2)
        assert here.progress.outcome == "read"

    def test_people(self, call: Caller, meta: Meta, sandbox: Sandbox, wait) -> None:
        wamid = self.post(call, "write", who=WHO, text="Hi", name="Ramon").json()["id"]
        assert self.post(call, "type", who=WHO, text="Hello").json()["id"]
        assert self.post(call, "write", who=WHO, kind="dance").status_code == 400
        assert self.post(call, "write", who=WHO, number="1").status_code == 400
        assert self.post(call, "people", who=WHO).json()["window"] is True
        assert self.post(call, "people", who=WHO, wait=True).json()["window"] is False
        assert self.post(call, "people", who=WHO, open=True, prefer="stop").json()["stopped"] is True
        assert self.post(call, "people", who=WHO, prefer="maybe").status_code == 400
        assert self.post(call, "people", who=WHO, phone="+639180000000").json()["phone"] == "639180000000"
        assert self.post(call, "people", who="+639180000000", username="r").json()["phone"] == ""
        assert [one["id"] for one in call.request("GET", "/control/cloud/received").json()] == [wamid]
        assert [one["by"] for one in call.request("GET", "/control/cloud/sent").json()["sent"]] == ["phone"]
        wait(lambda: len(sandbox.cloud.posted) == 4)
        posted = call.request("GET", "/control/cloud/posted").json()
        assert [one["answer"]["status"] for one in posted["posted"]] == [200] * 4

    def test_a_customer_opens_the_chat(self, call: Caller, meta: Meta, sent, portal: Portal, wait) -> None:
        wamid = sent()
        wait(lambda: len(portal.statuses_of(wamid)) == 2)
        for _ in range(2):
            assert self.post(call, "people", who=WHO, read=True).status_code == 200
        late = meta.send().json()["messages"][0]["id"]
        wait(lambda: len(portal.statuses_of(late)) == 2)
        assert portal.statuses_of(wamid) == ["sent", "delivered", "read"]

    def test_ends(self, call: Caller, meta: Meta, sent, portal: Portal, wait) -> None:
        assert self.post(call, "outcomes", phone=WHO, outcome="failed:131026").status_code == 200
        assert self.post(call, "outcomes", phone=WHO, outcome="failed:x").status_code == 400
        wamid = sent()
        wait(lambda: portal.statuses_of(wamid) == ["failed"])
        assert portal.status(wamid)["errors"][0]["code"] == 131026

    def test_templates(self, call: Caller, meta: Meta, portal: Portal, wait) -> None:
        made = self.post(call, "templates", name="fresh", language="en", components=[{"type": "BODY", "text": "Hi"}])
        assert made.json()["status"] == "APPROVED" and meta.template("fresh").status_code == 200
        assert self.post(call, "templates", name="fresh", language="en", event="PAUSED").json()["status"] == "PAUSED"
        assert meta.template("fresh").json()["error"]["code"] == 132015
        wait(lambda: portal.values("message_template_status_update"))
        told = portal.values("message_template_status_update")[0]
        assert (told["event"], told["message_template_name"], told["reason"]) == ("PAUSED", "fresh", "NONE")
        assert "metadata" not in told
        assert self.post(call, "templates", name="fresh", language="en", event="LOVED").status_code == 400

    def test_anything_can_be_posted(self, call: Caller, meta: Meta, portal: Portal) -> None:
        changes = [{"field": "messages", "value": {"messages": [7]}}, {"field": "new", "value": {}}]
        assert self.post(call, "raw", changes=changes).json() == {"status": 200}
        assert portal.got[0]["entry"][0]["changes"] == changes
        self.post(call, "raw", error=131000)
        assert portal.values()[1]["errors"][0]["code"] == 131000

    def test_apps_accounts_numbers(self, call: Caller, meta: Meta, portal: Portal, sandbox: Sandbox, wait) -> None:
        self.post(call, "apps", id="1", secret="s", verify_token="v", callback=f"{portal.url}/webhooks/whatsapp/k")
        self.post(call, "accounts", id="2", token="EAAown", app_id="1")
        self.post(call, "numbers", id="3", account_id="2", phone="+639170000003")
        known = call.request("GET", "/control/cloud").json()
        assert [len(known[name]) for name in ("apps", "accounts", "numbers")] == [2, 2, 2]
        self.post(call, "write", who=WHO, number="3", text="Hi")
        wait(lambda: sandbox.cloud.posted)
        assert portal.refused
        assert "/webhooks/whatsapp/k" in json.dumps(call.request("GET", "/control/cloud/posted").json())
        assert self.post(call, "apps", id="1", secret="t").json()["verify_token"] == "v"
        assert call.request("GET", "/control/state").json()["cloud"][1]["id"] == "3"

    def test_an_address_elsewhere_is_never_called(
        self, call: Caller, meta: Meta, sandbox: Sandbox, portal, wait
    ) -> None:
        self.post(call, "apps", id=CLOUD_APP, callback="https://portal.test/webhooks/whatsapp")
        self.post(call, "write", who=WHO, text="Hi")
        wait(lambda: sandbox.cloud.posted)
        assert "loopback" in sandbox.cloud.posted[0].answer.error
        self.post(call, "apps", id=CLOUD_APP, callback="")
        self.post(call, "write", who=WHO, text="Here")
        wait(portal.messages)

    def test_a_reset_forgets_what_was_said_and_keeps_what_was_set(self, call: Caller, meta: Meta, sandbox: Sandbox):
        account = sandbox.cloud.accounts[CLOUD_ACCOUNT]
        account.override = "http://127.0.0.1:9/x"
        self.post(call, "write", who=WHO, text="Hi")
        call.request("POST", "/control/reset")
        number = sandbox.cloud.numbers[CLOUD_NUMBER_ID]
        assert (len(number.received), number.people, sandbox.cloud.accounts[CLOUD_ACCOUNT]) == (0, {}, account)


def test_every_switch_turns_on_and_off(meta: Meta, sandbox: Sandbox, call: Caller) -> None:
    own = [switch for switch in SWITCHES.values() if switch.name.startswith("cloud_")]
    assert len(own) > 10
    for switch in own:
        for on in (True, False):
            said = call.request("POST", f"/control/switches/{switch.name}", json={"on": on}).json()
            assert said == {"name": switch.name, "on": on}


def test_the_first_try_of_each_message_is_lost(portal, sandbox, meta, number, wait) -> None:
    people.write(sandbox, number, WHO, text="Hi")
    sandbox.cloud.first_lost, sandbox.cloud.progress = 131000, Progress(0, 0, 900)

    def taken(key: str) -> str:
        return meta.send(biz_opaque_callback_data=key).json()["messages"][0]["id"]

    first, second = taken("a-message:1"), taken("a-message:2")
    wait(lambda: portal.statuses_of(first) == ["failed"])
    wait(lambda: portal.statuses_of(second) == ["sent", "delivered"])
