"""Picture every page of the app in Chinese at 1366 x 768 into ``docs/images``: ``make screenshots``.

The pages show whatever results the runs folder holds (``TRANSPORT_RUNS``), else the results that come with the program.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
#: Address of a page -> name of its picture; the first page has no address of its own.
PAGES = {
    "": "overview",
    "scenario": "scenario",
    "freight": "freight",
    "what_if": "what_if",
    "fleets": "fleets",
    "charging": "charging",
    "cities": "cities",
    "prefectures": "prefectures",
    "uncertainty": "uncertainty",
    "accounts": "accounts",
    "data": "data",
    "report": "report",
}
WIDTH, HEIGHT = 1366, 768
_COLOURS = 128


def main() -> int:
    """Make the pictures that are asked for, all by default; return an exit code."""
    asked = sys.argv[1:] or list(PAGES.values())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "transport", "app", "--headless", "--port", str(port)])
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health")
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="zh-CN")
            for path, name in PAGES.items():
                if name in asked:
                    _picture(page, f"http://127.0.0.1:{port}/{path}?lang=zh&scenario=plan_2030", IMAGES / f"{name}.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()
    return 0


def _picture(page: Page, address: str, path: Path) -> None:
    page.goto(address)
    page.locator("h2, h1").first.wait_for(timeout=120_000)
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached", timeout=240_000)
    page.wait_for_timeout(3_000)  # charts and maps are drawn after the page stands
    wide, room = page.evaluate(
        "(() => { const m = document.querySelector('[data-testid=stMain]'); return [m.scrollWidth, m.clientWidth]; })()"
    )
    if wide > room:
        print(f"{path.name}: {wide} pixels wide in {room}, the page scrolls sideways", file=sys.stderr)
    if page.locator("[data-testid=stException]").count():
        print(f"{path.name}: the page holds an error", file=sys.stderr)
    # Few colours: a third of the size, and nothing is lost in charts and text.
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


def _wait(address: str) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            time.sleep(0.5)
    msg = "the app did not start"
    raise RuntimeError(msg)


if __name__ == "__main__":
    sys.exit(main())
