"""The stand-in for GREEN-API: what its methods take, how its settings hold, and how it posts."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.green_api import people
from portal.sandbox.world import GREEN_INSTANCE, GREEN_NUMBER, GREEN_TOKEN
from tests.sandbox.conftest import Caller, Clock

BUTTON = {"buttonId": "1", "buttonText": "a"}
FILE = "https://a.test/1"
CHAT = "639175550101@c.us"


class Portal:
    """Takes notifications; `status` is what it answers next."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict]] = []
        self.statuses: list[int] = []
        portal = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = portal.statuses.pop(0) if portal.statuses else 200
                portal.got.append((self.headers.get("Authorization", ""), json.loads(body)))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/green-api"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def kinds(self) -> list[str]:
        return [body.get("status") or body.get("stateInstance") or body["typeWebhook"] for _, body in self.got]


@pytest.fixture
def receiver():
    portal = Portal()
    yield portal
    portal.server.shutdown()
    portal.server.server_close()


class Line:
    """Calls the stand-in's methods as the portal would."""

    def __init__(self, call: Caller) -> None:
        self.call = call

    def __call__(self, method: str, body: object = None, token: str = GREEN_TOKEN, instance: str = GREEN_INSTANCE):
        verb = "GET" if body is None else "POST"
        return self.call.request(verb, f"/waInstance{instance}/{method}/{token}", json=body)

    def send(self, text: str = "Hello", chat: str = CHAT):
        return self("sendMessage", {"chatId": chat, "message": text})


@pytest.fixture
def line(call: Caller, sandbox: Sandbox) -> Line:
    sandbox.green.enforced = False
    sandbox.green.settings_after = sandbox.green.restart_seconds = 0.0
    return Line(call)


@pytest.fixture
def linked(line: Line, receiver: Portal, sandbox: Sandbox) -> Portal:
    """Everything switched on and posted to the receiver."""
    on = {name: "yes" for name in sandbox.green.instances[GREEN_INSTANCE].settings if name.endswith("Webhook")}
    assert line("setSettings", on | {"webhookUrl": receiver.url, "webhookUrlToken": "T"}).json() == {
        "saveSettings": True
    }
    return receiver


def instance(sandbox: Sandbox):
    return sandbox.green.instances[GREEN_INSTANCE]


def test_who_may_call(line: Line) -> None:
    assert line("getStateInstance").json() == {"stateInstance": "authorized"}
    assert line("getStateInstance", token="wrong").status_code == 401
    assert line("getStateInstance", instance="1").status_code == 403
    assert line("danceInstance").status_code == 404
    assert line("getWaSettings").json()["phone"] == GREEN_NUMBER.removeprefix("+")


def test_an_error_holds_the_whole_path_as_the_real_one_does(line: Line) -> None:
    said = line("sendMessage", {"chatId": "x"}).json()
    assert GREEN_TOKEN in said["path"] and "chatId" in said["message"]


def test_methods_have_their_rates(call: Caller, sandbox: Sandbox, clock: Clock) -> None:
    line = Line(call)
    assert [line("getSettings").status_code for _ in range(2)] == [200, 429]
    assert [line("getStateInstance").status_code for _ in range(2)] == [200, 429]
    assert [line.send().status_code for _ in range(51)].count(429) == 1
    clock.forward(1.1)
    assert line("getSettings").status_code == 200


