"""Every recipe compiles clean, does what its timelines say, covers all of its ways, renders, has its page, and is still
all of that when it is written for another source."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from liquid import CachingFileSystemLoader, Environment

from agents import cli, flow_files, recipes, resources
from agents.dispatch.templates import Templates, money, web_link
from agents.errors import InputRefused
from agents.flow_files import FlowFile, TimelineFile
from agents.reference import recipe_pages
from schemas.catalog import words_of
from schemas.connectors import CONNECTORS, LAGS, Lag
from schemas.steps import Send
from streams import coverage, policy_trial, timeline
from streams.flowfile import load, load_timelines

ROOT = Path(__file__).parents[2]
LIBRARY = recipes.library()
STEMS = [stem for recipe in LIBRARY.values() for stem in recipe.stems if stem != recipes.POLICY]
SOURCES = [recipes.SHOP, *CONNECTORS]
TEMPLATES = resources.flows() / recipes.TEMPLATES
MESSAGES = sorted({path.name.partition(".")[0] for path in TEMPLATES.glob("[!_]*.liquid")})
HOUR = 3_600_000


def opened(folder: Path, stem: str) -> tuple[FlowFile, TimelineFile]:
    """A flow file and its timelines, without any finding."""
    [file] = flow_files.check_flows(folder / f"{stem}.yaml")
    assert [str(finding) for finding in file.findings] == []
    beside = flow_files.timelines_of(file)
    assert beside is not None, f"{stem} has no timelines"
    assert [str(finding) for finding in beside.findings] == []
    return file, beside


def failures(file: TimelineFile) -> list[str]:
    policy = flow_files.load_policy(file.path)
    played = [timeline.run(file.flow, one, policy=policy) for one in file.timelines]
    return [f"{one.timeline.name}: {failure}" for one in played for failure in one.failures]


@pytest.mark.parametrize("stem", STEMS)
def test_a_recipe_does_what_its_timelines_say(stem: str) -> None:
    _, beside = opened(resources.flows(), stem)
    assert failures(beside) == []


def policy_timelines(folder: Path) -> TimelineFile:
    """Those of the policy, which come as they say and try each of its rules."""
    policy = flow_files.check_policy_of(folder)
    assert policy is not None
    assert (policy.policy is not None, policy.findings) == (True, ())
    beside = flow_files.timelines_of_policy(policy)
    assert beside is not None
    assert (beside.findings, failures(beside)) == ((), [])
    assert policy.policy is not None
    assert policy_trial.measure(policy.policy, beside.timelines).missing == []
    return beside


def test_the_policy_does_what_its_timelines_say_and_they_try_every_rule_of_it() -> None:
    assert len(policy_timelines(resources.flows()).timelines) == 6


@pytest.mark.parametrize("stem", STEMS)
def test_every_way_of_a_recipe_is_gone(stem: str) -> None:
    file, beside = opened(resources.flows(), stem)
    assert file.flow is not None
    assert coverage.measure(file.flow, beside.timelines).missing == []


@pytest.mark.parametrize("stem", STEMS)
def test_a_recipe_renders_what_its_commands_carry(stem: str) -> None:
    _, beside = opened(resources.flows(), stem)
    shipped = Templates(TEMPLATES)
    commands = [command for one in beside.timelines for command in timeline.play(beside.flow, one).commands]
    assert commands
    for command in commands:
        subject, text, html = shipped.render(command.template, {**command.variables, "addresses": command.addresses})
        assert subject
        assert text.startswith("Hello")
        assert html is not None
        Page.of(html)


@pytest.mark.parametrize("stem", STEMS)
def test_a_template_knows_no_word_that_its_flow_does_not_have(stem: str) -> None:
    """Rendering finds an unknown word only on the way that is gone; this looks at all ways."""
    file, _ = opened(resources.flows(), stem)
    assert file.flow is not None
    words = {"trigger", *(f"trigger.{word}" for word in words_of(file.flow.trigger.event))}
    for step in (step for step in file.flow.steps if isinstance(step, Send)):
        assert asked(step.template) - words - set(step.variables) == set(), step.template


def asked(template: str) -> set[str]:
    """The words of the command that a template looks at, in any of its parts; what a part is handed is no such word."""
    environment = Environment(loader=CachingFileSystemLoader(TEMPLATES))
    environment.add_filter("money", money)
    environment.add_filter("web_link", web_link)
    names = [path.name for path in TEMPLATES.glob(f"{template}.*")]
    found: set[str] = set()
    for name in names:
        analysis = environment.get_template(name).analyze(include_partials=False)
        uses = (".".join(map(str, use.segments[:2])) for each in analysis.globals.values() for use in each)
        found |= {use for use in uses if use.startswith("trigger") or not name.startswith("_")}
        names += [part for part in re.findall(r'render "([^"]+)"', (TEMPLATES / name).read_text()) if part not in names]
    return found


@pytest.mark.parametrize("name", MESSAGES)
def test_a_template_belongs_to_a_recipe_and_needs_no_word_of_the_event(name: str) -> None:
    used = {
        step.template
        for stem in STEMS
        if (flow := opened(resources.flows(), stem)[0].flow) is not None
        for step in flow.steps
        if isinstance(step, Send)
    }
    assert name in used
    subject, text, html = Templates(TEMPLATES).render(name, {"trigger": {}, "addresses": {}})
    assert subject
    assert text.startswith("Hello")
    assert html is not None
    assert "None" not in f"{subject} {text} {html}"


class Page(HTMLParser):
    """What a mail must have so that everybody can read it, wherever they read it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    @classmethod
    def of(cls, html: str) -> None:
        page = cls()
        page.feed(html)
        named = {tag for tag, _ in page.tags}
        metas = {attributes.get("name"): attributes.get("content") for tag, attributes in page.tags if tag == "meta"}
        assert ("html", {"lang": "en"}) in page.tags
        assert {"title", "h1"} <= named
        assert "width=device-width" in str(metas["viewport"])
        assert metas["color-scheme"] == "light dark"
        assert "prefers-color-scheme: dark" in html
        assert all(attributes.get("role") == "presentation" for tag, attributes in page.tags if tag == "table")
        assert all("alt" in attributes for tag, attributes in page.tags if tag == "img")
        assert all(str(attributes["href"]).startswith("http") for tag, attributes in page.tags if tag == "a")
        assert "script" not in named

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_word_of_the_event_is_escaped_and_a_picture_has_a_text_beside_it() -> None:
    picture = 'https://x.example/"><script>'
    trigger = {"name": "<b>", "items": [{"name": "<i>", "image_url": picture}, {"image_url": "javascript:alert(1)"}]}
    for name in MESSAGES:
        html = Templates(TEMPLATES).render(name, {"trigger": trigger, "first_name": "<u>", "addresses": {}}).html
        assert html is not None
        assert not re.search("<[biu]>|<script>|javascript:", html)
        Page.of(html)


