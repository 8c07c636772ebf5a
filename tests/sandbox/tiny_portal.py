"""A portal of a hundred lines, just good enough to make the sandbox's stand-ins talk. It verifies, sends once per
message id, polls, pushes statuses and posts inbound texts, all without a database.
"""

import base64
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from portal.sandbox import Sandbox
from portal.sandbox.world import CAST_API_KEY, CLIENT_ID, CLIENT_SECRET, PROVIDER_ID

CONVERSATIONS, CONTACTS = {"Version": "2021-04-15"}, {"Version": "2021-07-28"}


class TinyPortal:
    def __init__(self, sandbox: Sandbox, port: int = 0) -> None:
        self.sandbox = sandbox
        self.key = load_der_public_key(base64.b64decode(sandbox.public_key))
        self.seen: set[str] = set()
        self.lock = threading.Lock()
        self.tokens: dict[str, dict] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        portal = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = portal.take(self.path, body, self.headers.get("X-GHL-Signature", ""))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def take(self, path: str, body: bytes, signature: str) -> int:
        if path == "/webhooks/ghl":
            try:
                self.key.verify(base64.b64decode(signature), body)
            except (InvalidSignature, ValueError):
                return 401
        event = json.loads(body)
        name = event.get("messageId") or event.get("webhookId") or event["id"]
        with self.lock:
            if name in self.seen:
                return 200
            self.seen.add(name)
        work = self.send if "messageId" in event else self.receive if "from" in event else None
        if work:
            threading.Thread(target=work, args=(event,), daemon=True).start()
        return 200

    def ghl(self, method: str, path: str, location: str, version: dict, **more: object) -> requests.Response:
        for _ in range(8):
            headers = {**version, "Authorization": f"Bearer {self.token(location)}"}
            answer = requests.request(method, self.sandbox.url + path, headers=headers, timeout=5, **more)
            if answer.status_code == 401 and "expired" in answer.text:
                self.refresh(location)
            elif answer.status_code in (403, 429, 500):
                time.sleep(0.5)
            else:
                break
        return answer

    def token(self, location: str) -> str:
        with self.lock:
            if location not in self.tokens:
                minted = requests.post(self.sandbox.url + "/control/codes", json={"location_id": location}, timeout=60)
                self.tokens[location] = self.grant(grant_type="authorization_code", code=minted.json()["code"])
        return self.tokens[location]["access_token"]

    def refresh(self, location: str) -> None:
        with self.lock:
            token = self.tokens[location]["refresh_token"]
            self.tokens[location] = self.grant(grant_type="refresh_token", refresh_token=token)

    def grant(self, **form: str) -> dict:
        form |= {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return requests.post(self.sandbox.url + "/oauth/token", data=form, timeout=60).json()

    def push(self, event: dict, status: str, **more: object) -> None:
        path = f"/conversations/messages/{event['messageId']}/status"
        self.ghl("PUT", path, event["locationId"], CONVERSATIONS, json={"status": status, **more})

    def send(self, event: dict) -> None:
        key, taken = f"{uuid.uuid4()}:1", None
        text = {"to": event["phone"], "message": event["message"], "sender_id": "CEBUDENTAL"}
        self.push(event, "pending")
        while taken is None:
            headers = {"X-API-Key": CAST_API_KEY, "X-Idempotency-Key": key}
            try:
                answer = requests.post(self.sandbox.url + "/api/v1/sms/send", json=text, headers=headers, timeout=1)
                taken = answer.json().get("message_id") if answer.ok else None
            except (requests.RequestException, ValueError):
                pass
            if taken is None:
                time.sleep(0.3)
        for _ in range(40):
            answer = requests.get(f"{self.sandbox.url}/api/v1/sms/status/{taken}", headers=headers, timeout=60).json()
            if answer["status"] in ("delivered", "undelivered"):
                break
            time.sleep(0.4)
        if answer["status"] == "delivered":
            self.push(event, "delivered")
        elif answer["status"] == "undelivered":
            error = {"code": answer["dlr_status"], "type": "saas", "message": answer["error_message"]}
            self.push(event, "failed", error=error)

    def receive(self, event: dict) -> None:
        location = next(one.location for one in self.sandbox.phone.senders)
        asked = {"locationId": location, "number": event["from"]}
        found = self.ghl("GET", "/contacts/search/duplicate", location, CONTACTS, params=asked).json()["contact"]
        if found is None:
            fresh = {"locationId": location, "phone": event["from"], "name": "New contact"}
            found = self.ghl("POST", "/contacts/", location, CONTACTS, json=fresh).json()["contact"]
        message = {"type": "SMS", "contactId": found["id"], "message": event["text"], "direction": "inbound"}
        message |= {"conversationProviderId": PROVIDER_ID, "altId": event["id"]}
        self.ghl("POST", "/conversations/messages/inbound", location, CONVERSATIONS, json=message)
