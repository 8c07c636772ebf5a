"""What operators and agencies see in another language: nothing of the admin's own pages and the account is English."""

import re

from tests.web import test_every_route
from tests.web.test_languages import SPEAKS, folder, ids, in_english, pretending

__all__ = ["folder", "ids", "pretending"]
# The audit log and alerts are kept in English; headers, scopes and events are named as they are sent.
DATA = re.compile(r"operator|user@example")
OWN = ("/account", "/account/second-factor")


def test_every_page_of_the_admin_speaks_the_readers_language(pretending, ids, signed_in) -> None:
    client = signed_in()
    shared = {
        address.removeprefix("/app")
        for _, address, _ in test_every_route.addresses(pretending, ids, test_every_route.FRAMED)
    }
    wanted = [
        address
        for method, address, _ in test_every_route.addresses(pretending, ids)
        if method == "GET" and address.removeprefix("/admin") not in shared
    ]
    assert len(wanted) >= 20
    found = {}
    for address in (*wanted, *OWN):
        answer = client.get(address, headers=SPEAKS, follow_redirects=True)
        if answer.mimetype == "text/html" and (left := in_english(answer.text)):
            found[address] = left
    for address, left in found.items():
        print("##", address, left)
    assert found == {}