@pytest.mark.parametrize(
    ("method", "good", "bad"),
    [
        ("sendMessage", {"message": "Hi", "quotedMessageId": "A"}, {"message": ""}),
        ("sendMessage", {"message": "a" * 20_000}, {"message": "a" * 20_001}),
        (
            "sendFileByUrl",
            {"urlFile": "https://a.test/1", "fileName": "a.png"},
            {"urlFile": "https://a.test/1", "fileName": "a"},
        ),
        ("sendLocation", {"latitude": 1.5, "longitude": 2}, {"latitude": "x"}),
        ("sendContact", {"contact": {"phoneContact": 63917, "firstName": "A"}}, {"contact": {"phoneContact": "1"}}),
        (
            "sendPoll",
            {"message": "?", "options": [{"optionName": "a"}, {"optionName": "b"}]},
            {"message": "?", "options": [{"optionName": "a"}, {"optionName": "a"}]},
        ),
        (
            "sendInteractiveButtons",
            {"body": "?", "buttons": [{"type": "url", "buttonId": "1", "buttonText": "a", "url": "https://a.test"}]},
            {"body": "?", "buttons": [{"type": "url", "buttonId": "1", "buttonText": "a"}]},
        ),
        (
            "sendInteractiveButtonsReply",
            {"body": "?", "buttons": [{"buttonId": "1", "buttonText": "a"}]},
            {"body": "?"},
        ),
    ],
)
def test_what_each_method_takes(line: Line, method: str, good: dict, bad: dict) -> None:
    taken = line(method, {"chatId": CHAT, **good})
    assert taken.status_code == 200 and len(taken.json()["idMessage"]) == 20
    refused = line(method, {"chatId": CHAT, **bad})
    assert refused.status_code == 400 and "Validation failed" in refused.json()["message"]


def test_settings_hold_after_a_while_and_restart_the_instance(line: Line, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.green.settings_after, sandbox.green.restart_seconds = 300.0, 20.0
    line("setSettings", {"incomingWebhook": "yes", "newSetting": "yes"})
    assert line("getSettings").json()["incomingWebhook"] == "no"
    assert line("getStateInstance").json() == {"stateInstance": "starting"}
    assert line.send().status_code == 400
    clock.forward(299)
    assert line("getSettings").json()["incomingWebhook"] == "no"
    clock.forward(2)
    assert line("getSettings").json()["incomingWebhook"] == "yes"
    assert "newSetting" not in line("getSettings").json()
    assert line.send().status_code == 200
    assert line("setSettings", {"incomingWebhook": True}).status_code == 400


def test_a_message_and_its_statuses(line: Line, linked: Portal, sandbox: Sandbox, clock: Clock) -> None:
    sandbox.green.decide("+639175550101", "read")
    taken = line.send("Kumusta").json()["idMessage"]
    assert [each["messageID"] for each in line("showMessagesQueue").json()] == [taken]
    clock.forward(5)
    assert sandbox.records.wait(lambda: len(linked.got) == 4)
    assert linked.kinds() == ["outgoingAPIMessageReceived", "sent", "delivered", "read"]
    assert {token for token, _ in linked.got} == {"Bearer T"}
    assert {body["idMessage"] for _, body in linked.got} == {taken}
    journal = line("lastOutgoingMessages").json()
    assert [(each["idMessage"], each["statusMessage"]) for each in journal] == [(taken, "read")]
    assert line("getMessage", {"chatId": CHAT, "idMessage": taken}).json()["statusMessage"] == "read"
    assert line("getMessage", {"chatId": "1@c.us", "idMessage": taken}).status_code == 400
    assert line("showMessagesQueue").json() == []


@pytest.mark.parametrize(("ends", "kinds"), [("noAccount", ["noAccount"]), ("failed", ["failed"]), ("stuck", [])])
def test_how_a_message_may_end(
    line: Line, linked: Portal, sandbox: Sandbox, clock: Clock, ends: str, kinds: list
) -> None:
    sandbox.green.decide("+639175550101", ends)
    line.send()
    line.send("Hi", "639185550102@c.us")
    clock.forward(5)
    assert sandbox.records.wait(lambda: len(linked.got) == 3 + len(kinds))
    assert [kind for kind in linked.kinds() if kind in ("noAccount", "failed")] == kinds
    assert line("checkWhatsapp", {"phoneNumber": 639175550101}).json()["existsWhatsapp"] == (ends != "noAccount")


def test_a_failure_is_told_even_when_statuses_are_off(
    line: Line, receiver: Portal, sandbox: Sandbox, clock: Clock
) -> None:
    line("setSettings", {"webhookUrl": receiver.url})
    sandbox.green.decide("+639175550101", "noAccount")
    line.send()
    clock.forward(5)
    assert sandbox.records.wait(lambda: receiver.kinds() == ["noAccount"])
    assert receiver.got[0][0] == ""


def test_a_webhook_that_is_not_answered_200_holds_up_everything_behind_it(
    line: Line, linked: Portal, sandbox: Sandbox, clock: Clock
) -> None:
    linked.statuses = [500, 202]
    people.write(sandbox, instance(sandbox), "+639175550101", text="one")
    people.write(sandbox, instance(sandbox), "+639185550102", text="two")

    def held_back(times: int) -> bool:
        """The pause counts from when the answer is heard: only then may the clock go on."""
        return len(linked.got) == times and sandbox.green.held_until.get(GREEN_INSTANCE, 0.0) > sandbox.clock()

    for posted in (1, 2):
        assert sandbox.records.wait(lambda posted=posted: held_back(posted))
        clock.forward(61)
    assert sandbox.records.wait(lambda: len(linked.got) == 4)
    texts = [body["messageData"]["textMessageData"]["textMessage"] for _, body in linked.got]
    assert texts == ["one", "one", "one", "two"]


def test_copies_overtaking_and_deafness(line: Line, linked: Portal, sandbox: Sandbox) -> None:
    green = sandbox.green
    green.deaf = True
    for text in ("one", "two", "three"):
        people.write(sandbox, instance(sandbox), "+639175550101", text=text)
    green.shuffled, green.copies = True, 2
    green.deaf = False
    assert sandbox.records.wait(lambda: len(linked.got) == 6)
    texts = [body["messageData"]["textMessageData"]["textMessage"] for _, body in linked.got]
    assert texts == ["two", "two", "three", "three", "one", "one"]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("text", "textMessage"),
        ("image", "imageMessage"),
        ("document", "documentMessage"),
        ("location", "locationMessage"),
        ("contact", "contactMessage"),
        ("reply", "quotedMessage"),
        ("reaction", "reactionMessage"),
        ("edit", "editedMessage"),
        ("delete", "deletedMessage"),
        ("tap", "templateButtonsReplyMessage"),
    ],
)
def test_what_people_send(
    line: Line, linked: Portal, sandbox: Sandbox, call: Caller, clock: Clock, kind: str, found: str
) -> None:
    people.write(sandbox, instance(sandbox), "+639175550101", text="typed", name="Maria", by="phone")
    clock.forward(0.1)
    first = people.write(sandbox, instance(sandbox), "+639175550101", text="first", name="Maria")
    people.write(sandbox, instance(sandbox), "+639175550101", kind=kind, text="second", name="Maria")
    people.write(sandbox, instance(sandbox), "+639175550101", kind=kind, text="third", name="Maria", by="phone")
    assert sandbox.records.wait(lambda: len(linked.got) >= 4)
    second, third = linked.got[2][1], linked.got[3][1]
    assert (second["typeWebhook"], third["typeWebhook"]) == ("incomingMessageReceived", "outgoingMessageReceived")
    assert second["messageData"]["typeMessage"] == third["messageData"]["typeMessage"] == found
    assert (second["senderData"]["sender"], third["senderData"]["sender"]) == (CHAT, f"{GREEN_NUMBER[1:]}@c.us")
    if kind in people.REFERRING:
        assert first in json.dumps(second)
    if kind == "image":
        shown = call.session.get(second["messageData"]["fileMessageData"]["downloadUrl"], timeout=60)
        assert shown.content.startswith(b"\x89PNG") and shown.headers["Content-Type"] == "image/png"


