"""The shipped prompts for timing."""

from __future__ import annotations

from typing import Any


def timed() -> list[dict[str, Any]]:
    """Prompts for timing: short and long questions, short and long answers."""
    rows = [
        ("short", 64, "Name three uses of copper."), ("short", 64, "What does a heat pump do? One sentence."),
        ("short", 96, "Suggest a name for a bakery and say why in one sentence."), ("short", 64, "Which is heavier, a litre of oil or of water, and why?"),
        ("chat", 256, "How do I remove a coffee stain from a cotton shirt?"), ("chat", 256, "Explain compound interest to a twelve-year-old."),
        ("chat", 256, "My bike chain keeps falling off. What should I check, in which order?"), ("chat", 256, "Compare renting and buying a flat in five sentences."),
        ("chat", 256, "Write a polite reply to a customer whose parcel is a week late."), ("chat", 256, "Plan a rainy Saturday for a family with two small children."),
        ("list", 384, "List 15 things to check before a long drive, one a line."), ("list", 384, "Give 12 ideas for a team lunch, each with one sentence."),
        ("json", 256, "Reply with a JSON array of five fruits, each with name, colour and a typical weight in grams."),
        ("json", 256, "Reply with a JSON object that describes a two-day trip to Rome: day, place and duration in hours of six visits."),
        ("code", 384, "Write a Python function that merges two sorted lists, with a docstring and type hints."),
        ("code", 384, "Write an SQL query that finds the three best-selling products a month from orders(id, product, day, amount)."),
        ("code", 384, "Explain what a race condition is and show one in Python."), ("reason", 384, "A train leaves at 9:40 and needs 2 hours 35 minutes, with a stop of 12 minutes. When does it arrive? Show the steps."),
        ("reason", 384, "Three friends split a bill of 87 euros; one pays 10 euros less than each of the others. Who pays what? Show the steps."),
        ("reason", 384, "Is it cheaper to drive 400 km at 6.5 l per 100 km and 1.80 euros a litre, or to take a train for 52 euros?"),
        ("long", 768, "Write a 500-word introduction to how glaciers form and move."), ("long", 768, "Write a step-by-step guide to setting up a small vegetable garden, with headings."),
        ("long", 768, "Tell a story of about 450 words about a lighthouse keeper who finds a letter."), ("long", 768, "Write a report of about 500 words on the pros and cons of working from home, with headings."),
        ("short", 64, "What is the difference between weather and climate? One sentence."), ("short", 64, "Name four vegetables that grow underground."),
        ("short", 96, "Translate into German: 'The meeting has been moved to Thursday afternoon.'"), ("short", 64, "Why do cats purr? Two sentences."),
        ("short", 96, "Give a synonym for each of: quick, tired, honest, cheap."), ("short", 64, "What does the abbreviation GDP stand for, and what does it measure?"),
        ("short", 96, "Write a subject line and one sentence for an e-mail that cancels a dinner."), ("short", 64, "Which of these is not a mammal: bat, whale, penguin, mouse? Say why."),
        ("chat", 256, "My neighbour's dog barks every night. How do I bring it up without a quarrel?"), ("chat", 256, "What should I look at before I sign a lease for a flat?"),
        ("chat", 256, "Explain how a bicycle stays upright, for someone who never studied physics."), ("chat", 256, "I have eggs, rice, spinach and a lemon. What can I cook in twenty minutes?"),
        ("chat", 256, "Summarise the pros and cons of electric cars for a person who drives little."), ("chat", 256, "Write a short speech for the farewell of a colleague who retires after thirty years."),
        ("chat", 256, "How do I teach my grandmother to spot a fraudulent e-mail?"), ("chat", 256, "Which questions should I ask in a job interview at a small company?"),
        ("chat", 256, "What is the difference between a virus and a bacterium, and why does it matter for treatment?"), ("chat", 256, "Rewrite this more politely: 'Your invoice is wrong. Fix it today.' Give three versions."),
        ("list", 384, "List 20 words that describe the sound of water, one a line."), ("list", 384, "Give a packing list for five days of hiking in autumn, in four groups."),
        ("list", 384, "Name 10 inventions of the 19th century, each with a year and one sentence."), ("list", 384, "Write 12 quiz questions about European geography with their answers."),
        ("list", 384, "List the months of the year with their number of days and one typical fruit or vegetable each."), ("list", 384, "Give 15 names for a hiking club, each with its idea in a few words."),
        ("json", 256, "Reply with a JSON object for a library book: title, author, year, isbn, and a list of three tags."), ("json", 256, "Extract as JSON with the keys name, date, amount: 'On 3 May Clara Weiss paid 214.50 euros for the repair.'"),
        ("json", 256, "Reply with a JSON array of the planets of the solar system, each with name, order and whether it has rings."), ("json", 256, "Reply with a JSON object that maps ten country names to their capitals."),
        ("code", 384, "Write a Python function that checks whether a text is a palindrome, ignoring case and punctuation, with three tests."), ("code", 384, "Write a shell script that finds the ten largest files below a folder and prints their sizes."),
        ("code", 384, "Write a JavaScript function that debounces another function, and explain it in three sentences."), ("code", 384, "Write a Python class for a stack with push, pop, peek and len, with type hints."),
        ("code", 384, "Write a regular expression for dates such as 2026-11-28 and explain each part."), ("code", 384, "Turn this into a loop in Python: total = prices[0] * 2 + prices[1] * 2 + prices[2] * 2."),
        ("reason", 384, "A tank of 240 litres fills at 8 litres a minute and leaks 2 litres a minute. How long until it is full? Show the steps."), ("reason", 384, "Anna is twice as old as Bert was five years ago. Together they are 50. How old are they? Show the steps."),
        ("reason", 384, "A shirt costs 40 euros after a discount of 20 percent. What did it cost before? Explain each step."), ("reason", 384, "Five people sit in a row. Ida is left of Jon, Kim is at an end, Leo is between Ida and Mia. Give one order that fits and check it."),
        ("long", 768, "Write an article of about 500 words on how bread is made, from the field to the table."), ("long", 768, "Write the minutes of a fictional one-hour meeting of a sports club, with five points and decisions."),
    ]  # fmt: skip
    return [
        {"id": f"{tag}-{i:02}", "prompt": prompt, "max_tokens": tokens, "tags": [tag]}
        for i, (tag, tokens, prompt) in enumerate(rows)
    ]
