"""The stand-in for Meta's Cloud API: who may call, what can be sent, templates, files, limits, subscriptions."""

import hashlib

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.whatsapp_cloud import people
from portal.sandbox.world import CLOUD_ACCOUNT, CLOUD_APP, CLOUD_NUMBER, CLOUD_NUMBER_ID, CLOUD_VERIFY_TOKEN
from tests.sandbox.cloud import LIZA, RAMON, Meta, Portal, prepare
from tests.sandbox.conftest import Caller, Clock

LINK = {"link": "https://pictures.test/roof.png"}
HEADER = {"type": "header", "parameters": [{"type": "image", "image": LINK}]}
BUTTONS = {"buttons": [{"type": "reply", "reply": {"id": str(n), "title": f"Answer {n}"}} for n in range(3)]}
ROWS = [{"id": str(n), "title": f"Row {n}", "description": "d"} for n in range(10)]


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


def code(response) -> tuple[int, int]:
    error = response.json()["error"]
    assert error["fbtrace_id"] and error["message"] and error["type"]
    return response.status_code, error["code"]


def test_who_may_call(meta: Meta, sandbox: Sandbox, call: Caller) -> None:
    assert code(meta("GET", CLOUD_NUMBER_ID, token="wrong")) == (401, 190)
    assert code(meta("GET", CLOUD_NUMBER_ID, token="")) == (400, 2500)
    assert code(meta("GET", "123")) == (400, 100)
    assert code(call.request("GET", f"/vnext/{CLOUD_NUMBER_ID}")) == (400, 2500)
    account = sandbox.cloud.accounts[CLOUD_ACCOUNT]
    account.expired = True
    refused = meta.send()
    assert code(refused) == (401, 190) and refused.json()["error"]["error_subcode"] == 463
    by_query = call.request("GET", f"/v19.0/{CLOUD_NUMBER_ID}?access_token={account.token}")
    assert code(by_query) == (401, 190)


def test_another_account_is_not_told_apart_from_nothing(meta: Meta, call: Caller) -> None:
    call.request("POST", "/control/cloud/accounts", json={"id": "999", "token": "EAAother"})
    call.request("POST", "/control/cloud/numbers", json={"id": "888", "account_id": "999", "phone": "+639170000888"})
    assert code(meta("GET", "888")) == code(meta("GET", "777")) == (400, 100)
    assert meta("GET", "888", token="EAAother").json()["display_phone_number"] == "+639170000888"
    assert code(meta("GET", "999/phone_numbers")) == (400, 100)


