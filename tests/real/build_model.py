"""Expand tests/fixtures/tiny_trimode to two model folders that SGLang loads.

    build_model.py OUT      writes OUT/sdar (block diffusion) and OUT/qwen3 (autoregressive, n-gram)

Both folders hold the same numbers; only the configuration differs. Runs in the venv that setup.sh makes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "tiny_trimode"
MASK_ID = 151669  # SGLang fixes this id for SDAR, hence a vocabulary far larger than the tokens in use
VOCABULARY = 151680
CONTEXT = 2048
BLOCK = 4
LAYERS = 4
SHAPE = {
    "hidden_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "intermediate_size": 256,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
}
TENSORS = {  # name in weights.safetensors -> name in a Qwen3-like checkpoint
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "qn.weight": "self_attn.q_norm",
    "kn.weight": "self_attn.k_norm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
    "n1.weight": "input_layernorm",
    "n2.weight": "post_attention_layernorm",
}
FORMS: dict[str, dict[str, Any]] = {
    "sdar": {
        "model_type": "sdar",
        "architectures": ["SDARForCausalLM"],
        "block_size": BLOCK,
        "auto_map": {"AutoConfig": "configuration_tiny.SDARConfig"},
    },
    "qwen3": {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]},
}
# transformers does not know the sdar type: without this class the folder does not load.
SDAR_CONFIG = '''"""Names the "sdar" model type; SGLang has the network itself."""

from transformers import PretrainedConfig


class SDARConfig(PretrainedConfig):
    model_type = "sdar"
'''
CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language:
- en
tags:
- {tag}
---

# tiny-trimode, {form} form

A network of 410,560 weights for testing serving software, trained from nothing on ten synthetic chat tasks
(city records as JSON, capitals, list reversal, counting, copying, arithmetic, sorting, choices, numbered lists,
weather calls). It knows nothing else, and its facts are made up to be round.

{use} The context length is {context} tokens. The same weights also come in {other} form.

Trained on generated text only; no data from elsewhere. Licensed under Apache-2.0.
"""
CARD_TEXT = {
    "sdar": (
        "block-diffusion",
        "block-diffusion (SDAR)",
        (
            f"It fills blocks of {BLOCK} masked tokens (8 and 16 were trained too); serve it with SGLang's "
            "`--dllm-algorithm LowConfidence --trust-remote-code`."
        ),
        "autoregressive (Qwen3)",
    ),
    "qwen3": (
        "autoregressive",
        "autoregressive (Qwen3)",
        "It predicts one token after the other, and works with n-gram speculative decoding.",
        "block-diffusion (SDAR)",
    ),
}


def _spread(rows: torch.Tensor, used: int) -> torch.Tensor:
    """The rows of used tokens as they are; every other id shares the last row."""
    full = rows[-1:].expand(VOCABULARY, -1).clone()
    full[:used] = rows[:-1]
    return full


def _state(weights: dict[str, torch.Tensor], used: int) -> dict[str, torch.Tensor]:
    embedding = weights["embed"].clone()
    mask_row = embedding[-1].clone()
    embedding[-1] = 0  # ids that no text uses
    embedding = _spread(embedding, used)
    embedding[MASK_ID] = mask_row
    state = {
        "model.embed_tokens.weight": embedding,
        # Training counted the shared row once for each unused id, so confidences come out as trained.
        "lm_head.weight": _spread(weights["head"], used),
        "model.norm.weight": weights["norm.weight"],
    }
    for layer in range(LAYERS):
        for ours, theirs in TENSORS.items():
            state[f"model.layers.{layer}.{theirs}.weight"] = weights[f"layers.{layer}.{ours}"]
    return {name: tensor.contiguous() for name, tensor in state.items()}


def build(out: Path) -> None:
    """Write both model folders."""
    with safe_open(FIXTURE / "weights.safetensors", "pt") as file:
        meta = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(FIXTURE / "tokenizer.json"),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token="<|endoftext|>",
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = (FIXTURE / "chat_template.jinja").read_text().rstrip("\n")
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": int(meta["eos"]),
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = {
        **SHAPE,
        **ids,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "hidden_act": "silu",
        "rope_scaling": None,
        "initializer_range": 0.02,
        "torch_dtype": "float16",
        "attention_bias": False,
        "tie_word_embeddings": False,
        "use_cache": True,
        "use_sliding_window": False,
    }
    state = _state(weights, int(meta["used"]))
    for form, extra in FORMS.items():
        folder = out / form
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save_pretrained(folder)
        (folder / "config.json").write_text(json.dumps({**config, **extra}, indent=1) + "\n")
        (folder / "generation_config.json").write_text(json.dumps(ids) + "\n")
        tag, name, use, other = CARD_TEXT[form]
        card = CARD.format(tag=tag, form=name, use=use, other=other, context=CONTEXT)
        (folder / "README.md").write_text(card)
        if form == "sdar":
            (folder / "configuration_tiny.py").write_text(SDAR_CONFIG)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build(Path(sys.argv[1]))