def test_every_file_of_the_folder_belongs_to_a_recipe() -> None:
    here = {path.name for path in resources.flows().iterdir() if path.is_file()}
    assert here == {f"{stem}{end}.yaml" for stem in (recipes.POLICY, *STEMS) for end in ("", ".test")}
    assert all(recipe.summary.endswith(".") and len(recipe.summary) > 40 for recipe in LIBRARY.values())


def test_the_pages_say_what_the_recipes_do() -> None:
    wanted = recipe_pages.files(ROOT)
    assert {path: (ROOT / path).read_text(encoding="utf-8") for path in wanted} == wanted
    assert {f"{recipe_pages.PAGES}/{path.name}" for path in (ROOT / recipe_pages.PAGES).iterdir()} == wanted.keys()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", LIBRARY)
def test_a_recipe_is_as_good_for_every_source(tmp_path: Path, name: str, source: str) -> None:
    prepared = recipes.prepare(name, source=source, lags=LAGS)
    recipes.write(prepared, tmp_path)
    for stem in LIBRARY[name].stems:
        if stem == recipes.POLICY:
            assert policy_timelines(tmp_path)
            continue
        file, beside = opened(tmp_path, stem)
        assert failures(beside) == []
        assert file.flow is not None
        assert file.flow.name == stem
        assert coverage.measure(file.flow, beside.timelines).missing == []
    texts = "".join(prepared.own.values())
    assert source == recipes.SHOP or not re.search(r"source: shop\b|\bshop\.orders", texts)


@pytest.mark.parametrize("source", ["true", "null", "123", "1e5", "0x10"])
def test_a_source_that_yaml_takes_for_something_else_is_a_source(tmp_path: Path, source: str) -> None:
    for name in LIBRARY:
        recipes.write(recipes.prepare(name, source=source, lags=LAGS), tmp_path)
    for stem in STEMS:
        file, beside = opened(tmp_path, stem)
        assert file.flow is not None
        assert failures(beside) == []
    flow = opened(tmp_path, "abandoned_checkout")[0].flow
    assert flow is not None
    assert flow.trigger.sources == (source,)


@pytest.mark.parametrize("source", ["prime", "prime.orders", "prime/eu"])
def test_prime_is_no_shop_beside_prime(tmp_path: Path, source: str) -> None:
    for name in LIBRARY:
        if name.startswith("prime_"):
            with pytest.raises(InputRefused, match=f"{source} cannot stand beside Buy with Prime"):
                recipes.prepare(name, source=source, lags=LAGS)
    recipes.write(recipes.prepare("abandoned_checkout", source=source, lags=LAGS), tmp_path)
    assert failures(opened(tmp_path, "abandoned_checkout")[1]) == []


