from __future__ import annotations

import pytest

from evalkit.errors import UsageError
from evalkit.gpu.cards import counted, find, lookup, table


def test_every_row_has_a_basis_and_counts_with_less_than_the_card_reports():
    for card in table().cards:
        reported = card.total_mib / 1024 if card.total_mib else card.memory_gb
        assert 0.85 * card.memory_gb <= card.usable_gib <= reported + 0.01, card.name
        assert card.source is None or card.source.startswith("https://")
        assert card.source is not None or card.basis == "assumed", card.name
        assert card.bandwidth_gbs is None or card.source is not None


def test_no_two_cards_answer_to_one_name():
    seen: dict[str, str] = {}
    for card in table().cards:
        for name in {card.name, *card.aliases}:
            found = find(name)
            assert found is not None
            assert seen.setdefault(name, found.name) == card.name


@pytest.mark.parametrize("name", ["H100-80GB", "h100 80gb", "NVIDIA H100 80GB HBM3", "H100"])
def test_a_card_is_found_however_it_is_written(name):
    assert lookup(name).name == "H100-80GB"


def test_an_unknown_card_gets_the_nearest_names():
    with pytest.raises(UsageError, match="no card named 'H10-80GB'") as caught:
        lookup("H10-80GB")
    assert "H100-80GB" in caught.value.hint


@pytest.mark.parametrize("text", ["", "   ", "x" * 10_000, "\x1b[31mred"])
def test_nonsense_is_refused_with_the_list(text):
    with pytest.raises(UsageError) as caught:
        lookup(text)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4x H100", (4, "H100")),
        ("H100 x 2", (2, "H100")),
        ("RTX-4090-24GB", (1, "RTX-4090-24GB")),
        ("0x H100", (1, "0x H100")),
    ],
)
def test_a_count_may_stand_before_or_behind_the_name(text, expected):
    assert counted(text) == expected
