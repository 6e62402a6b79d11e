"""Shown: what a flow in shadow has `set`, which it sees as if it were live, and nobody else does (semantics 12.4).

For example, a flow in shadow that does `set: { nudged: true }` at 10:00 and asks `fact: { nudged: { is_set: true } }`:

    11:00  the same run, or a later one of this flow -> true;  any other flow -> false
    11:30  a live flow sets `nudged` to false        -> false for all: it was stated later (semantics 7.6)
    12:00  the flow has gone live                    -> what it has only shown was never set; again in shadow, it was

Kept with the person, apart from the facts, of all flows as many as those; what was set longest ago is forgotten first.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

from schemas import codec
from schemas.dossier import Stated
from schemas.facts import BUILT_IN
from schemas.flow import Flow
from schemas.limits import FACT_BYTES_MAX, FACTS_MAX
from schemas.profile import Profile
from streams import weight
from streams.learning import NO_KIND, merged
from streams.recorder import Recorder


def seen_by(flow: Flow, profile: Profile) -> Profile:
    """The person as this flow sees them; not to be changed, for it may be a copy."""
    if flow.status != "shadow" or profile.dossier is None or not profile.dossier.shown:
        return profile
    own = {name: said for by, name, said in _all(profile) if by == flow.name}
    if not own:
        return profile
    seen = copy.copy(profile)
    dossier = seen.dossier = copy.copy(profile.dossier)
    known = dossier.facts
    dossier.facts = known | {name: _of_both(known.get(name), said, name) for name, said in own.items()}
    return seen


def take(flow: Flow, profile: Profile, facts: Mapping[str, Stated], out: Recorder) -> bool:
    """Keep what a flow in shadow has just set. True: for itself, the value of one has changed."""
    before, shown = seen_by(flow, profile).known().facts, profile.known().shown
    for name, said in facts.items():
        size = codec.packed_size({name: said.value})
        if size > FACT_BYTES_MAX:
            out.tallies[("evicted", "fact_too_long")] += 1
            continue
        own = f"{flow.name}\x1f{name}"
        shown[own] = _of_both(shown.get(own), said, name)
        weight.add(profile, size + len(own) + weight.FACT_BYTES, out)
        if len(shown) > FACTS_MAX:
            out.tallies[("evicted", "facts")] += 1
            del shown[weight.shown_longest_ago(shown)]
    after = seen_by(flow, profile).known().facts
    return any(name not in before or before[name].value != after[name].value for name in facts if name in after)


def give_way(profile: Profile, names: Iterable[str]) -> None:
    """To what has just been set for real: of one instant, only the order of records says which was set last."""
    if profile.dossier is None or not profile.dossier.shown:
        return
    facts, set_now = profile.dossier.facts, {name for name in names if BUILT_IN.get(name, NO_KIND).merge == "latest"}
    for by, name, said in list(_all(profile)):
        if name in set_now and name in facts and facts[name].occurred_at >= said.occurred_at:
            del profile.dossier.shown[f"{by}\x1f{name}"]


def _all(profile: Profile) -> list[tuple[str, str, Stated]]:
    """Flow, fact, and what it has set."""
    shown = {} if profile.dossier is None else profile.dossier.shown
    return [(by, name, said) for own, said in shown.items() for by, _, name in [own.partition("\x1f")]]


def _of_both(known: Stated | None, said: Stated, name: str) -> Stated:
    return merged(known, said, BUILT_IN.get(name, NO_KIND))
