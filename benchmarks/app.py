"""Time what a user of the app waits for, in Chromium: from the command to the scorecard, and from a changed lever to its scorecard beside the bare run.

Usage: python benchmarks/app.py [--repeat 1] [--start-only] [--whole] [--chromium PATH] [--json FILE]. With ``--start-only`` the first visits alone are timed.
Without ``--whole`` the scenario is run with the delays of the base year and without simulation. Every repeat sets the lever to another value, so that no
result is there already; the bare run is ``transport run`` on the same scenario file in a process of its own, just before the app runs it under another
name. The model alone is what the app's run says that it took, without the start of its process, the reading of libraries and the writing of tables. On a
machine that others use, processor times tell more than times on the clock.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from transport.app.scenario_link import packed
from transport.scenario import RunOptions, ScenarioFile
from transport.scenario_shelf import as_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
#: Longest time that anything may take [ms].
PATIENCE = 900_000
SCORECARD, READY = "目标完成情况表", "结果已就绪"
#: Time within which the first scorecard should be there on a machine that does nothing else [s].
GOAL = 3.0
#: What the browser draws a table on.
TABLE = "[data-testid=stDataFrame] canvas"


@contextmanager
def served(runs: Path) -> Iterator[tuple[str, int]]:
    """Serve the app on a runs folder and return its address and process at once, before it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "transport", "app", "--headless", "--port", str(port)]
    with (runs / "log.txt").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"TRANSPORT_RUNS": str(runs)})
    try:
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(timeout=120)


def open_page(page: Page, address: str) -> None:
    """Open an address as soon as somebody answers there, as the app itself does; a browser that is refused draws a page of its own meanwhile."""
    end = time.monotonic() + PATIENCE / 1000
    place = urlsplit(address)
    while True:
        try:
            socket.create_connection((place.hostname or "", place.port or 0), timeout=1.0).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            break
    page.goto(address, wait_until="commit")


def processor_time(pid: int) -> float:
    """Return the processor time that a process has used [s]; not a number where the system has no ``/proc``."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def model_time(runs: Path) -> float:
    """Return the time of the model in the only run of a runs folder [s]."""
    (manifest,) = runs.glob("[!.]*/manifest.json")
    return float(json.loads(manifest.read_text(encoding="utf-8"))["seconds"])


def scenario(toll: float, *, whole: bool) -> ScenarioFile:
    """Return the plan with another toll."""
    run = RunOptions() if whole else RunOptions(capacity="fixed", simulate="none")
    return ScenarioFile(title_zh="计时", base="plan_2030", set={"road_toll": toll}, run=run)


def bare_run(file: ScenarioFile, folder: Path) -> float:
    """Return the wall time of the command line on a scenario file [s]."""
    path = folder / "bare.toml"
    path.write_text(as_toml(file), encoding="utf-8")
    start = time.perf_counter()
    command = [sys.executable, "-m", "transport", "run", str(path), "--quiet", "--out", str(folder / "bare")]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    spent = time.perf_counter() - start
    shutil.rmtree(folder / "bare", ignore_errors=True)
    if done.returncode:
        sys.exit(done.stderr.decode(errors="replace"))
    return spent


def lever_to_scorecard(page: Page, address: str, toll: float, *, whole: bool) -> dict[str, float]:
    """Change a lever on the scenario page, run, and return the times until the page has answered and until the scorecard is there [s]."""
    page.goto(f"{address}/scenario?lang=zh&edit={packed(scenario(1.0, whole=whole))}")
    page.get_by_label("查找参数").fill("road_toll", timeout=PATIENCE)
    page.keyboard.press("Enter")
    page.get_by_text("六轴货车通行费").wait_for(timeout=PATIENCE)
    page.get_by_label("取值（倍）").first.fill(f"{toll:g}")
    start = time.perf_counter()
    page.keyboard.press("Enter")
    page.get_by_text(f"高速公路货车通行费 {100.0 * (toll - 1.0):+.4g} %").wait_for(timeout=PATIENCE)
    answered = time.perf_counter() - start
    page.get_by_role("button", name="运行情景").first.click()
    page.get_by_role("button", name="取消").wait_for(timeout=PATIENCE)
    page.get_by_role("link", name="总览").click()
    page.get_by_text(READY).wait_for(timeout=PATIENCE)
    page.get_by_text(SCORECARD).first.wait_for(timeout=PATIENCE)
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=PATIENCE)
    return {"answer": answered, "scorecard": time.perf_counter() - start}


def measure(repeat: int, chromium: str, *, whole: bool, start_only: bool) -> dict[str, list[float]]:
    """Return the times of all repeats [s] by what was timed."""
    from playwright.sync_api import sync_playwright

    times: dict[str, list[float]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=OPTIONS)
        for turn in range(repeat):
            toll = 1.1 + 0.01 * turn
            with tempfile.TemporaryDirectory() as folder:
                page = browser.new_page(viewport={"width": 1366, "height": 768})
                start = time.perf_counter()
                with served(Path(folder)) as (address, server):
                    open_page(page, f"{address}/?lang=zh")
                    times.setdefault("command to the server's answer", []).append(time.perf_counter() - start)
                    page.get_by_text(SCORECARD).first.wait_for(timeout=PATIENCE)
                    first = time.perf_counter() - start
                    times.setdefault("command to scorecard", []).append(first)
                    times.setdefault("server's processor till then", []).append(processor_time(server))
                    times.setdefault(f"ratio to the goal of {GOAL:g} s", []).append(first / GOAL)
                    page.locator(TABLE).first.wait_for(timeout=PATIENCE)
                    times.setdefault("command to the drawn table", []).append(time.perf_counter() - start)
                    page.close()
                    page = browser.new_page(viewport={"width": 1366, "height": 768})
                    start = time.perf_counter()
                    page.goto(f"{address}/?lang=zh")
                    page.get_by_text(SCORECARD).first.wait_for(timeout=PATIENCE)
                    times.setdefault("next visit to scorecard", []).append(time.perf_counter() - start)
                    if start_only:
                        page.close()
                        continue
                    bare = bare_run(scenario(toll, whole=whole), Path(folder))
                    found = lever_to_scorecard(page, address, toll, whole=whole)
                    model = model_time(Path(folder))
                    page.close()  # left open, it would look for its server beside the next repeat
                times.setdefault("bare transport run", []).append(bare)
                times.setdefault("lever change to the page's answer", []).append(found["answer"])
                times.setdefault("lever change to scorecard", []).append(found["scorecard"])
                times.setdefault("model alone in it", []).append(model)
                times.setdefault("ratio to the bare run", []).append(found["scorecard"] / bare)
                times.setdefault("ratio to the model alone", []).append(found["scorecard"] / model)
        browser.close()
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="the scenario with equilibrium and the simulated sample")
    parser.add_argument("--start-only", action="store_true", help="the first visits alone, without the runs")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium")
    parser.add_argument("--json", type=Path, help="write the times to this file")
    args = parser.parse_args()
    found = measure(args.repeat, args.chromium, whole=args.whole, start_only=args.start_only)
    for name, times in found.items():
        unit = "" if name.startswith("ratio") else " s"
        print(f"{name:36} least {min(times):7.2f}{unit}  median {statistics.median(times):7.2f}{unit}")
    if args.json:
        about = {"python": platform.python_version(), "machine": platform.platform(), "whole": args.whole, "seconds": found}
        args.json.write_text(json.dumps(about, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
