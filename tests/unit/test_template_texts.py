"""Templates as people fill them in: variables in order, previews to the letter, sentences, and what Meta is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.channels.content import Kind
from portal.errors import InvalidInput
from portal.messaging import template_forms, template_texts
from portal.messaging.template_forms import Form

NAMED = [
    {
        "type": "HEADER",
        "format": "TEXT",
        "text": "For {{first_name}}",
        "example": {"header_text_named_params": [{"param_name": "first_name", "example": "Ana"}]},
    },
    {
        "type": "BODY",
        "text": "Dear *{{first_name}}*, order {{order}} is on its way.",
        "example": {
            "body_text_named_params": [
                {"param_name": "first_name", "example": "Ana"},
                {"param_name": "order", "example": "A-7"},
            ]
        },
    },
]
RICH = [
    {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}", "example": {"header_text": ["A-7"]}},
    {"type": "BODY", "text": "Hi {{2}}, _{{1}}_ comes, {{2}}.", "example": {"body_text": [["A-7", "Ana"]]}},
    {"type": "FOOTER", "text": "Your shop"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Thanks"},
            {
                "type": "URL",
                "text": "Track",
                "url": "https://shop.example/t/{{1}}",
                "example": ["https://shop.example/t/A-7"],
            },
            {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550001111"},
            {"type": "COPY_CODE", "text": "Copy offer code", "example": ["SAVE20"]},
            {"type": "FLOW", "text": "Rate us", "flow_id": 1},
        ],
    },
]
CODE = [
    {"type": "BODY", "text": "*{{1}}* is your code.", "add_security_recommendation": True},
    {"type": "FOOTER", "text": "This code expires in 10 minutes."},
    {
        "type": "BUTTONS",
        "buttons": [
            {
                "type": "URL",
                "text": "Copy code",
                "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}",
            }
        ],
    },
]
BILL = [{"type": "HEADER", "format": "DOCUMENT"}, {"type": "BODY", "text": "Your bill"}]
FILLED = {"header-text": "A-8", "1": "Parcel", "2": "Ben", "button-2": "A-8?x=1", "button-4": "SAVE30"}


def form(components, name: str = "order", category: str = "UTILITY") -> Form:
    return template_forms.form(name, "en_US", category, "APPROVED", components)


def test_the_variables_come_in_order_with_their_examples():
    assert [(each.key, each.where, each.kind, each.example) for each in form(RICH).blanks] == [
        ("header-text", "header", "text", "A-7"),
        ("1", "body", "text", "A-7"),
        ("2", "body", "text", "Ana"),
        ("button-2", "button 2", "suffix", "A-7"),
        ("button-4", "button 4", "coupon", "SAVE20"),
    ]
    assert [(each.key, each.where) for each in form(NAMED).blanks] == [("first_name", "header"), ("order", "body")]


def test_the_preview_is_what_the_customer_reads():
    shown = template_texts.preview(form(RICH), FILLED)
    assert shown.text == (
        "Order A-8\nHi Ben, _Parcel_ comes, Ben.\nYour shop\n[Thanks]\n[Track] https://shop.example/t/A-8?x=1\n"
        "[Call] +15550001111\n[Copy offer code] SAVE30\n[Rate us]"
    )
    assert template_texts.preview(form(NAMED), {"first_name": "Ana", "order": " "}).text == (
        "For Ana\nDear *Ana*, order {{order}} is on its way."
    ), "what is missing stays a variable"


def test_what_meta_is_given():
    said = template_texts.content(form(RICH), FILLED)
    assert said.kind is Kind.TEMPLATE
    assert (said.details["name"], said.details["language"], said.details["category"]) == ("order", "en_US", "UTILITY")
    assert said.details["components"] == [
        {"type": "header", "parameters": [{"type": "text", "text": "A-8"}]},
        {"type": "body", "parameters": [{"type": "text", "text": "Parcel"}, {"type": "text", "text": "Ben"}]},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "A-8?x=1"}]},
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": "3",
            "parameters": [{"type": "coupon_code", "coupon_code": "SAVE30"}],
        },
        {
            "type": "button",
            "sub_type": "flow",
            "index": "4",
            "parameters": [{"type": "action", "action": {"flow_token": "unused"}}],
        },
    ]
    named = template_texts.content(form(NAMED), {"first_name": "Ana", "order": "7"}).details["components"]
    assert named[0]["parameters"] == [{"type": "text", "text": "Ana", "parameter_name": "first_name"}]
    assert [each["parameter_name"] for each in named[1]["parameters"]] == ["first_name", "order"]


def test_a_code_is_typed_once_and_stands_in_the_text_and_behind_the_button():
    (blank,) = form(CODE).blanks
    assert (blank.key, blank.kind) == ("1", "code")
    components = template_texts.content(form(CODE), {"1": "123456"}).details["components"]
    assert [each["parameters"][0]["text"] for each in components] == ["123456", "123456"]
    assert components[1]["sub_type"] == "url"
    assert "at most 15" in template_texts.faults(form(CODE), {"1": "1" * 16})["1"]


def test_a_file_above_the_text():
    made = form(BILL)
    components = template_texts.content(made, {"header-url": "https://pictures.example/a/bill.pdf?x=1"}).details[
        "components"
    ]
    file = {"link": "https://pictures.example/a/bill.pdf?x=1", "filename": "bill.pdf"}
    assert components == [{"type": "header", "parameters": [{"type": "document", "document": file}]}]
    assert (
        template_texts.preview(made, {"header-url": "https://x.example/b"}).text
        == "File: https://x.example/b\nYour bill"
    )
    for bad in ("bill.pdf", "ftp://x.example/a", "https://", "https://a b.example/", "https://[x"):
        assert "begins with https://" in template_texts.faults(made, {"header-url": bad})["header-url"]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("1", "", "fill it in"),
        ("1", " \u00a0 ", "fill it in"),
        ("2", "a\nb", "no line breaks"),
        ("2", "a\tb", "no line breaks"),
        ("2", "a     b", "at most four spaces"),
        ("button-2", "a b", "no spaces"),
        ("button-2", "a" * 2000, "The address has"),
        ("button-4", "SAVE-30", "letters and digits only"),
        ("header-text", "x" * 60, "The header has 66 characters"),
        ("2", "x" * 600, "The text has 12"),
        ("3", "x", "has no variable 3. Its variables: header-text, 1, 2, button-2, button-4."),
    ],
)
def test_what_cannot_be_sent_is_said_beside_its_field(key, value, says):
    found = template_texts.faults(form(RICH), {**FILLED, key: value})
    assert says in found[key]
    with pytest.raises(InvalidInput):
        template_texts.content(form(RICH), {**FILLED, key: value})


def test_four_spaces_are_fine_and_a_missing_variable_is_not():
    assert template_texts.faults(form(RICH), {**FILLED, "2": "a    b"}) == {}
    assert list(template_texts.faults(form(RICH), {})) == ["header-text", "1", "2", "button-2", "button-4"]


@pytest.mark.parametrize(
    ("components", "says"),
    [
        ([{"type": "BODY", "text": "Look"}, {"type": "CAROUSEL", "cards": []}], "It has a carousel"),
        ([{"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": "x"}], "a place in its header"),
        (
            [{"type": "BODY", "text": "x"}, {"type": "BUTTONS", "buttons": [{"type": "MPM", "text": "View"}]}],
            "several products",
        ),
        ([{"type": "BODY", "text": "x"}, {"type": "TOMORROW"}], "something of the kind TOMORROW"),
        ([], "It has no text"),
    ],
)
def test_what_cannot_be_filled_in_yet_is_said(components, says):
    assert says in form(components).obstacle
    with pytest.raises(InvalidInput, match=says):
        template_texts.content(form(components), {})


@pytest.mark.parametrize(
    ("components", "values"), [(RICH, FILLED), (NAMED, {"first_name": "A", "order": "7"}), (CODE, {"1": "99"})]
)
def test_components_are_read_back_as_they_were_filled_in(components, values):
    made = form(components)
    built = template_texts.content(made, values).details["components"]
    assert template_texts.values_of(made, built) == values
    for odd in (built[:-1], [*built, built[0]], [{}], ["x"], [{"type": "button", "index": "99", "parameters": [{}]}]):
        with pytest.raises(InvalidInput):
            template_texts.values_of(made, odd)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["BODY", "URL", "OTP", "{{1}}", "{{a}}"]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["type", "text", "url", "buttons", "example"]), inner)
    ),
)


@given(st.lists(json), st.dictionaries(st.text(), st.text()))
def test_whatever_a_provider_lists_is_a_form(components, values):
    made = form(components)
    template_texts.preview(made, values)
    assert made.obstacle or template_texts.faults(made, values) or template_texts.content(made, values)
