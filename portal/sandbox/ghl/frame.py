"""HighLevel's own page around the custom page: it frames it on another origin and answers its handshake."""

from dataclasses import dataclass

from flask import Blueprint, abort, jsonify, render_template, request
from werkzeug.wrappers import Response

from portal.sandbox.context import sandbox
from portal.sandbox.ghl import sso
from portal.sandbox.world import DEMO_COMPANY, DEMO_LOCATIONS, Location

blueprint = Blueprint("frame", __name__, url_prefix="/highlevel")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may be signed in to HighLevel. `inside`: a sub-account is open."""

    title: str
    role: str
    kind: str
    inside: bool = True


PEOPLE = {
    "admin": Person("an admin of the sub-account", "admin", "location"),
    "user": Person("a user of the sub-account", "user", "location"),
    "agency": Person("somebody of the agency, in the sub-account", "user", "agency"),
    "agency-list": Person("an admin of the agency, in no sub-account", "admin", "agency", inside=False),
    "nobody": Person("nobody: HighLevel does not answer", "", ""),
}


@blueprint.get("")
def page() -> str:
    """The page. Its address reproduces the choice."""
    location, who = _chosen()
    here = sandbox()
    return render_template(
        "sandbox/highlevel.html",
        location=location,
        who=who,
        people=PEOPLE,
        locations=here.world.of_company(DEMO_COMPANY.id),
        address=f"{here.portal_url}/app/whatsapp?location={location.id}",
    )


@blueprint.get("/sign-in")
def sign_in() -> Response:
    """What the page answers to REQUEST_USER_DATA."""
    location, who = _chosen()
    person = PEOPLE[who]
    if not person.kind:
        abort(404)
    inside = location.id if person.inside else ""
    return jsonify(payload=sso.payload(inside, company_id=location.company_id, role=person.role, kind=person.kind))


def _chosen() -> tuple[Location, str]:
    known, who = sandbox().world.locations, request.args.get("who", "admin")
    if who not in PEOPLE:
        abort(404)
    return known.get(request.args.get("location", "")) or known[DEMO_LOCATIONS[0].id], who
