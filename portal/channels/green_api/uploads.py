"""The form of SendFileByUpload, for a file that GREEN-API cannot fetch itself."""

from collections.abc import Mapping

from portal.channels.base import Account
from portal.channels.uploads import fetched, multipart
from portal.http import HttpClient


def form(http: HttpClient, account: Account, order: Mapping[str, str]) -> tuple[bytes, str]:
    """The body of SendFileByUpload and its content type, out of that of SendFileByUrl. Raises `ChannelError`."""
    content = fetched(http, account, order["urlFile"])
    return multipart({name: value for name, value in order.items() if name != "urlFile"}, content, order["fileName"])
