"""Long work as subprocesses that a reload of the page, a second session and a new start of the app find again.

Every job has a folder ``.jobs/<identity>`` in the runs folder: what it is about, its progress, what it said and how it ended. The identity of a run is
the name of its run folder, so that two sessions that ask for the same run watch one job. A job holds a lock that the operating system lets go with its
process: one without lock and without end has died. Only so many jobs work at a time (TRANSPORT_JOBS, default the cores, at most four); the others wait
in the order in which they came.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from transport.app.locks import is_held, let_go, take
from transport.roles import named_role, require_editor
from transport.store import StoreError, runs_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from transport.roles import Role

Status: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]

#: Folder of the jobs in the runs folder.
HOME = ".jobs"
ABOUT, LOCK, BEGAN, CANCEL, END = "about.json", "lock", "began", "cancel", "end.json"
PROGRESS, MESSAGES = "progress.jsonl", "messages.txt"
#: Lock of whoever begins a job, beside the jobs.
START = "start.lock"
#: Time that a new process has to take its lock [s].
GRACE = 60.0
#: Time that a cancelled job has to end by itself before the page goes on without it [s].
PATIENCE = 5.0
#: Age at which what a job left is removed [s].
KEPT = 24 * 3600.0
_MOST = 4
#: Time between two tries [s].
_PAUSE = 0.05


@dataclass(frozen=True)
class Job:
    """A job, under way or ended.

    Attributes
    ----------
    folder
        Its folder; the name is its identity.
    about
        ``kind`` of work, ``module`` and ``arguments`` of the subprocess, ``speed`` = the name under which the times of its steps are kept, ``at`` = when it
        was asked for [s since 1970], and what else the page wants to know of it.
    """

    folder: Path
    about: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """Return what names the job."""
        return self.folder.name

    def status(self) -> Status:
        """Return where it stands; a job whose process is gone without a word has failed."""
        end = _json(self.folder / END)
        if end is not None:
            if end.get("cancelled"):
                return "cancelled"
            return "done" if end.get("code") == 0 else "failed"
        starting = not (self.folder / LOCK).exists() and time.time() - float(self.about.get("at", 0.0)) < GRACE
        if starting or is_held(self.folder / LOCK):
            return "running" if (self.folder / BEGAN).exists() else "queued"
        # the end is written before the lock goes: what was not there a moment ago may be there now
        return "failed" if _json(self.folder / END) is None else self.status()

    def finished(self) -> bool:
        """Return whether it has ended."""
        return self.status() not in {"queued", "running"}

    def succeeded(self) -> bool:
        """Return whether it has ended well."""
        return self.status() == "done"

    def progress(self) -> tuple[float, str]:
        """Return the share done and the name of the present step; by time where earlier jobs tell how long steps take."""
        last, left, elapsed = self._last(), self.remaining(), self.elapsed()
        share = 0.0 if last is None else last["step"] / last["steps"]
        if left is not None and left + elapsed > 0.0:
            share = elapsed / (elapsed + left)
        return min(max(share, 0.0), 1.0), "" if last is None else str(last["name"])

    def elapsed(self) -> float:
        """Return the time that it has been at work [s]."""
        began = _json(self.folder / BEGAN)
        return 0.0 if began is None else max(0.0, time.time() - float(began["at"]))

    def remaining(self) -> float | None:
        """Return the time that it still takes [s] by the steps of the last job of its kind; None if there was none."""
        times = _json(self.folder.parent / times_file(str(self.about.get("speed", ""))))
        last = self._last()
        name = "" if last is None else last["name"]
        if times is None or name not in times["steps"]:
            return None
        names = list(times["steps"])
        here = names.index(name)
        since = self.elapsed() if last is None else max(0.0, time.time() - (self.folder / PROGRESS).stat().st_mtime)
        return max(0.0, float(times["steps"][name]) - since) + sum(float(times["steps"][n]) for n in names[here + 1 :])

    def message(self) -> str:
        """Return what it said, empty if it ended well or is at work."""
        path = self.folder / MESSAGES
        if self.status() != "failed" or not path.is_file():
            return ""
        return path.read_text(encoding="utf-8", errors="replace").strip()

    def ahead(self) -> int:
        """Return how many jobs wait before it."""
        return sum(1 for one in live() if one.status() == "queued" and _turn(one) < _turn(self))

    def cancel(self, role: Role | None = None) -> None:
        """Ask it to stop and wait a moment for its end; a cancelled run leaves nothing half-written.

        Parameters
        ----------
        role
            Of whoever asks; default that of the process.

        Raises
        ------
        transport.roles.RoleError
            If it is a viewer.
        """
        require_editor(role)
        (self.folder / CANCEL).touch()
        end = time.monotonic() + PATIENCE
        while not self.finished() and time.monotonic() < end:
            time.sleep(0.05)

    def clear(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _last(self) -> dict[str, Any] | None:
        """Return the last step told; its writer may be in the middle of a line, so that only whole lines count."""
        path = self.folder / PROGRESS
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()
        return dict(json.loads(lines[-1])) if lines else None


def home() -> Path:
    """Return the folder of the jobs."""
    return runs_folder().absolute() / HOME


def limit() -> int:
    """Return how many jobs work at a time."""
    named = os.environ.get("TRANSPORT_JOBS", "")
    return max(1, int(named)) if named.isdigit() else min(_MOST, os.cpu_count() or 1)


def times_file(speed: str) -> str:
    """Return the name of the file with the times of the steps of a kind of jobs."""
    return f"times-{speed}.json"


def find(identity: str) -> Job | None:
    """Return a job by its identity, whoever started it; None if there is none."""
    folder = home() / identity
    about = _json(folder / ABOUT)
    return None if about is None else Job(folder, about)


def live() -> list[Job]:
    """Return the jobs that wait or work, the oldest first."""
    there = (find(path.parent.name) for path in home().glob(f"[!.]*/{ABOUT}"))
    return sorted((job for job in there if job is not None and not job.finished()), key=_turn)


def start(
    identity: str,
    module: str,
    arguments: Sequence[str] = (),
    *,
    about: Mapping[str, Any],
    files: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Job:
    """Start a job, or return the one that is already at work on the same.

    Parameters
    ----------
    identity
        Name of the job: letters, digits and signs that a file name may have.
    module
        ``transport`` for the command line, or a module whose ``solve`` answers the request in the folder (:mod:`transport.app.calculations`).
    arguments
        Of the command line; ``{folder}`` stands for the folder of the job.
    about
        What the page wants to know of it.
    files
        Texts by name that are written into its folder first.
    environment
        Of the subprocess, with the role of the person; default this one's.

    Raises
    ------
    transport.roles.RoleError
        If the role is that of a viewer: a job takes the machine and leaves its results in the runs folder.
    """
    require_editor(named_role(environment))
    place = home()
    place.mkdir(parents=True, exist_ok=True)
    folder = place / identity
    told = [text.replace("{folder}", str(folder)) for text in arguments]
    said = {**about, "module": module, "arguments": told, "at": time.time()}
    with _alone(place):
        _sweep(place)
        there = find(identity)
        if there is not None and not there.finished():
            return there
        if not _put_away(folder):
            msg = f"{folder} is still in use; try again in a moment"
            raise StoreError(msg)
        partial = place / f".new-{uuid.uuid4().hex}"
        partial.mkdir()
        for name, text in {**(files or {}), ABOUT: json.dumps(said, ensure_ascii=False)}.items():
            (partial / name).write_text(text, encoding="utf-8")
        # whoever looks finds a folder that is complete
        partial.rename(folder)
    command = [sys.executable, "-X", "utf8", "-m", "transport.app.job_worker", str(folder)]
    with (folder / MESSAGES).open("wb") as messages:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=messages, stdin=subprocess.DEVNULL, env=dict(environment or os.environ)
        )
    # the system keeps the name of an ended process until somebody has asked for its end
    threading.Thread(target=process.wait, daemon=True).start()
    return Job(folder, said)


def _turn(job: Job) -> tuple[float, str]:
    return float(job.about.get("at", 0.0)), job.identity


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let one session after the other look whether a job is there and begin it."""
    end = time.monotonic() + PATIENCE
    while (file := take(place / START)) is None:
        if time.monotonic() > end:
            msg = f"{place / START} is held by another process; try again in a moment"
            raise StoreError(msg)
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        let_go(file)


