"""Make a tiny DiffusionGemma: the right configuration, random weights, the tokenizer of tiny-trimode.

    build_diffusion_gemma.py OUT      writes OUT/diffusion-gemma (0.7 MB)

It was never trained: its text is noise. What it shows is how a server decodes, streams, counts and refuses; never
quality. Runs in the venv that setup_vllm.sh makes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "tiny_trimode"
#: neither the 256 of the published model nor a 32 that somebody may assume
CANVAS = 16
CONTEXT = 2048
SEED = 11
#: head sizes and counts differ between sliding and full layers, as in the published model
TEXT: dict[str, Any] = {
    "model_type": "diffusion_gemma_text",
    "vocab_size": 640,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "num_global_key_value_heads": 1,
    "global_head_dim": 64,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
    "sliding_window": 64,
    "max_position_embeddings": CONTEXT,
    "final_logit_softcapping": 30.0,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "attention_k_eq_v": True,
}
GENERATION = {
    "max_denoising_steps": 12,
    "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.1},
    "t_min": 0.4,
    "t_max": 0.8,
    "stability_threshold": 1,
    "confidence_threshold": 0.005,
    "max_new_tokens": 256,
}
CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# tiny DiffusionGemma

Random weights (seed {seed}) in the form of DiffusionGemma, to test serving software. It was not trained, and its text
is noise. Canvas length {canvas}, context length {context} tokens.
"""


def state() -> dict[str, torch.Tensor]:
    """The tensors of the decoder, by the names of the published checkpoint; encoder and decoder share them."""
    torch.manual_seed(SEED)
    hidden, inner = TEXT["hidden_size"], TEXT["intermediate_size"]

    def matrix(out: int, into: int) -> torch.Tensor:
        return torch.randn(out, into) * into**-0.5

    found = {
        "embed_tokens.weight": torch.randn(TEXT["vocab_size"], hidden) * hidden**-0.5,
        "norm.weight": torch.ones(hidden),
        "self_conditioning.pre_norm.weight": torch.ones(hidden),
        "self_conditioning.gate_proj.weight": matrix(inner, hidden),
        "self_conditioning.up_proj.weight": matrix(inner, hidden),
        "self_conditioning.down_proj.weight": matrix(hidden, inner),
    }
    for number, kind in enumerate(TEXT["layer_types"]):
        full = kind == "full_attention"
        size = TEXT["global_head_dim" if full else "head_dim"]
        heads, kv = TEXT["num_attention_heads"], TEXT["num_global_key_value_heads" if full else "num_key_value_heads"]
        layer = {
            "self_attn.q_proj.weight": matrix(heads * size, hidden),
            "self_attn.k_proj.weight": matrix(kv * size, hidden),
            "self_attn.o_proj.weight": matrix(hidden, heads * size),
            "self_attn.q_norm.weight": torch.ones(size),
            "self_attn.k_norm.weight": torch.ones(size),
            "mlp.gate_proj.weight": matrix(inner, hidden),
            "mlp.up_proj.weight": matrix(inner, hidden),
            "mlp.down_proj.weight": matrix(hidden, inner),
            "layer_scalar": torch.ones(1),
        }
        if not full:  # full layers take their keys for values
            layer["self_attn.v_proj.weight"] = matrix(kv * size, hidden)
        for norm in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
            layer[f"{norm}_layernorm.weight"] = torch.ones(hidden)
        found |= {f"layers.{number}.{name}": tensor for name, tensor in layer.items()}
    return {f"model.decoder.{name}": tensor.contiguous() for name, tensor in found.items()}


def build(out: Path) -> Path:
    """Write the folder, complete when it is there."""
    folder = out / "diffusion-gemma"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(FIXTURE / "tokenizer.json"),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token=None,
        chat_template=(FIXTURE / "chat_template.jinja").read_text(),
    )
    tokenizer.save_pretrained(folder)
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    text = {**TEXT, "eos_token_id": end, "pad_token_id": pad, "bos_token_id": pad}
    config = {
        "model_type": "diffusion_gemma",
        "architectures": ["DiffusionGemmaForBlockDiffusion"],
        "dtype": "float32",
        "canvas_length": CANVAS,
        "tie_word_embeddings": True,
        "text_config": text,
        "vision_config": None,
        "boi_token_id": None,
        "eoi_token_id": None,
        "image_token_id": None,
    }
    generation = {**GENERATION, "eos_token_id": end, "pad_token_id": pad}
    for name, content in (("config.json", config), ("generation_config.json", generation)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    (folder / "README.md").write_text(CARD.format(seed=SEED, canvas=CANVAS, context=CONTEXT))
    save_file(state(), str(folder / "model.safetensors"), metadata={"format": "pt"})
    return folder


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