def test_a_message_is_taken(meta: Meta, sandbox: Sandbox, number) -> None:
    answer = meta.send("Kumusta", biz_opaque_callback_data="41:1", context={"message_id": "wamid.X"})
    said = answer.json()
    assert said["messaging_product"] == "whatsapp"
    assert said["contacts"][0] | {"user_id": ""} == {"input": RAMON, "wa_id": RAMON, "user_id": ""}
    one = number.sent[said["messages"][0]["id"]]
    assert (one.text, one.key, one.quotes, one.person.phone) == ("Kumusta", "41:1", "wamid.X", RAMON)
    known = meta.send("To the id", to=one.person.user_id).json()
    assert known["contacts"] == [{"input": one.person.user_id, "wa_id": RAMON, "user_id": one.person.user_id}]
    hidden = meta.send("Hidden", to="PH.42").json()["contacts"]
    assert hidden == [{"input": "PH.42", "user_id": "PH.42"}]
    assert sandbox.cloud.repeats() == {}
    meta.send("Kumusta")
    assert sandbox.cloud.repeats() == {(f"+{RAMON}", "Kumusta"): 2}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"text": {"body": "a" * 4096, "preview_url": True}}, {"text": {"body": "a" * 4097}}),
        ({"image": LINK | {"caption": "a" * 1024}}, {"image": LINK | {"caption": "a" * 1025}}),
        ({"video": LINK}, {"video": {}}),
        ({"audio": LINK}, {"audio": LINK | {"caption": "x"}}),
        ({"document": LINK | {"filename": "a.pdf"}}, {"document": LINK | {"id": "1"}}),
        ({"sticker": LINK}, {"sticker": {"id": "1"}}),
        ({"image": LINK}, {"image": {"link": "file:///etc/passwd"}}),
        ({"reaction": {"message_id": "wamid.X", "emoji": ""}}, {"reaction": {"message_id": "X", "emoji": "👍"}}),
        ({"location": {"latitude": 14.5, "longitude": "121"}}, {"location": {"latitude": 14.5}}),
        (
            {"contacts": [{"name": {"formatted_name": "Bo", "first_name": "Bo"}, "phones": []}]},
            {"contacts": [{"name": {"formatted_name": "Bo"}}]},
        ),
        (
            {"interactive": {"type": "button", "body": {"text": "?"}, "footer": {"text": "f"}, "action": BUTTONS}},
            {"interactive": {"type": "button", "body": {"text": "?"}, "action": {"buttons": BUTTONS["buttons"] * 2}}},
        ),
        (
            {
                "interactive": {
                    "type": "list",
                    "header": {"type": "text", "text": "Head"},
                    "body": {"text": "?"},
                    "action": {"button": "Choose", "sections": [{"rows": ROWS}]},
                }
            },
            {
                "interactive": {
                    "type": "list",
                    "body": {"text": "?"},
                    "action": {"button": "Choose", "sections": [{"rows": ROWS + ROWS[:1]}]},
                }
            },
        ),
        (
            {
                "interactive": {
                    "type": "cta_url",
                    "body": {"text": "?"},
                    "action": {"name": "cta_url", "parameters": {"display_text": "See", "url": "https://a.test"}},
                }
            },
            {"interactive": {"type": "dance", "body": {"text": "?"}, "action": {}}},
        ),
    ],
    ids=lambda body: next(iter(body)),
)
def test_every_type(meta: Meta, good: dict, bad: dict) -> None:
    kind = next(iter(good))
    assert meta.order({"type": kind} | good).status_code == 200
    status, found = code(meta.order({"type": kind} | bad))
    assert status == 400 and found in (131008, 131009)


def test_what_belongs_to_every_message(meta: Meta) -> None:
    assert code(meta.order({"type": "dance"})) == (400, 131051)
    assert code(meta.send(to="+63abc")) == (400, 131009)
    assert code(meta.send(to=CLOUD_NUMBER)) == (400, 131021)
    assert code(meta.send(to="Q.1")) == (400, 131009)
    assert code(meta.send(context={"message_id": "1"})) == (400, 131009)
    assert code(meta.send(biz_opaque_callback_data="x" * 513)) == (400, 131009)
    path = f"{CLOUD_NUMBER_ID}/messages"
    assert code(meta("POST", path, json={"to": RAMON})) == (400, 100)
    assert code(meta("POST", path, json={"messaging_product": "whatsapp", "text": {"body": "x"}})) == (400, 100)
    assert code(meta("POST", path, data="{")) == (400, 100)


