"""A whole report document by hand, as `evalkit.report.document.build.build` makes it: what renderers are tested against."""

from __future__ import annotations

from typing import Any

MODES = ("autoregressive", "diffusion", "self-speculation")
_SPEED = {"autoregressive": 1.0, "diffusion": 1.31, "self-speculation": 1.86}


def level(mode: str, concurrency: int, *, requests: int = 80) -> dict[str, Any]:
    speed = _SPEED.get(mode, 1.4) / (1 + 0.08 * (concurrency - 1))
    e2e = 1800 / speed
    speedup = None
    if mode not in ("autoregressive", "incumbent"):
        speedup = {
            "baseline": "autoregressive",
            "ratio": speed,
            "low": speed * 0.94,
            "high": speed * 1.06,
            "confidence": 0.95,
            "method": "paired log ratio",
            "pairs": requests // 2,
            "status": "pass" if speed * 0.94 >= 1.3 else "inconclusive",
        }
    return {
        "concurrency": concurrency,
        "requests": requests,
        "failed": 0,
        "speedup": speedup,
        "ttft_ms": {"p50": 61.5, "p90": 80.25, "p95": 92.0, "p99": None},
        "e2e_ms": {"p50": e2e, "p90": e2e * 1.3, "p95": e2e * 1.5, "p99": None},
        "output_tokens_per_second": {"request": 256000 / e2e, "system": 256000 * concurrency / e2e},
        "tokens_per_chunk": {
            "p50": 1 if mode == "autoregressive" else 8,
            "mean": 1 if mode == "autoregressive" else 6.4,
        },
        "tokens_per_forward": None
        if mode != "self-speculation"
        else {"value": 2.41, "definition": "accepted per verify"},
        "distribution": {
            "ttft_ms": [50 + i * 1.5 for i in range(41)],
            "e2e_ms": [e2e * (0.5 + i / 40) for i in range(41)],
        },
    }


def mode(label: str, **changes: Any) -> dict[str, Any]:
    levels = [level(label, c) for c in (1, 4, 16)]
    return {
        "mode": label,
        "endpoint": "http://127.0.0.1:30000",
        "engine": "sglang",
        "engine_version": "0.5.23",
        "release": "release",
        "model": "candidate",
        "declared_mode": label,
        "observed_mode": label,
        "known_by": "declared",
        "block_size": None,
        "settings": {"dtype": "bfloat16"},
        "provenance": {},
        "levels": levels,
        "speedup": levels[0]["speedup"],
        "qualified": "pass" if label == "self-speculation" else "inconclusive",
        "adopted": label != "autoregressive",
        "reasons": [],
    } | changes


def finding(id: str, status: str = "pass", **changes: Any) -> dict[str, Any]:  # noqa: A002  the field's name
    return {
        "id": id,
        "title": id,
        "status": status,
        "counts": True,
        "summary": f"{id} was looked at.",
        "observed": "1.86×",
        "threshold": "at least 1.3×",
        "known_by": "observed",
        "evidence": [{"path": "evidence/card.md", "sha256": "ab" * 32}],
    } | changes


def item(id: str, status: str = "pass", **changes: Any) -> dict[str, Any]:  # noqa: A002
    return {
        "id": id,
        "status": status,
        "required": True,
        "summary": f"{id.capitalize()} holds on 40 prompts.",
        "findings": [finding(f"{id}.first", status), finding(f"{id}.second", "pass", mode="diffusion")],
    } | changes


def harm(n: int, **changes: Any) -> dict[str, Any]:
    return {
        "suite": "city records",
        "kind": "structured",
        "case_id": f"case-{n}",
        "repeat": 0,
        "mode": "diffusion",
        "baseline": "autoregressive",
        "severity": "critical" if n == 0 else "normal",
        "tags": ["json", "cities"],
        "graders": ["json_match"],
        "finish_reason": "stop",
        "error": None,
        "reason": "city is 'Pari', expected 'Paris'",
        "prompt": "Give the record of Paris as JSON.",
        "baseline_text": '{"city": "Paris", "country": "France"}',
        "mode_text": '{"city": "Pari", "country": "France"}',
    } | changes


