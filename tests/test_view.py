"""`archc view`: what is served, to whom, and how a page follows its spec."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from shell import Shell

import archc
from archc.architecture import load_and_claims
from archc.cli import view_command
from archc.explorer.server import Server
from archc.explorer.state import Live

SPEC = """
name: Edited
input: [3, 32, 32]
layers:
  conv: {conv2d: {out_channels: 8, kernel_size: 3}}
  relu: relu
"""
WIDER = SPEC.replace("out_channels: 8", "out_channels: 24")
WRONG = SPEC.replace("kernel_size: 3", "kernel_size: 33")
CLAIM = f"{WIDER}expect: {{parameters: 7}}\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "edited.yaml"
    path.write_text(SPEC, "utf-8")
    return path


@pytest.fixture
def live(spec: Path) -> Live:
    return Live(lambda: load_and_claims(spec), "edited.yaml")


@pytest.fixture
def server(live: Live) -> Iterator[Server]:
    live.look()
    with Server(live) as started:
        thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def ask(server: Server, path: str, host: str | None = None, method: str = "GET") -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    connection.close()
    return found


def test_the_page_and_its_state(server: Server) -> None:
    status, headers, page = ask(server, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "connect-src &#39;self&#39;" in page or "connect-src 'self'" in page
    status, headers, text = ask(server, "/state")
    assert (status, headers["content-type"]) == (200, "application/json; charset=utf-8")
    state = json.loads(text)
    assert state["data"]["name"] == "Edited"
    assert (state["version"], state["live"], state["stale"], state["problems"]) == (1, True, False, [])
    assert ask(server, "/../../etc/passwd")[0] == 404
    assert ask(server, "/edited.yaml")[0] == 404
    assert ask(server, "/", method="POST")[0] == 501


def test_only_this_machine_is_answered(server: Server) -> None:
    """It listens on the loopback address, and a site whose name leads there is turned away."""
    assert server.server_address[0] == "127.0.0.1"
    port = server.server_port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}"):
        assert ask(server, "/state", host)[0] == 200
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1:{port + 1}",
        f"127.0.0.1.evil:{port}",
        "",
    ):
        for path in ("/", "/state", "/events"):
            status, _, text = ask(server, path, host)
            assert (status, text) == (421, "This server only answers requests to 127.0.0.1.\n")


def test_other_sites_cannot_read_an_answer(server: Server) -> None:
    """No answer allows another origin to read it, or to embed it."""
    for path in ("/", "/state"):
        headers = ask(server, path)[1]
        assert "access-control-allow-origin" not in headers
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"


def test_events_tell_of_each_version(server: Server, live: Live, spec: Path) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as connection:
        connection.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode())
        stream = connection.makefile("rb")
        while stream.readline() != b"\r\n":
            pass
        assert (stream.readline(), stream.readline()) == (b"data: 1\n", b"\n")
        spec.write_text(WIDER, "utf-8")
        live.look()
        assert (stream.readline(), stream.readline()) == (b"data: 2\n", b"\n")


def test_the_last_sound_version_stays(live: Live, spec: Path) -> None:
    def look(text: str) -> dict[str, Any]:
        spec.write_text(text, "utf-8")
        live.look()
        return dict(json.loads(live.json()))

    first = look(WRONG)
    assert (first["data"], first["stale"]) == (None, True)
    (problem,) = first["problems"]
    assert (problem["code"], problem["line"], problem["help"][:5]) == ("E0302", 5, "use a")
    assert problem["excerpt"] == ["  conv: {conv2d: {out_channels: 8, kernel_size: ", "33", "}}"]
    sound = look(SPEC)
    assert (sound["data"]["name"], sound["stale"], sound["problems"]) == ("Edited", False, [])
    again = look(WRONG)
    assert (again["data"], again["stale"], len(again["problems"])) == (sound["data"], True, 1)
    # A claim that does not hold is a problem of a sound network: it is shown as it is now.
    claimed = look(CLAIM)
    assert claimed["data"] != sound["data"]
    assert (claimed["stale"], [problem["code"] for problem in claimed["problems"]]) == (False, ["E0401"])


def test_the_files_of_a_spec_are_shown_its_own_first(tmp_path: Path) -> None:
    from archc.explorer.data import explorer_data

    layers = "    layers: [{conv2d: {out_channels: 4, kernel_size: 1}}, relu]\n"
    (tmp_path / "a.yaml").write_text(f"blocks:\n  Part:\n{layers}  A:\n    layers: [Part]\n", "utf-8")
    (tmp_path / "b.yaml").write_text(f"blocks:\n  Part:\n{layers}  B:\n    layers: [Part]\n", "utf-8")
    text = "input: [3, 8, 8]\nimport: {a.yaml: [A], b.yaml: [B]}\nlayers: [A, B]\n"
    (tmp_path / "net.yaml").write_text(text, "utf-8")
    data = explorer_data(archc.load(tmp_path / "net.yaml"))
    assert [Path(file["name"]).name for file in data["files"]] == ["net.yaml", "a.yaml", "b.yaml"]


# The command


def test_wrong_use_is_told_in_a_line(sh: Shell, spec: Path) -> None:
    assert sh("view", str(spec), "--port", "70000")[0] == 2
    assert "expected a port from 0 to 65535" in sh("view", str(spec), "--port", "http")[2]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, out, err = sh("view", str(spec), "--port", port, "--no-open")
    assert (code, out, err) == (2, "", f"archc view: port {port} cannot be used: address already in use\n")


def test_a_browser_is_opened_where_there_is_a_screen(sh: Shell, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def stop(files: Any, action: Any) -> None:
        assert list(files()) == [spec, spec]
        action()
        raise KeyboardInterrupt

    monkeypatch.setattr(view_command, "watch", stop)
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    code, out, err = sh("view", str(spec))
    assert (code, err) == (130, "")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\n", out)
    assert opened == [out.strip()]
    assert sh("view", str(spec), "--no-open", "--input", "3x64x64", "--set", "a=1")[0] == 130
    monkeypatch.delenv("DISPLAY")
    sh("view", str(spec))
    assert len(opened) == 1


@pytest.fixture
def viewed(spec: Path) -> Iterator[str]:
    """The address where a process of `archc view` serves the spec."""
    words = [sys.executable, "-m", "archc", "view", str(spec), "--no-open"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (130, "")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own sockets
def test_the_page_follows_the_spec(viewed: str, spec: Path) -> None:
    """Edit it on disk: the new shape is seen, then a problem above the last good drawing, then it is mended."""
    said: list[str] = []
    asked: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(viewed)
        shape = page.locator('#stage .box[data-path="conv"] .shape')
        assert shape.text_content() == "8×30×30"
        page.locator("#smallest").click()
        page.locator('#stage .box[data-path="conv"]').click()
        assert shape.text_content() == "8×1×1"

        spec.write_text(WIDER, "utf-8")
        page.locator("#stage .shape", has_text="24×1×1").first.wait_for()
        assert page.locator("#card h2").text_content() == "conv"  # what was chosen and the size stay
        assert not page.is_visible("#report")

        spec.write_text(WRONG, "utf-8")
        page.locator("#report").wait_for()
        report = str(page.locator("#report").text_content())
        assert "1 problem; the last valid version is shown below" in report
        assert "E0302`conv2d`: a window of 33 does not fit in the height 32" in report
        assert f"{spec}:5:{WRONG.splitlines()[4].index('33') + 1} · in conv" in report
        assert page.locator("#report mark").text_content() == "33"
        assert "help use a smaller kernel" in report
        assert shape.text_content() == "24×1×1"

        spec.write_text(SPEC, "utf-8")
        page.locator("#stage .shape", has_text="8×1×1").first.wait_for()
        assert not page.is_visible("#report")
        assert said == []
        assert {url[: len(viewed)] for url in asked} == {viewed}


def test_a_spec_that_is_wrong_from_the_start_is_reported(spec: Path) -> None:
    spec.write_text(WRONG, "utf-8")
    live = Live(lambda: load_and_claims(spec), "edited.yaml")
    with chromium() as browser, Server(live) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        threading.Timer(0.5, live.look).start()  # the browser comes before the first look and waits for it
        page = browser.new_page()
        page.goto(server.url)
        assert "a window of 33" in str(page.locator("#report").text_content())
        assert not page.is_visible("main")
        spec.write_text(SPEC, "utf-8")
        live.look()
        page.locator('#stage .box[data-path="conv"]').wait_for()
        assert not page.is_visible("#report")
        assert page.title() == "Edited · archc"
        server.shutdown()


# The file


def test_draw_makes_one_file_of_the_explorer(sh: Shell, spec: Path, tmp_path: Path) -> None:
    path = tmp_path / "edited.html"
    assert sh("draw", str(spec), "-o", str(path)) == (0, f"{path}\n", "")
    text = path.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert re.findall(r"(?:src|href)=[\"']?([^\"'> ]+)", text) == ["data:,"]  # nothing is loaded
    (state,) = re.findall(r'<script type="application/json" id="state">(.*?)</script>', text)
    assert json.loads(state)["data"]["input"] == [3, 32, 32]
    assert sh("draw", str(spec), "-o", str(path), "--input", "3x64x64")[0] == 0
    assert '"input":[3,64,64]' in path.read_text("utf-8")


@pytest.mark.parametrize(
    "options", [("alexnet",), ("--block", "conv"), ("--all",), ("--depth", "2"), ("--expand", "conv")]
)
def test_an_explorer_is_of_one_whole_architecture(sh: Shell, spec: Path, options: tuple[str, ...]) -> None:
    code, out, err = sh("draw", str(spec), *options, "-o", "edited.html")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert not Path("edited.html").exists()


def test_torch_is_not_imported(spec: Path) -> None:
    """Neither for the page nor for the server."""
    program = (
        "import sys, archc; from archc.explorer.state import html; import archc.cli.view_command;"
        f"html(archc.load({str(spec)!r})); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=dict(os.environ))
