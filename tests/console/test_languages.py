"""Korean first, English beside it, and no string left over."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext, ngettext

from portal.core.models import User
from portal.registry.models import PromotionRequest
from portal.runs.models import Run

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_string_is_translated_and_compiled() -> None:
    words = [sys.executable, str(ROOT / "script" / "messages"), "--check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr


def test_korean_is_what_a_browser_without_a_wish_gets(client: Client, db: None) -> None:
    answer = client.get(reverse("admin:login"))
    assert '<html lang="ko"' in answer.text
    assert "로그인" in answer.text


def test_english_does_not_fall_back_to_korean(client: Client, db: None) -> None:
    answer = client.get(reverse("admin:login"), headers={"accept-language": "en"})
    assert '<html lang="en"' in answer.text
    assert not re.search("[가-힣]", answer.text.replace("한국어", ""))


def test_the_switch_in_the_header_is_remembered(client: Client, db: None) -> None:
    page = reverse("admin:login")
    client.post(reverse("set_language"), {"language": "en", "next": page})
    assert '<html lang="en"' in client.get(page).text


def test_pages_are_wholly_in_korean(
    person: Callable[..., User], run: Run, request_of: PromotionRequest
) -> None:
    client = Client(headers={"accept-language": "ko"})
    client.force_login(person("approver"))
    addresses = [
        reverse("admin:index"),
        reverse("admin:runs_run_change", args=[run.pk]),
        reverse("admin:registry_promotionrequest_change", args=[request_of.pk]),
        reverse("admin:registry_modelversion_change", args=[request_of.candidate_id]),
    ]
    for address in addresses:
        text = client.get(address).text
        headings = re.findall(r"<(?:h2|dt|th)[^>]*>([^<]+)<", text)
        names = re.compile(r"(PR |ROC )AUC|F1|[A-Z]\w*_\w+")  # of metrics and features
        english = [h for h in headings if not re.search("[가-힣]", h) and not names.match(h)]
        assert not [h for h in english if re.search("[A-Za-z]{3}", h)], address


def test_korean_has_one_plural_form() -> None:
    with translation.override("ko"):
        assert ngettext("%(n)s day", "%(n)s days", 1) == "%(n)s일"
        assert ngettext("%(n)s day", "%(n)s days", 5) == "%(n)s일"


def test_a_percent_sign_in_a_template_is_translated() -> None:
    with translation.override("ko"):
        assert gettext("Does a predicted 30 %% mean 30 %% defects?").startswith("예측")
