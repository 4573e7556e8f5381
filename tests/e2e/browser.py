"""Chromium, as people hold it: a phone for drivers, a desk for the back office."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from house import chromium, paths

PHONE = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Mobile Safari/537.36",
}
DESK = {"viewport": {"width": 1440, "height": 900}}
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium_browser():
    """Start a headless Chromium; it reaches nothing but this machine."""
    program = os.environ.get("ACREL_CHROMIUM") or str(chromium.find_or_install(print))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            env={**os.environ, **json.loads(os.environ.get("ACREL_CHROMIUM_ENV") or "{}")},
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def person(browser: Browser, device: dict, url: str, language: str = "en-US"):
    """Open a private window for one person; everything that the console calls an error fails."""
    context = browser.new_context(base_url=url, locale=language, **device)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    except BaseException:
        picture(page, "failed")
        raise
    finally:
        context.close()
    assert not errors, errors


def picture(page: Page, name: str) -> None:
    """Keep a picture of a page under `.local/pictures` for whoever wants to look."""
    folder = paths.make(paths.LOCAL / "pictures")
    page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


def log_in(page: Page, login: str, path: str) -> None:
    """Log in by the form."""
    page.goto(f"/web/login?redirect={path}")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", login)
    page.locator(".oe_login_form button[type=submit]").click()
    page.wait_for_url(f"**{path}**")
