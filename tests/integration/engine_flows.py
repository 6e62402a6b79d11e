"""The flows of the engine's tests: waits of a second or two, a gate, and a second message after the first."""

from __future__ import annotations

from pathlib import Path

FLOWS = {
    "checkout": """\
flow: checkout
entry:
  trigger: { event: checkout_started }
  retrigger: replace_context
  reentry: always
exit:
  - when: { event: order_placed }
    reason: bought
skew: 0s
steps:
  - wait: { for: 2s }
  - settle: { sources: [shop.orders], max_hold: 10s, on_timeout: skip }
  - label: first
    send: { template: checkout_first, channel: log, class: marketing }
  - wait: { for: 1s }
  - label: second
    send: { template: checkout_second, channel: log, class: marketing }
  - stop: done
""",
    "browse": """\
flow: browse
entry:
  trigger: { event: product_viewed }
  reentry: { min_gap: 5s, from: start }
exit:
  - when: { event: checkout_started }
    reason: moved_on
exit_check: at_send
skew: 0s
steps:
  - wait: { for: 1s }
  - label: remind
    send: { template: browse_reminder, channel: log, class: marketing }
  - stop: done
""",
}


def write(folder: Path) -> Path:
    """The flow files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FLOWS.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder
