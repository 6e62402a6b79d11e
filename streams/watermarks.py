"""How far each source is complete, as one partition knows it. Monotonic per (tenant, source, shop)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from schemas import instants
from schemas.control import Watermark
from schemas.steps import Gate

Packed = tuple[str, str, str, int]  # tenant, source, shop, complete through


class Watermarks:
    """Never reported means incomplete; a source without a named shop is as complete as its slowest shop."""

    def __init__(self, packed: Iterable[Packed] = ()) -> None:
        """`packed` is what `pack` gave."""
        self._shops: dict[tuple[str, str], dict[str, int]] = {}
        for tenant, source, shop, instant in packed:
            self._shops.setdefault((tenant, source), {})[shop] = instant

    def is_news(self, watermark: Watermark) -> bool:
        """Whether it moves anything forward."""
        known = self._shops.get((watermark.tenant, watermark.source), {}).get(watermark.shop)
        return known is None or instants.from_wire(watermark.complete_through) > known

    def advance(self, watermark: Watermark) -> bool:
        """Take it in; false when it is no news."""
        if not self.is_news(watermark):
            return False
        shops = self._shops.setdefault((watermark.tenant, watermark.source), {})
        shops[watermark.shop] = instants.from_wire(watermark.complete_through)
        return True

    def complete_through(self, *, tenant: str, gate: Gate) -> int | None:
        """The instant up to which a gate's source is complete, or None when it has never said."""
        shops = self._shops.get((tenant, gate.source))
        if not shops:
            return None
        return min(shops.values()) if gate.shop is None else shops.get(gate.shop)

    def slowest(self, asked: Mapping[str, Iterable[Gate]]) -> dict[str, int | None]:
        """Of each source, up to where that of its gates is complete which is furthest behind, of the tenants that have
        ever said anything for it; None while none has for one of them.
        """
        reached: dict[Gate, int] = {}
        for tenant, source in self._shops:
            for gate in asked.get(source, ()):
                through_at = self.complete_through(tenant=tenant, gate=gate)
                if through_at is not None:
                    reached[gate] = min(through_at, reached.get(gate, through_at))
        return {
            source: min(reached[gate] for gate in gates) if reached.keys() >= set(gates) else None
            for source, gates in asked.items()
        }

    def pack(self) -> list[Packed]:
        """For the partition record, in one order whatever came first."""
        return sorted(
            (tenant, source, shop, instant)
            for (tenant, source), shops in self._shops.items()
            for shop, instant in shops.items()
        )


class Gates(msgspec.Struct, frozen=True):
    """The watermarks as one tenant's enrollments see them."""

    watermarks: Watermarks
    tenant: str

    def open(self, gates: tuple[Gate, ...], *, due_at: int) -> bool:
        """Whether every source is complete through the due time."""
        return all(self._through(gate) >= due_at for gate in gates)

    def state(self, gates: tuple[Gate, ...]) -> dict[str, str | None]:
        """How far each source is, for a decision record; None: it has never said."""
        reached = {gate.source: self.watermarks.complete_through(tenant=self.tenant, gate=gate) for gate in gates}
        return {source: None if at is None else instants.to_wire(at) for source, at in reached.items()}

    def _through(self, gate: Gate) -> float:
        reached = self.watermarks.complete_through(tenant=self.tenant, gate=gate)
        return float("-inf") if reached is None else reached
