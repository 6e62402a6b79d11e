"""`cartwheel flows` against a real log: publish, list, show, diff, hold, resume, stop, drain."""

from __future__ import annotations

from pathlib import Path

from agents.stack import Addresses
from tests.e2e.processes import Done, cartwheel
from tests.integration.engine_flows import FLOWS
from tests.integration.engine_rig import rig


async def test_the_life_of_a_flow_on_the_command_line(stack: Addresses, home: Path, namespace: str) -> None:
    async with rig(kafka=stack.kafka, home=home, namespace=namespace) as made:

        async def flows(*words: str, code: int = 0) -> Done:
            done = await cartwheel("flows", *words, environ=made.environ)
            assert done.code == code, done
            return done

        checkout = made.flows / "checkout.yaml"
        trial = (await flows("publish", str(made.flows), "--dry-run", "--json")).data
        assert (trial["activation"], [one["what"] for one in trial["flows"]]) == (-1, ["new", "new"])
        assert (await flows("list", "--json")).data["flows"] == []

        first = (await flows("publish", str(made.flows), "--json")).data
        assert (await flows("publish", str(made.flows), "--json")).data["activation"] == first["activation"]
        assert (await flows("show", "checkout")).out == FLOWS["checkout"]

        checkout.write_text(FLOWS["checkout"].replace("for: 2s", "for: 3s"))
        assert ".span.ms" in (await flows("diff", "checkout", str(checkout), code=1)).out
        second = (await flows("publish", str(checkout), "--json")).data
        (change,) = second["flows"]
        assert (change["what"], second["others"]) == ("changed", ["browse"])
        assert change["after"]["versions"][1:] == change["before"]["versions"]
        older = change["before"]["versions"][0]
        assert (await flows("show", f"checkout@{older[:8]}")).out == FLOWS["checkout"]
        assert (await flows("diff", f"checkout@{older[:8]}", "checkout", "--json", code=1)).data["before"] == older

        for deed, status in (("hold", "held"), ("drain", "draining"), ("resume", "live"), ("stop", "stopped")):
            await flows(deed, "browse")
            listed = {one["name"]: one["status"] for one in (await flows("list", "--json")).data["flows"]}
            assert listed == {"browse": status, "checkout": "live"}
        refused = await flows("hold", "browse", "--json", code=65)
        assert "stopped" in refused.data["error"]

        checkout.write_text("flow: checkout\nsteps: []\n")
        assert "error" in (await flows("publish", str(checkout), "--json", code=65)).data
        assert (await flows("list", "--json")).data["activation"] > second["activation"]
