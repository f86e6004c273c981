"""A report with every kind of block and with texts that mean harm."""

from portal.lib import charts
from portal.lib.documents import (
    Block,
    Bullets,
    Column,
    Document,
    Facts,
    Figure,
    Heading,
    Note,
    PageBreak,
    Paragraph,
    Table,
)

NASTY = "</script><img src=http://evil.example/x onerror=alert(1)> \x1b[31m뷁漢\u202e|*굵게*_"
AXES = charts.Axes("문서 수 (건)", "지연 (ms)", log_x=True, log_y=True)
LINES = charts.Lines(
    AXES,
    (
        charts.Series(
            "밀라이트",
            (1e4, 1e5),
            (0.4, 0.6),
            low=(0.3, 0.5),
            high=(0.5, 0.7),
            labels=(NASTY, "나"),
        ),
        charts.Series(NASTY, (1e4, 1e5), (2.0, float("nan"))),
    ),
)
CHARTS: dict[str, charts.Chart] = {
    "lines": LINES,
    "scatter": charts.Scatter(
        charts.Axes("재현율", NASTY),
        (charts.Series("가", (0.9, 0.95, float("inf")), (1, 2, 3)),),
        front=((0.9, 1), (0.95, 2)),
        front_name="파레토 전선",
    ),
    "bars": charts.Bars(
        charts.Axes("몫"), ("규모", NASTY), (0.5, float("nan")), (0.4, 0), (0.6, 1)
    ),
    "histogram": charts.Histogram(charts.Axes("지연", "건수"), (0, 1, 2), (3, 5)),
    "boxes": charts.Boxes(
        charts.Axes("지연", log_x=True),
        (charts.Box("가", 1, 2, 3, 4, 5), charts.Box(NASTY, 0, 1, 2, 3, 4)),
    ),
}
BLOCKS: tuple[Block, ...] = (
    Note("good", "모든 목표를 지켰습니다."),
    Note("warn", NASTY),
    Note("bad", "두 셀이 실패했습니다."),
    Heading("측정 결과"),
    Paragraph("본문입니다.\n둘째 줄입니다."),
    Bullets(("첫째", NASTY, "가" * 3_000)),
    Facts((("프로세서", "네 코어"), (NASTY, None), ("긴 값", "x" * 500))),
    Heading("그림", 2),
    *(Figure.of(one, caption=NASTY, alt="지연의 그림") for one in CHARTS.values()),
    PageBreak(),
    Heading("표", 3),
    Table(
        (Column("셀"), Column("p50", unit="ms", align="right"), Column("비고", align="center")),
        [("hnswlib", 1.23456, NASTY), ("없음", None, ""), (NASTY, 1_234_567, float("inf"))],
        caption="셀마다 한 줄",
    ),
)


def report(*blocks: Block, facts: tuple[tuple[str, str], ...] = ()) -> Document:
    """Return a report of the blocks given, of all kinds when there are none."""
    return Document("벤치마크 보고서", "ko", facts, blocks or BLOCKS)
