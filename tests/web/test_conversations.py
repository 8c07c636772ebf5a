"""The list of conversations, and one of them."""

def test_smoke(app, acme, queue, signed_in) -> None:
    queue(acme, "Hello there")
    client = signed_in(acme.agency)
    page = client.get("/admin/conversations")
    assert page.status_code == 200 and "Hello there" in page.text, page.text
    page = client.get("/admin/conversations/1")
    assert page.status_code == 200 and "Hello there" in page.text
