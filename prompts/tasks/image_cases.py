"""Cases and timed prompts about generated pictures, with known answers: shapes, counts, text, charts."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from pictures import PAINTS, SHAPES, Picture
from words import ANIMALS, NOUNS, Cases

Asked = tuple[Picture, str, list[Any]]
ONE_WORD = "Reply with one word."
ALONE = "Reply with the number alone."


def word(answer: str) -> list[Any]:
    """The word alone, with or without a full stop."""
    return [{"equals": {"any": [answer, f"{answer}."], "ignore_case": True}}]


def _row(rng: random.Random, count: int) -> tuple[Picture, list[dict[str, str]]]:
    """Shapes of different colours side by side, from left to right."""
    picture, placed = Picture(), []
    for place, colour in enumerate(rng.sample(PAINTS, count)):
        kind = rng.choice(SHAPES)
        picture.shape(
            kind, round((place + 0.5) * 256 / count), rng.randint(60, 130), 208 // count if count > 4 else 46, colour
        )
        placed.append({"colour": colour, "shape": kind})
    return picture, placed


def _scatter(rng: random.Random) -> tuple[Picture, dict[tuple[str, str], int]]:
    """Shapes on a grid: how many there are of each kind and colour."""
    picture, counts = Picture(), dict[tuple[str, str], int]()
    kinds, colours = rng.sample(SHAPES, 2), rng.sample(PAINTS, 2)
    for place in rng.sample(range(24), rng.randint(8, 18)):
        one = (rng.choice(colours), rng.choice(kinds))
        picture.shape(one[1], 22 + 42 * (place % 6), 26 + 46 * (place // 6), 30, one[0])
        counts[one] = counts.get(one, 0) + 1
    return picture, counts


def _chart(rng: random.Random) -> tuple[Picture, dict[str, int]]:
    """Bars over letters, each with its value on top."""
    picture, names = Picture(), rng.sample("ABCDEFGH", 5)
    values = dict(zip(sorted(names), rng.sample(range(10, 100), 5), strict=True))
    picture.bar(8, 168, 248, 170, "black")
    for place, (name, value) in enumerate(values.items()):
        left, top = 18 + 48 * place, 168 - round(1.4 * value)
        picture.bar(left, top, left + 28, 168, rng.choice(PAINTS))
        picture.text(str(value), left + 2, top - 16, 2)
        picture.text(name, left + 8, 174, 2)
    return picture, values


def _shape(rng: random.Random) -> Asked:
    picture, placed = _row(rng, 3)
    one = rng.choice(placed)
    return picture, f"What shape is the {one['colour']} figure: {', '.join(SHAPES)}? {ONE_WORD}", word(one["shape"])


def _colour(rng: random.Random) -> Asked:
    picture, placed = _row(rng, 3)
    place, name = rng.choice([(0, "on the left"), (1, "in the middle"), (2, "on the right")])
    return picture, f"What colour is the figure {name}: {', '.join(PAINTS)}? {ONE_WORD}", word(placed[place]["colour"])


def _count(rng: random.Random) -> Asked:
    picture, counts = _scatter(rng)
    (colour, kind), number = rng.choice(list(counts.items()))
    return picture, f"How many figures are both {colour} and of the shape {kind}? {ALONE}", [{"number": number}]


def _all(rng: random.Random) -> Asked:
    picture, counts = _scatter(rng)
    return picture, f"How many figures are there in all? {ALONE}", [{"number": sum(counts.values())}]


def _text(rng: random.Random) -> Asked:
    picture, said = Picture(), f"{rng.choice(ANIMALS)} {rng.randint(100, 999)}".upper()
    paints = [name for name in PAINTS if name != "yellow"]  # it can hardly be read on white
    picture.text(said, max(4, 128 - 9 * len(said)), rng.randint(30, 140), 3, rng.choice(paints))
    return picture, "What is written in the picture? Reply with that text alone.", word(said)


def _chart_value(rng: random.Random) -> Asked:
    picture, values = _chart(rng)
    name = rng.choice(list(values))
    return picture, f"What is the value of bar {name}? {ALONE}", [{"number": values[name]}]


def _chart_order(rng: random.Random) -> Asked:
    picture, values = _chart(rng)
    order = sorted(values, key=lambda name: values[name])
    asked = "List the letters of the bars from the lowest to the highest value, separated by commas. Nothing else."
    return picture, asked, [{"items": order}]


def _scene(rng: random.Random) -> Asked:
    picture, placed = _row(rng, rng.randint(4, 6))
    asked = (
        "List the figures from left to right as a JSON array of objects with the keys colour and shape"
        f" (colours: {', '.join(PAINTS)}; shapes: {', '.join(SHAPES)}). Reply with nothing but the JSON."
    )
    return picture, asked, [{"json_match": {"value": placed, "exact": True}}]


def _table(rng: random.Random) -> Asked:
    picture, rows = Picture(), {}
    for place, name in enumerate(rng.sample([noun for noun in NOUNS if len(noun) <= 8], 5)):
        rows[name] = rng.randint(10, 999)
        picture.text(name.upper(), 12, 18 + 34 * place, 2)
        picture.text(str(rows[name]), 180, 18 + 34 * place, 2)
    asked = "Read the table as one JSON object: each word, in small letters, with its number. Reply with nothing but the JSON."
    return picture, asked, [{"json_match": {"value": rows, "exact": True}}]


_KINDS: tuple[Callable[[random.Random], Asked], ...] = (
    _shape, _colour, _count, _all, _text, _chart_value, _chart_order, _scene, _table,
)  # fmt: skip


def images(seed: int, n: int) -> Cases:
    """`n` cases, the kinds in turn, no two with the same picture."""
    rng, cases, seen = random.Random(seed), list[dict[str, Any]](), set[str]()
    while len(cases) < n:
        make = _KINDS[len(cases) % len(_KINDS)]
        picture, prompt, expect = make(rng)
        uri = picture.uri()
        if uri in seen:
            continue
        seen.add(uri)
        name = f"image-{make.__name__.strip('_').replace('_', '-')}-{len(cases):03}"
        cases.append({"id": name, "images": [uri], "prompt": prompt, "expect": expect})
    return cases


#: most tokens, tag and question of a prompt for timing: short answers, which gain little, and long ones
_TIMED = (
    (64, "image-short", "What is in this picture? One sentence."),
    (64, "image-short", "Which colour takes up most room here, apart from white?"),
    (64, "image-short", "Is anything blue to be seen? Say where."),
    (64, "image-short", "Give the picture a title of at most six words."),
    (96, "image-short", "Would a child of five understand this drawing? Why?"),
    (64, "image-short", "Name the object nearest to the upper edge."),
    (96, "image-short", "Does the left half look like the right half? Explain in two sentences."),
    (64, "image-short", "How crowded is the sheet: empty, sparse or full?"),
    (256, "image-list", "List everything that you see, one item a line, each with its colour and its place."),
    (256, "image-list", "Go through the picture column by column and write down what stands in each."),
    (256, "image-list", "Write ten facts about what is shown, numbered, each of them checkable by looking."),
    (256, "image-list", "Make a table in Markdown: colour, number of objects, largest of them."),
    (256, "image-list", "Ask eight quiz questions that somebody can answer from this image alone, with answers."),
    (256, "image-list", "Sort all objects by size and give your reasons briefly."),
    (
        384,
        "image-describe",
        "Describe this for a person who cannot see it, from the upper left corner to the lower right.",
    ),
    (384, "image-describe", "Explain how to redraw the image with coloured pencils, step by step."),
    (384, "image-describe", "Compare the upper part with the lower part: colours, kinds, distances."),
    (
        384,
        "image-describe",
        "Tell a colleague on the phone what the graphic contains so exactly that she can rebuild it.",
    ),
    (384, "image-describe", "What might a designer criticise about the layout? Discuss balance, contrast and spacing."),
    (384, "image-describe", "Suppose this were the flag of a town. Say what each element could stand for."),
    (384, "image-describe", "Write alternative text for a web page, first in one line, then as a full paragraph."),
    (256, "image-json", "Reply with a JSON array of all that is in the picture: kind, colour, place."),
    (256, "image-json", "Summarise the content as a JSON object with the keys title, objects, colours and background."),
    (256, "image-json", "Count by colour and give the result as JSON, with zero for colours that do not occur."),
    (256, "image-json", "Return YAML: a list named figures, every entry with row, column and a short label."),
    (384, "image-code", "Write Python with the standard turtle module that draws something close to this."),
    (384, "image-code", "Produce an SVG document of 256 by 192 units that looks like the given image."),
    (384, "image-code", "Sketch HTML and CSS for a page whose boxes are arranged as shown."),
    (512, "image-story", "Write a story of about 200 words for children in which everything shown appears."),
    (512, "image-story", "Invent the rules of a board game that uses this as its board, with examples of two moves."),
    (512, "image-story", "Let two museum visitors argue about the meaning of the work in a dialogue of twelve lines."),
    (512, "image-story", "Write a newspaper report: the drawing was found in a cave. Mention all its details."),
    (512, "image-story", "Compose a poem with a stanza for every colour that is used."),
    (
        384,
        "image-reason",
        "If each object weighed as many grams as it has corners, what would they weigh together? Show the sums.",
    ),
    (384, "image-reason", "Turn the sheet upside down in your mind and describe what moves where."),
    (384, "image-reason", "Which single change would make the arrangement symmetric? Think aloud before you answer."),
)


def timed_images(seed: int, n: int) -> list[dict[str, Any]]:
    """Prompts for timing with one picture each."""
    rng, rows = random.Random(seed), list[dict[str, Any]]()
    for number in range(n):
        most, tag, prompt = _TIMED[number * 7 % len(_TIMED)]
        picture = (_row(rng, rng.randint(3, 6)), _scatter(rng), _chart(rng))[number % 3][0]
        rows.append({
            "id": f"image{number:02}", "prompt": prompt, "images": [picture.uri()], "max_tokens": most, "tags": [tag],
        })  # fmt: skip
    return rows
