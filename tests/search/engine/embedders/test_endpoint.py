"""The OpenAI-compatible endpoint: what is sent, what is believed, what is tried again."""

import itertools
import json
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from search.engine.building import build
from search.engine.embedders import bounded
from search.engine.embedders.endpoint import EndpointEmbedder, Settings
from search.engine.index import open_index
from search.engine.options import BuildOptions, EmbedderSpec
from search.engine.passages import Passage
from search.engine.problems import EmbedderProblem
from tests.search.engine.embedders.endpoint_server import HEAD, counted, dripping, fixed, running


def _settings(url: str, **more: object) -> Settings:
    return Settings(url, "words", 4, backoff_s=0.01, **more)  # type: ignore[arg-type]


def test_texts_are_sent_as_the_form_says_and_put_back_in_order() -> None:
    with running(counted) as server:
        embedder = EndpointEmbedder(_settings(server.url), api_key="secret")
        vectors = embedder.encode(["수축", "", "기공"])
    assert server.bodies[0] == {
        "model": "words", "input": ["수축", "기공"], "dimensions": 4, "path": "/v1/embeddings",
    }  # fmt: skip
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert [int(vector.argmax()) for vector in vectors[[0, 2]]] == [1, 0]
    assert not vectors[1].any()


def test_many_texts_go_in_batches() -> None:
    with running(counted) as server:
        EndpointEmbedder(_settings(server.url)).encode(["기공"] * 150)
    assert [len(body["input"]) for body in server.bodies] == [64, 64, 22]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_outage_is_tried_again(status: int) -> None:
    with running(fixed(status), counted) as server:
        assert EndpointEmbedder(_settings(server.url)).encode(["기공"]).any()
    assert len(server.bodies) == 2


def test_a_lasting_outage_is_reported_as_retryable() -> None:
    with running(fixed(503)) as server, pytest.raises(EmbedderProblem) as caught:
        EndpointEmbedder(_settings(server.url, attempts=3)).encode(["기공"])
    assert len(server.bodies) == 3
    assert caught.value.code == "endpoint_failed"
    assert caught.value.retryable


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_not_tried_again(status: int) -> None:
    with running(fixed(status)) as server, pytest.raises(EmbedderProblem) as caught:
        EndpointEmbedder(_settings(server.url)).encode(["기공"])
    assert len(server.bodies) == 1
    assert caught.value.code == "endpoint_refused"
    assert not caught.value.retryable


def test_a_redirect_is_not_followed_with_the_key() -> None:
    with running(counted) as other, running(fixed(307, Location=other.url)) as server:
        with pytest.raises(EmbedderProblem) as caught:
            EndpointEmbedder(_settings(server.url), api_key="secret").encode(["기공"])
        assert caught.value.code == "endpoint_refused"
        assert not other.bodies


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"[]",
        b'{"data": []}',
        b'{"data": [{"index": 0, "embedding": []}]}',
        b'{"data": [{"index": 0, "embedding": ["a"]}]}',
        b'{"data": [{"index": 0, "embedding": [1, 2]}]}',
        b'{"data": [{"index": 0, "embedding": [1, 2, 3, NaN]}]}',
        b'{"data": [{"index": 1, "embedding": [1, 2, 3, 4]}]}',
        json.dumps({"data": [{"index": 0, "embedding": [0.5] * 4}], "x": "y" * (2 << 20)}).encode(),
    ],
)
def test_nonsense_is_not_believed(content: bytes) -> None:
    with running(fixed(200, content)) as server, pytest.raises(EmbedderProblem) as caught:
        EndpointEmbedder(_settings(server.url)).encode(["기공"])
    assert caught.value.code == "endpoint_nonsense"


def test_silence_ends_after_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EmbedderProblem) as caught:
            EndpointEmbedder(_settings(url, timeout_s=0.1, attempts=1)).encode(["기공"])
    assert caught.value.retryable


@pytest.mark.parametrize("head", [HEAD, b"HTTP/1.1 200 OK\r\nX-Slow: ", b""])
def test_an_answer_that_drips_is_not_waited_for(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(0.0, 20.0)  # a third of a minute goes by between two looks
    monkeypatch.setattr(bounded, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    with (
        dripping(head) as url,
        pytest.raises(EmbedderProblem, match="no whole answer") as caught,
    ):
        EndpointEmbedder(_settings(url, timeout_s=60.0, attempts=1)).encode(["기공"])
    assert caught.value.retryable


def test_an_address_that_is_no_web_address_is_refused() -> None:
    with pytest.raises(EmbedderProblem):
        EndpointEmbedder(_settings("file:///etc/passwd"))


def test_a_search_goes_on_without_its_vectors(tmp_path: Path) -> None:
    with running(counted) as server:
        parameters = {"url": server.url, "model": "words", "attempts": 1, "timeout_s": 5.0}
        given = [Passage("a", "a", "기공 대책"), Passage("b", "b", "수축 대책")]
        options = BuildOptions(embedder=EmbedderSpec("openai", parameters))
        build(given, tmp_path / "index", options, credentials={"api_key": "secret"})
        index = open_index(tmp_path / "index", credentials={"api_key": "secret"})
        assert index.search("수축", "vector").hits[0].passage.id == "b"
    assert "secret" not in (tmp_path / "index" / "manifest.json").read_text("utf-8")
    result = index.search("수축")
    assert [hit.passage.id for hit in result.hits] == ["b"]
    assert len(result.degraded) == 1
    assert result.degraded[0].startswith("vector: The embedding endpoint failed")
    index.apply([Passage("c", "c", "수축 원인")])
    assert {hit.passage.id for hit in index.search("수축").hits} == {"b", "c"}
    index.close()
