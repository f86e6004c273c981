"""What Slack and Teams show of a message: its parts, and buttons."""

from collections.abc import Iterator
from typing import Any

Content = dict[str, Any]

# Limits of Slack's Block Kit.
LONGEST_HEADER = 150
LONGEST_SECTION = 3_000
MOST_BLOCKS = 50
#: Alerts that get buttons of their own; the others are reached by the link. Ours.
MOST_WITH_BUTTONS = 5
SILENCE_MINUTES = 60


def for_slack(_made: Content, content: Content) -> Content:
    """Return a message for Slack: the text in sections, with buttons where it can be answered."""
    return {
        "text": escaped(content["subject"]),
        "blocks": list(_slack_blocks(content))[:MOST_BLOCKS],
    }


def _slack_blocks(content: Content) -> Iterator[Content]:
    header = content["subject"][:LONGEST_HEADER]
    yield {"type": "header", "text": {"type": "plain_text", "text": header, "emoji": False}}
    if not content["alerts"]:
        yield _section(content["text"])
        return
    paragraphs = content["text"].split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        yield _section(paragraph)
        if number < min(MOST_WITH_BUTTONS, len(content["alerts"])):
            yield from _buttons(content, content["alerts"][number])


def _section(text: str) -> Content:
    shown = escaped(text)[:LONGEST_SECTION]
    return {"type": "section", "text": {"type": "mrkdwn", "text": shown, "verbatim": True}}


def _buttons(content: Content, alert: Content) -> Iterator[Content]:
    labels = content.get("buttons") or {}
    if not labels or alert["resolved"]:
        return
    yield {
        "type": "actions",
        "elements": [
            _button("acknowledge", labels["acknowledge"], alert["id"]),
            _button("silence", labels["silence"], alert["id"]),
        ],
    }


def _button(action: str, label: str, alert_id: str) -> Content:
    return {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": label, "emoji": False},
        "value": alert_id,
    }


def escaped(text: str) -> str:
    """Return text in which Slack sees no markup of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def for_teams(made: Content, content: Content) -> Content:
    """Return a message for Teams: the card that apprise made, with a button to the portal."""
    card = made["attachments"][0]["content"]
    if content["url"]:
        title = content.get("open_label") or content["url"]
        card["actions"] = [{"type": "Action.OpenUrl", "title": title, "url": content["url"]}]
    return made
