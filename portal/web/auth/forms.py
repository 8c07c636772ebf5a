"""The forms of signing in and of the password."""

from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import EqualTo, InputRequired, Length

from portal.accounts.passwords import LONGEST, SHORTEST

_REQUIRED = "Fill this in."
_bounded = Length(max=LONGEST, message=f"At most {LONGEST} characters.")


class LoginForm(FlaskForm):
    """Who, and the password."""

    email = EmailField("E-mail address", [InputRequired(_REQUIRED), Length(max=254, message="At most 254 characters.")])
    password = PasswordField("Password", [InputRequired(_REQUIRED), _bounded])


class PasswordForm(FlaskForm):
    """The old password proves who sits there; the new one is typed twice, because it cannot be seen."""

    current = PasswordField("Current password", [InputRequired(_REQUIRED), _bounded])
    new = PasswordField(
        "New password",
        [InputRequired(_REQUIRED), Length(min=SHORTEST, message=f"At least {SHORTEST} characters."), _bounded],
    )
    again = PasswordField("New password again", [EqualTo("new", message="This is not the same as above.")])