def case_row(n: int, results: tuple[float | None, ...], **changes: Any) -> dict[str, Any]:
    lost = [
        mode for mode, result in zip(MODES, results, strict=True) if result is not None and result < (results[0] or 0)
    ]
    return {
        "suite": "city records",
        "kind": "structured",
        "case_id": f"case-{n}",
        "severity": "critical" if n == 0 else "normal",
        "tags": [("json", "prose")[n % 2]],
        "results": dict(zip(MODES, results, strict=True)),
        "lost": lost,
    } | changes


def case_replies(n: int, **changes: Any) -> dict[str, Any]:
    """Replies of every mode to one case; `changes` are those of each mode's reply."""
    return {
        "suite": "city records",
        "case_id": f"case-{n}",
        "prompt": "Give the record of Paris as JSON.",
        "modes": [
            {
                "mode": mode,
                "repeat": 0,
                "graders": ["json_match"] if mode == "diffusion" else [],
                "finish_reason": "stop",
                "error": None,
                "e2e_ms": 412.0,
                "reason": "city is 'Pari', expected 'Paris'" if mode == "diffusion" else "",
                "text": '{"city": "Pari"}' if mode == "diffusion" else '{"city": "Paris"}',
            }
            | changes
            for mode in MODES
        ],
    }


def suite(name: str, mode_label: str, **changes: Any) -> dict[str, Any]:
    return {
        "suite": name,
        "kind": "structured",
        "mode": mode_label,
        "baseline": "autoregressive",
        "cases": 60,
        "scored": 60,
        "passed": 55,
        "share": 55 / 60,
        "baseline_share": 57 / 60,
        "difference": -2 / 60,
        "low": -0.081,
        "high": 0.014,
        "margin": 0.03,
        "floor": 0.5,
        "helped": 1,
        "harmed": 3,
        "status": "inconclusive",
    } | changes