class TestTemplates:
    def offer(self, meta: Meta, *components: dict):
        own = {"name": "rainy_season_offer", "language": {"code": "en"}, "components": list(components)}
        return meta.order({"type": "template", "template": own})

    def test_what_is_sent_is_what_was_approved(self, meta: Meta, number) -> None:
        said = meta.template("visit_reminder", "Ramon", "Friday").json()["messages"][0]
        assert said["message_status"] == "accepted"
        assert "Hello Ramon, your visit is on Friday." in number.sent[said["id"]].text
        assert code(meta.template("visit_reminder", "Ramon")) == (400, 132000)
        assert code(meta.template("visit_reminder", "Ramon", "")) == (400, 132012)
        assert code(meta.template("visit_reminder", "Ramon", "Friday", language="fr")) == (404, 132001)
        assert code(meta.template("feedback_request", "Ramon")) == (400, 132015)
        assert code(meta.template("balita", "x", language="fil")) == (404, 132001)

    def test_a_header_and_buttons(self, meta: Meta, number) -> None:
        button = {"type": "button", "sub_type": "quick_reply", "index": "1"}
        button |= {"parameters": [{"type": "payload", "payload": "no-more"}]}
        sent = number.sent[self.offer(meta, HEADER, button).json()["messages"][0]["id"]]
        assert [(one.id, one.kind) for one in sent.options][:2] == [("Book a visit", "quick"), ("no-more", "quick")]
        assert (sent.link, sent.category) == (LINK["link"], "marketing")
        assert code(self.offer(meta)) == (400, 132012)
        text = {"type": "header", "parameters": [{"type": "text", "text": "x"}]}
        assert code(self.offer(meta, text)) == (400, 132012)

    def test_they_are_listed_page_by_page(self, meta: Meta) -> None:
        first = meta.list("message_templates", limit=3)
        assert [one["name"] for one in first["data"]] == ["visit_reminder", "rainy_season_offer", "feedback_request"]
        assert set(first["data"][0]) == {
            "name",
            "parameter_format",
            "components",
            "language",
            "status",
            "category",
            "id",
        }
        assert first["paging"]["next"].startswith("http")
        last = meta.list("message_templates", limit=3, after=first["paging"]["cursors"]["after"], fields="status")
        assert [set(one) for one in last["data"]] == [{"status", "id"}] and "next" not in last["paging"]
        assert meta.list("message_templates", after=last["paging"]["cursors"]["after"]) == {"data": []}
        paused = meta.list("message_templates", status="PAUSED", fields="name,quality_score,rejected_reason")
        assert [one["name"] for one in paused["data"]] == ["feedback_request"]
        assert code(meta("GET", f"{CLOUD_ACCOUNT}/message_templates?fields=colour")) == (400, 100)
        assert code(meta("GET", f"{CLOUD_ACCOUNT}/message_templates?after=%FF")) == (400, 100)

    def test_marketing_has_a_cap_that_an_answer_lifts(
        self, meta: Meta, sandbox: Sandbox, number, portal: Portal
    ) -> None:
        sandbox.cloud.limits.enforced = True
        ids = [self.offer(meta, HEADER).json()["messages"][0]["id"] for _ in range(3)]
        assert sandbox.records.wait(lambda: portal.statuses_of(ids[2]))
        assert portal.status(ids[2])["errors"][0]["code"] == 131049
        people.write(sandbox, number, f"+{RAMON}", text="Yes please")
        again = self.offer(meta, HEADER).json()["messages"][0]["id"]
        people.prefer(sandbox, number, f"+{RAMON}", "stop")
        never = self.offer(meta, HEADER).json()["messages"][0]["id"]
        assert sandbox.records.wait(lambda: portal.statuses_of(never) and len(portal.statuses_of(again)) == 2)
        assert portal.status(never)["errors"][0]["code"] == 131050


class TestFiles:
    def upload(self, meta: Meta, content: bytes = b"roof", mime: str = "image/png"):
        form = {"messaging_product": "whatsapp", "type": mime}
        return meta("POST", f"{CLOUD_NUMBER_ID}/media", data=form, files={"file": ("roof.png", content, mime)})

    def test_an_upload_is_sent_and_looked_up(self, meta: Meta, call: Caller, number) -> None:
        media = self.upload(meta).json()["id"]
        known = meta("GET", media).json()
        assert known | {"url": ""} == {
            "messaging_product": "whatsapp",
            "url": "",
            "mime_type": "image/png",
            "sha256": hashlib.sha256(b"roof").hexdigest(),
            "file_size": 4,
            "id": media,
        }
        sent = meta.order({"type": "image", "image": {"id": media, "caption": "Your roof"}}).json()
        assert number.sent[sent["messages"][0]["id"]].file == media
        assert meta("DELETE", media).json() == {"success": True}
        assert code(meta("GET", media)) == (400, 100)
        assert code(meta.order({"type": "image", "image": {"id": media}})) == (400, 131009)
        assert code(self.upload(meta, mime="image/gif")) == (400, 100)
        assert code(self.upload(meta, b"")) == (400, 131053)

    def test_an_address_wants_the_token_and_lives_five_minutes(
        self, meta: Meta, call: Caller, sandbox: Sandbox, clock: Clock
    ) -> None:
        media = self.upload(meta).json()["id"]
        first, url = meta("GET", media).json()["url"], meta("GET", media).json()["url"]

        def fetch(token: str = ""):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return call.session.get(url, headers=headers, timeout=60)

        token = sandbox.cloud.accounts[CLOUD_ACCOUNT].token
        assert (fetch().status_code, fetch("wrong").status_code) == (401, 401)
        assert fetch(token).content == b"roof" and fetch(token).headers["Content-Type"] == "image/png"
        clock.forward(299)
        assert fetch(token).status_code == 200
        clock.forward(2)
        assert fetch(token).status_code == 404
        assert call.session.get(first, headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code == 404
        clock.forward(31 * 24 * 3600)
        assert code(meta("GET", media)) == (400, 100)

    def test_a_link_that_leads_nowhere_fails_afterwards(self, meta: Meta, sandbox: Sandbox, number, portal) -> None:
        people.write(sandbox, number, f"+{RAMON}", text="Hi")
        lost = meta.order({"type": "image", "image": {"link": f"{sandbox.url}/nothing.png"}}).json()
        wamid = lost["messages"][0]["id"]
        assert sandbox.records.wait(lambda: portal.statuses_of(wamid))
        assert portal.status(wamid)["errors"][0]["code"] == 131053
        good = meta.order({"type": "image", "image": {"link": f"{sandbox.url}/green-media/a.png"}}).json()
        assert sandbox.records.wait(lambda: len(portal.statuses_of(good["messages"][0]["id"])) == 2)
        assert portal.statuses_of(wamid) == ["failed"]


class TestLimits:
    def test_a_number_takes_eighty_a_second_and_twenty_beside_the_app(
        self, meta: Meta, sandbox: Sandbox, number, clock: Clock
    ) -> None:
        sandbox.cloud.limits.enforced, sandbox.cloud.limits.pair_burst = True, 200
        answers = [meta.send(str(n)) for n in range(81)]
        assert [each.status_code for each in answers].count(200) == 80 and code(answers[-1]) == (429, 130429)
        clock.forward(1.1)
        number.coexists = True
        assert [meta.send(str(n)).status_code for n in range(21)].count(200) == 20

    def test_a_person_is_written_to_every_six_seconds(self, meta: Meta, sandbox: Sandbox, clock: Clock) -> None:
        sandbox.cloud.limits.enforced, sandbox.cloud.limits.pair_burst = True, 2
        assert [meta.send().status_code for _ in range(2)] == [200, 200]
        assert code(meta.send()) == (400, 131056)
        assert meta.send(to=LIZA).status_code == 200
        clock.forward(6)
        assert meta.send().status_code == 200
        assert code(meta.send()) == (400, 131056)

    @pytest.mark.parametrize(
        ("asked", "status"), [(131048, 400), (131016, 503), (80007, 400), (368, 403), (131000, 500), (190, 401)]
    )
    def test_any_refusal_can_be_asked_for(self, meta: Meta, call: Caller, asked: int, status: int) -> None:
        wanted = {"code": asked, "phone": f"+{RAMON}"}
        assert call.request("POST", "/control/cloud/refusals", json=wanted).status_code == 200
        assert meta.send(to=LIZA).status_code == 200
        assert code(meta.send()) == (status, asked)
        assert meta.send().status_code == 200
        assert call.request("POST", "/control/cloud/refusals", json={"code": 5}).status_code == 400


class TestAccount:
    def test_a_number_tells_what_is_asked(self, meta: Meta) -> None:
        said = meta("GET", CLOUD_NUMBER_ID).json()
        assert (said["id"], said["display_phone_number"]) == (CLOUD_NUMBER_ID, CLOUD_NUMBER)
        assert "status" not in said
        few = meta("GET", f"{CLOUD_NUMBER_ID}?fields=status,throughput").json()
        assert few == {"status": "CONNECTED", "throughput": {"level": "STANDARD"}, "id": CLOUD_NUMBER_ID}
        assert code(meta("GET", f"{CLOUD_NUMBER_ID}?fields=colour")) == (400, 100)
        assert [one["id"] for one in meta.list("phone_numbers", fields="id")["data"]] == [CLOUD_NUMBER_ID]
        assert meta("GET", "app").json()["id"] == CLOUD_APP
        assert meta("GET", f"{CLOUD_ACCOUNT}?fields=name").json()["id"] == CLOUD_ACCOUNT

    def test_nothing_is_posted_to_an_app_that_is_not_subscribed(
        self, meta: Meta, sandbox: Sandbox, number, portal: Portal
    ) -> None:
        assert meta("DELETE", f"{CLOUD_ACCOUNT}/subscribed_apps").json() == {"success": True}
        assert meta.list("subscribed_apps") == {"data": []}
        people.write(sandbox, number, f"+{RAMON}", text="lost")
        assert sandbox.records.wait(lambda: not sandbox.cloud.poster.count)
        assert meta("POST", f"{CLOUD_ACCOUNT}/subscribed_apps").json() == {"success": True}
        assert meta.list("subscribed_apps")["data"][0]["whatsapp_business_api_data"]["id"] == CLOUD_APP
        people.write(sandbox, number, f"+{RAMON}", text="kept")
        assert sandbox.records.wait(portal.messages)
        assert [one["text"]["body"] for one in portal.messages()] == ["kept"]

    def test_another_callback_is_asked_first(self, meta: Meta, sandbox: Sandbox, number, portal: Portal) -> None:
        sandbox.portal_url = "http://127.0.0.1:9"
        asked = {"override_callback_uri": f"{portal.url}/webhooks/whatsapp/k", "verify_token": "wrong"}
        path = f"{CLOUD_ACCOUNT}/subscribed_apps"
        assert code(meta("POST", path, json=asked)) == (400, 2200)
        assert meta("POST", path, json=asked | {"verify_token": CLOUD_VERIFY_TOKEN}).status_code == 200
        assert meta.list("subscribed_apps")["data"][0]["override_callback_uri"] == asked["override_callback_uri"]
        people.write(sandbox, number, f"+{RAMON}", text="here")
        assert sandbox.records.wait(portal.messages)
        own = {"webhook_configuration": asked | {"verify_token": CLOUD_VERIFY_TOKEN}}
        assert meta("POST", CLOUD_NUMBER_ID, json=own).json() == {"success": True}
        told = meta("GET", f"{CLOUD_NUMBER_ID}?fields=webhook_configuration").json()["webhook_configuration"]
        assert told["phone_number"] == told["whatsapp_business_account"] == asked["override_callback_uri"]
        assert meta("POST", CLOUD_NUMBER_ID, json={"webhook_configuration": {"override_callback_uri": ""}}).ok
        assert code(meta("POST", path, json={"override_callback_uri": "https://portal.test/x"})) == (400, 2200)


def test_messages_are_marked_read(meta: Meta, sandbox: Sandbox, number) -> None:
    first = people.write(sandbox, number, f"+{RAMON}", text="one")
    second = people.write(sandbox, number, f"+{RAMON}", text="two")
    other = people.write(sandbox, number, f"+{LIZA}", text="three")
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": second}
    path = f"{CLOUD_NUMBER_ID}/messages"
    assert meta("POST", path, json=body | {"typing_indicator": {"type": "text"}}).json() == {"success": True}
    assert [bool(number.heard(one).read_at) for one in (first, second, other)] == [True, True, False]
    assert number.heard(second).typing_at and not number.sent
    assert code(meta("POST", path, json=body | {"message_id": "wamid.X"})) == (400, 131009)


def test_a_group_is_written_to(meta: Meta, sandbox: Sandbox, number, portal: Portal) -> None:
    people.write(sandbox, number, f"+{RAMON}", text="g", group="GROUP1")
    said = meta.send("To all", to="GROUP1", recipient_type="group").json()
    assert said["contacts"] == [{"input": "GROUP1", "wa_id": "GROUP1"}]
    wamid = said["messages"][0]["id"]
    assert sandbox.records.wait(lambda: portal.statuses_of(wamid) == ["sent", "delivered"])
    assert (portal.status(wamid)["recipient_id"], portal.status(wamid)["recipient_type"]) == ("GROUP1", "group")
    place = {"type": "location", "location": {"latitude": 1, "longitude": 2}, "recipient_type": "group"}
    assert code(meta.order(place, "GROUP1")) == (400, 131051)
