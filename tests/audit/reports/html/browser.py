"""Debian's Chromium without a window, over the DevTools protocol on two pipes (``--remote-debugging-pipe``)."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 30.0


class Browser:
    """One tab. ``events`` are all that the browser told without being asked."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._number = 0
        self._session = ""
        self._rest = b""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Ask for something and wait for the answer."""
        self._number += 1
        said: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if self._session:
            said["sessionId"] = self._session
        os.write(self._to, json.dumps(said).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                return dict(message["result"])
            self.events.append(message)

    def open(self, url: str) -> None:
        """Load a page to its end."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")

    def wait(self, method: str) -> dict[str, Any]:
        """Wait for an event."""
        while True:
            for event in self.events:
                if event["method"] == method:
                    return event
            self.events.append(self._message())

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is; the page's own policy does not bind this."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """A real click in the middle of an element."""
        place = f"document.querySelector({json.dumps(selector)})"
        self.value(f"{place}.scrollIntoView({{block: 'center'}})")
        at = self.value(
            f"(() => {{ const r = {place}.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)

    def key(self, name: str, code: int, text: str = "") -> None:
        """A key of the keyboard."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, code=name, windowsVirtualKeyCode=code, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, code=name, windowsVirtualKeyCode=code)

    def screen(self, width: int, height: int, *, phone: bool = False, dark: bool = False, scale: float = 1) -> None:
        """What kind of device it is."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def paper(self) -> bytes:
        """A PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def complaints(self) -> list[str]:
        """Errors and warnings that the console, the policy or the parser have."""
        self.call("Runtime.evaluate", expression="0")  # what was said before this answer has arrived
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event["method"] in (
                "Runtime.exceptionThrown",
                "Log.entryAdded",
                "Runtime.consoleAPICalled",
                "Audits.issueAdded",
            ):
                found.append(json.dumps(params)[:900])
        return found

    def requests(self) -> list[str]:
        """Addresses that were asked for."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]

    def _message(self) -> dict[str, Any]:
        end = time.monotonic() + _SECONDS
        while b"\0" not in self._rest:
            assert select.select([self._back], [], [], max(end - time.monotonic(), 0))[0], "the browser does not answer"
            data = os.read(self._back, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(line))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile in a folder; skips where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if not program:
        pytest.skip("needs Chromium (apt-get install chromium)")
    inner_in, to = os.pipe()
    back, inner_out = os.pipe()
    # The browser reads from 3 and writes to 4, whatever the numbers are here.
    shell = f'exec 3<&{inner_in} 4>&{inner_out}; exec "$0" "$@"'
    options = ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    options += [
        "--no-first-run",
        "--disable-extensions",
        "--disable-background-networking",
        "--hide-scrollbars",
        "--mute-audio",
    ]
    command = ["bash", "-c", shell, program, *options, f"--user-data-dir={folder}", "--lang=en-GB"]
    environment = {**os.environ, "HOME": str(folder), "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, pass_fds=(inner_in, inner_out), env=environment)
    os.close(inner_in)
    os.close(inner_out)
    try:
        tab = Browser(to, back)
        yield tab
        tab._session = ""
        tab.call("Browser.close")
    finally:
        os.close(to)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(back)
        log.close()
