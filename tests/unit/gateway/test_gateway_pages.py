"""The page's files, and what a browser is told about them."""

from __future__ import annotations

from importlib import resources

import pytest
from unit.gateway.scripted_transport import Gateway

from agentfield_gateway import pages

pytestmark = pytest.mark.unit

FILES = sorted(pages.Pages().endpoints)


def test_every_file_of_the_page_has_an_address() -> None:
    console = resources.files("agentfield_gateway").joinpath("console")
    names = {file.name for file in console.iterdir() if file.is_file()} - {"index.html"}

    assert set(FILES) == {"/", *(f"/console/{name}" for name in names)}


@pytest.mark.parametrize("path", FILES)
async def test_a_file_comes_whole_and_tied_to_its_own_origin(gateway: Gateway, path: str) -> None:
    answer = await gateway.get(path)

    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert answer.status == 200
    assert await answer.read()
    assert policy == [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    assert answer.headers["Permissions-Policy"] == "microphone=(self)"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not gateway.plane.heard


async def test_the_page_itself_is_html_that_is_asked_for_again(gateway: Gateway) -> None:
    answer = await gateway.get("/")

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert (await answer.text()).startswith("<!doctype html>")


@pytest.mark.parametrize("path", FILES)
async def test_what_a_browser_has_is_not_sent_again(gateway: Gateway, path: str) -> None:
    first = await gateway.get(path)
    mark = first.headers["ETag"]

    same = await gateway.get(path, headers={"If-None-Match": f'"other", {mark}'})
    other = await gateway.get(path, headers={"If-None-Match": '"other"'})

    assert (same.status, await same.read()) == (304, b"")
    assert same.headers["ETag"] == mark
    assert same.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert (other.status, await other.read()) == (200, await first.read())


async def test_a_head_has_no_body(gateway: Gateway) -> None:
    whole = await gateway.get("/")

    answer = await gateway.send("HEAD", "/")

    assert (answer.status, await answer.read()) == (200, b"")
    assert answer.headers["Content-Length"] == whole.headers["Content-Length"]


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/index.html",
        "/console/none.js",
        "/console/../pages.py",
        "/console/%2e%2e/pages.py",
        "/console/..%2fpages.py",
        "/console/%2Fetc%2Fpasswd",
        "/console//etc/passwd",
    ],
)
async def test_no_path_leads_to_another_file(gateway: Gateway, path: str) -> None:
    answer = await gateway.get(path)

    assert (answer.status, (await answer.json())["reason"]) == (404, "ROUTE_NOT_FOUND")


async def test_the_page_is_only_read(gateway: Gateway) -> None:
    answer = await gateway.post("/")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "headers", [{"Host": "rebound.example"}, {"Origin": "https://page.example"}]
)
async def test_hosts_and_origins_are_checked_for_the_page_too(
    gateway: Gateway, headers: dict[str, str]
) -> None:
    assert (await gateway.get("/", headers=headers)).status == 403


@pytest.mark.parametrize(
    ("name", "lasting"),
    [
        ("app.0f3c9a1b.js", "public, max-age=31536000, immutable"),
        ("app-0f3c9a1b22.css", "public, max-age=31536000, immutable"),
        ("app.js", "no-cache"),
        ("app.min.js", "no-cache"),
    ],
)
def test_only_a_name_with_a_hash_is_kept_for_good(name: str, lasting: str) -> None:
    assert pages.keep_for(name) == lasting
