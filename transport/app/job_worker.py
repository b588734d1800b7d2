"""The subprocess of a job: waits for its turn, does the work, stops when it is asked to, and says how it ended."""

from __future__ import annotations

import _thread
import importlib
import json
import os
import runpy
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any

from transport.app import jobs
from transport.app.locks import let_go, take

#: Time between two looks at the folder [s].
_PAUSE = 0.1
#: Time after which a job that does not stop by itself is ended [s]; it has been asked twice by then.
_HARD = 12.0
_AGAIN = 5.0


def main(folder: Path) -> int:
    """Do the job of a folder; return its exit code."""
    lock = _locked(folder)
    if lock is None:
        return 1
    about = json.loads((folder / jobs.ABOUT).read_text(encoding="utf-8"))
    watch = _Watch(folder)
    slot: IO[bytes] | None = None
    code = 1
    try:
        watch.start()
        slot = _slot(folder)
        watch.begin()
        _write(folder / jobs.BEGAN, {"at": time.time(), "pid": os.getpid()})
        code = _work(folder, about)
    except KeyboardInterrupt:
        code = 130
    except BaseException:  # noqa: BLE001  (whatever it is, the page must learn that the job has ended)
        traceback.print_exc()
    watch.over = True
    try:
        _leave(folder, about, watch, code)
    finally:
        for file in (slot, lock):
            if file is not None:
                let_go(file)
    return code


def _leave(folder: Path, about: dict[str, Any], watch: _Watch, code: int) -> None:
    """Say how it ended, and how long its steps took."""
    sys.stderr.flush()
    if code == 0 and about.get("speed"):
        steps = watch.steps()
        if steps:
            _write(folder.parent / jobs.times_file(str(about["speed"])), {"steps": steps})
    _write(folder / jobs.END, {"code": code, "cancelled": code != 0 and (folder / jobs.CANCEL).exists()})


def _work(folder: Path, about: dict[str, Any]) -> int:
    if about["module"] == "transport":
        sys.argv = ["transport", *about["arguments"]]
        try:
            runpy.run_module("transport", run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0)
        return 0
    from transport.app.calculations import serve

    return serve(folder, importlib.import_module(about["module"]).solve)


def _locked(folder: Path) -> IO[bytes] | None:
    """Return the lock of the job; somebody who looks whether it is held may have it for a moment."""
    for _ in range(50):
        lock = take(folder / jobs.LOCK)
        if lock is not None:
            return lock
        time.sleep(_PAUSE)
    return None


def _slot(folder: Path) -> IO[bytes]:
    """Wait until fewer jobs work than may, and those that came earlier have begun."""
    mine = jobs.find(folder.name)
    while True:
        if mine is None or mine.ahead() == 0:
            for number in range(jobs.limit()):
                slot = take(folder.parent / f"slot-{number}.lock")
                if slot is not None:
                    return slot
        time.sleep(_PAUSE)


class _Watch(threading.Thread):
    """Looks for the wish to stop, and notes when each step began."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.over = False
        self.began: dict[str, float] = {}
        self._read = 0

    def run(self) -> None:
        asked = 0.0
        again = False
        while not self.over:
            self._note()
            if not asked and (self.folder / jobs.CANCEL).exists():
                asked = time.monotonic()
                _thread.interrupt_main()
            elif asked and not again and time.monotonic() - asked > _AGAIN:
                again = True
                _thread.interrupt_main()
            elif asked and time.monotonic() - asked > _HARD and not self.over:
                jobs.remove_partial(self.folder.parent.parent, self.folder.name)
                _write(self.folder / jobs.END, {"code": 130, "cancelled": True})
                os._exit(130)
            time.sleep(_PAUSE)

    def begin(self) -> None:
        """Note when the work began: what comes before the first step has no name."""
        self.began[""] = time.monotonic()

    def steps(self) -> dict[str, float]:
        """Return how long each step took [s]."""
        self._note()
        names, times = list(self.began), [*self.began.values(), time.monotonic()]
        return {name: round(times[k + 1] - times[k], 2) for k, name in enumerate(names)}

    def _note(self) -> None:
        path = self.folder / jobs.PROGRESS
        if not path.is_file():
            return
        with path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode().splitlines():
            self.began.setdefault(str(json.loads(line)["name"]), time.monotonic())


def _write(path: Path, said: dict[str, Any]) -> None:
    """Write a small file that nobody reads half."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
