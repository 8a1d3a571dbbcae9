"""Keys from the environment. A checklist names variables; values are never written anywhere."""

from __future__ import annotations

from evalkit.environment import value_of
from evalkit.errors import UsageError
from evalkit.secrets import Secret


def resolve_key(env_name: str | None) -> Secret | None:
    """The key in variable `env_name`; None when none is named.

    Raises:
        UsageError: the variable is not set, or empty.
    """
    if env_name is None:
        return None
    value = value_of(env_name)
    if not value:
        raise UsageError(
            f"the environment variable {env_name} is not set", hint=f"export {env_name}=... before starting evalkit"
        )
    return Secret(value)
