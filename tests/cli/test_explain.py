"""Whatever evalkit prints as an id can be explained."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from evalkit import errors
from evalkit.checklist.schema import Waiver
from evalkit.client.types import ErrorKind
from evalkit.data import load_licenses, load_variants, load_vendor_claims
from evalkit.errors import EvalkitError, UsageError
from evalkit.explain.catalogue import checks
from evalkit.explain.explain import explain, overview, topics
from evalkit.findings import ITEM_IDS, KnownBy, Status
from evalkit.gpu.facts import HardwareFacts
from evalkit.hub.facts import CandidateFacts
from evalkit.modes import Mode
from evalkit.quality.graders import registry

SERVER_ERRORS = ("refused", "timeout", "auth", "not-found", "not-json", "http", "protocol", "launch")


def _literals(annotation):
    return [word for one in get_args(annotation) for word in (_literals(one) or [one]) if isinstance(word, str)]


NAMES = [
    *checks(),
    *(f"{item}.{what}" for item in ITEM_IDS for what in ("collected", "skipped", "not-applicable", "waiver-expired", "waiver-unused")),
    *(status.value for status in Status),
    *(known.value for known in KnownBy),
    *(mode.value for mode in Mode),
    *get_args(ErrorKind),
    *SERVER_ERRORS,
    *_literals(CandidateFacts.model_fields["error_kind"].annotation),
    *_literals(HardwareFacts.model_fields["nvml_error_kind"].annotation),
    *(name for name, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, EvalkitError) and one is not EvalkitError),
    *("0", "1", "2", "3", "4", "130"),
    *("go", "no-go", "inconclusive", "first-look", "decide"),
    *_literals(Waiver.model_fields["kind"].annotation),
    *("TTFT", "E2E", "TPOT", "ITL", "TPF", "baseline", "incumbent"),
    *registry(),
    *(row.id for row in load_licenses()),
    *(row.id for row in load_variants()),
    *(row.id for row in load_vendor_claims()),
]  # fmt: skip


def test_every_id_that_a_report_can_show_is_explained():
    silent = [name for name in NAMES if name.casefold() not in topics()]
    assert silent == []


def test_every_explanation_says_something_of_what_was_asked():
    for name in {*NAMES, *(topic.name for found in topics().values() for topic in found)}:
        text = explain(name)
        assert name in text, name
        assert len(text) > len(name) + 25, name
        assert text.startswith("#"), name


def test_every_finding_says_what_to_do():
    for check in checks().values():
        assert check.remedy in explain(check.id)
        assert check.why in explain(check.id)


def test_facts_of_the_vendor_are_attributed_and_never_called_evidence():
    text = explain("tpf-8b-diffusion")
    assert "Vendor-reported" in text
    assert "https://" in text
    assert "tokens per forward pass" in text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("inconclusiv", "inconclusive"), ("modes.speed-up", "modes.speedup"), ("need_tokens", "items.context.need_tokens"),
     ("regexp", "regex"), ("NOISE-FLOOR", "modes.noise-floor")],
)  # fmt: skip
def test_an_unknown_id_is_exit_2_and_the_nearest_are_named(wrong, right):
    with pytest.raises(UsageError) as caught:
        explain(wrong)
    assert right in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_hostile_id_is_shown_harmlessly():
    with pytest.raises(UsageError) as caught:
        explain("\x1b[31m" + "x" * 10_000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_the_list_of_ids_holds_every_kind():
    text = overview()
    for word in ("finding", "grader", "exit code", "kind of waiver", "vendor claim", "key of a checklist"):
        assert f"{word}\n" in text


def test_every_finding_that_the_code_names_is_explained():
    root = Path(errors.__file__).parent
    quoted = re.compile(rf'"((?:{"|".join(ITEM_IDS)})\.[a-z0-9]+(?:-[a-z0-9]+)*)"')
    named = {name for path in root.rglob("*.py") for name in quoted.findall(path.read_text(encoding="utf-8"))}
    files = {name for name in named if name.endswith((".py", ".yaml", ".json", ".md"))}
    assert len(named) > 60
    assert sorted(name for name in named - files if name not in topics()) == []


def test_support_prints_the_records_of_a_model_with_start_commands_and_side_files():
    from datetime import date

    from evalkit.explain.support import support

    text = support("nvidia/nemotron-labs-diffusion-8b", today=date(2026, 11, 28))
    assert [line for line in text.splitlines() if line.startswith("### ")] == [
        "### autoregressive", "### diffusion", "### self-speculation",
    ]  # fmt: skip
    assert "lora_mode: draft_only" in text
    assert "sha256" in text
    assert "days old" not in text
    assert "over 180 days old" in support("nvidia/Nemotron-Labs-Diffusion-8B", today=date(2027, 8, 1))
    assert "no start command is known" in support("nvidia/SDLLM-Duo-1.7B-Base", today=date(2026, 11, 28))


def test_support_of_a_model_that_no_record_names_is_a_usage_error(capsys):
    from evalkit.cli.explain import explain_command

    explain_command("support", None)
    assert "JetLM/SDAR-8B-Chat" in capsys.readouterr().out
    for name in ("support", "GO"):
        with pytest.raises(UsageError, match="who/knows"):
            explain_command(name, "who/knows")


def test_support_of_a_folder_is_found_by_its_architecture(tmp_path, capsys):
    import json

    from evalkit.cli.explain import explain_command

    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["SDARForCausalLM"]}))
    explain_command("support", str(tmp_path))
    shown = capsys.readouterr().out
    assert "LowConfidence" in shown
    assert f"--model-path {tmp_path}" in shown
    explain_command("support", "nemotron-labs-diffusion-8b")
    assert "LinearSpec" in capsys.readouterr().out
