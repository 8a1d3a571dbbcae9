"""Keys of the shape that providers issue, drawn from a seed: none of them is anybody's."""

from __future__ import annotations

import base64
import json
import random
import string

LETTERS = string.ascii_letters + string.digits
LOWER_HEX = "0123456789abcdef"
WORDY = LETTERS + "-_"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
UPPER = string.ascii_uppercase + string.digits
BASE64 = LETTERS + "+/"

#: provider -> prefix, alphabet, length, suffix; several parts make a key
_PARTS: dict[str, tuple[str | tuple[str, int], ...]] = {
    "Hugging Face": ("hf_", (LETTERS, 34)),
    "Hugging Face organisation": ("api_org_", (LETTERS, 34)),
    "OpenAI": ("sk-", (LETTERS, 20), "T3BlbkFJ", (LETTERS, 20)),
    "OpenAI project": ("sk-proj-", (WORDY, 74), "T3BlbkFJ", (WORDY, 74)),
    "OpenAI service account": ("sk-svcacct-", (WORDY, 74), "T3BlbkFJ", (WORDY, 58)),
    "Anthropic": ("sk-ant-api03-", (WORDY, 93), "AA"),
    "OpenRouter": ("sk-or-v1-", (LOWER_HEX, 64)),
    "DeepSeek": ("sk-", (LOWER_HEX, 32)),
    "Moonshot": ("sk-", (LETTERS, 48)),
    "LiteLLM": ("sk-", (WORDY, 21), "0a"),
    "Langfuse": ("sk-lf-", (LOWER_HEX, 8), "-", (LOWER_HEX, 4), "-", (LOWER_HEX, 4), "-", (LOWER_HEX, 4), "-", (LOWER_HEX, 12)),
    "NVIDIA": ("nvapi-", (WORDY, 64)),
    "Groq": ("gsk_", (LETTERS, 52)),
    "xAI": ("xai-", (LETTERS, 80)),
    "Google": ("AIza", (WORDY, 35)),
    "Google OAuth secret": ("GOCSPX-", (WORDY, 28)),
    "Perplexity": ("pplx-", (LETTERS, 48)),
    "Replicate": ("r8_", (LETTERS, 37)),
    "Fireworks": ("fw_", (LETTERS, 24)),
    "Together": ("tgp_v1_", (WORDY, 43)),
    "Cerebras": ("csk-", (LETTERS, 48)),
    "LangSmith": ("lsv2_pt_", (LOWER_HEX, 32), "_", (LOWER_HEX, 10)),
    "Jina": ("jina_", (LETTERS, 60)),
    "Pinecone": ("pcsk_", (LETTERS, 6), "_", (LETTERS, 63)),
    "Voyage": ("pa-", (WORDY, 43)),
    "ElevenLabs": ("sk_", (LOWER_HEX, 48)),
    "RunPod": ("rpa_", (UPPER, 40)),
    "AWS": ("AKIA", (BASE32, 16)),
    "AWS session": ("ASIA", (BASE32, 16)),
    "Amazon Bedrock": ("ABSK", (BASE64, 128)),
    "Azure Entra": ((LETTERS, 3), "8Q~", (LETTERS, 34)),
    "Azure storage": ("AccountKey=", (BASE64, 86), "=="),
    "Azure model services": ((LETTERS, 52), "JQQJ99", (LETTERS, 26)),
    "Alibaba": ("LTAI", (LETTERS, 20)),
    "DigitalOcean": ("dop_v1_", (LOWER_HEX, 64)),
    "Databricks": ("dapi", (LOWER_HEX, 32)),
    "HashiCorp Vault": ("hvs.", (WORDY, 90)),
    "HashiCorp Terraform": ((LETTERS, 14), ".atlasv1.", (LETTERS, 67)),
    "Tailscale": ("tskey-auth-", (LETTERS, 17), "-", (LETTERS, 32)),
    "Supabase": ("sbp_", (LOWER_HEX, 40)),
    "GitHub": ("ghp_", (LETTERS, 36)),
    "GitHub app": ("ghs_", (LETTERS, 36)),
    "GitHub fine-grained": ("github_pat_", (LETTERS, 22), "_", (LETTERS, 59)),
    "GitLab": ("glpat-", (WORDY, 20)),
    "Atlassian": ("ATATT3", (WORDY, 186)),
    "npm": ("npm_", (LETTERS, 36)),
    "PyPI": ("pypi-AgEIcHlwaS5vcmc", (WORDY, 120)),
    "Docker": ("dckr_pat_", (WORDY, 27)),
    "RubyGems": ("rubygems_", (LOWER_HEX, 48)),
    "crates.io": ("cio", (LETTERS, 32)),
    "Slack": ("xoxb-", (string.digits, 12), "-", (string.digits, 13), "-", (LETTERS, 24)),
    "Stripe": ("sk_live_", (LETTERS, 24)),
    "SendGrid": ("SG.", (WORDY, 22), ".", (WORDY, 43)),
    "Twilio": ("SK", (LOWER_HEX, 32)),
    "Mailgun": ("key-", (LOWER_HEX, 32)),
    "Shopify": ("shpat_", (LOWER_HEX, 32)),
    "Linear": ("lin_api_", (LETTERS, 40)),
    "Postman": ("PMAK-", (LETTERS, 24), "-", (LETTERS, 34)),
    "Grafana": ("glsa_", (LETTERS, 32), "_", (LOWER_HEX, 8)),
    "New Relic": ("NRAK-", (UPPER, 27)),
    "Telegram": ((string.digits, 10), ":AA", (WORDY, 33)),
    "age": ("AGE-SECRET-KEY-1", (UPPER, 58)),
}  # fmt: skip
PROVIDERS = (*_PARTS, "JSON Web Token", "PEM")


def draw(provider: str, seed: int) -> tuple[str, str]:
    """A key, and the part of it that must not be shown."""
    rng = random.Random(f"{provider} {seed}")
    if provider == "JSON Web Token":
        parts = (
            {"alg": "HS256", "typ": "JWT"},
            {"sub": "".join(rng.choices(LETTERS, k=12)), "iat": rng.randrange(10**9)},
        )
        head = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        signature = "".join(rng.choices(WORDY, k=43))
        return ".".join((*head, signature)), signature
    if provider == "PEM":
        body = "\n".join("".join(rng.choices(BASE64, k=64)) for _ in range(4))
        return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----", body[-60:]
    drawn, key = "", ""
    for part in _PARTS[provider]:
        text = part if isinstance(part, str) else "".join(rng.choices(part[0], k=part[1]))
        key += text
        drawn = drawn if isinstance(part, str) else max(drawn, text, key=len)
    return key, drawn