def document(**changes: Any) -> dict[str, Any]:
    """A GO for self-speculation with something in every section."""
    doc: dict[str, Any] = {
        "schema_version": 1,
        "evalkit_version": "0.1.0",
        "run_id": "20261124T101500Z-1",
        "started_at": "2026-11-24T10:15:00Z",
        "finished_at": "2026-11-24T10:42:00Z",
        "simulated": False,
        "redacted": False,
        "report_only": False,
        "interrupted": False,
        "stopped_by": None,
        "checklist": {"name": "Nemotron on our H100", "sha256": "cd" * 32, "profile": "decide", "strict": False},
        "candidate": {
            "model": "nvidia/Nemotron-Labs-Diffusion-8B",
            "revision": "0123456789abcdef0123456789abcdef01234567",
            "requested_revision": "main",
            "kind": "hub",
            "license": ["other"],
            "license_name": "nvidia-open-model-license",
            "license_link": "https://www.nvidia.com/en-us/agreements/",
            "base_model": [],
            "variants": [],
        },
        "use": {"purpose": "product", "commercial": True, "modify": False, "redistribute": False},
        "verdict": "go",
        "exit_code": 0,
        "recommended_mode": "self-speculation",
        "reasons": ["Self-speculation qualifies: 1.86× at concurrency 1 and no loss of quality beyond 3 points."],
        "versus_incumbent": "NOT COMPARED: no incumbent is configured",
        "next_steps": ["Diffusion is open: 82 more cases would decide the structured suite (now 60)."],
        "items": [item(i) for i in ("license", "modes", "hardware", "serving", "quality", "context")],
        "baseline": {"speed": "autoregressive", "quality": "autoregressive"},
        "decided_at_concurrency": 1,
        "modes": [mode(m) for m in MODES],
        "incumbent": None,
        "quality": {
            "suites": [suite("city records", m) for m in MODES[1:]],
            "harms_total": 3,
            "harms": [harm(n) for n in range(3)],
            "cases_total": 4,
            "not_clean": 3,
            "cases": [
                case_row(0, (1, 0, 1)),
                case_row(1, (1, 0.5, None)),
                case_row(2, (0, 0, 0)),
                case_row(3, (1, 1, 1)),
            ],
            "replies": [case_replies(n) for n in range(3)],
        },
        "prompts_total": 3,
        "prompts": [
            {
                "prompt_id": name,
                "tags": ["json"],
                "e2e_ms": {"autoregressive": 1800.0, "diffusion": 1800 / gain, "self-speculation": 900 / gain},
                "speedup": {"diffusion": gain, "self-speculation": 2 * gain},
            }
            for name, gain in (("oslo", 0.8), ("paris", 1.3), ("rome", 1.9))
        ],
        "context_probes": [
            {
                "mode": "self-speculation",
                "need_tokens": 4096,
                "steps": [
                    {
                        "asked_tokens": n,
                        "counted_tokens": n,
                        "ok": True,
                        "error": None,
                        "recalled": {"0.1": True, "0.5": n < 4000, "0.9": True},
                        "finish_reason": "stop",
                    }
                    for n in (1024, 2048, 4096)
                ],
                "longest_ok": 4096,
                "over_limit": "refused",
                "over_limit_detail": "",
                "output_asked": 1024,
                "output_reached": 1024,
                "output_finish": "length",
                "error": None,
            }
        ],
        "timelines": [
            {
                "prompt_id": "paris",
                "concurrency": 1,
                "tags": ["json"],
                "modes": [
                    {
                        "mode": m,
                        "e2e_ms": 1800 / _SPEED[m],
                        "tokens": 64,
                        "chunks": [[50 + 25 * i / _SPEED[m], 1 if m == "autoregressive" else 8] for i in range(16)],
                        "cut": False,
                    }
                    for m in MODES
                ],
            }
        ],
        "vendor_claims": [
            {
                "claim": "Self-speculation accepts several tokens a step",
                "value": 6.0,
                "unit": "tokens per forward pass",
                "conditions": "batch 1, vendor's prompts",
                "source": "https://example.com/report",
                "date": "2026-05",
                "known_by": "vendor-reported",
                "measured": {"mode": "self-speculation", "value": 2.41, "unit": "tokens per forward pass"},
            }
        ],
        "gpus": [
            {
                "index": 0,
                "name": "NVIDIA H100 80GB HBM3",
                "memory_total_bytes": 85899345920,
                "compute_capability": "9.0",
                "mig": False,
                "power_limit_w": 700.0,
                "known_by": "observed",
            }
        ],
        "waivers": [
            {
                "finding": "context.trained-length",
                "mode": None,
                "reason": "our prompts stay under 8k",
                "owner": "jd",
                "expires": "2027-01-31",
                "state": "used",
                "original_status": "inconclusive",
            }
        ],
        "not_shown": ["Stability over time: no soak was run."],
        "provenance": {
            "evalkit_version": "0.1.0",
            "python": "3.12.4",
            "platform": "Linux-6.1-x86_64",
            "plan_sha256": "ef" * 32,
            "checklist_sha256": "cd" * 32,
            "seed": 1,
            "hardware": {
                "known_by": "observed",
                "place": "here",
                "declared": None,
                "driver": "570.86",
                "cuda": "12.8",
                "cpu": None,
                "cores": 16,
                "memory_bytes": None,
            },
            "request": {"temperature": 0.0, "max_tokens": 512, "system_prompt": False, "extra_body": []},
            "prompts": [
                {
                    "path": "prompts/chat.jsonl",
                    "sha256": "12" * 32,
                    "count": 40,
                    "shipped": False,
                    "longest_chars": 900,
                    "max_tokens": 512,
                }
            ],
            "suites": [
                {
                    "name": "city records",
                    "kind": "structured",
                    "path": "prompts/tasks/city.yaml",
                    "sha256": "34" * 32,
                    "version": "1",
                    "cases": 60,
                    "shipped": False,
                    "repeats": 1,
                }
            ],
            "servers": [
                {
                    "mode": m,
                    "endpoint": "http://127.0.0.1:30000",
                    "engine": "sglang",
                    "engine_version": "0.5.23",
                    "release": "release",
                    "model": "candidate",
                    "revision": None,
                    "settings": {"dtype": "bfloat16", "tp_size": 1},
                    "provenance": {},
                    "launched": False,
                }
                for m in MODES
            ],
            "launches": [],
            "caches": [],
            "client_errors": [],
        },
        "reproduce": "evalkit run checklist.yaml --output-dir runs/1",
    }
    return doc | changes
