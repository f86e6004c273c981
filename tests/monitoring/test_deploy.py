"""The files under deploy/ name what exists, and say it in a language that parses."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.worker import ROOT

DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
NAME = re.compile(r"\bportal_[a-z0-9_]+\b")
#: What Grafana puts in before it asks.
VARIABLES = {"$__rate_interval": "1m", "$__interval": "1m", "$instance": ".*"}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboards() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in DASHBOARDS:
        yield path, json.loads(path.read_text())


def asked(dashboard: dict[str, Any]) -> Iterator[str]:
    """Yield every expression of a dashboard."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["expr"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for _path, dashboard in dashboards():
        yield from asked(dashboard)


def filled(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


@pytest.mark.django_db
def test_every_metric_that_is_asked_for_is_told(client: Client) -> None:
    told = set()
    answer = client.get("/api/metrics")
    for family in text_string_to_metric_families(answer.content.decode()):
        told.add(f"{family.name}_total" if family.type == "counter" else family.name)
        if family.type == "histogram":
            told |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    named = {name for one in expressions() for name in NAME.findall(one)}
    assert len(named) > 15
    assert named - told == set()


def test_every_expression_parses() -> None:
    n_parsed = 0
    for expression in expressions():
        promql_parser.parse(filled(expression))
        n_parsed += 1
    assert n_parsed > 40


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in page.splitlines()
        if line.startswith("#")
    }
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) > 10
    for rule in alerts:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")
        file, _hash, heading = rule["annotations"]["runbook"].partition("#")
        assert file == "monitoring.md"
        assert heading in headings, rule["alert"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_fits_its_grid(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_dashboards_have_names_of_their_own() -> None:
    boards = [dashboard for _path, dashboard in dashboards()]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) >= 3


def test_prometheus_reads_what_is_here() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == "/api/metrics"
    assert [(DEPLOY / "prometheus" / name).is_file() for name in config["rule_files"]] == [True]


def test_promtool_proves_the_rules() -> None:
    """Run where promtool is installed, as by Debian's package prometheus; elsewhere they parse."""
    promtool = shutil.which("promtool")
    cases = yaml.safe_load((DEPLOY / "prometheus" / "alerts_test.yml").read_text())
    known = {rule["alert"] for rule in rules() if "alert" in rule}
    asked_for = {one["alertname"] for case in cases["tests"] for one in case["alert_rule_test"]}
    assert asked_for <= known
    if promtool is None:
        return
    for words in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        subprocess.run([promtool, *words], cwd=RULES.parent, check=True, timeout=60)  # noqa: S603 - our own words


def test_the_service_sets_settings_that_exist() -> None:
    names = re.findall(
        r"^(MILLWRIGHT_[A-Z0-9_]+)=", (DEPLOY / "systemd" / "millwright.env").read_text(), re.M
    )
    page = (ROOT / "docs" / "settings.md").read_text()
    assert len(names) > 5
    assert [name for name in names if f"`{name}`" not in page] == []


def test_the_service_starts_what_is_in_the_checkout() -> None:
    unit = ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # as the parser's manual says
    unit.read(DEPLOY / "systemd" / "millwright.service")
    service = unit["Service"]
    program, *options = service["ExecStart"].split()
    inside = Path(program).relative_to(service["WorkingDirectory"])
    assert (ROOT / inside).is_file()
    assert options == ["--no-demo"]
    # Each member's patience, added up: Postgres alone may take 75 seconds.
    assert int(service["TimeoutStopSec"]) >= 120
