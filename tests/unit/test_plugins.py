"""Plug-ins: what they may do, what they are refused for, and that they answer the same whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.errors import InputRefused
from agents.plugins import load_plugins
from streams.plugins import ANSWER_NODES_MAX, Answer, Plugin, ask, registry

HEAD = "from agents.plugins.kinds import predicate, recommender, transform\n"
GOLD = '''
@predicate(version=1, inputs=("trigger.total", "fact.tier"))
def is_gold(inputs):
    """Whether the person is of the gold tier."""
    return inputs["fact.tier"] == "gold"
'''


def one(folder: Path, source: str) -> Plugin:
    (folder / "plugin.py").write_text(HEAD + source)
    (found,) = load_plugins(folder)
    return found


def test_it_is_asked_with_what_it_has_declared(tmp_path: Path) -> None:
    """Semantics 10.7: declared inputs and a version."""
    plugin = one(tmp_path, GOLD)
    assert (plugin.kind, plugin.name, plugin.version) == ("predicate", "is_gold", 1)
    assert ask(plugin, {"fact.tier": "gold", "fact.other": 1}) == Answer(True)
    assert ask(plugin, {}) == Answer(False)
    seen = one(
        tmp_path, "@transform(version=1, inputs=('fact.a', 'now'))\ndef all_of(inputs):\n    return dict(inputs)\n"
    )
    assert ask(seen, {"fact.a": "x", "fact.b": "y"}) == Answer({"fact.a": "x", "now": None})


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        ("import time", 2, "imports a whole module"),
        ("from time import time", 2, "imports `time.time`"),
        ("from random import random", 2, "imports `random.random`"),
        ("from os import environ", 2, "imports `os.environ`"),
        ("from . import x", 2, "which a plug-in may not"),
        ("from datetime import datetime\nX = datetime.now()", 3, "uses `.now`"),
        ("def f(inputs):\n    return open('x')", 3, "uses `open`"),
        ("def f(inputs):\n    return print('x')", 3, "uses `print`"),
        ("def f(inputs):\n    return eval('1')", 3, "uses `eval`"),
        ("def f(inputs):\n    return hash('x')", 3, "uses `hash`"),
        ("def f(inputs):\n    return id(inputs)", 3, "uses `id`"),
        ("def f(inputs):\n    return getattr(inputs, 'x')", 3, "uses `getattr`"),
        ("def f(inputs):\n    return __import__('os')", 3, "uses `__import__`"),
        ("def f(inputs):\n    return inputs.__class__", 3, "uses `.__class__`"),
        ("def f(inputs):\n    return '{0.__class__}'.format(inputs)", 3, "uses `.format`"),
        ("def f(inputs):\n    return 2 ** 99999999", 3, "raises to a power"),
        ("def f(inputs):\n    x = 2\n    x **= 99999999", 4, "raises to a power"),
        ("def f(inputs):\n    return {'a': 1}.keys() | {'b': 1}.keys()", 3, "makes a set of what an object holds"),
        ("def f(inputs):\n    return str(f)", 3, "uses `f` as a value"),
        ("def f(inputs):\n    return [len]", 3, "uses `len` as a value"),
        ("def f(inputs):\n    return str(lambda: 1)", 3, "has a `lambda` that is no `key=`"),
        ("F = lambda x: x", 2, "has a `lambda` that is no `key=`"),
        ("def f(inputs):\n    return str([].append)", 3, "uses `.append`, which a plug-in may not"),
        ("def f(inputs):\n    return str.ljust('x', 9)", 3, "uses `.ljust`, which a plug-in may not"),
        ("def f(inputs):\n    return 'x'.expandtabs(300000000)", 3, "uses `.expandtabs`"),
        ("def f(inputs):\n    return (1).to_bytes(300000000)", 3, "uses `.to_bytes`"),
        ("def f(inputs):\n    return b'x' * 300000000", 3, "uses bytes"),
        ("def f(inputs):\n    x = [1]\n    x[0:0] = x", 4, "assigns to a part of a list"),
        (GOLD.replace('["fact.tier"]', '["fact.country"]'), 6,
         "`is_gold` asks for 'fact.country', which is not among its inputs"),
        (GOLD.replace('["fact.tier"]', '.get("fact.country")'), 6, "`is_gold` asks for 'fact.country'"),
        ("def g(a, known):\n    return 'now' in known\n" + GOLD.replace('inputs["fact.tier"]', "g(1, inputs)"), 3,
         "`is_gold` asks for 'now'"),
        ("def f(inputs):\n    return f(inputs)", 3, "calls `f`, which is no function that stands above"),
        ("def f(inputs):\n    return g(inputs)\ndef g(inputs):\n    return 1", 3, "calls `g`"),
        ("def f(inputs):\n    return (lambda x: x(x))(len)", 3, "calls something without a name"),
        ("def f(inputs, x):\n    return x(x)", 3, "calls `x`"),
        ("def f(len):\n    return len(len)", 2, "calls something of its own `len`"),
        ("def f(inputs):\n    def g(x):\n        return x\n    return g(1)", 3, "declares a function within"),
        ("def f(inputs):\n    return {1, 2}", 3, "makes a set"),
        ("def f(inputs):\n    return set(inputs)", 3, "uses `set`"),
        ("async def f(inputs):\n    pass", 2, "awaits"),
        ("class C:\n    pass", 2, "declares a class"),
        ("X = 1\ndef f(inputs):\n    global X\n    X = 2", 4, "`global`"),
        ("def f(inputs):\n    yield 1", 3, "yields"),
        ("for x in (1, 2):\n    pass", 2, "does something when it is loaded"),
        ("X = [1 for a in range(1000000)]", 1, "it fails when it is loaded: OverBudget"),
        ("X = 1 / 0", 1, "it fails when it is loaded: ZeroDivisionError"),
        ("def f(:", 2, "this is not Python"),
        ("def f(inputs, known=[]):\n    return known", 2, "has a default that is no plain value"),
        ("F = lambda x, known={}: known", 2, "has a default that is no plain value"),
        ("X = (n for n in (1, 2))", 1, "`X` is no constant"),
        ("X = [zip((1,), (2,))]", 1, "`X` is no constant"),
        ("def f(inputs):\n    return 1\ndef f(inputs):\n    return 2", 2, "`f` stands there twice"),
        ("@transform(version=1, inputs=())" + GOLD, 1, "two kinds"),
        (GOLD.replace("version=1", "version=0"), 1, "needs a version from 1"),
        (GOLD.replace("fact.tier", "person.tier", 1), 1, "an input is trigger.WORD"),
        (GOLD.replace("version=1", "version=1, steps_max=10**9".replace("10**9", "1000000000")), 1, "the budget of"),
        (GOLD + GOLD.replace("is_gold", "is_old").replace("inputs=(", "inputs=(7, "), 1, "`is_old` asks for 7"),
    ],
)  # fmt: skip
def test_what_breaks_the_rules_is_refused_at_load(tmp_path: Path, body: str, line: int, message: str) -> None:
    (tmp_path / "plugin.py").write_text(HEAD + body)
    with pytest.raises(InputRefused) as refused:
        load_plugins(tmp_path)
    assert f"plugin.py:{line}:" in refused.value.message
    assert message in refused.value.message


def test_two_of_one_name_and_version_are_refused(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(HEAD + GOLD)
    with pytest.raises(InputRefused, match="is_gold version 1 is there twice"):
        load_plugins(tmp_path)
    (tmp_path / "b.py").write_text(HEAD + GOLD.replace("version=1", "version=2"))
    assert sorted(registry(load_plugins(tmp_path))) == [("is_gold", 1), ("is_gold", 2)]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="there is no folder"):
        load_plugins(tmp_path / "nowhere")
    (tmp_path / "a.py").mkdir()
    with pytest.raises(InputRefused, match="cannot be read"):
        load_plugins(tmp_path)


@pytest.mark.parametrize("body", ["KNOWN.append(1)\n    return len(KNOWN)", "NAMES['b'] = 1\n    return len(NAMES)"])
def test_no_call_knows_of_the_one_before(tmp_path: Path, body: str) -> None:
    """Semantics 10.7: it is told its inputs and nothing else. What a constant holds cannot be changed."""
    head = "KNOWN = []\nNAMES = {'a': [1]}\n"
    plugin = one(tmp_path, f"{head}@transform(version=1, inputs=())\ndef f(inputs):\n    {body}\n")
    first, second = ask(plugin, {}), ask(plugin, {})
    assert first == second
    assert first.failed == "raised"


def test_constants_can_be_read_and_answered(tmp_path: Path) -> None:
    source = "NAMES = {'a': [1, {'b': (2,)}]}\n@transform(version=1, inputs=())\ndef f(inputs):\n    return NAMES\n"
    assert ask(one(tmp_path, source), {}) == Answer({"a": [1, {"b": [2]}]})


FINGERPRINTED = """
from decimal import Decimal, ROUND_UP