def test_a_member_writes_in_a_group(line: Line, linked: Portal, sandbox: Sandbox) -> None:
    group = "120363043968066561@g.us"
    people.write(sandbox, instance(sandbox), group, text="Hi", name="Patients", member="+639185550102")
    assert sandbox.records.wait(lambda: len(linked.got) == 1)
    where = linked.got[0][1]["senderData"]
    assert (where["chatId"], where["sender"], where["chatName"]) == (group, "639185550102@c.us", "Patients")


def test_people_correct_and_delete_what_they_wrote_themselves(line: Line, sandbox: Sandbox) -> None:
    first = people.write(sandbox, instance(sandbox), "+639175550101", text="mine")
    line.send("ours")
    people.write(sandbox, instance(sandbox), "+639175550101", kind="reaction", text="👍")
    people.write(sandbox, instance(sandbox), "+639175550101", kind="edit", text="mine, corrected")
    edited = instance(sandbox).received[-1].data["editedMessageData"]
    assert edited["stanzaId"] == first
    with pytest.raises(ValueError, match="no message"):
        people.write(sandbox, instance(sandbox), "+639175550101", kind="delete", by="phone")


def test_nothing_is_told_that_is_switched_off(line: Line, receiver: Portal, sandbox: Sandbox) -> None:
    line("setSettings", {"webhookUrl": receiver.url, "incomingWebhook": "yes"})
    people.write(sandbox, instance(sandbox), "+639175550101", text="first")
    people.write(sandbox, instance(sandbox), "+639175550101", kind="edit", text="second")
    people.write(sandbox, instance(sandbox), "+639175550101", by="phone", text="third")
    people.write(sandbox, instance(sandbox), "+639175550101", text="last")
    assert sandbox.records.wait(lambda: len(receiver.got) == 2)
    assert receiver.kinds() == ["incomingMessageReceived"] * 2


