"""The settings of a sweep, and the checklists that screen and decide them. Pure but for files that a command reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.checklist.files import decode, read_bytes
from evalkit.checklist.schema import Checklist, Endpoint
from evalkit.checklist.sweep import label_of
from evalkit.errors import InputFileError
from evalkit.modes import INCUMBENT
from evalkit.serving.knobs import turned
from evalkit.stored.swept import settled

#: a configuration of an engine is small
_MOST_BYTES = 1 << 20
#: keys of `items.modes` that screening does without: it ranks at the deciding concurrency
_NOT_SCREENED = (
    "load", "capacity", "latency", "goodput", "fixed_length", "launch_order", "decide_at", "adopt",
)  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One setting of the swept mode: its label, where it is served, and files that its command reads, by path."""

    label: str
    knobs: dict[str, float]
    endpoint: Endpoint
    files: tuple[tuple[str, str], ...] = ()


def from_disk(path: str) -> str:
    """The text of a file that a start command names.

    Raises:
        InputFileError: it cannot be read.
    """
    return decode(read_bytes(Path(path), max_bytes=_MOST_BYTES), Path(path))


def settings(checklist: Checklist, folder: Path, read: Callable[[str], str] = from_disk) -> list[Setting]:
    """The settings of `sweep`; files that they need are for `folder`, and those of the template come by `read`.

    Raises:
        InputFileError: nothing to sweep, or the start command cannot be told a knob.
    """
    sweep = checklist.sweep
    assert sweep is not None
    points = sweep.knobs.points()
    if not points:
        return _by_hand(checklist, sweep.mode)
    template = checklist.modes.get(sweep.mode)
    if template is None or not template.launch:
        raise InputFileError(
            f"sweep: modes.{sweep.mode} has no launch that the settings can be made from",
            hint=f"give it one, or configure {sweep.mode}@NAME under modes and leave sweep.knobs out",
        )
    made = []
    for point in points:
        knobs = {str(name): value for name, value in point.items()}
        label = label_of(sweep.mode, point)
        command = turned(template.launch, knobs, folder / f"{label}.yaml", read)
        endpoint = template.model_copy(update={"launch": list(command.words)})
        made.append(Setting(label, knobs, endpoint, command.files))
    return made


def _by_hand(checklist: Checklist, mode: str) -> list[Setting]:
    found = [Setting(label, {}, one) for label, one in checklist.modes.items() if label.startswith(f"{mode}@")]
    if len(found) < 2:
        raise InputFileError(
            f"sweep: {len(found)} configurations of {mode} are under modes: nothing to choose from",
            hint=f"give sweep.knobs, or two or more of {mode}@NAME",
        )
    return found


def endpoints(chosen: Sequence[Setting]) -> dict[str, Endpoint]:
    """By label where each setting is served."""
    return {one.label: one.endpoint for one in chosen}


def screening(checklist: Checklist, chosen: Sequence[Setting], stage: int) -> Checklist:
    """The checklist of one stage of screening: the baselines and `chosen`, one reading a prompt, one start a server."""
    data: dict[str, Any] = settled(checklist, endpoints(chosen)).model_dump(mode="python", exclude_unset=True)
    wanted = {checklist.baseline.speed, checklist.baseline.quality, *(one.label for one in chosen)}
    item = checklist.items.modes
    items = data.get("items", {})
    timed = {key: value for key, value in items.get("modes", {}).items() if key not in _NOT_SCREENED}
    # one start and one reading each: the order without the baseline's second start around it, which a claim needs
    timed |= {"launch_order": [label for label in data["modes"] if label in wanted]}
    timed |= {"concurrency": [item.level], "repeats": 1, "launches": "single", "repeated": {"prompts": 0}}
    quality = {key: value for key, value in items.get("quality", {}).items() if key not in ("judge", "alone")}
    serving = {key: value for key, value in items.get("serving", {}).items() if key not in ("stability", "require")}
    context = {key: value for key, value in items.get("context", {}).items() if key != "probe"}
    data |= {
        "name": f"{checklist.name[:180]}: screening {stage}",
        "modes": {label: one for label, one in data["modes"].items() if label in wanted},
        "items": {**items, "modes": timed, "quality": quality, "serving": serving, "context": context},
        "waivers": [],
    }
    if INCUMBENT not in wanted:
        data.pop("incumbent", None)
    data.pop("sweep")
    return Checklist.model_validate(data)
