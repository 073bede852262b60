"""Fixtures: a receiver of notifications."""

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline_tests.sync.receiver import Receiver


@pytest.fixture
def receiver(httpserver: HTTPServer) -> Receiver:
    return Receiver(httpserver)
