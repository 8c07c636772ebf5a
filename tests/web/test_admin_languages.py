"""What operators and agencies see in another language: no page of their own, and none of the account, is in English."""

import re

from portal.channels import registry
from portal.web.admin.queries import audit
from tests.web import test_every_route
from tests.web.test_languages import SPEAKS, folder, ids, in_english, pretending

__all__ = ["folder", "ids", "pretending"]
ACCOUNT = ("/account", "/account/second-factor")
# Shown as it was kept or is sent: the audit log, what a test wrote, a plan's name, scopes, events, countries, a posted
# body, and the names by which webhooks are addressed.
KEPT = re.compile(
    r"signed in|by: password|It could not be read\.|has to choose\.|'s key|\bread\b|\bsend\b"
    rf"|\b({'|'.join(channel.kind for channel in registry.all())})\b|^5 a month \(\)|alert\.(began|over)"
    rf"|message\.received|opt_out\.added|\bping\b|content-type|\bPH\b|{{.*}}|\b({'|'.join(audit.KINDS)})\b"
)


def test_every_page_of_the_admin_speaks_the_readers_language(pretending, ids, signed_in) -> None:
    framed = test_every_route.addresses(pretending, ids, test_every_route.FRAMED)
    shared = {address.removeprefix("/app") for _, address, _ in framed}
    wanted = [
        address
        for method, address, _ in test_every_route.addresses(pretending, ids)
        if method == "GET" and address.removeprefix("/admin") not in shared
    ]
    assert len(wanted) >= 20
    client, found = signed_in(), {}
    for address in (*wanted, *ACCOUNT):
        answer = client.get(address, headers=SPEAKS, follow_redirects=True)
        if answer.mimetype != "text/html":
            continue
        left = [KEPT.sub("", each) for each in in_english(answer.text)]
        if left := [each for each in left if re.search(r"[^\W\d_]{2,}", each)]:
            found[address] = left
    assert found == {}
