"""Whatever strangers write is text: names, messages, reasons, file names and answers make no element on any page."""

from html.parser import HTMLParser

import pytest
from sqlalchemy import Text, update
from sqlalchemy.exc import DBAPIError

from portal.models import Base
from tests.web.framed import framed
from tests.web.test_every_route import FRAMED, addresses, ids  # noqa: F401

CORPUS = (
    """'"><x-made onclick="x_made()">x{{7*7}}y</x-made><script>x_made()</script>""",
    """</textarea></title></script></style><x-made src=1 onerror=x_made()>x{{7*7}}y""",
    """" autofocus onfocus="x_made()" x-made="x{{7*7}}y""",
    """javascript:x_made()//x{{7*7}}y<x-made>&lt;x-made&gt;""",
)
# Besides all texts without a length. What is appended only, and what is sealed, stays.
NAMES = {"name", "last_text", "author", "author_name", "note", "detail", "phrase", "action", "code"}
NAMED = ("agency", "location", "contact", "sender", "media_file", "credit_plan", "api_key", "message", "conversation")
SEALED = {"credentials", "address", "access_token", "refresh_token", "totp_secret", "password_hash"}
ASIDE = {"ledger_entry", "ledger_line", "audit_entry", "portal_user", "page_session"}


class Found(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        made = tag == "x-made" or "x-made" in given or any(name.startswith("on") for name in given)
        links = [given.get(name) or "" for name in ("href", "src", "action", "formaction", "hx-get", "hx-post")]
        if made or any(link.strip().lower().startswith("javascript:") for link in links):
            self.faults.append(self.get_starttag_text() or tag)


def fill(database, evil: str) -> int:
    """Puts it wherever somebody's words are kept; returns in how many columns."""
    filled = 0
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            words = isinstance(column.type, Text) or (column.name in NAMES and table.name in NAMED)
            if table.name in ASIDE or column.name in SEALED or not words or column.primary_key:
                continue
            length = getattr(column.type, "length", None)
            try:
                with database.write() as session:
                    session.execute(update(table).where(column.is_not(None)).values({column.name: evil[:length]}))
            except DBAPIError:  # a word of the portal's own, which the database holds to its list
                continue
            filled += 1
    return filled


@pytest.mark.parametrize("evil", CORPUS, ids=["element", "ends", "attribute", "address"])
def test_no_page_makes_more_of_it_than_text(app, database, ids, acme, queue, signed_in, evil) -> None:  # noqa: F811
    paths = [address for method, address, _ in addresses(app, ids) if method == "GET"]
    framed_paths = [address for method, address, _ in addresses(app, ids, FRAMED) if method == "GET"]
    client, page = signed_in(acme.agency), framed(app.test_client(), acme)
    assert fill(database, evil) > 40
    shown = 0
    for path, answer in [
        *((path, client.get(path)) for path in paths),
        *((path, page.get(path, follow_redirects=True)) for path in framed_paths),
    ]:
        assert answer.status_code == 200, (path, answer.status_code)
        if answer.mimetype == "text/html":
            assert Found(answer.text).faults == [], path
            assert "x49y" not in answer.text, path
            shown += "x_made" in answer.text
    assert shown > 30, "it has to be there to be harmless"
