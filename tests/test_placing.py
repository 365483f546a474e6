from __future__ import annotations

from math import hypot

from hypothesis import given, settings
from hypothesis import strategies as st

from wsss_assets.report.placing import CHARACTER, LINE, Box, Dot, place_names

PAGE = Box(0, 0, 400, 300)
DOTS = st.lists(
    st.builds(Dot, st.floats(0, 400), st.floats(0, 300), st.floats(2, 18)), min_size=1, max_size=12
)


def share_area(one: Box, other: Box) -> bool:
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > 1e-6 and down > 1e-6


def test_a_name_alone_stands_right_of_its_dot_or_left_where_the_page_ends() -> None:
    for x, shift in ((50.0, 1), (395.0, -1)):
        place = place_names({"cat": Dot(x, 100, 5)}, PAGE)["cat"]
        middle = (place.box.left + place.box.right) / 2
        assert (middle - x) * shift > 5 + 3 * CHARACTER / 2
        assert place.line is None
        assert (place.box.top + place.box.bottom) / 2 == 100


@given(dots=DOTS)
@settings(max_examples=60, deadline=None)
def test_no_name_is_dropped_or_covers_a_name_or_a_dot(dots: list[Dot]) -> None:
    named = {f"class {number}": dot for number, dot in enumerate(dots)}
    places = place_names(named, PAGE)
    assert list(places) == list(named)
    boxes = [one.box for one in places.values()]
    for number, box in enumerate(boxes):
        assert box.left >= 0
        assert box.right <= 400
        assert box.top >= 0
        assert box.bottom <= 300
        assert abs(box.bottom - box.top - LINE) < 1e-6
        assert not any(share_area(box, other) for other in boxes[:number])
        for dot in dots:
            x = min(max(dot.x, box.left), box.right)
            y = min(max(dot.y, box.top), box.bottom)
            assert hypot(x - dot.x, y - dot.y) >= dot.radius - 1e-6


def test_names_that_are_not_beside_their_dots_have_lines() -> None:
    crowd = {f"name {number}": Dot(200, 150, 6) for number in range(20)}
    places = place_names(crowd, PAGE)
    assert len({one.box for one in places.values()}) == 20
    away = [one for one in places.values() if one.line is not None]
    assert away
    for one in away:
        assert one.line is not None
        x, y, to_x, to_y = one.line
        assert abs(hypot(x - 200, y - 150) - 6) < 1e-6
        assert one.box.left - 1e-6 <= to_x <= one.box.right + 1e-6
        assert one.box.top - 1e-6 <= to_y <= one.box.bottom + 1e-6


def test_a_page_that_is_full_drops_no_name() -> None:
    names = [f"name {number}" for number in range(30)]
    assert list(place_names(dict.fromkeys(names, Dot(20, 10, 3)), Box(0, 0, 60, 20))) == names
