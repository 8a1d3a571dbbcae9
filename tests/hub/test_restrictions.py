"""What a card's words restrict, beside what its metadata states."""

from __future__ import annotations

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.checklist.schema import Reading, Use
from evalkit.findings import Status
from evalkit.hub.card import card_in, read_card
from evalkit.hub.facts import CandidateFacts, TextFile
from evalkit.items.license.decide import of_candidate

FRONT = "---\nlicense: apache-2.0\n---\n# Model\n\n"


def kinds(prose):
    return sorted({one.kind for one in read_card(FRONT + prose).license.sentences})


@pytest.mark.parametrize(
    ("prose", "expected"),
    [
        ("This model is licensed for non-commercial research use only.", ["commercial"]),
        ("The weights may not be used for commercial purposes.", ["commercial"]),
        ("For academic use only.", ["commercial"]),
        ("The model is intended **only** for research and\neducational use.", ["commercial"]),
        ("Commercial use requires a separate license.", ["commercial"]),
        ("- You may not redistribute the weights.", ["redistribute"]),
        ("No redistribution.", ["redistribute"]),
        ("Modification and redistribution of the weights are prohibited.", ["modify", "redistribute"]),
        ("The checkpoint is under CC-BY-NC-ND 4.0.", ["commercial", "modify"]),
        ("Modifications are not permitted.", ["modify"]),
        # nothing is restricted here
        ("This model is ready for commercial/non-commercial use.", []),
        ("Ready for commercial and non-commercial use.", []),
        ("It may be used for non-commercial and commercial purposes alike.", []),
        ("The SQuAD dataset is for non-commercial use.", []),
        ("Research shows that it is only slower for long prompts.", []),
        ("```\nfor research only\n```\nA model.", []),
        ("It generalises to inputs that are out of distribution.", []),
    ],
)
def test_sentences_that_restrict_are_found(prose, expected):
    assert kinds(prose) == expected


def test_a_heading_is_no_part_of_the_sentence_behind_it():
    (found,) = read_card(FRONT + "## License\nFor research only.").license.sentences
    assert (found.text, found.line) == ("For research only", 7)


def test_the_line_is_that_of_the_file_and_the_sentence_is_quoted():
    card = read_card(FRONT + "First.\n\nSecond. Use is\nfor research only, *please*.\n")
    (found,) = card.license.sentences
    assert (found.line, found.text) == (8, "Use is for research only, please")


@pytest.mark.parametrize(
    "gate",
    [
        "extra_gated_prompt: By clicking you agree to non-commercial use.",
        "extra_gated_fields:\n  I agree to use this model for non-commercial use ONLY: checkbox",
        'extra_gated_description: "For research only"',
    ],
)
def test_the_prompt_of_a_gate_counts(gate):
    card = read_card(f"---\nlicense: mit\n{gate}\n---\nA model.")
    assert {one.kind for one in card.license.sentences} == {"commercial"}
    assert card.license.sentences[0].line in (3, 4)


def candidate(text: bytes, **more):
    card = card_in(text)
    readme = TextFile(name="README.md", sha256="a" * 64, size=len(text))
    return CandidateFacts(model="m", card=card.license, texts=(readme,), **more)


def status(text: str | bytes, readings=(), **use):
    raw = text if isinstance(text, bytes) else text.encode()
    found = of_candidate(Use(**use), candidate(raw), list(readings))
    return {f.id: f for f in found}


def test_a_permissive_tag_with_restricting_words_is_open_with_the_sentence():
    found = status(FRONT + "For non-commercial use only.")
    assert found["license.commercial-use"].status is Status.INCONCLUSIVE
    assert "For non-commercial use only" in found["license.commercial-use"].summary
    assert "line 6" in found["license.commercial-use"].summary
    assert status(FRONT + "For non-commercial use only.", commercial=False)["license.purpose"].status is Status.PASS
    assert status(FRONT + "A model.")["license.commercial-use"].status is Status.PASS


def test_a_stricter_license_that_is_linked_for_the_weights_decides():
    said = "The code is under Apache-2.0. The **weights** are licensed under [that](https://creativecommons.org/licenses/by-nc/4.0/)."
    assert status(FRONT + said)["license.commercial-use"].status is Status.INCONCLUSIVE
    code = "The training code is licensed under [that](https://creativecommons.org/licenses/by-nc/4.0/)."
    assert status(FRONT + code)["license.commercial-use"].status is Status.PASS


