"""Calls while a person waits: once the time of the whole look is over, nobody is called any more."""

import pytest

from portal.http import NotSent
from portal.messaging.patience import Patience


def test_no_call_begins_after_the_end() -> None:
    with pytest.raises(NotSent, match="did not answer within 0 seconds"):
        Patience(0.0).request("GET", "https://provider.example/account")


def test_each_call_has_what_is_left() -> None:
    patience = Patience(5.0)
    with pytest.raises(NotSent):
        patience.request("GET", "http://127.0.0.1:9/")  # a private address: refused before anything is called
    assert 0 < patience.longest <= 5.0
