"""Every channel there is, one line each."""

from portal.channels.africastalking.client import AfricasTalking
from portal.channels.base import Channel, Registers
from portal.channels.cast.client import Cast
from portal.channels.clickatell.client import Clickatell
from portal.channels.generic_http.client import GenericHttp
from portal.channels.globe.client import Globe
from portal.channels.green_api.client import GreenApi
from portal.channels.infobip.client import Infobip
from portal.channels.kannel.client import Kannel
from portal.channels.semaphore.client import Semaphore
from portal.channels.simulator.client import Simulator
from portal.channels.twilio.client import Twilio
from portal.channels.vonage.client import Vonage
from portal.channels.whatsapp_cloud.client import WhatsAppCloud
from portal.errors import InvalidInput

_CHANNELS: tuple[Channel, ...] = (
    Cast(),
    GreenApi(),
    WhatsAppCloud(),
    Twilio(),
    Kannel(),
    GenericHttp(),
    AfricasTalking(),
    Semaphore(),
    Globe(),
    Vonage(),
    Infobip(),
    Clickatell(),
    Simulator(),
)
_BY_KIND = {channel.kind: channel for channel in _CHANNELS}


def get(kind: str) -> Channel:
    """The channel of that kind. Raises `InvalidInput`, naming the kinds there are."""
    try:
        return _BY_KIND[kind]
    except KeyError:
        raise InvalidInput(f"There is no channel {kind[:40]!r}. Channels: {', '.join(sorted(_BY_KIND))}.") from None


def all() -> tuple[Channel, ...]:
    """Every channel, in the order in which forms offer them."""
    return _CHANNELS


def offered(*, sandbox: bool) -> tuple[Channel, ...]:
    """What a person may add: the simulator, which sends nothing, in the sandbox alone."""
    return tuple(channel for channel in _CHANNELS if sandbox or not isinstance(channel, Simulator))


def registrar(kind: str) -> Registers | None:
    """The channel of that kind when it keeps our webhook address at its provider."""
    channel = _BY_KIND.get(kind)
    return channel if isinstance(channel, Registers) else None