LIMIT = Decimal(2)
UNUSED = 1


def doubled(x):
    return x * LIMIT


def unused(x):
    return x


@transform(version=1, inputs=("fact.points",))
def points(inputs):
    return str(doubled(inputs["fact.points"]))
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("UNUSED = 1", "UNUSED = 2", True),
        ("    return x\n\n\n@", "    return x + 1\n\n\n@", True),
        ("from decimal import Decimal, ROUND_UP", "from decimal import Decimal", True),
        ("LIMIT", "\nLIMIT", True),  # lines above it
        ("\n", "\r\n", True),
        ("Decimal(2)", "Decimal(3)", False),
        ("x * LIMIT", "x * LIMIT * 1", False),
        ("import Decimal, ROUND_UP\n\nLIMIT = Decimal(2)", "import ROUND_UP as LIMIT", False),
        ("return str(", "return '' + str(", False),
        ("version=1, inputs", "version=1, steps_max=5, inputs", False),
        ("return str(doubled", "# a remark\n    return str(doubled", False),
        ("UNUSED = 1", "LIMIT = Decimal(2)", False),  # again, which may be another one
    ],
)
def test_a_fingerprint_is_of_a_function_and_of_what_it_uses(tmp_path: Path, old: str, new: str, same: bool) -> None:
    def fingerprint(source: str) -> str:
        (tmp_path / "plugin.py").write_text(HEAD + source, newline="")
        (found,) = load_plugins(tmp_path)
        return found.fingerprint

    assert old in FINGERPRINTED
    changed = FINGERPRINTED.replace(old, new, -1 if old == "\n" else 1)
    assert (fingerprint(FINGERPRINTED) == fingerprint(changed)) is same


