"""Message templates: what they may do, what they refuse, and the two that are shipped."""

from __future__ import annotations

from email import message_from_bytes
from email.headerregistry import Address
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from agents import resources
from agents.dispatch import templates as limits
from agents.dispatch.message import address, email
from agents.dispatch.templates import CannotSend, Rendered, Templates
from schemas.command import Command

NOBODY: dict[str, Any] = {"trigger": {}, "addresses": {}}
SHOPPER: dict[str, Any] = {
    "trigger": {
        "checkout_url": "https://shop.example/checkout?id=1&step=2",
        "items": [{"name": "Mug <large>", "quantity": "2"}, {"name": "Bowl"}],
        "total": {"amount": "1234.5", "currency": "USD"},
        "name": "Lamp",
        "url": "https://shop.example/lamp",
        "price": {"amount": "20", "currency": "EUR"},
    },
    "addresses": {"email": "shopper@example.com"},
}


def template(folder: Path, *, subject: str = "S", text: str = "T", html: str | None = None) -> Templates:
    (folder / "it.subject.liquid").write_text(subject)
    (folder / "it.text.liquid").write_text(text)
    if html is not None:
        (folder / "it.html.liquid").write_text(html)
    return Templates(folder)


def refusal(templates: Templates, name: str, variables: dict[str, Any] = NOBODY) -> CannotSend:
    with pytest.raises(CannotSend) as raised:
        templates.render(name, variables)
    return raised.value


@pytest.fixture
def shipped() -> Templates:
    return Templates(resources.flows() / "templates")


def test_the_abandoned_checkout_names_items_total_and_the_way_back(shipped: Templates) -> None:
    subject, text, html = shipped.render("abandoned_checkout", SHOPPER)
    assert subject == "You left something in your cart"
    for part in ("2 x Mug <large>", "Bowl", "1,234.50 USD", "https://shop.example/checkout?id=1&step=2"):
        assert part in text
    assert html is not None
    assert "Mug &lt;large&gt;" in html
    assert 'href="https://shop.example/checkout?id=1&amp;step=2"' in html


def test_the_browse_abandonment_names_the_product(shipped: Templates) -> None:
    subject, text, html = shipped.render("browse_abandonment", SHOPPER)
    assert subject == "Still thinking about Lamp?"
    assert "20 EUR" in text
    assert html is not None
    assert 'href="https://shop.example/lamp"' in html


@pytest.mark.parametrize("name", ["abandoned_checkout", "browse_abandonment"])
def test_a_shipped_template_needs_no_word_of_the_event(shipped: Templates, name: str) -> None:
    subject, text, html = shipped.render(name, NOBODY)
    assert subject
    assert text.startswith("Hello,")
    assert html is not None
    assert "href" not in html


def test_one_item_stands_in_the_subject_and_many_are_cut(shipped: Templates) -> None:
    one = {"trigger": {"items": [{"name": "Mug"}]}}
    many = {"trigger": {"items": [{"name": f"Item {number}"} for number in range(14)]}}
    assert shipped.render("abandoned_checkout", one).subject == "Mug is still in your cart"
    text = shipped.render("abandoned_checkout", many).text
    assert "Item 9\n" in text
    assert "Item 10" not in text
    assert "and 4 more" in text


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "//evil.example", ""])
def test_only_web_addresses_become_links(shipped: Templates, link: str) -> None:
    _, text, html = shipped.render("abandoned_checkout", {"trigger": {"checkout_url": link}})
    assert html is not None
    assert "href" not in html
    assert "left off" not in text


@pytest.mark.parametrize("name", ["missing", "../it", "a/b", "", ".it", "it\n", "x" * 200])
def test_a_name_that_is_no_template_is_missing(tmp_path: Path, name: str) -> None:
    assert refusal(template(tmp_path), name).reason == "template_missing"


def test_a_template_needs_subject_and_text_but_no_html(tmp_path: Path) -> None:
    assert template(tmp_path).render("it", NOBODY) == Rendered("S", "T", None)
    (tmp_path / "it.text.liquid").unlink()
    assert refusal(Templates(tmp_path), "it").reason == "template_missing"


