"""How Nemotron-Labs-Diffusion-VLM-8B's repository reads messages: names and arguments as its examples use them."""

import struct
from pathlib import Path


def process_messages(tokenizer, messages, add_generation_prompt=True, enable_thinking=False, max_image_size=None):
    sizes = []

    def text(content):
        if isinstance(content, str):
            return content
        return " ".join(part["text"] if part["type"] == "text" else seen(part["image_url"]["url"]) for part in content)

    def seen(path):
        sizes.append(struct.unpack(">II", Path(path).read_bytes()[16:24]))
        return "<image {}x{}>".format(*sizes[-1])

    ids = tokenizer.apply_chat_template([{**m, "content": text(m["content"])} for m in messages])
    return {"input_ids": [ids], **({"pixel_values": [0] * len(sizes), "image_sizes": sizes} if sizes else {})}