@pytest.mark.parametrize(
    "body",
    [
        "while True:\n        pass",
        "return sum(1 for x in range(100000000))",
        "return {x: 1 for x in range(100000000)}",
        "for a in range(100000000):\n        x = a",
        "return max(range(5000), key=lambda x: -x)",
        "return sum(range(10000 * 100000000))",
        "return len(list(range(100000000 * 100000000 * 100000000)))",
        "return sorted(sorted([*range(501)]))",
        "return [*range(100000000)]",
        "for _ in range(40):\n        all((0,) * 90)",
        "return 'x' * 1000000000",
        "return 1000000000 * ['x']",
        "x = 'x'\n    for _ in range(100):\n        x += x",
        "x = {'a': ['x']}\n    for _ in range(100):\n        x['a'] *= 2",
        "x = 3\n    for _ in range(100):\n        x *= x",
        "return int(Decimal('1e999999999'))",
        "x = Decimal('1e99999')\n    for _ in range(9):\n        x = x * x\n    return int(x)",
        "x = Decimal('1e-99999')\n    x /= Decimal('1e99999')\n    return f'{x:f}'",
        "return 'a'.ljust(300000000)",
        "return 'a'.rjust(300000000)",
        "return 'a'.center(300000000)",
        "return 'a'.zfill(300000000)",
        "return ('a' * 90000).replace('a', 'b' * 2000)",
        "return ('a' * 900).join(['a' * 90000] * 900)",
        "return ('a' * 9000).join('a' for _ in range(900))",
        "return f\"{'a':>300000000}\"",
        "x = 300000000\n    return f\"{'a':>{x}}\"",
        "return '%300000000d' % 1",
        "return '%.300000000f' % 1",
        "return '%*d' % (300000000, 1)",
        "return '%(a)s' * 9000 % {'a': 'a' * 9000}",
        "return round(7, -300000000)",
        "return sum([[1] * 90000] * 90, [])",
        "x = ['a']\n    for _ in range(40):\n        x.extend(x)",
        "x = ['a']\n    for _ in range(40):\n        x = [*x, *x]",
        "x = 'a'\n    for _ in range(40):\n        x = f'{x}{x}'",
        "x = 'a'\n    for _ in range(40):\n        x = str([x, x])",
        "x = []\n    for _ in range(900):\n        x = [x]\n    return str(x)",
        "x = []\n    x.append(x)\n    return str(x)",
        "x = 'a' * 90000\n    return [x + 'a' for _ in range(900)]",
        "x = [1] * 90000\n    return [x[1:] for _ in range(900)]",
        "x, known = [1] * 90000, []\n    for _ in range(900):\n        _, *rest = x\n        known.append(rest)",
        "x = 'a,' * 45000\n    return [x.split(',') for _ in range(900)]",
        "return sorted([[0] * 9000] * 900, key=sum)",
        "return dict.fromkeys(['a'] * 90000)",
        "return f\"{Decimal('-1e-999999999'):f}\"",
    ],
)
def test_a_budget_is_steps_and_not_time(tmp_path: Path, body: str) -> None:
    plugin = one(
        tmp_path,
        f"from decimal import Decimal\ndef f(inputs):\n    {body}\n"
        "@predicate(version=1, inputs=())\ndef p(inputs):\n    return f(inputs)\n",
    )
    first, second = ask(plugin, {}), ask(plugin, {})
    assert first == second == Answer(None, "over_budget")


