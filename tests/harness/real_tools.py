"""A small task for real harnesses: records of cities, which the reference servers answer rightly in every mode."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.support.small_run import CITIES

ENVIRONMENTS = Path(os.environ.get("EVALKIT_HARNESSES", Path(__file__).parents[2] / "build" / "harness"))
LM_TASK = """task: city_records
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{city}}"
generation_kwargs: {until: [], max_gen_toks: 64, temperature: 0, do_sample: false}
filter_list:
  - name: city
    filter:
      - {function: regex, regex_pattern: '"city": *"([^"]+)"'}
      - {function: take_first}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""
INSPECT_TASK = """from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


@task
def city_records():
    data = json_dataset("DATA", lambda row: Sample(id=row["id"], input=row["question"], target=row["city"]))
    return Task(dataset=data, solver=generate(), scorer=includes(), version=1)
"""
# What follows two braces of promptfoo is filled in by promptfoo; evalkit sets both variables.
PROMPTFOO = """description: city_records
prompts: ["{{question}}"]
providers:
  - id: openai:chat:{{env.EVALKIT_MODEL}}
    config: {apiBaseUrl: "{{env.EVALKIT_ENDPOINT}}", temperature: 0, max_tokens: 64}
tests: file://tests.yaml
"""
NEL_BENCHMARK = """from nemo_evaluator.environments.custom import benchmark, scorer
from nemo_evaluator.scoring import ScorerInput


@benchmark(name="city_records", dataset="data.jsonl", prompt="{question}", target_field="city")
@scorer
def score(sample: ScorerInput) -> dict:
    return {"correct": f'"{sample.target}"' in sample.response}
"""
NEL = ["eval", "run", "--bench", "benchmark.py:city_records", "--model-url", "{endpoint}", "--model-id", "{model}",
       "--temperature", "0", "--max-tokens", "64", "--repeats", "2", "-o", "{out}"]  # fmt: skip


def write(folder: Path, count: int = 64) -> None:
    """Data, an lm-eval task, an Inspect task, a benchmark for NeMo Evaluator and a promptfoo config. Of the latter's tests one cannot be passed."""
    rows = [(city, n) for n in range(8) for city in CITIES][:count]
    lines = [
        {"id": f"{city.lower()}-{n}", "question": f"Give the record of {city} as JSON.{' ' * n}", "city": city}
        for city, n in rows
    ]
    (folder / "data.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    (folder / "city_records.yaml").write_text(LM_TASK.replace("DATA", str(folder / "data.jsonl")))
    tests = [
        {"vars": {"question": one["question"]}, "assert": [{"type": "contains", "value": f'"{one["city"]}"'}]}
        for one in lines
    ]
    tests[-1]["assert"].append({"type": "javascript", "value": "output.length > 10000"})
    (folder / "tests.yaml").write_text(json.dumps(tests))
    (folder / "promptfooconfig.yaml").write_text(PROMPTFOO)
    (folder / "benchmark.py").write_text(NEL_BENCHMARK)
    (folder / "city_records.py").write_text(INSPECT_TASK.replace("DATA", str(folder / "data.jsonl")))


def tool(environment: str, program: str) -> Path | None:
    """The program in an environment of `make harness`; None where it is not set up."""
    for below in ("bin", "node_modules/.bin"):
        path = ENVIRONMENTS / environment / below / program
        if path.exists():
            return path
    return None