def _put_away(folder: Path) -> bool:
    """Remove what an ended job left, or a folder that says nothing; return whether the name is free."""
    end = time.monotonic() + PATIENCE
    while folder.exists():
        aside = folder.with_name(f".old-{uuid.uuid4().hex}")
        with suppress(OSError):
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
            break
        # Windows keeps the folder of a job that has told its end until its process is gone
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True


def _sweep(place: Path) -> None:
    """Remove what ended jobs left a day ago, and what a process that died has half-written."""
    for folder in place.iterdir():
        if not folder.is_dir():
            continue
        with suppress(OSError):
            old = time.time() - folder.stat().st_mtime > KEPT
            job = find(folder.name)
            if old and (job is None or job.finished()):
                shutil.rmtree(folder, ignore_errors=True)
            if job is not None and job.finished() and not (folder / END).exists():
                remove_partial(place.parent, folder.name)
                # once: the same run may be under way from the command line the next time somebody looks
                (folder / END).write_text(json.dumps({"code": 1, "cancelled": False}), encoding="utf-8")


def remove_partial(runs: Path, run: str) -> None:
    """Remove what a process that was stopped has half-written of a run."""
    for left in runs.glob(f".{run}.partial-*"):
        shutil.rmtree(left, ignore_errors=True)


def _json(path: Path) -> dict[str, Any] | None:
    """Return what a file of a job says, None if it is not there (yet)."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