@pytest.mark.parametrize(
    "body",
    [
        "return str(zip([1], [2]))",
        "return str([reversed([1])])",
        "return str(x for x in [1])",
        "return str({'a': enumerate([1])})",
        "return sorted([zip(), zip()], key=str)",
        "return f'{zip()}'",
        "return f'{[zip()]!r:>90}'",
        "return '%s' % zip()",
        "return '%r %r' % (1, zip())",
        "return ''.join(str(x) for x in [zip()])",
        "try:\n        return {}[zip()]\n    except KeyError as e:\n        return str(e)",
        "x = {'a': 1}.keys()\n    return list(x | {'b': 1})",
        "x = {'a': 1}.items()\n    return list(['b'] - x)",
        "x = {'a': 1}.keys()\n    x ^= ['b']\n    return list(x)",
        "return datetime(2026, 1, 1).strftime('%s')",
        "return f'{datetime(2026, 1, 1):%A}'",
        "return datetime.strptime('Montag', '%A')",
        "return f'{1234:n}'",
    ],
)
def test_what_differs_between_processes_raises(tmp_path: Path, body: str) -> None:
    """Sets, texts that say where a thing lies in the memory, the language of a machine, and its zone."""
    head = "from datetime import datetime\n@transform(version=1, inputs=())\n"
    assert ask(one(tmp_path, f"{head}def f(inputs):\n    {body}\n"), {}) == Answer(None, "raised", "TypeError")


def test_a_key_of_something_else_is_no_input(tmp_path: Path) -> None:
    source = "return [sorted([{'price': 1}], key=lambda inputs: inputs['price']), inputs['fact.a']]"
    plugin = one(tmp_path, f"@transform(version=1, inputs=('fact.a',))\ndef f(inputs):\n    {source}\n")
    assert ask(plugin, {"fact.a": 2}) == Answer([[{"price": 1}], 2])


def test_dates_can_be_counted_and_shown(tmp_path: Path) -> None:
    source = """
from datetime import UTC, date, datetime, timedelta
@transform(version=1, inputs=("now",))
def f(inputs):
    then = datetime.fromisoformat(inputs["now"]).replace(tzinfo=UTC) + timedelta(days=1)
    return [then.strftime("%d.%m.%Y"), f"{then:%H:%M}", date.fromisoformat("2026-02-03").isoformat(), str(then.year)]
"""
    answer = ask(one(tmp_path, source), {"now": "2026-01-31T10:05:00Z"})
    assert answer == Answer(["01.02.2026", "10:05", "2026-02-03", "2026"])


