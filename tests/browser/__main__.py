"""Pictures of the page in all its conditions, to be looked at: `python -m tests.browser FOLDER`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from tests.browser.chrome import Browser, Tab, find
from tests.reporting.stories import NOW, Story, bad_day, good_day, many, report, worst

from collections_supervisor.messages import History
from collections_supervisor.reporting.dashboard import render

OPEN = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
CONDITIONS: dict[str, tuple[Story, dict[str, Any]]] = {
    "light": (good_day(), {}),
    "incident": (bad_day(), {}),
    "dark": (bad_day(), {"scheme": "dark", "script": OPEN}),
    "narrow": (bad_day(), {"width": 360, "script": OPEN}),
    "tablet": (bad_day(), {"width": 800}),
    "stale": (good_day(), {"late": 130}),
    "lost": (good_day(), {"late": 3600}),
    "by-hand": (good_day(), {"late": 3600, "made": "by hand"}),
    "stopped": ((msgspec.structs.replace(good_day()[0], stopped_at=NOW), good_day()[1]), {}),
    "no-agents": ((report(verdict="unknown"), History()), {}),
    "many": (many(), {"height": 1400}),
    "worst": (worst(), {"height": 3000}),
    "worst-narrow": (worst(), {"height": 3000, "width": 360}),
}


def picture(browser: Browser, folder: Path, name: str) -> None:
    """One condition as `NAME.png`, its page beside it."""
    (shown, history), how = CONDITIONS[name]
    page = folder / f"{name}.html"
    made = how.get("made", "")
    page.write_bytes(render(shown, history=history, title="NovotEcho Collections", interval=60, recipient="Caine", made=made))
    tab = Tab(browser)
    tab.size(how.get("width", 1200))
    tab.scheme(how.get("scheme", "light"))
    tab.before_every_page(f"Date.now = () => {(NOW.timestamp() + how.get('late', 2)) * 1000}")
    tab.open(page)
    tab.run(how.get("script", ""))
    tab.picture(folder / f"{name}.png", how.get("height"))
    tab.close()


def main(folder: Path) -> None:
    """All of them."""
    program = find()
    if program is None:
        sys.exit("no Chromium is installed")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, Path(profile))
        for name in CONDITIONS:
            picture(browser, folder, name)
            print(folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
