"""Identity: the strongest identifier decides who somebody is, and some values name nobody (semantics 11)."""

from __future__ import annotations

import pytest

from schemas.identity import KINDS, Identity, is_known, profile_id, profile_key, strongest
from streams.rehearsal import Nobody, event_record
from tests.unit.stage import TENANT, Stage, checkout, flow


def test_the_strongest_identifier_decides() -> None:
    """Semantics 11.1."""
    assert KINDS == ("profile_id", "external_id", "email", "phone", "exchange_id", "device_id", "anonymous_id")
    values = {kind: f"{kind}-value" for kind in KINDS}
    for kind in KINDS:
        assert strongest(Identity(**values)) == (kind, f"{kind}-value")
        del values[kind]
    assert strongest(Identity()) is None


@pytest.mark.parametrize("nobody", ["", " ", "0", "null", "NULL", "None", "undefined", "anonymous", "Guest", " nan "])
def test_values_that_name_nobody_are_passed_over(nobody: str) -> None:
    assert strongest(Identity(external_id=nobody)) is None
    assert strongest(Identity(external_id=nobody, email="Ann@Example.com")) == ("email", "ann@example.com")
    with pytest.raises(Nobody):
        event_record(checkout("10:00", identity=Identity(external_id=nobody)), at=0)


def test_an_address_is_one_whatever_its_letters_and_another_id_is_not() -> None:
    assert strongest(Identity(email=" ANN@example.com ")) == strongest(Identity(email="ann@example.com"))
    assert strongest(Identity(external_id="a")) != strongest(Identity(external_id="A"))


@pytest.mark.parametrize(
    ("identity", "known"),
    [
        (Identity(anonymous_id="b"), False),
        (Identity(device_id="d", anonymous_id="b"), False),
        (Identity(email="ann@example.com", anonymous_id="b"), True),
        (Identity(email="", anonymous_id="b"), False),
        (Identity(), False),
    ],
)
def test_a_browser_or_a_device_is_nobody_we_know(identity: Identity, known: bool) -> None:
    assert is_known(identity) is known


def test_the_profile_id_is_a_pure_function_of_tenant_kind_and_value() -> None:
    """The same on every machine: intake and replay share it, so this value never changes."""
    made = profile_id(tenant="acme", kind="email", value="ann@example.com")
    assert made == "6f5b2695-9d00-5ce6-81e2-31196fa3bad7"
    others = [("acme", "external_id", "ann@example.com"), ("other", "email", "ann@example.com")]
    assert made not in {profile_id(tenant=tenant, kind=kind, value=value) for tenant, kind, value in others}


def test_a_profile_id_is_taken_as_it_is() -> None:
    assert profile_id(tenant="acme", kind="profile_id", value="p-1") == "p-1"
    assert profile_key(tenant="acme", profile_id="p-1") == b"acme/p-1"


def test_nobody_is_merged_across_tenants() -> None:
    stage = Stage(flow()).event(checkout("10:00")).event(checkout("10:01", tenant="other")).finish()
    assert [one.tenant for one in stage.commands] == [TENANT, "other"]


def test_a_browser_that_is_identified_later_is_a_second_profile() -> None:
    """Semantics 11.3, until identity resolution exists; the README says so."""
    stage = Stage(flow()).event(checkout("10:00", identity=Identity(anonymous_id="b1")))
    stage.event(checkout("10:05", identity=Identity(anonymous_id="b1", email="ann@example.com"))).finish()
    assert len(stage.sent) == 2


def test_identifiers_are_learned_and_the_latest_by_occurrence_stays() -> None:
    """Semantics 7.1: facts keep the value with the latest occurred_at, whatever the order of arrival."""
    arrivals = [("new@example.com", "10:00"), ("old@example.com", "09:00"), ("NEWEST@example.com", "10:30")]
    for order_of_arrival in (arrivals, arrivals[::-1]):
        stage = Stage(flow())
        for email, time in order_of_arrival:
            stage.event(checkout(time, identity=Identity(external_id="1", email=email)), "11:00")
        assert stage.profile("1").identifiers["email"].value == "newest@example.com"
