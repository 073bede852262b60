"""The browser that tests look at pages with."""

import os
import shutil

import pytest

REQUIRED = "PROVIDER_PIPELINE_REQUIRE_BROWSER"


def chromium() -> str:
    """The system's Chromium; without one the test is skipped, or fails where it must not be."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing = "no chromium on the PATH: apt-get install chromium"
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(missing)
    return str(found)
