"""Replies that leave what was asked: in another script, or with a turn of the user."""

from __future__ import annotations

import pytest

from evalkit.analysis.copies import sketch, strangers
from evalkit.quality.astray import next_turn, other_script
from evalkit.quality.echo import begins_with_the_prompt

ASKED = "Tell me in a few words why rivers bend so often on their way to the sea."
RIVER = "Rivers bend because the water erodes the outer bank"


@pytest.mark.parametrize(
    ("text", "prompt", "wanted"),
    [
        (f"{RIVER} 因为水流侵蚀外岸而内岸慢慢淤积沙土", ASKED, True),
        (f"{RIVER} потому что вода подмывает берег", ASKED, True),
        (f"{RIVER} (河).", ASKED, False),
        (f"{RIVER}, by the angle α and the speed β.", ASKED, False),
        ("河流弯曲是因为水流侵蚀外岸而内岸慢慢淤积沙土", "河流为什么弯曲？", False),
        ("The answer is: rivers bend.", "河流为什么弯曲？", False),
        ("🌊🌿🪨✨🐟🛶🌉 " * 9, ASKED, False),
        ("शुरुआत पहाड़ में होती है और अंत समुद्र में", ASKED, True),
    ],
)
def test_a_text_in_another_script_than_its_prompt_is_seen(text, prompt, wanted):
    assert other_script(text, prompt) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"{RIVER}.\nUser: And lakes?", True), (f"{RIVER}.\n\n### Human: And lakes?", True), (f"{RIVER}.\n**User**: Thanks", True),
        ("User: is the one who asks.", False), (f"{RIVER}. The user: a person.", False), (f"{RIVER}.\nUsers bend it.", False),
    ],
)  # fmt: skip
def test_the_user_s_next_turn_is_seen(text, wanted):
    assert next_turn(text, ASKED) is wanted
    assert next_turn(text, f"Go on:\nUser: {ASKED}") is False


def test_a_reply_that_says_its_prompt_first_is_seen():
    assert begins_with_the_prompt(f"{ASKED} {RIVER}", ASKED)
    assert begins_with_the_prompt(f"{ASKED}\n{RIVER}", f"You are a geographer. {ASKED}")
    assert not begins_with_the_prompt(f"{RIVER}, that is why.", ASKED)
    assert not begins_with_the_prompt(
        "Tell me in a few words why rivers bend? Gladly: the water erodes one bank.", ASKED
    )
    assert not begins_with_the_prompt("Why?", "Why?")


def test_what_has_no_words_is_like_nothing():
    sound = {str(n): sketch(f"{RIVER} and part {n} of it was dug by people long ago, as I said") for n in range(4)}
    for made in (
        "".join(chr(97 + n * 7 % 26) for n in range(90)),
        "🌊🌿🪨✨🐟🛶🌉🐚🏔🌧🌞🐢🦆🌾" * 4,
        RIVER.replace(" ", ""),
    ):
        assert strangers(dict.fromkeys(sound, sketch(made)), sound) == set(sound)
    assert sketch("- - -\n...\nYes.") is None
