"""A text that is shown is cut by `evalkit.text` alone, which masks secrets first: half a key is no longer recognised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalkit
from evalkit.secrets import MASK, Secret
from evalkit.text import cut, one_line, sanitize
from tests.support.fake_keys import PROVIDERS, draw

PACKAGE = Path(evalkit.__file__).parent
#: a key is longer than this, so that a shorter piece of a text gives none away
_SHORT = 24
_SIZES = re.compile(r"limit|max|most|cap|width|chars|bytes|longest|_[A-Z]|[A-Z]{3}", re.ASCII)
_TEXTS = re.compile(
    r"(?:text|message|line|said|shown|reason|detail|body|content|prompt|preview|summary|title|std(?:err|out)|tail|rest|url|reference|"
    r"host|name|note|raw|word|value|output|answer|reply|error)(?:\(.*\))?$|str\(|decode\(|join\(|dumps\(|repr\(|strip\(|^f['\"]"
)
_SHORTENERS = {"cut", "one_line", "sanitize", "shorten"}

#: slices of what is no text to show: (module, slice) -> what it is
ALLOWED: dict[tuple[str, str], str] = {
    ("client/recording.py", "recording.body[:_ERROR_BODY]"): "read; what is shown of it is cut later",
    ("client/template.py", "tail[skip:tail.find(self._stop, skip, skip + _MOST_DIGITS + 1)]"): "figures",
    ("explain/graders.py", "said[:117]"): "a text of our own",
    ("hub/candidate.py", "re.sub('[^A-Za-z0-9._-]+', '-', shown).strip('-.')[-80:]"): "a folder's name, masked before",
    (
        "hub/candidate.py",
        "tuple(dict.fromkeys((one_line(n) for n in [*notes, *card.notes, *config.notes])))[:100]",
    ): "a list",
    ("hub/card.py", "(text[found.end():] if found else text)[:_PROSE_CAP]"): "read",
    ("importers/alike.py", "text[:20000]"): "read",
    ("quality/degeneration.py", "text[-_TAIL:]"): "read",
    ("quality/degeneration.py", "tail[-_PROBE:]"): "read",
    ("quality/degeneration.py", "reply.text[:MAX_CHARS]"): "read",
    ("quality/degeneration.py", "text[-200000:]"): "read",
    ("quality/graders/base.py", "reply.text[:MAX_CHARS]"): "read",
    ("quality/jsontext.py", "text[:MAX_JSON_CHARS]"): "read",
    ("quality/judge_prompt.py", "text[:MAX_TEXT]"): "sent to the judge as it is",
    ("quality/toolcalls.py", "reply.text[:200000]"): "read",
    ("report/formats/github.py", "raw[:BUDGET - 1000]"): "masked as a document",
    ("stored/journal.py", "line[head.end():-_TAIL]"): "read",
    ("serving/control.py", "reply.text.lstrip()[:200]"): "read",
    ("analysis/harness.py", "''.join((h for _, h in facts.sources))[:64]"): "hashes",
    ("analysis/replies.py", "reply.text[:_HALF]"): "read",
    ("run/plan/openloop.py", "reply.text[:_FRAMED]"): "read",
    ("analysis/replies.py", "reply.text[-_HALF:]"): "read",
    ("analysis/replies.py", "sample.exchange.text[:_HALF]"): "read",
    ("analysis/replies.py", "s.exchange.text[:_HALF]"): "read",
    ("stats/prefixes.py", "text[start:start + STEP]"): "hashed",
    ("run/sweep/settings.py", "checklist.name[:180]"): "a name of the checklist, masked where it is shown",
    ("harness/plain.py", "str(row.get('doc_hash') or '')[:64]"): "a hash",
    ("harness/plain.py", "str(row.get('prompt_hash') or '')[:64]"): "a hash",
    ("harness/process.py", "tail[-_TAIL:]"): "a list of lines, each masked",
    ("harness/process.py", "tail[:-_TAIL]"): "a list of lines, each masked",
    ("hub/card.py", "content[:1024]"): "read",
    ("hub/card.py", "one.value[:20000]"): "read",
    ("quality/degeneration.py", "found.text[-200000:]"): "read",
    ("quality/reasoning.py", "found.text[:10000]"): "read",
    ("quality/sandbox/subject.py", "text[:_MOST_PRINTED - self._size]"): "what the code prints, masked by the parent",
    ("quality/sandbox/wire.py", "str(one)[:2000]"): "arguments of an error, masked by the parent",
    ("serving/engines/vllm.py", "line[:20000]"): "read",
    ("serving/launch.py", "line[-_LONG_LINE:]"): "cut again at the start of a word, before it is masked",
}


def findings(source: str) -> Iterator[str]:
    """Pieces of code that shorten by themselves, or mask what was shortened already."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Slice)
            and _is_text(node.value)
            and _shortens(node.slice)
        ):
            yield ast.unparse(node)
        elif isinstance(node, ast.FormattedValue) and isinstance(node.format_spec, ast.JoinedStr):
            if any(
                isinstance(part, ast.Constant) and re.search(r"\.\d+s?$", part.value)
                for part in node.format_spec.values
            ):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and _name(node.func) == "redact":
            inner = [one for given in node.args for one in ast.walk(given)]
            if any(
                isinstance(one, ast.Slice) or (isinstance(one, ast.Call) and _name(one.func) in _SHORTENERS)
                for one in inner
            ):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and _name(node.func) == "shorten":
            yield ast.unparse(node)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_text(value: ast.expr) -> bool:
    """By its name: lists are in the plural, and what is hashed is no text to show."""
    return bool(_TEXTS.search(ast.unparse(value)))


