"""Long runs as subprocesses of the command line: they survive reruns of the page, show progress and can be cancelled."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transport.store import runs_folder

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Job:
    """A run under way.

    Attributes
    ----------
    scenario
        Name of the scenario.
    process
        The subprocess of the command line.
    folder
        Temporary folder with its progress and its messages.
    """

    scenario: str
    process: subprocess.Popen[bytes]
    folder: Path

    def progress(self) -> tuple[float, str]:
        """Return the share done and the name of the present step."""
        path = self.folder / "progress.jsonl"
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        # The run may be in the middle of a line: only whole lines count.
        lines = text[: text.rfind("\n") + 1].splitlines()
        if not lines:
            return 0.0, ""
        last = json.loads(lines[-1])
        return last["step"] / last["steps"], str(last["name"])

    def finished(self) -> bool:
        """Return whether the process has ended."""
        return self.process.poll() is not None

    def succeeded(self) -> bool:
        """Return whether the process ended well."""
        return self.process.poll() == 0

    def clear(self) -> None:
        """Remove the temporary folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def message(self) -> str:
        """Return what the process said, empty if it ended well."""
        if self.process.poll() in {None, 0}:
            return ""
        return (self.folder / "messages.txt").read_text(encoding="utf-8", errors="replace").strip()

    def cancel(self) -> None:
        """Stop the process; a cancelled run leaves nothing half-written."""
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(scenario: str, run: str, *, lang: str, pack: Path | None = None, extra: Sequence[str] = ()) -> Job:
    """Start a run of a scenario into the app's run folder.

    Parameters
    ----------
    scenario
        Name of the scenario.
    run
        Identifier of the run: the name of its folder.
    lang
        Language of its messages.
    pack
        Data pack laid over the bundled data.
    extra
        Further arguments of ``transport run``.
    """
    folder = Path(tempfile.mkdtemp(prefix="transport-job-"))
    command = [sys.executable, "-X", "utf8", "-m", "transport", "run", scenario, "--quiet", "--lang", lang]
    command += ["--out", str(runs_folder() / run), "--progress", str(folder / "progress.jsonl"), *extra]
    if pack is not None:
        command += ["--pack", str(pack)]
    with (folder / "messages.txt").open("wb") as messages:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages, stdin=subprocess.DEVNULL)
    return Job(scenario, process, folder)
