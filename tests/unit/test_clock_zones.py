"""Which zone counts (semantics 5.5): names of the pinned database, who said so, phones and countries."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import tzdata

from streams.clock.calling_codes import COUNTRIES
from streams.clock.wall import instant_of
from streams.clock.zones import DATABASE, Zone, is_zone, resolve, zone_info, zone_of_country, zone_of_phone
from tests.data.clock_cases import instant

LOCK = Path(__file__).parents[2] / "requirements.lock"


def test_the_database_is_the_one_that_the_lock_file_pins() -> None:
    assert f"tzdata=={tzdata.__version__} " in LOCK.read_text()
    assert re.fullmatch(r"20[0-9]{2}[a-z]", DATABASE)


@pytest.fixture
def broken_machine(tmp_path: Path) -> Iterator[None]:
    """One whose zones are no zones."""
    (tmp_path / "Pacific").mkdir()
    (tmp_path / "Pacific" / "Wallis").write_bytes(b"broken")
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([tmp_path])
    zone_info.cache_clear()
    yield
    zoneinfo.reset_tzpath(before)


@pytest.mark.usefixtures("broken_machine")
def test_its_zones_do_not_come_from_the_machine() -> None:
    with pytest.raises(ValueError, match="magic"):
        zoneinfo.ZoneInfo.no_cache("Pacific/Wallis")
    assert instant_of(date(2026, 1, 1), 0, "Pacific/Wallis") == instant("2026-01-01T00:00+12:00")


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/Argentina/Ushuaia", "UTC", "Etc/GMT+12", "Asia/Calcutta"])
def test_a_name_of_the_database_is_a_zone(name: str) -> None:
    assert is_zone(name)
    assert zone_info(name).key == name


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "europe/berlin", "EUROPE/BERLIN", "Europe/Berlin ", "Europe/", "Europe", "/Europe/Berlin",
        "../zones", "Europe/../UTC", "Europe//Berlin", "./UTC", "zone.tab", "tzdata.zi", "__init__.py", "posixrules",
        "localtime", "Factory", "+02:00", "UTC+2", "GMT+2", "Z", "CEST", "PST", "BST", "EST5EDT,M3.2.0,M11.1.0",
        "Berlin", "Europe/Berlin\0", "Mars/Olympus_Mons", "x" * 100_000,
    ],
)  # fmt: skip
def test_anything_else_is_none(name: str) -> None:
    assert not is_zone(name)
    with pytest.raises(ValueError, match="is no zone of the database"):
        zone_info(name)


@pytest.mark.parametrize(
    ("candidates", "zone", "invalid"),
    [
        ([("profile", "Asia/Seoul"), ("phone", "Asia/Tokyo")], Zone("Asia/Seoul", "profile"), ()),
        ([("profile", None), ("phone", "Asia/Tokyo")], Zone("Asia/Tokyo", "phone"), ()),
        ([("profile", "Seoul"), ("phone", "Asia/Tokyo")], Zone("Asia/Tokyo", "phone"), ("profile",)),
        (
            [("profile", "Seoul"), ("phone", "+09:00"), ("storefront", "UTC")],
            Zone("UTC", "storefront"),
            ("profile", "phone"),
        ),
        ([("profile", ""), ("phone", None)], Zone("Europe/Berlin", "flow"), ("profile",)),
        # What is wrong behind the answer is found when it is asked for.
        ([("profile", "Asia/Seoul"), ("phone", "Tokyo")], Zone("Asia/Seoul", "profile"), ()),
        ([], Zone("Europe/Berlin", "flow"), ()),
    ],
)
def test_the_first_good_one_counts_and_bad_ones_are_told(
    candidates: list[tuple[str, str | None]], zone: Zone, invalid: tuple[str, ...]
) -> None:
    assert resolve(candidates, default="Europe/Berlin") == (zone, invalid)


@pytest.mark.parametrize(
    ("number", "zone"),
    [
        ("+4915112345678", "Europe/Berlin"),
        ("+82212345678", "Asia/Seoul"),
        ("+5491112345678", "America/Argentina/Buenos_Aires"),  # twelve zones that keep the same time
        ("+60123456789", "Asia/Kuala_Lumpur"),
        ("+447911123456", "Europe/London"),  # with Guernsey, Jersey and Man
        ("+390549886377", "Europe/Rome"),
        ("+212612345678", "Africa/Casablanca"),
        ("+9779812345678", "Asia/Kathmandu"),
        ("+18765551234", "America/Jamaica"),
        ("+17875551234", "America/Puerto_Rico"),
        ("+905321234567", "Europe/Istanbul"),
        ("+903921234567", "Asia/Nicosia"),
        ("+972541234567", "Asia/Jerusalem"),
        ("+972591234567", "Asia/Gaza"),
        ("+12125551234", None),
        ("+14165551234", None),
        ("+18005551234", None),
        ("+79161234567", None),
        ("+77011234567", None),
        ("+61412345678", None),
        ("+5511912345678", None),
        ("+34612345678", None),
        ("+64211234567", None),
        ("+5215512345678", None),
        ("+80012345678", None),
        ("+88212345678", None),
        ("+38344123456", None),
        ("4915112345678", None),
        ("+49 151 12345678", None),
        ("+04915112345678", None),
        ("+4", None),
        ("", None),
        ("+491511234567890123", None),
        ("+٤٩١٥١١٢٣٤٥٦٧٨", None),
    ],
)
def test_a_phone_has_a_zone_if_its_number_leaves_no_doubt(number: str, zone: str | None) -> None:
    assert zone_of_phone(number) == zone


@pytest.mark.parametrize(
    ("code", "zone"),
    [
        ("DE", "Europe/Berlin"),
        ("NL", "Europe/Amsterdam"),
        ("AR", "America/Argentina/Buenos_Aires"),
        ("US", None),
        ("CN", None),  # the database knows Xinjiang's own time
        ("KZ", None),  # one zone since March 2024
        ("XK", None),
        ("de", None),
        ("", None),
    ],
)
def test_so_has_a_country(code: str, zone: str | None) -> None:
    assert zone_of_country(code) == zone


def test_calling_codes_name_known_countries() -> None:
    known = {line[:2] for line in (tzdata_file("iso3166.tab")).splitlines() if not line.startswith("#")}
    assert {country for countries in COUNTRIES.values() for country in countries} <= known
    # The three of +1 that are told apart by no code here, and what has no numbers of its own.
    assert known - {country for countries in COUNTRIES.values() for country in countries} == {
        "US", "CA", "UM", "BV", "HM",
    }  # fmt: skip
    assert all(re.fullmatch(r"[2-9][0-9]{0,4}|1[2-9][0-9]{2}", code) for code in COUNTRIES)


def tzdata_file(name: str) -> str:
    return (Path(tzdata.__file__).parent / "zoneinfo" / name).read_text(encoding="utf-8")
