"""What needs no data of anybody: numbers made E.164, texts counted as SMS parts."""

from portal.accounts.api_keys import Scope
from portal.messaging import numbers, segments
from portal.web.api.operations import Call, Effect, operation
from portal.web.api.shapes.things import Normalised, NormalisedAll, Numbers, Segments, Text

TAG = "Tools"


@operation("POST", "/numbers/normalise", TAG, Scope.READ, Scope.SEND, answer=NormalisedAll, body=Numbers)
def normalise_numbers(call: Call) -> Effect:
    """Makes E.164 numbers of what people write.

    A number without + is tried in each of `countries` in turn, and with countries no other country passes.
    """
    wanted: Numbers = call.body
    batch = numbers.normalise_many(wanted.numbers, wanted.countries, mobile_only=wanted.mobile_only)
    said = NormalisedAll([_said(row) for row in batch.rows])
    return lambda _session: said


def _said(row: numbers.Row) -> Normalised:
    found = row.outcome
    if isinstance(found, numbers.Rejection):
        return Normalised(row.text, "", "", "", found.reason.value, found.sentence, row.duplicate)
    return Normalised(row.text, found.e164, found.country, found.kind.value, "", "", row.duplicate)


@operation("POST", "/texts/segments", TAG, Scope.READ, Scope.SEND, answer=Segments, body=Text)
def count_segments(call: Call) -> Effect:
    """Says how a text becomes SMS parts, which is what it costs."""
    split = segments.split(call.body.text)
    room = split.encoding.single if len(split.parts) == 1 else split.encoding.joined
    left = room - split.encoding.units(split.parts[-1])
    said = Segments(split.encoding.value, split.units, len(split.parts), left, list(split.parts))
    return lambda _session: said
