"""The commands in the order of the help page, and that page. Only the standard library: `--help` answers at once."""

from __future__ import annotations

ABOUT = "Go or no-go for diffusion language models, decided on your prompts, hardware and terms."


class Command:
    """Where the function of a command is, and what it does in at most 58 characters. A plain class: typing and
    dataclasses take longer to import than the help page takes.
    """

    __slots__ = ("function", "module", "says")

    def __init__(self, module: str, function: str, says: str) -> None:
        self.module, self.function, self.says = module, function, says


COMMANDS = {
    "run": Command("run", "run_command", "Work through the checklist: GO, NO-GO or INCONCLUSIVE."),
    "init": Command("init", "init_command", "Write a checklist, prompts and an example suite."),
    "validate": Command("validate", "validate_command", "Check a checklist, and whether it can decide."),
    "import": Command("import_files", "import_command", "Write prompts and tasks of other tools as evalkit's."),
    "ab": Command("ab", "ab_command", "Compare any two endpoints: faster, and no worse?"),
    "probe": Command("probe", "probe_command", "Say what a server is, and which mode it decodes in."),
    "license": Command("license", "license_command", "Say what the license of each model allows."),
    "hardware": Command("hardware", "hardware_command", "Say which GPUs are here, and which models fit."),
    "report": Command("report", "report_command", "Render a stored run again."),
    "compare": Command("compare", "compare_command", "Compare runs: machines, variants, modes, dates."),
    "matrix": Command("matrix", "matrix_command", "Plan, run and report many variants, engines, machines."),
    "gate": Command("gate", "gate_command", "Check in CI whether a stored verdict still holds."),
    "doctor": Command("doctor", "doctor_command", "Look at this machine, and measure evalkit's own error."),
    "explain": Command("explain", "explain_command", "Explain a finding, status, grader, error or key."),
    "pack": Command("pack", "pack_command", "Pack a run into one small file."),
    "export": Command("export", "export_command", "Write a run's figures as CSV or OpenMetrics."),
    "directory": Command("directory", "directory_command", "Write the entry of a model for a model directory."),
    "attest": Command("attest", "attest_command", "Write a verdict as an in-toto statement, to be signed."),
    "snapshot": Command("snapshot", "snapshot_command", "Keep what the Hub says of a model at one commit."),
    "serve": Command("serve", "serve_command", "Serve a model by its remote code, for quality only."),
    "reference-server": Command("reference_server", "reference_server_command", "Run the embedded reference server."),
}


def help_page() -> str:
    """What typer prints for `evalkit --help` at 80 columns, without importing it."""
    width = max(map(len, COMMANDS))
    rows = (f"  {name:{width}}  {command.says}" for name, command in COMMANDS.items())
    cut = ABOUT.rindex(" ", 0, 77)
    about = f"  {ABOUT[:cut]}\n  {ABOUT[cut + 1 :]}"
    return "\n".join((
        "Usage: evalkit [OPTIONS] COMMAND [ARGS]...", "", about, "",
        "Options:",
        "  --version             Print the version.",
        "  --install-completion  Install completion for the current shell.",
        "  --show-completion     Show completion for the current shell, to copy it or",
        "                        customize the installation.",
        "  --help                Show this message and exit.",
        "",
        "Commands:", *rows, "",
    ))  # fmt: skip