def test_a_source_without_carts_tells_of_them_at_the_checkout() -> None:
    prepared = recipes.prepare("abandoned_cart", source="magento1", lags=LAGS)
    assert "flow: abandoned_cart\n" in prepared.own["abandoned_cart.yaml"]
    assert "trigger: { event: checkout_started, source: magento1 }" in prepared.own["abandoned_cart.yaml"]
    assert len(prepared.notes) == 1
    assert "cart_item_added" in prepared.notes[0]


def test_a_gate_holds_for_as_long_as_the_source_is_late(tmp_path: Path) -> None:
    lags = {**LAGS, "erp": Lag(lag_ms=6 * HOUR, margin_ms=HOUR)}
    prepared = recipes.prepare("abandoned_checkout", source="erp", lags=lags)
    assert (
        "settle: { sources: [erp.orders], max_hold: 7h, on_timeout: skip }" in prepared.own["abandoned_checkout.yaml"]
    )
    assert len(prepared.notes) == 1
    recipes.write(prepared, tmp_path)
    assert failures(opened(tmp_path, "abandoned_checkout")[1]) == []


def test_nothing_is_overwritten_and_shared_templates_are_kept(tmp_path: Path) -> None:
    prepared = recipes.prepare("abandoned_checkout", source="magento1", lags=LAGS)
    frame = tmp_path / "templates" / "_frame.html.liquid"
    frame.parent.mkdir()
    frame.write_text("mine")
    assert recipes.write(prepared, tmp_path).kept == (frame,)
    assert frame.read_text() == "mine"
    (tmp_path / "abandoned_checkout.test.yaml").unlink()
    (tmp_path / "abandoned_checkout.yaml").write_text("mine")
    with pytest.raises(InputRefused, match="would be overwritten"):
        recipes.write(prepared, tmp_path)
    assert not (tmp_path / "abandoned_checkout.test.yaml").exists()
    assert (tmp_path / "abandoned_checkout.yaml").read_text() == "mine"


def played(flow: str, *lines: str) -> list[str]:
    """What was decided about messages on a timeline, under the policy that comes along."""
    compiled = load(flow, name="flow.yaml")
    text = "".join(
        ["- name: days\n  timeline:\n", *(f"    - {{ {line} }}\n" for line in lines), "  expect: [{ sends: 0 }]"]
    )
    [one] = load_timelines(text, name="flow.test.yaml", flow=compiled)
    rehearsal = timeline.play(compiled, one, policy=flow_files.load_policy(resources.flows()))
    told = [one for one in rehearsal.decisions if one.outcome in ("sent", "held", "skipped")]
    return [f"{one.outcome} {one.reason} {one.decided_at[:16]}" for one in told]


def test_the_policy_lets_three_mails_of_a_week_through_and_a_fourth_wait_a_day() -> None:
    flow = (resources.flows() / "abandoned_checkout.yaml").read_text()
    lines = []
    for day in range(1, 6):
        at = f"2026-01-0{day}T"
        if day < 5:
            lines.append(f'at: "{at}10:00:00Z", checkout_started: {{ profile: p1, checkout_id: C{day} }}')
        lines.append(f'at: "{at}11:00:00Z", watermark: {{ source: shop.orders, complete_through: "{at}11:00:00Z" }}')
    assert played(flow, *lines, 'end: "2026-01-06T00:00:00Z"') == [
        *(f"sent due 2026-01-0{day}T11:00" for day in (1, 2, 3)),
        "held cap 2026-01-04T11:00",
        "skipped cap_expired:email 2026-01-05T11:00",
    ]


def test_the_policy_lets_no_text_message_out_at_night() -> None:
    flow = (
        "flow: greet\nentry: { trigger: { event: site_active }, reentry: always }\n"
        "steps: [{ label: greet, send: { template: t, channel: sms } }]\n"
    )
    lines = (
        'at: "10:00", profile_identified: { profile: p1, timezone: Europe/Berlin }',
        'at: "21:30", site_active: { profile: p1 }',
    )
    assert played(flow, *lines) == ["held quiet_hours 2026-01-01T21:30", "sent due 2026-01-02T07:00"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["flows", "init", *words, "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_the_command_writes_and_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("winback", "--source", "magento1", "--into", str(tmp_path / "flows"))
    code, told = run(capsys, *words)
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "flows").iterdir()) == [
        "templates", "winback.test.yaml", "winback.yaml",
    ]  # fmt: skip
    assert all(Path(path).is_file() for path in told["written"])
    assert (told["kept"], told["notes"]) == ([], [])
    code, told = run(capsys, *words)
    assert code == 65
    assert "would be overwritten" in told["error"]


def test_the_command_lists_and_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = run(capsys, "--list")
    assert code == 0
    assert [recipe["name"] for recipe in told["recipes"]] == list(LIBRARY)
    code, told = run(capsys, "abandonned_cart")
    assert code == 65
    assert "did you mean abandoned_cart?" in told["next"]
    code, told = run(capsys, "winback", "--source", "a shop")
    assert code == 2
    assert run(capsys)[0] == 2
