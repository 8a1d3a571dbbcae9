"""Asks for known vulnerabilities of the pinned versions (`make audit`). Standard library; pip-audit gets its own venv.

Exit 1: a vulnerability is known. Where the tool or its advisory data cannot be had, that is said loudly: exit 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
_LIMIT_S = 240


def main() -> int:
    try:
        report = _ask(_tool())
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return _not_done(str(error).splitlines()[0][:200])
    return judge(report)


def judge(report: dict[str, object]) -> int:
    """The exit code of an audit's JSON."""
    packages = [one for one in report.get("dependencies", []) if isinstance(one, dict)]  # type: ignore[attr-defined]
    asked = [one for one in packages if "skip_reason" not in one]
    found = [(one["name"], one["version"], vuln) for one in asked for vuln in one.get("vulns", ())]
    for name, version, vuln in found:
        print(f"{name} {version}: {vuln['id']}, fixed in {', '.join(vuln['fix_versions']) or 'no version yet'}")
    if not asked:
        return _not_done(f"no advisory data for any of {len(packages)} packages")
    if len(asked) < len(packages):
        print(f"==== AUDIT: {len(packages) - len(asked)} OF {len(packages)} PACKAGES COULD NOT BE AUDITED ====")
    print(f"audit: {len(asked)} packages, {len(found)} known vulnerabilities")
    return 1 if found else 0


def _tool() -> Path:
    folder = HERE / "build" / "audit"
    tool = folder / "bin" / "pip-audit"
    if not tool.exists():
        venv.create(folder, with_pip=True)
        install = [folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run(
            [*install, "-r", HERE / "constraints" / "audit.txt"], check=True, timeout=_LIMIT_S, capture_output=True
        )
    return tool


def _ask(tool: Path) -> dict[str, object]:
    asked = ["-r", HERE / "constraints" / "hashes.txt", "--require-hashes", "--disable-pip", "--timeout", "5"]
    done = subprocess.run(
        [tool, *asked, "--format", "json", "--progress-spinner", "off"],
        capture_output=True, text=True, timeout=_LIMIT_S, check=False,
    )  # fmt: skip
    if not done.stdout.strip():
        raise ValueError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "pip-audit said nothing")
    report: dict[str, object] = json.loads(done.stdout)
    return report


def _not_done(why: str) -> int:
    print(f"==== THE AUDIT FOR KNOWN VULNERABILITIES WAS NOT DONE: {why} ====")
    return 0


if __name__ == "__main__":
    sys.exit(main())
