"""When a schedule is due, in words people use."""

import pytest
from django.utils import translation

from portal.runs.admin.timing import of_crontab


@pytest.mark.parametrize(
    ("crontab", "english", "korean"),
    [
        ("10 * * * *", "hourly at minute 10", "매시 10분"),
        ("*/15 * * * *", "every 15 min", "15분마다"),
        ("* * * * *", "every minute", "매분"),
        ("30 1 * * *", "daily at 01:30", "매일 01:30"),
        ("0 7 * * 1", "Monday at 07:00", "매주 월요일 07:00"),
        ("30 2 * * 0", "Sunday at 02:30", "매주 일요일 02:30"),
        ("30 2 * * 7", "Sunday at 02:30", "매주 일요일 02:30"),
        ("30 4 2 * *", "day 2 of each month at 04:30", "매월 2일 04:30"),
        ("0 0-6/2 * * *", "", ""),
        ("0 4 1 1 *", "", ""),
        ("0 4 1 * 1", "", ""),
        ("0 4 * * mon-fri", "", ""),
    ],
)
def test_simple_crontabs_are_said_in_words_and_others_left(
    crontab: str, english: str, korean: str
) -> None:
    with translation.override("en"):
        assert of_crontab(crontab.split()) == english
    with translation.override("ko"):
        assert of_crontab(crontab.split()) == korean
