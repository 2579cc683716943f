"""The hub's client: its absence and its errors."""

import sys
from types import ModuleType

import pytest

from loopspec.runtime.data.errors import FetchError
from loopspec.runtime.data.hub import hub_download


def test_without_the_client_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FetchError, match=r"pip install 'loopspec\[fineweb\]'"):
        hub_download("a/b", "c", tmp_path)


class TransportError(Exception):
    pass


class HfHubHTTPError(TransportError, OSError):
    pass


class EntryNotFoundError(Exception):
    pass


class HFValidationError(ValueError):
    pass


@pytest.fixture
def client(monkeypatch):
    """A stand-in for the client's modules, with its names and the bases of its errors."""
    package, errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")
    for error in (EntryNotFoundError, HFValidationError, HfHubHTTPError):
        setattr(errors, error.__name__, error)
    monkeypatch.setitem(sys.modules, "huggingface_hub", package)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)
    return package


def test_a_data_sets_file_is_asked_for(client, tmp_path):
    calls = []
    client.hf_hub_download = lambda *names, **options: calls.append((names, options)) or str(tmp_path / "c")
    assert hub_download("a/b", "c", tmp_path) == tmp_path / "c"
    assert calls == [(("a/b", "c"), {"repo_type": "dataset", "local_dir": tmp_path})]


@pytest.mark.parametrize(
    "fault",
    [OSError("no\nroute"), TransportError("no route"), EntryNotFoundError("no route"), HfHubHTTPError("no route")],
)
def test_the_clients_errors_are_ours_on_one_line(client, tmp_path, fault):
    def fail(*names, **options):
        raise fault

    client.hf_hub_download = fail
    with pytest.raises(FetchError, match=r"^c of a/b was not fetched: no route; run the same command again$"):
        hub_download("a/b", "c", tmp_path)
