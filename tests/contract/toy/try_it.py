"""Run inside the copy: the command line knows the new channel, and its webhooks arrive."""

import hashlib
import hmac
import json
import sys
from pathlib import Path

from portal import create_app
from portal.migrate import upgrade
from portal.models import Event
from portal.sandbox import Sandbox
from tests.portal import settings_for

folder = Path(sys.argv[1])
sandbox = Sandbox()
server = sandbox.serve(0)
settings = settings_for(f"sqlite:///{folder / 'toy.db'}", sandbox, folder)
upgrade(settings)
app = create_app(settings)
words = ["sender", "add", "--location", "L", "--channel", "toy", "--no-check", "--set", "token=secret-of-toy"]
told = json.loads(app.test_cli_runner().invoke(args=words).output)
assert "/webhooks/sms/toy/" in told["webhook_url"], told
path = told["webhook_url"].removeprefix(settings.app_url)
body = b"from=%2B639171234567&text=Hello&id=in1"
signature = hmac.new(b"secret-of-toy", body, hashlib.sha256).hexdigest()
client = app.test_client()
assert client.post(path, data=body, headers={"X-Toy-Signature": "0" * 64}).status_code == 401
answer = client.post(path, data=body, headers={"X-Toy-Signature": signature})
assert (answer.status_code, answer.text) == (200, "TOY")
with app.extensions["portal"].database.read() as session:
    event = session.query(Event).filter_by(state="pending").one()
assert event.headers["x-toy-signature"] == signature, "kept, to be verified again after an outage"
server.stop()
print("toy works")
