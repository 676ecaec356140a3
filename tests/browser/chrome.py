"""A headless Chromium driven over two pipes by its own DevTools protocol: no driver, no port, nothing but the browser."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

DEADLINE = 30.0
"""Seconds that the browser may take for one answer on a busy machine."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find() -> str | None:
    """The browser's program, if there is one."""
    return next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


class Browser:
    """One browser process with a profile of its own."""

    def __init__(self, program: str, profile: Path) -> None:
        # The protocol is spoken on descriptors 3 and 4, which a shell can put there and Popen cannot.
        to_read, self._write = _high_pipe()
        self._read, to_write = _high_pipe()
        script = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_read, to_write),
            start_new_session=True,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._count = 0
        self._listeners: dict[str, Callable[[str, Mapping[str, Any]], None]] = {}

    def call(self, method: str, session: str = "", **params: Any) -> Any:
        """The answer of the browser to one command."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(command).encode() + b"\0")
        return self._until(lambda message: message.get("id") == self._count)["result"]

    def wait(self, event: str, session: str, wanted: Callable[[Mapping[str, Any]], bool]) -> Any:
        """The next event of this kind that is wanted."""
        return self._until(
            lambda message: message.get("method") == event and message.get("sessionId") == session and wanted(message["params"])
        )["params"]

    def listen(self, session: str, listener: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Have everything told that happens in a tab."""
        self._listeners[session] = listener

    def close(self) -> None:
        """End the browser and all its processes."""
        os.close(self._write)
        os.close(self._read)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _until(self, wanted: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        deadline = time.monotonic() + DEADLINE
        while True:
            message = self._message(deadline)
            if "error" in message:
                raise AssertionError(message["error"])
            listener = self._listeners.get(message.get("sessionId", ""))
            if listener is not None and "method" in message:
                listener(message["method"], message["params"])
            if wanted(message):
                return message

    def _message(self, deadline: float) -> Mapping[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            more = os.read(self._read, 1 << 20) if ready else b""
            if not more:
                raise TimeoutError("the browser does not answer" if not ready else "the browser has ended")
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: Mapping[str, Any] = json.loads(line)
        return message


class Tab:
    """One tab, and what went wrong and was fetched in it."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        self.problems: list[str] = []
        self.requests: list[str] = []
        browser.listen(self._session, self._note)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        self._loader = ""
        self.size(1200, 900)

    def call(self, method: str, **params: Any) -> Any:
        """One command to this tab."""
        return self._browser.call(method, self._session, **params)

    def close(self) -> None:
        """Close it."""
        self._browser.call("Target.closeTarget", targetId=self._target)

    def before_every_page(self, script: str) -> None:
        """Run a script in every page before the page's own."""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, page: Path) -> None:
        """Load a file and wait until it is there."""
        self._await_load(self.call("Page.navigate", url=page.as_uri())["loaderId"])

    def loaded(self) -> None:
        """Wait for the end of a load that the page itself began."""
        self._await_load()

    def _await_load(self, loader: str = "") -> None:
        # By its number: the end of an earlier load may only now be told.
        known = self._loader
        event = self._browser.wait(
            "Page.lifecycleEvent",
            self._session,
            lambda event: event["name"] == "load" and (event["loaderId"] == loader if loader else event["loaderId"] != known),
        )
        self._loader = event["loaderId"]

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """What a person reads in an element that is shown."""
        assert self.shown(selector), selector
        return " ".join(str(self.run(f"document.querySelector({json.dumps(selector)}).innerText")).split())

    def shown(self, selector: str) -> bool:
        """Whether there is an element that takes room on the screen."""
        return bool(self.run(f"!!document.querySelector({json.dumps(selector)})?.getClientRects().length"))

    def size(self, width: int, height: int = 900) -> None:
        """Make the window as large."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name: str) -> None:
        """`light` or `dark`."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path: Path, height: int | None = None) -> None:
        """What it looks like, down to a height or all of it."""
        full = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": full["width"], "height": height or full["height"], "scale": 1}
        answer = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _note(self, event: str, params: Mapping[str, Any]) -> None:
        match event:
            case "Runtime.exceptionThrown":
                self.problems.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.problems.append(json.dumps(params["args"]))
            case "Log.entryAdded":
                self.problems.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case _:
                pass


def _high_pipe() -> tuple[int, int]:
    """A pipe whose descriptors are none of those that the browser uses."""
    low = os.pipe()
    high = (fcntl.fcntl(low[0], fcntl.F_DUPFD_CLOEXEC, 20), fcntl.fcntl(low[1], fcntl.F_DUPFD_CLOEXEC, 20))
    for fd in low:
        os.close(fd)
    return high
