"""``fiscus demo --pages``: somebody who has never seen it follows a link, and signs."""

from __future__ import annotations

import re
import subprocess
import sys

import httpx
import pytest
from places import PASSWORD, free_port, hidden


@pytest.fixture
def demo(tmp_path):
    """The links that it prints, and where it is."""
    port = free_port()
    command = [sys.executable, "-u", "-m", "fiscus.cli", "demo", "--pages", "--out", str(tmp_path), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Fiscus is at"):
            break
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:
        for _ in range(100):
            try:
                client.get(f"{url}/healthz")
                break
            except httpx.TransportError:
                continue
    yield url, re.findall(r"http://\S+/begin/\S+", "".join(lines)), "".join(lines)
    process.terminate()
    assert process.wait(30) is not None


def test_the_last_signature_of_the_planning_commission(demo):
    url, links, told = demo
    assert len(links) == 5
    assert "planning-commission-5 can sign" in told
    with httpx.Client(base_url=url, headers={"origin": url}, follow_redirects=True) as client:
        inbox = client.post(links[0], data={"password": PASSWORD, "again": PASSWORD})
        assert "FY2024 General Obligation bonds" in inbox.text
        assert "Southeast Baltimore Redevelopment" in client.get("/proposals/fy2024-bonds").text
        page = client.get("/proposals/fy2024-bonds/decide").text
        assert "signature 5 of the 5" in page
        signed = client.post("/proposals/fy2024-bonds/decide", data=hidden(page) | {"decision": "approve"})
        assert "Your approval was recorded" in signed.text
        assert "Board of Finance" in signed.text
