import re

from hypothesis import given
from hypothesis import strategies as st

from portal.console.engine import prose


def test_headings_lists_and_paragraphs() -> None:
    text = "# Title\n\nTwo\nlines.\n\n- one\n- **two**\n"
    assert prose.html(text) == (
        "<h3>Title</h3>\n<p>Two lines.</p>\n<ul><li>one</li><li><strong>two</strong></li></ul>"
    )


def test_a_table_has_a_head_when_a_rule_follows_it() -> None:
    table = prose.html("| a | b |\n|---|---|\n| 1 | 2 |")
    assert "<thead><tr><th>a</th><th>b</th></tr></thead>" in table
    assert "<tbody><tr><td>1</td><td>2</td></tr></tbody>" in table


@given(st.text())
def test_no_markup_of_the_text_survives(text: str) -> None:
    made = r"</?(?:h[3-6]|p|ul|li|strong|code|thead|tbody|tr|th|td)>"
    made += r'|<div class="mw-scroll" tabindex="0">|</div>|<table class="mw-table">|</table>'
    left = re.sub(made, "", prose.html(text))
    assert "<" not in left