def _shortens(one: ast.Slice) -> bool:
    ends = [one.upper] if one.lower is None else [one.lower] if one.upper is None else [one.upper]
    return any(_is_size(end) for end in ends if end is not None)


def _is_size(end: ast.expr) -> bool:
    value = end.operand if isinstance(end, ast.UnaryOp) else end
    if isinstance(value, ast.Constant):
        return isinstance(value.value, int) and value.value >= _SHORT
    return bool(_SIZES.search(ast.unparse(value)))


def test_nothing_shortens_a_text_but_the_one_helper():
    found = {
        (path.relative_to(PACKAGE).as_posix(), piece)
        for path in PACKAGE.rglob("*.py")
        if path.name != "text.py" or path.parent != PACKAGE
        for piece in findings(path.read_text())
        if "reference" not in path.relative_to(PACKAGE).parts
    }
    assert found - ALLOWED.keys() == set(), "use evalkit.text.cut, or say here what it is"


@pytest.mark.parametrize("code", [
    "text[:300]", "x.message[:LIMIT]", "f'{text:.300}'", "redact(text[:n])", "redact(one_line(x, limit=3))",
    "redact(f'{sanitize(x)}')", "textwrap.shorten(x, 80)", "rest[-8192:]", "body[: self.max_bytes]", "text[10:400]", "str(x)[:40]", "json.dumps(x)[:300]",
    "', '.join(found)[:500]", "x.decode()[:100]",
])  # fmt: skip
def test_the_wrong_order_is_noticed(code):
    assert list(findings(code))


@pytest.mark.parametrize(
    "code",
    [
        "text[1:]",
        "parts[:2]",
        "sha[:12]",
        "cut(text, 300)",
        "f'{x:.3f}'",
        "redact(text)",
        "a[i:j]",
        "rows[:MOST]",
        "text[:20]",
    ],
)
def test_what_is_no_cut_of_a_text_is_left_alone(code):
    assert not list(findings(code))


@pytest.mark.parametrize("shorten", [cut, lambda t, n: sanitize(t, limit=n), lambda t, n: one_line(t, limit=n)])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_piece_of_a_key_is_left_wherever_the_cut_falls(provider, shorten):
    key, drawn = draw(provider, 5)
    text = f"an error of the server: {key} was not accepted"
    for limit in range(len(text)):
        shown = shorten(text, limit)
        assert not any(drawn[n : n + 9] in shown for n in range(len(drawn) - 8))


@given(st.integers(0, 400), st.integers(0, 300), st.sampled_from("A x-=\n"))
def test_no_piece_of_a_known_secret_is_left_wherever_the_cut_falls(before, limit, filling):
    key = Secret("CANARYk7Qw9ZxP2mR8tY4vB6nLcE3sD1fG5hJ0").reveal()
    for shown in (cut(filling * before + key, limit), sanitize(filling * before + key, limit=limit)):
        assert "CANARY" not in shown.replace(MASK, "")
        assert len(shown) <= limit + 1
