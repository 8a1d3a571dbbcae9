"""Settings from the environment, as the flags that would have set them."""

from __future__ import annotations

import typer

#: how a run is made on this machine, and nothing of what it finds
_NOT_RECORDED = ("no_wait",)


def as_flags(context: typer.Context) -> list[str]:
    """Words that the run records behind its command line, so that it can be decided and made again without them."""
    words: list[str] = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name) if parameter.name else None
        if source is None or source.name != "ENVIRONMENT" or parameter.name in (None, *_NOT_RECORDED):
            continue
        value = context.params.get(parameter.name)
        option = next((one for one in parameter.opts if one.startswith("--")), None)
        values = value if isinstance(value, list | tuple) else [value]
        for one in values:
            if isinstance(one, bool):
                words += [option] if one and option else []
            else:
                words += [*([option] if option else []), str(one)]
    return words
