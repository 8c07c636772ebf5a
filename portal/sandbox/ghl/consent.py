"""The consent page a browser meets when the app is installed: choose a location or the whole agency, and go back."""

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, abort, redirect, render_template, request
from werkzeug.wrappers import Response

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.tokens import Owner
from portal.sandbox.outgoing import LOOPBACK
from portal.sandbox.world import CLIENT_ID, DEMO_COMPANY

blueprint = Blueprint("consent", __name__)


@blueprint.get("/v2/oauth/chooselocation")
@blueprint.get("/oauth/chooselocation", endpoint="choose_old")
def choose() -> str:
    """Who may be chosen. The request's own parameters travel on in hidden fields."""
    _check(request.args.get("client_id", ""), request.args.get("redirect_uri", ""))
    return render_template(
        "sandbox/consent.html",
        company=DEMO_COMPANY,
        locations=sandbox().world.of_company(DEMO_COMPANY.id),
        redirect_uri=request.args["redirect_uri"],
        state=request.args.get("state", ""),
        scopes=request.args.get("scope", "").split(),
        client_id=CLIENT_ID,
    )


@blueprint.post("/v2/oauth/chooselocation")
def chosen() -> Response:
    """Mints the code, sends the INSTALL event and sends the browser back, in the order HighLevel leaves to chance."""
    form, world = request.form, sandbox().world
    _check(form.get("client_id", ""), form.get("redirect_uri", ""))
    if "cancel" in form:
        return _back(form["redirect_uri"], {"error": "access_denied"}, form.get("state", ""))
    location = world.locations.get(form.get("location", ""))
    if location is not None:
        location.installed = True
    owner = Owner(location.company_id, location.id) if location is not None else Owner(DEMO_COMPANY.id)
    query = {"code": sandbox().ghl.grants.mint_code(owner)}
    deliveries = sandbox().deliveries
    sandbox().later(lambda: deliveries.install(owner.company_id, owner.location_id))
    return _back(form["redirect_uri"], query, form.get("state", ""))


def _back(redirect_uri: str, query: dict[str, str], state: str) -> Response:
    if state:
        query["state"] = state
    return redirect(f"{redirect_uri}?{urlencode(query)}", 303)


def _check(client_id: str, redirect_uri: str) -> None:
    """400 unless the app is ours and the browser would go back to the portal, nowhere else."""
    if client_id != CLIENT_ID:
        abort(400, "error.noversionid: the client id is not the sandbox app's")
    back = urlsplit(redirect_uri)
    if back.scheme != "http" or back.hostname not in LOOPBACK or back.port != urlsplit(sandbox().portal_url).port:
        abort(400, "The redirect address is not the portal's")
