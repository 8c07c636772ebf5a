"""How large the drill is. `DRILL=full` makes it as large as an operator would want to see it once; `DRILL_SEED` makes
its choices those of an earlier run.
"""

import os
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of one set-up. Seconds where not said otherwise.

    `ids` are delivered to `contacts` in as many conversations. `kills` come at random moments, every `fault_every`th
    call of the provider is spoilt at most `faults` times, `silences` of them for `silence` seconds. `texts` come in
    from each of `writers`. `renewals` is how often all access tokens end. `away` is the length of the database's
    outage, `talks` the conversations in it. `patience` is how long nothing may
    come any nearer to rest at the end.
    """

    ids: int
    contacts: int
    kills: int
    faults: int
    fault_every: int
    silences: int
    silence: float
    writers: int
    texts: int
    renewals: int
    away: float
    talks: int
    patience: float


SMALL = Scale(
    ids=350,
    contacts=56,
    kills=4,
    faults=24,
    fault_every=13,
    silences=2,
    silence=2.0,
    writers=6,
    texts=5,
    renewals=1,
    away=12.0,
    talks=16,
    patience=120.0,
)
FULL = Scale(
    ids=3200,
    contacts=320,
    kills=20,
    faults=180,
    fault_every=17,
    silences=10,
    silence=60.0,
    writers=25,
    texts=16,
    renewals=3,
    away=60.0,
    talks=32,
    patience=90.0,
)

IS_FULL = os.environ.get("DRILL", "") == "full"
SCALE = FULL if IS_FULL else SMALL
SEED = int(os.environ.get("DRILL_SEED") or random.SystemRandom().randrange(1_000_000))
