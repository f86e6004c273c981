"""Pictures as pixels, in the font that travels with the portal."""

import struct

import pytest

from portal.lib.raster import FONT, MARKS, SCALE, can_show, png
from predictions.engine.explanation.waterfall import PLAIN, Captions, Step, draw
from predictions.engine.features import FEATURES, Feature


def drawn(text: str) -> bytes:
    return png(
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="24" font-size="16"'
        f' font-family="system-ui, sans-serif"><text x="2" y="18">{text}</text></svg>'
    )


def size(picture: bytes) -> tuple[int, int]:
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def test_a_waterfall_becomes_a_png_of_its_size() -> None:
    svg = draw(
        [Step("주조 압력 = 71 MPa", 0.4)], -1.0, Captions("제목", "평균", "이 샷"), palette=PLAIN
    )

    assert size(png(svg)) == (760 * SCALE, (34 + 26 + 40) * SCALE)


def test_the_same_picture_has_the_same_bytes() -> None:
    assert drawn("압력") == drawn("압력") != drawn("온도")


@pytest.mark.parametrize("character", [*"가힝ñ°%", *MARKS])
def test_the_font_has_what_it_is_said_to_have(character: str) -> None:
    assert can_show(character)
    assert drawn(character) not in {drawn(" "), drawn("\ue000")}


def test_what_the_font_lacks_is_known() -> None:
    assert not can_show("뷁")
    assert not can_show("漢")
    assert FONT.stat().st_size < 400_000
    assert "SIL OPEN FONT LICENSE" in (FONT.parent / "OFL.txt").read_text()


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_every_label_can_be_shown(feature: Feature) -> None:
    assert can_show(f"{feature.label_ko} {feature.label_en} {feature.unit}")


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        png("<svg")
