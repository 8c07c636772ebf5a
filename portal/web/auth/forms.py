"""The forms of signing in, of passwords and of the second factor."""

from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from portal.accounts.passwords import LONGEST, SHORTEST

_REQUIRED = "Fill this in."
_bounded = Length(max=LONGEST, message=f"At most {LONGEST} characters.")
_short = Length(max=254, message="At most 254 characters.")
_long_enough = Length(min=SHORTEST, message=f"At least {SHORTEST} characters.")


class LoginForm(FlaskForm):
    """Who, and the password."""

    email = EmailField("E-mail address", [InputRequired(_REQUIRED), _short])
    password = PasswordField("Password", [InputRequired(_REQUIRED), _bounded])


class CodeForm(FlaskForm):
    """The second factor."""

    code = StringField("Code", [InputRequired(_REQUIRED), Length(max=60, message="At most 60 characters.")])


class ForgottenForm(FlaskForm):
    """Who wants a link for a new password."""

    email = EmailField("E-mail address", [InputRequired(_REQUIRED), _short])


class ProofForm(FlaskForm):
    """The password again, before what a passer-by at an open screen must not do."""

    password = PasswordField("Current password", [InputRequired(_REQUIRED), _bounded])


class ChosenForm(FlaskForm):
    """A password is typed twice, because it cannot be seen."""

    new = PasswordField("New password", [InputRequired(_REQUIRED), _long_enough, _bounded])
    again = PasswordField("New password again", [EqualTo("new", message="This is not the same as above.")])


class PasswordForm(ChosenForm):
    """The old password proves who sits there."""

    current = PasswordField("Current password", [InputRequired(_REQUIRED), _bounded])
