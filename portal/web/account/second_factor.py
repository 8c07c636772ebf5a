"""`/account/second-factor`: an app on the phone that makes codes, set up, turned off, and its recovery codes."""

import logging
from collections.abc import Sequence

import segno
from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import htmx
from portal.accounts import audit, second_factor
from portal.accounts.throttle import TooManyAttempts
from portal.accounts.users import locked, prove
from portal.errors import InvalidInput, PortalError
from portal.models import User
from portal.web.account import bp
from portal.web.auth.begun import begin, caller
from portal.web.auth.forms import CodeForm, ProofForm
from portal.web.context import services
from portal.web.viewer import viewer

log = logging.getLogger(__name__)


@bp.get("/second-factor")
def second_factor_page() -> ResponseReturnValue:
    """Off, being set up, or on."""
    return _page()


@bp.post("/second-factor/begin")
def begin_second_factor() -> ResponseReturnValue:
    """Makes the secret that the phone scans."""
    try:
        user = _proved()
        with services().database.write() as session:
            second_factor.begin(session, services().vault, user)
    except (InvalidInput, TooManyAttempts) as error:
        return _page(error, "begin")
    return redirect(url_for("account.second_factor_page"), 303)


@bp.post("/second-factor/confirm")
def confirm_second_factor() -> ResponseReturnValue:
    """Turns it on by its first code, and shows the recovery codes, this once."""
    form, parts = CodeForm(), services()
    if not form.validate_on_submit():
        return _page(InvalidInput("Type the code that the phone shows."), "confirm")
    try:
        user, codes = second_factor.confirm(parts.database, parts.vault, _user(), form.code.data, caller())
    except (InvalidInput, TooManyAttempts) as error:
        return _page(error, "confirm")
    begin(user)
    log.info("second factor turned on", extra={"user": user.id})
    return _codes(codes, first=True)


@bp.post("/second-factor/recovery-codes")
def renew_recovery_codes() -> ResponseReturnValue:
    """New recovery codes, shown this once; the old ones are void."""
    try:
        user = _proved()
        with services().database.write() as session:
            row = locked(session, user)
            if row.totp_since is None:
                raise InvalidInput("The second factor is off: turn it on first.")
            codes = second_factor.renew_recovery(session, row)
            audit.note(session, viewer(), "made new recovery codes", row)
    except (InvalidInput, TooManyAttempts) as error:
        return _page(error, "codes")
    return _codes(codes, first=False)


@bp.post("/second-factor/off")
def turn_off_second_factor() -> ResponseReturnValue:
    """Forgets it, as before it moves to another phone."""
    try:
        user = _proved()
        with services().database.write() as session:
            row = locked(session, user)
            second_factor.turn_off(session, row)
            audit.note(session, viewer(), "turned the second factor off", row)
    except (InvalidInput, TooManyAttempts) as error:
        return _page(error, "off")
    log.info("second factor turned off", extra={"user": user.id})
    flash("The second factor is off: the password alone lets you in.", "ok")
    return redirect(url_for("account.second_factor_page"), 303)


def _page(error: PortalError | None = None, form: str = "") -> ResponseReturnValue:
    """With an error, the sentence stands at the form that it is about."""
    parts = services()
    with parts.database.read() as session:
        user = session.get_one(User, current_user.id)
        left = second_factor.recovery_left(session, user)
    setting_up = user.totp_secret is not None and user.totp_since is None
    scanned = second_factor.address_of(parts.vault, user) if setting_up else ""
    context = {
        "user": user,
        "left": left,
        "image": segno.make(scanned, error="m", micro=False).svg_data_uri(scale=4, border=2) if setting_up else "",
        "secret": second_factor.secret_of(parts.vault, user) if setting_up else "",
        "must": second_factor.missing(user),
        "faults": {form: error.message} if error else {},
        "proof": ProofForm(formdata=None),
        "code": CodeForm(formdata=None),
    }
    response = htmx.render("account/second_factor.html", "content", error.http_status if error else 200, **context)
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _codes(codes: Sequence[str], *, first: bool) -> ResponseReturnValue:
    return htmx.render("account/recovery_codes.html", "content", codes=codes, first=first)


def _proved() -> User:
    """Who is signed in, after the password was typed again. Raises `InvalidInput`, `TooManyAttempts`."""
    form = ProofForm()
    if not form.validate_on_submit():
        raise InvalidInput("Type your current password.")
    user = _user()
    prove(services().database, user, form.password.data, caller())
    return user


def _user() -> User:
    with services().database.read() as session:
        return session.get_one(User, current_user.id)
