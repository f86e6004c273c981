import json
import logging
from pathlib import Path

import pytest
import structlog

from portal.logging import formatter, logging_config
from portal.stack import logs


def test_a_line_carries_the_bound_ids_whoever_logs_it() -> None:
    record = logging.LogRecord("django", logging.INFO, __file__, 1, "주조 %s", ("끝",), None)
    with structlog.contextvars.bound_contextvars(request_id="r-1", run_id="u-2"):
        line = json.loads(formatter().format(record))

    assert line["message"] == "주조 끝"
    assert (line["request_id"], line["run_id"]) == ("r-1", "u-2")
    assert line["level"] == "info"
    assert line["logger"] == "django"


def test_the_logging_configuration_is_plain_data() -> None:
    assert json.loads(json.dumps(logging_config("INFO")))["root"]["level"] == "INFO"


def test_a_log_that_grew_too_large_is_begun_anew_and_kept_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LARGEST_BYTES", 10)
    kept = logs.Logs(tmp_path, to_console=False)
    with kept.open("web") as output:
        output.write(b"more than ten bytes\n")
        output.flush()
        kept.checked_at -= logs.CHECK_EVERY_S + 1
        kept.trim()
        output.write(b"new\n")

    assert (tmp_path / "web.log").read_bytes() == b"new\n"
    assert (tmp_path / "web.log.1").read_bytes() == b"more than ten bytes\n"


def test_the_tail_of_a_log_names_its_file(tmp_path: Path) -> None:
    kept = logs.Logs(tmp_path, to_console=False)
    with kept.open("beat") as output:
        output.write(b"the reason\n")

    assert "beat.log" in kept.tail("beat")
    assert "the reason" in kept.tail("beat")
