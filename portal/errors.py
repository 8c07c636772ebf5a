"""The one small tree of errors: each carries the sentence a person reads and the HTTP status it becomes."""


class PortalError(Exception):
    """Base of every error a person may meet. `message` says what happened and what to do."""

    http_status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(PortalError):
    """What was typed or posted cannot be used as it stands."""

    http_status = 422


class WrongField(InvalidInput):
    """The same of one field of a form, beside which the sentence stands."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Unauthentic(PortalError):
    """A webhook whose signature, token or key does not prove its sender."""

    http_status = 401


class Forbidden(PortalError):
    """The person is known, and may not do this."""

    http_status = 403


class NotFound(PortalError):
    """The thing does not exist, or belongs to somebody else: both look the same from outside."""

    http_status = 404


class Overloaded(PortalError):
    """Neither the database nor the spool can take more now. `retry_after` is in seconds."""

    http_status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SettingsError(PortalError):
    """The settings do not allow a start. `faults` holds one sentence each, with its remedy."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
