"""HighLevel's token routes: exchange, rotation, location tokens from an agency's token, installed locations."""

from typing import Any

from flask import Response, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.access import any_call, blueprint, caller, company_call, created, payload, refuse
from portal.sandbox.ghl.tokens import Owner, Pair, Refused
from portal.sandbox.world import APP_ID, CLIENT_ID, CLIENT_SECRET, USER_ID, Location

# The form's field and the name HighLevel's refusal gives it.
REQUIRED = {"client_id": "clientId", "client_secret": "clientSecret", "grant_type": "grantType"}


@blueprint.post("/oauth/token")
def token() -> Response:
    """A form, never JSON. The code is looked at before the client's credentials, as live."""
    form = request.form
    for name, shown in REQUIRED.items():
        if not form.get(name):
            return refuse(400, f"Missing parameter: {shown}")
    if form["grant_type"] not in ("authorization_code", "refresh_token"):
        return refuse(400, "Invalid parameter: grantType")
    grants, by_code = sandbox().ghl.grants, form["grant_type"] == "authorization_code"
    if by_code and not grants.knows_code(form.get("code", "")):
        return _unauthorized("Authorization code not found")
    if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
        return _unauthorized("Invalid client credentials!")
    try:
        pair = grants.exchange(form["code"]) if by_code else grants.refresh(form.get("refresh_token", ""))
    except Refused as error:
        return _unauthorized(error.words) if error.status == 401 else refuse(error.status, error.words)
    return jsonify(_described(pair))


@blueprint.post("/oauth/locationToken")
@company_call
def location_token() -> Response:
    """A Location token for a location of the agency, 201 as live, with a refresh token of its own."""
    body = request.form or request.get_json(silent=True) or {}
    location = sandbox().world.locations.get(str(body.get("locationId", "")))
    if body.get("companyId") != caller().company_id:
        return refuse(400, "Invalid parameter: companyId")
    if location is None or location.company_id != caller().company_id or not location.installed:
        return refuse(400, "The app is not installed on this location")
    if not location.active:
        return refuse(400, "Location is not active")
    return created(**_described(sandbox().ghl.grants.mint(Owner(location.company_id, location.id))))


@blueprint.get("/oauth/installedLocations")
@company_call
def installed_locations() -> Response:
    """The agency's locations, a page at a time."""
    asked = request.args
    if asked.get("companyId") != caller().company_id or asked.get("appId") != APP_ID:
        return refuse(422, ["companyId and appId must be the token's own"])
    found = sandbox().world.of_company(caller().company_id)
    if asked.get("isInstalled") in ("true", "false"):
        found = [location for location in found if location.installed == (asked["isInstalled"] == "true")]
    skip, limit = max(0, asked.get("skip", 0, int)), min(100, max(1, asked.get("limit", 20, int)))
    page = [_listed(location) for location in found[skip : skip + limit]]
    return jsonify(locations=page, count=len(found), installToFutureLocations=True)


@blueprint.delete("/marketplace/app/<app_id>/installations")
@any_call
def uninstall(app_id: str) -> Response:
    """With a location's token the app leaves that location, with an agency's all of them. UNINSTALL follows."""
    body, owner = payload(), caller()
    if app_id != APP_ID:
        return refuse(403, "The token does not have access to this app.")
    if body.get("locationId" if owner.location_id else "companyId") != owner.id:
        return refuse(422, ["locationId or companyId must be the token's own"])
    if not body.get("reason"):
        return refuse(422, ["reason should not be empty"])
    deliveries = sandbox().deliveries
    if owner.location_id:
        sandbox().ghl.uninstall(owner.location_id)
        sandbox().later(lambda: deliveries.event("UNINSTALL", {"locationId": owner.location_id}))
    else:
        sandbox().ghl.uninstall_company(owner.company_id)
        sandbox().later(lambda: deliveries.event("UNINSTALL", {"companyId": owner.company_id}))
    return jsonify(success=True)


def _listed(location: Location) -> dict[str, Any]:
    return {
        "_id": location.id,
        "name": location.name,
        "address": "Philippines",
        "isInstalled": location.installed,
    }


def _unauthorized(words: str) -> Response:
    response = jsonify(error="UnAuthorized!", error_description=words)
    response.status_code = 401
    return response


def _described(pair: Pair) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "access_token": pair.access_token,
        "token_type": "Bearer",
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
        "scope": pair.scope,
        "userType": pair.owner.kind,
        "companyId": pair.owner.company_id,
        "userId": USER_ID,
        "isBulkInstallation": pair.owner.kind == "Company",
    }
    if pair.owner.location_id:
        return {**answer, "locationId": pair.owner.location_id}
    return {**answer, "approveAllLocations": True, "installToFutureLocations": True}
