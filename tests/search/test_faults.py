"""Builds that die, files that are damaged, people who step in: what stays live, and why."""

import errno
import os
import shutil
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import storages

from portal.core.actors import Actor
from portal.core.errors import Unavailable
from portal.core.models import User
from portal.registry import selectors
from portal.registry import services as registry
from portal.registry.models import Alias, ModelVersion, PromotionRequest, RegisteredModel
from portal.runs.models import Run, State
from search import dispatch
from search.engine.index import open_index
from search.models import Collection
from search.services import documents, folders, following, opening, searching
from search.services.documents import Incoming
from tests.search.conftest import ACTOR, Build, done
from tests.waiting import wait_for
from tests.worker import Worker

PATIENCE_S = 60
Start = Callable[..., Worker]


def approver() -> Actor:
    user = User.objects.create_user("approver")
    # By name: the roles of the migrations are gone once a test has emptied the tables.
    user.user_permissions.add(Permission.objects.get(codename="rollback_model"))
    return Actor.of_user(user, via="person")


def add(collection: Collection, name: str) -> None:
    documents.upsert(
        collection=collection,
        documents=[Incoming(name, f"The {name} was scratched on the conveyor.")],
        actor=ACTOR,
    )


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_a_build_killed_anywhere_leaves_the_live_index_and_is_repeated(
    build: Build,
    collection: Collection,
    celery_worker: Start,
    child_environment: dict[str, str],
) -> None:
    build()
    documents.upsert(
        collection=collection,
        documents=[
            Incoming(f"manual-{part}", f"Part {part} of the manual. " * 50) for part in range(60)
        ],
        actor=ACTOR,
    )
    child_environment |= {
        "MILLWRIGHT_RUN_LEASE_SECONDS": "3",
        "MILLWRIGHT_RUN_HEARTBEAT_SECONDS": "1",
    }
    run = dispatch.build_index(collection=collection, actor=ACTOR)
    Run.objects.filter(pk=run.pk).update(max_attempts=9)
    second = ModelVersion.objects.filter(model__name="search-defects", number=2)
    moments: list[Callable[[], bool]] = [
        lambda: bool(list((folders.root() / "building").glob("*/index/passages.bin"))),
        second.exists,
    ]

    for is_time in moments:
        worker = celery_worker()
        wait_for(is_time, PATIENCE_S, pause=0.01)
        worker.kill()
        assert searching.search("defects", "기포").result.hits
        assert selectors.last_move_id("search-defects", Alias.CHAMPION) is not None
    celery_worker()
    wait_for(lambda: Run.objects.get(pk=run.pk).is_terminal, 2 * PATIENCE_S)

    run.refresh_from_db()
    assert (run.state, run.result["version"]) == (State.SUCCEEDED, 2), run.error_message
    assert ModelVersion.objects.filter(model__name="search-defects").count() == 2
    wait_for(lambda: searching.held("defects").version == 2, PATIENCE_S)


def test_a_rollback_moves_back_and_no_routine_undoes_it(
    build: Build, collection: Collection
) -> None:
    build()
    add(collection, "scratch")
    build()
    wait_for(lambda: searching.held("defects").version == 2, PATIENCE_S)

    model = RegisteredModel.objects.get(name="search-defects")
    registry.rollback(model=model, reason="hits were worse", actor=approver())
    wait_for(lambda: searching.held("defects").version == 1, PATIENCE_S)
    hits = searching.search("defects", "scratched conveyor").result.hits
    add(collection, "dent")
    run = build()

    assert hits[0].passage.document_id == "scratch"  # changes since are in the older index too
    assert run.result["outcome"] == "proposed", run.result
    assert PromotionRequest.objects.get(state="open").candidate.number == 3
    live = selectors.champion("search-defects")
    assert live is not None
    assert live.number == 1


def test_a_folder_that_was_damaged_is_fetched_again(build: Build) -> None:
    build()
    version = ModelVersion.objects.select_related("model").get(model__name="search-defects")
    opening.opened(version).close()
    damaged = folders.of(version) / "passages.bin"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")

    index = opening.opened(version)

    assert index.search("기포").hits[0].passage.document_id == "blow-hole"
    index.close()


def test_an_index_that_the_machine_cannot_open_now_is_opened_later(
    build: Build, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    build()
    monkeypatch.setattr(following, "RETRY_SOON_S", 0.0)
    plain, n_tries = open_index, 0

    def short(*given: Any, **named: Any) -> Any:
        nonlocal n_tries
        if not threading.current_thread().name.startswith("search-open-"):
            return plain(*given, **named)
        n_tries += 1
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patched:
        patched.setattr(opening, "open_index", short)
        add(collection, "scratch")
        run = done(dispatch.build_index(collection=collection, actor=ACTOR))
        assert run.result["outcome"] == "applied", run.result
        new = ModelVersion.objects.select_related("model").get(number=2)
        wait_for(lambda: n_tries > 2, PATIENCE_S)
        assert searching.search("defects", "기포").version == 1  # the old one answers
        assert folders.of(new).is_dir()  # nothing is thrown away
    wait_for(lambda: searching.held("defects").version == 2, PATIENCE_S)


def test_a_damaged_artifact_is_an_alert_and_no_answer(build: Build) -> None:
    build()
    version = ModelVersion.objects.select_related("model").get(model__name="search-defects")
    following.follower.stop()  # it may hold the index already
    shutil.rmtree(folders.of(version), ignore_errors=True)
    stored = version.artifact_digests["passages.bin"]
    path = storages["artifacts"].path(f"sha256/{stored[:2]}/{stored}")
    os.truncate(path, 3)

    def refused() -> bool:
        try:
            searching.search("defects", "기포")
        except Unavailable as exc:
            return exc.specific_code == "index_damaged"
        return False

    wait_for(refused, PATIENCE_S)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_follows_by_itself(build: Build) -> None:
    build()
    assert searching.search("defects", "기포").version == 1

    pid = os.fork()
    if pid == 0:
        is_empty = following.follower.known("defects") is None
        os._exit(0 if is_empty else 1)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert searching.search("defects", "기포").version == 1