def test_a_person_who_read_the_card_settles_it():
    read = Reading(text_sha256="a" * 64, commercial=True, by="counsel", date=date(2026, 11, 1))
    found = status(FRONT + "For non-commercial use only.", [read])
    assert found["license.commercial-use"].status is Status.PASS
    assert found["license.consistent"].status is Status.WARN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("---\nx: &a 1\ny: *a\nlicense: mit\n---\n", "aliases"),
        ("---\nlicense:\tmit\n\t- x\n---\n", "malformed"),
        (FRONT.encode("utf-16"), "UTF-16"),
        ("---\n- a\n---\n", "mapping"),
    ],
)
def test_front_matter_that_was_not_read_says_so(text, words):
    found = status(text)
    assert found["license.identified"].status is Status.INCONCLUSIVE
    assert words in found["license.identified"].summary
    assert words in found["license.commercial-use"].summary


@given(st.text(max_size=400))
def test_any_prose_is_taken(prose):
    for one in read_card(FRONT + prose).license.sentences:
        assert one.kind in ("commercial", "modify", "redistribute", "linked")


@pytest.mark.parametrize(
    "unit", ["not a b c ", "[x](", "only for ", "may not ", "commercial use ", "```\n", "no-", "<a "]
)
def test_time_grows_with_length(unit):
    def seconds(n):
        began = time.process_time()
        read_card(FRONT + unit * n)
        return time.process_time() - began

    # the least of three: a neighbour's noise only adds
    small, large = (min(seconds(n) for _ in range(3)) for n in (500, 2000))
    assert large < 16 * max(small, 0.02)


def test_links_take_about_as_long_as_prose():
    def seconds(unit):
        began = time.process_time()
        read_card(FRONT + unit * (8_000 // len(unit)))
        return time.process_time() - began

    # the least of three: a neighbour's noise only adds
    prose, links = (min(seconds(unit) for _ in range(3)) for unit in ("word ", "]("))
    assert links < 60 * max(prose, 0.005)


@pytest.mark.parametrize(
    "prose",
    [
        "本模型仅供学术研究使用，不得用于商业用途。",
        "模型权重禁止商用。",
        "商业用途需联系我们申请授权。",
        "このモデルは研究目的のみに利用できます。",
        "商用利用は禁止です。",
        "Dieses Modell darf nur für die Forschung genutzt werden.",
        "Usage commercial interdit.",
        "비상업적 용도로만 사용할 수 있습니다.",
        "对学术研究完全开放，填写问卷登记后亦允许免费商业使用。",
    ],
)
def test_cards_in_other_languages_restrict_too(prose):
    assert kinds(prose) == ["commercial"]
    assert kinds(f"模型基于开源代码训练。{prose}") == ["commercial"]


@pytest.mark.parametrize(
    "prose",
    [
        "本模型采用 Apache 2.0 协议，可免费商用，无需申请。",
        "支持商业和非商业用途。",
        "本数据集仅供研究使用。",
        "允许商业使用，无需授权。",
        "この モデルは商用利用可能です。",
        "Ce modèle est libre pour tout usage commercial.",
        "Das Modell darf kommerziell genutzt werden.",
        "商用可能で、申請は不要です。",
        "模型可商用，需要 16GB 显存。",
        "性能优于商用模型，需要注意。",
        "Este modelo no tiene costo.",
        "nicht nur für die Forschung, auch für den Betrieb",
    ],
)
def test_cards_in_other_languages_that_allow_are_not_taken_for_restricting(prose):
    assert kinds(prose) == []


def test_weights_that_must_not_be_passed_on_are_seen_in_chinese():
    assert kinds("不得分发模型权重，也不得修改。") == ["modify", "redistribute"]


@pytest.mark.parametrize("unit", ["...\n", "? a\n", "The model's license is [x](https://a.example/c). "])
def test_time_grows_with_the_card_and_no_faster(unit):
    """A card of 400,000 characters of such lines took 8 s: every sentence counted the lines before it."""

    def seconds(size):
        began = time.thread_time()
        read_card((unit * size)[:size])
        return time.thread_time() - began

    for _ in range(3):  # a reading that another process disturbed is taken again
        if seconds(200_000) < 8 * max(seconds(50_000), 0.02):
            return
    pytest.fail("more than linear time")