@pytest.mark.parametrize(
    "text",
    [
        "{{ trigger.nothing }}",
        "{{ nothing }}",
        "{{ trigger.nothing | upcase }}",
        "{% for item in trigger.nothing %}{% endfor %}",
        "{{ trigger.total | money }}",
        "{{ trigger.name | no_such_filter }}",
        "{% if %}",
        "{% no_such_tag %}",
        "{% render 'nowhere.liquid' %}",
        "{% render '../secret.liquid' %}",
        "{% render 'it.text.liquid' %}",
        "{{ 1 | divided_by: 0 }}",
    ],
)
def test_a_template_that_fails_says_in_which_file(tmp_path: Path, text: str) -> None:
    failure = refusal(template(tmp_path, text=text), "it", {"trigger": {"name": "x", "total": {"amount": "many"}}})
    assert failure.reason == "template_error"
    assert failure.detail.startswith("it.text.liquid")


def test_a_missing_word_may_be_tested_and_given_a_default(tmp_path: Path) -> None:
    text = "{% if trigger.name %}{{ trigger.name }}{% else %}nobody{% endif %}, {{ trigger.name | default: 'x' }}"
    assert template(tmp_path, text=text).render("it", NOBODY).text == "nobody, x"


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in (1..100000) %}.{% endfor %}",
        "{% for a in (1..100) %}{% for b in (1..100) %}{% endfor %}{% endfor %}",
        "{% for a in (1..1000) %}{{ trigger.long }}{% endfor %}",
        "{% assign a = trigger.long %}{% for i in (1..99) %}{% assign a = a | append: a %}{% endfor %}",
    ],
)
def test_work_and_output_of_a_template_are_bounded(tmp_path: Path, text: str) -> None:
    variables = {"trigger": {"long": "x" * (limits.OUTPUT_BYTES_MAX // 500)}}
    assert refusal(template(tmp_path, text=text), "it", variables).reason == "template_error"


def test_only_html_is_escaped_and_the_subject_is_one_line(tmp_path: Path) -> None:
    word = "{{ trigger.word }}"
    templates = template(tmp_path, subject=f"a\n {word}\t\n", text=word, html=word)
    assert templates.render("it", {"trigger": {"word": "<&>"}}) == Rendered("a <&>", "<&>", "&lt;&amp;&gt;")


def test_a_variable_may_have_any_name(tmp_path: Path) -> None:
    assert template(tmp_path, text="{{ self }}").render("it", {"self": "me", "template": "x"}).text == "me"


@pytest.mark.parametrize(
    ("amount", "shown"), [("5", "5 X"), ("5.0", "5.00 X"), ("1234567.891", "1,234,567.891 X"), ("-3.5", "-3.50 X")]
)
def test_money_keeps_every_digit(amount: str, shown: str) -> None:
    assert limits.money({"amount": amount, "currency": "X"}) == shown


def order(**changes: Any) -> Command:
    values: dict[str, Any] = {
        "command_id": "c" * 32,
        "decision_id": "d" * 32,
        "enrollment_id": "e" * 32,
        "tenant": "t",
        "profile_id": "p",
        "flow": "f",
        "flow_version": "v",
        "step": "s",
        "visit": 1,
        "channel": "email",
        "addresses": {"email": "shopper@example.com"},
        "message_class": "marketing",
        "template": "it",
        "variables": {},
        "decided_at": "2017-07-28T10:00:00.000Z",
        "not_after": "2017-07-28T10:15:00.000Z",
        "clock": "carried",
    }
    return Command(**{**values, **changes})


def test_a_message_carries_its_command_and_a_carried_one_its_own_date() -> None:
    rendered = Rendered("Grüße", "Text", "<p>HTML</p>")
    sent = email(order(), rendered, mail_from=Address("Shop, Inc.", "shop", "example.com")).as_bytes()
    message = message_from_bytes(sent, policy=default)
    assert sent.isascii()
    assert (message["Subject"], message["From"]) == ("Grüße", '"Shop, Inc." <shop@example.com>')
    assert message["Message-ID"] == f"<{'c' * 32}@example.com>"
    assert message["Date"] == "Fri, 28 Jul 2017 10:00:00 +0000"


@pytest.mark.parametrize(
    ("storefront", "sender"),
    [
        ({}, "Shop <shop@example.com>"),
        ({"storefront_name": "Shop Two"}, "Shop Two <shop@example.com>"),
        ({"storefront_name": "Two", "sender": "Shop Two <hello@two.example>"}, "Shop Two <hello@two.example>"),
        ({"sender": '"Two, Inc." <hello@two.example>'}, '"Two, Inc." <hello@two.example>'),
        ({"sender": "hello@two.example"}, "hello@two.example"),
    ],
)
def test_s4_08_a_message_comes_from_its_storefront(storefront: dict[str, str], sender: str) -> None:
    """By its sender, else under its name, else as the dispatcher was told."""
    message = email(order(**storefront), Rendered("S", "T", None), mail_from=Address("Shop", "shop", "example.com"))
    assert str(message["From"]) == sender
    assert message["Message-ID"] == f"<{'c' * 32}@example.com>"


@pytest.mark.parametrize(
    "storefront", [{"sender": "Shop Two"}, {"sender": "Two <@two.example>"}, {"storefront_name": "Two\r\nBcc: e@b.c"}]
)
def test_who_cannot_be_a_sender_sends_nothing(storefront: dict[str, str]) -> None:
    with pytest.raises(CannotSend, match="sender_invalid"):
        email(order(**storefront), Rendered("S", "T", None), mail_from=Address("Shop", "shop", "example.com"))


def test_a_subject_cannot_add_a_header() -> None:
    rendered = Rendered("Hello\r\nBcc: eve@example.com\u2028\x00", "T", None)
    message = email(order(), rendered, mail_from=Address("", "shop", "example.com"))
    assert message["Subject"] == "HelloBcc: eve@example.com"
    assert message["Bcc"] is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a@example.com", "a@example.com"),
        (" A.b+c@Example.com ", "A.b+c@Example.com"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_taken_with_its_domain_in_ascii(given: str, kept: str) -> None:
    assert address(given).addr_spec == kept


@pytest.mark.parametrize(
    "given",
    ["", "a", "@", "a@", "@b.c", "a@b.c, d@e.f", "a@b.c\r\nBcc: d@e.f", "Name <a@b.c>", "ü@b.c", "a b@c.d", "a@b\0.c",
     "a@" + "b" * 80 + ".c", "a@b..c", "x" * 320 + "@b.c"],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        address(given)


@pytest.mark.parametrize(
    ("parts", "broken"),
    [
        ({}, ("it.text", 2, "`_a.liquid` is not in the folder")),
        ({"_a": "a\nb {% render '_b.liquid' %}"}, ("_a", 2, "`_b.liquid` is not in the folder")),
        ({"_a": "{% render '_b.liquid' %}", "_b": "\n\n{{ b | }"}, ("_b", 3, "expected '}}', found end of file")),
        ({"_a": "{% render '_a.liquid' %}"}, None),  # ends at a bound, if it comes to that
        ({"_a": "{% include part %}{{ of_its_own }}"}, None),
    ],
)
def test_files_that_a_template_renders_are_looked_at(
    tmp_path: Path, parts: dict[str, str], broken: tuple[str, int, str] | None
) -> None:
    for name, text in parts.items():
        (tmp_path / f"{name}.liquid").write_text(text)
    seen = template(tmp_path, text="T\n{% render '_a.liquid', b: trigger.total %}").look("it")
    if broken is None:
        assert (seen.broken, list(seen.asks)) == (None, [("trigger", "total")])
    else:
        file, line, why = broken
        assert seen.broken is not None
        assert (seen.broken[0], *seen.broken[1][:2]) == (why, str(tmp_path / f"{file}.liquid"), line)