def test_a_call(line: Line, linked: Portal, sandbox: Sandbox) -> None:
    call_id = sandbox.green.ring(instance(sandbox), CHAT, "offer", "declined")
    assert sandbox.records.wait(lambda: linked.kinds() == ["offer", "declined"])
    assert {body["idMessage"] for _, body in linked.got} == {call_id}


def test_scanning_and_signing_out(line: Line, linked: Portal, sandbox: Sandbox, clock: Clock) -> None:
    assert line("qr").json()["type"] == "alreadyLogged"
    assert line("logout").json() == {"isLogout": True}
    assert line("getWaSettings").json()["phone"] == ""
    assert line.send().status_code == 400
    shown = [line("qr").json()["message"]]
    clock.forward(20)
    shown.append(line("qr").json()["message"])
    assert len(set(shown)) == 2
    assert all(base64.b64decode(each).startswith(b"\x89PNG") for each in shown)
    assert line("getAuthorizationCode", {"phoneNumber": 639171110001}).json()["status"] is True
    with pytest.raises(ValueError, match="No phone"):
        people.write(sandbox, instance(sandbox), "+639175550101")
    people.scan(sandbox, instance(sandbox), "+639171110002")
    assert line("getWaSettings").json()["phone"] == "639171110002"
    assert line("getAuthorizationCode", {"phoneNumber": 639171110001}).json() == {"status": False, "code": ""}
    assert sandbox.records.wait(lambda: linked.kinds() == ["notAuthorized", "authorized"])
    assert linked.got[0][1]["instanceData"]["wid"] == ""


def test_a_line_that_is_held_back_sends_when_it_is_freed(
    line: Line, linked: Portal, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.green.turn(instance(sandbox), "yellowCard")
    line.send()
    assert sandbox.records.wait(lambda: linked.kinds() == ["yellowCard", "yellowCard"])
    assert line("lastOutgoingMessages").json()[0]["statusMessage"] == "yellowCard"
    assert line("reboot").json() == {"isReboot": True}
    clock.forward(5)
    assert sandbox.records.wait(lambda: linked.kinds()[-1] == "delivered")


@pytest.mark.parametrize(("state", "words"), [("expired", "expired"), ("deleted", "deleted")])
def test_an_instance_that_is_gone(line: Line, sandbox: Sandbox, state: str, words: str) -> None:
    sandbox.green.turn(instance(sandbox), state)
    said = line("getWaSettings")
    assert said.status_code == 400 and words in said.json()["message"]


def test_faults_strike_a_method(line: Line, sandbox: Sandbox) -> None:
    sandbox.faults.arm("green.send*", "status", status=466)
    assert line.send().json()["invokeStatus"]["status"] == "QUOTE_EXCEEDED"
    sandbox.faults.arm("green.sendMessage", "status", status=429, retry_after=2)
    refused = line.send()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
    sandbox.faults.arm("green.getSettings", "status_after", status=502)
    assert line("getSettings").status_code == 502
    assert line.send().status_code == 200
    assert len(instance(sandbox).sent) == 1


def test_a_reset_keeps_what_the_portal_wrote_into_the_line(line: Line, linked: Portal, sandbox: Sandbox) -> None:
    line.send()
    sandbox.reset()
    kept = instance(sandbox)
    assert kept.settings["webhookUrl"] == linked.url and not kept.sent