def test_the_budget_is_what_is_declared(tmp_path: Path) -> None:
    source = "@transform(version=1, inputs=(), steps_max={})\ndef f(inputs):\n    return sum(1 for _ in range(98))\n"
    assert ask(one(tmp_path, source.format(99)), {}) == Answer(98)
    assert ask(one(tmp_path, source.format(98)), {}) == Answer(None, "over_budget")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return [sum([1, 2]), 'ab' * 2, 'a' + 'b', 1.5 * 2 == 3.0, [1] + [2]]", [3, "abab", "ab", True, [1, 2]]),
        ("x = y = [1]\n    x += [2]\n    x *= 2\n    return y", [1, 2, 1, 2]),
        ("x = {'n': 2}\n    x['n'] *= 3\n    x['n'] += 1\n    x['n'] -= 2\n    return x", {"n": 5}),
        ("x = 7\n    return [isinstance([], list), 3 in range(10), x % 4 * 2, dict(a=1)]", [True, True, 6, {"a": 1}]),
        ("return str(round(Decimal('2.50') * 3 + 1, 1))", "8.5"),
        ("x = 9\n    x /= 2\n    return [str(x), str(Decimal(1) / 4), 7 // 2]", ["4.5", "0.25", 3]),
        ("return len('x' * 100000)", 100_000),
        (
            "return ['a'.ljust(3), 'aXa'.replace('a', 'bb', 1), ','.join({'a': 1, 'b': 2}), 'a,b'.split(',')]",
            ["a  ", "bbXa", "a,b", ["a", "b"]],
        ),
        (
            "return [f'{7:03d}', f\"{'a'!r:>5}\", '%s of %03d' % ('a', 7), f'{1}{2:>{3}}', '%d%%' % 5]",
            ["007", "  'a'", "a of 007", "1  2", "5%"],
        ),
        (
            "return [sorted(['bb', 'a'], key=len), sorted([10, 9], key=str), max([1, 2], key=lambda x: -x)]",
            [["a", "bb"], [10, 9], 1],
        ),
        ("x = [1]\n    x.extend([2])\n    x.sort(reverse=True)\n    return [*x, *x[1:]]", [2, 1, 1]),
        (
            "return [{'a': 1} | {'b': 2}, {**{'a': 1}, 'b': 2}, 6 & 3, 6 | 3, 6 ^ 3, 7 - 2]",
            [{"a": 1, "b": 2}, {"a": 1, "b": 2}, 2, 7, 5, 5],
        ),
        (
            "return [str({'a': [1, None]}), str({'a': 1}.keys()), str(Decimal('1.50')), round(1250, -2)]",
            ["{'a': [1, None]}", "dict_keys(['a'])", "1.50", 1200],
        ),
        (
            "try:\n        return int('x')\n    except (ValueError, KeyError) as e:\n        return str(e)[:7]",
            "invalid",
        ),
        ("return isinstance(1, (str, int)) and isinstance('a', str | int)", True),
        ("x = {'a': 1}\n    x |= {'b': 2}\n    x.update(c=3)\n    return x", {"a": 1, "b": 2, "c": 3}),
    ],
)
def test_what_is_counted_means_the_same(tmp_path: Path, body: str, expected: object) -> None:
    source = f"from decimal import Decimal\n@transform(version=1, inputs=())\ndef f(inputs):\n    {body}\n"
    assert ask(one(tmp_path, source), {}) == Answer(expected)


@pytest.mark.parametrize(
    ("kind", "answer", "expected"),
    [
        ("predicate", "True", Answer(True)),
        ("predicate", "None", Answer(None)),
        ("predicate", "1", Answer(None, "wrong_kind")),
        ("transform", "{'a': ['b', 1, None]}", Answer({"a": ["b", 1, None]})),
        ("transform", "0.1", Answer(None, "wrong_kind")),
        ("transform", f"['x'] * {ANSWER_NODES_MAX}", Answer(None, "wrong_kind")),
        ("recommender", "['P-1', 'P-2']", Answer(["P-1", "P-2"])),
        ("recommender", "[1]", Answer(None, "wrong_kind")),
        ("recommender", "['x'] * 51", Answer(None, "wrong_kind")),
        ("transform", "{'a': 1}['fact.missing'] + 1", Answer(None, "raised", "KeyError")),
        ("transform", "[] + 1", Answer(None, "raised", "TypeError")),
    ],
)
def test_an_answer_is_of_its_kind_or_unknown(tmp_path: Path, kind: str, answer: str, expected: Answer) -> None:
    source = f"@{kind}(version=1, inputs=())\ndef f(inputs):\n    return {answer}\n"
    assert ask(one(tmp_path, source), {}) == expected


def test_the_reference_shows_one_that_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "plug-ins.md").read_text()
    (tmp_path / "page.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    (plugin,) = load_plugins(tmp_path)
    dear = {"trigger.total": {"amount": "200.00", "currency": "EUR"}, "fact.orders_count": 1}
    assert ask(plugin, dear) == Answer(True)
    assert ask(plugin, dear | {"fact.orders_count": 0}) == Answer(False)
    assert ask(plugin, {}) == Answer(None)
