"""Pictures: areas and lengths are amounts, whatever people call things is text, and nothing is told by colour alone."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from chromium import chromium
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fiscus.core.money import currency, short
from fiscus.web.pictures import Cell, band, budget_bar, change_bars, compare_bars, path, svg, tree_map
from fiscus.web.pictures.lines import DONE, LATE, LATER, NOW
from fiscus.web.pictures.tree_map import FEWEST, MOST, Place, gathered, squarified

NS = "{http://www.w3.org/2000/svg}"
USD = currency("USD")
ROUNDED = 0.1
"""Lengths are written with one decimal: an end may be off by two halves of it."""

HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onload='alert(1)", "]]><x/>", "&amp;&#0;\x00\x08\x1b",
    "\u202e000,000,99 DSU", "\u2066\u2067مدرسة ابتدائية", "👩‍👩‍👧‍👦 école 東京都庁", "<a href='javascript:1'>", "url(#hatch)",
    "\ud800 lone",
    "\ufffe", "W" * 4_000, "", " ", "a\nb\tc", "</title></svg><script>", 'fill="url(#\x00dots)"', "{{ 7 * 7 }}", "e\u0301" * 50,
)  # fmt: skip

titles = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))
amounts = st.integers(0, 10**15)
signed = st.integers(-(10**15), 10**15)
wides = st.sampled_from((svg.WIDTH, svg.NARROW))
figures = st.one_of(st.none(), signed)


def words(minor):
    return short(minor / 100, USD).replace("-", "\N{MINUS SIGN}")


def plus(minor):
    return ("+" if minor > 0 else "") + words(minor)


def parsed(drawn):
    """The picture, with everything that holds of any picture."""
    root = ET.fromstring(drawn)
    assert root.tag == f"{NS}svg"
    named = {each.get("id"): each for each in root.iter() if each.get("id")}
    labels = root.get("aria-labelledby").split()
    assert [named[label].tag for label in labels] == [f"{NS}title", f"{NS}desc"]
    links = list(root.iter(f"{NS}a"))
    assert root.get("role") == ("group" if links else "img")
    known = {"svg", "title", "desc", "defs", "pattern", "rect", "circle", "line", "text", "g", "a"}
    for each in root.iter():
        assert each.tag.removeprefix(NS) in known
        assert not any(name.startswith("on") or name in ("style", "class") for name in each.attrib), each.attrib
        target = each.get("href")
        assert target is None or target.startswith("/")
    for each in root.iter():  # A fill that is a pattern is one of this picture.
        for reference in re.findall(r"^url\(#(.*)\)$", each.get("fill", "")):
            assert named[reference].tag == f"{NS}pattern"
    for shape in (*root.iter(f"{NS}rect"), *root.iter(f"{NS}text")):
        inside(root, shape)
    return root


def inside(root, shape):
    _, _, wide, high = map(float, root.get("viewBox").split())
    if shape.tag == f"{NS}text":
        left, right, x = *extent(shape), float(shape.get("x"))
        assert -1 <= left <= right <= wide + 1, shape.text
        assert 0 <= x <= wide
        assert 0 < float(shape.get("y")) <= high
    elif shape.get("x") is not None:
        x, y, w, h = place(shape)
        assert min(x, y) >= -ROUNDED
        assert min(w, h) >= 0
        assert x + w <= wide + 0.9
        assert y + h <= high + ROUNDED


def place(shape):
    return tuple(float(shape.get(name)) for name in ("x", "y", "width", "height"))


def extent(shape):
    """From where to where a text goes, by our own estimate."""
    bold = svg.BOLDER if shape.get("font-weight", "400") >= "600" else 1
    wide = svg.width(shape.text, float(shape.get("font-size"))) * bold
    begin = {"start": 0.0, "middle": wide / 2, "end": wide}[shape.get("text-anchor", "start")]
    return float(shape.get("x")) - begin, float(shape.get("x")) - begin + wide


def cells_of(root):
    return [each for each in root if each.tag in (f"{NS}a", f"{NS}g")]


def apart(shapes):
    """That no two texts on one line touch."""
    lines = {}
    for shape in shapes:
        lines.setdefault(shape.get("y"), []).append((*extent(shape), shape.text))
    for found in lines.values():
        found.sort()
        for (_, right, one), (left, _, other) in itertools.pairwise(found):
            assert right <= left + 0.5, (one, other)


@given(st.lists(st.integers(1, 10**15), min_size=1, max_size=80))
def test_areas_of_a_map_are_amounts_side_by_side(given_amounts):
    ordered, frame = sorted(given_amounts, reverse=True), Place(0, 0, svg.WIDTH, 430)
    places = squarified(ordered, frame)
    whole = frame.width * frame.height
    assert len(places) == len(ordered)
    for amount, each in zip(ordered, places, strict=True):
        assert each.width * each.height == pytest.approx(whole * amount / sum(ordered), rel=1e-6, abs=1e-3)
        assert each.x >= -1e-3
        assert each.y >= -1e-3
        assert each.x + each.width <= frame.width + 1e-3
        assert each.y + each.height <= frame.height + 1e-3
    assert sum(each.width * each.height for each in places) == pytest.approx(whole)
    for position, one in enumerate(places):
        for other in places[:position]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            along = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert across <= 1e-3 or along <= 1e-3


def test_squares_where_amounts_allow_it():
    """The paper's own example: areas 6, 6, 4, 3, 2, 2, 1 in 6 by 4 (figure 5 there)."""
    found = squarified([6, 6, 4, 3, 2, 2, 1], Place(0, 0, 6, 4))
    assert [(round(p.width, 3), round(p.height, 3)) for p in found[:4]] == [
        (3, 2),
        (3, 2),
        (1.714, 2.333),
        (1.286, 2.333),
    ]


@given(
    st.lists(st.tuples(titles, signed, st.one_of(st.none(), st.floats(-1, 100)), st.booleans()), max_size=120), wides
)
@settings(deadline=None)
def test_a_map_shows_every_amount_above_zero_in_words_and_area(rows, width):
    cells = [
        Cell(title, amount, words(amount), change, "/x?unit=1#map" if link else "")
        for title, amount, change, link in rows
    ]
    drawn, there = tree_map(cells, "Where it goes", words, wide=width), [cell for cell in cells if cell.amount > 0]
    if not there:
        assert drawn == ""
        return
    root = parsed(drawn)
    total, found = sum(cell.amount for cell in there), cells_of(root)
    assert len(found) <= MOST + 1
    assert words(total) in root.find(f"{NS}desc").text
    shares = 0.0
    for each in found:
        told, shape = each.get("aria-label"), each.find(f"{NS}rect")
        assert each.find(f"{NS}title").text.split() == told.split()  # Parsers make blanks of line ends in attributes.
        x, y, wide, high = place(shape)
        share = float(re.findall(r"([\d.]+)%", re.sub(r", [▲▼=] \S+ against last year$", "", told))[-1])
        shares += share
        lessened = "▼" in told.rsplit(f"{share:.1f}%", 1)[-1]
        assert (shape.get("stroke-dasharray") is not None) == lessened, "less shows without colours"
        if min(wide, high) > 10:
            area = (wide + 2) * (high + 2)
            assert area / (width * 430) == pytest.approx(share / 100, abs=0.0006 + 0.2 * (wide + high) / (width * 430))
        for text in each.iter(f"{NS}text"):
            assert extent(text)[1] <= x + wide + ROUNDED, "a label is wider than its cell"
            assert float(text.get("y")) <= y + high
    assert shares == pytest.approx(100, abs=0.05 * len(found) + 0.01)


@pytest.mark.parametrize("width", [svg.WIDTH, svg.NARROW])
def test_cells_too_small_for_their_names_are_numbered_and_named_below(width):
    cells = [
        Cell("Department of Transportation", 900, "USD 9", None, "/x"),
        Cell("Pratt Library", 200, "USD 2", new=True),
    ]
    cells += [Cell(f"Office of small matters {n}", 9 - n, f"USD 0.0{n}", 0.1) for n in range(3)]
    root = parsed(tree_map(cells, "All", words, wide=width))
    lines = [each.text for each in root.iter(f"{NS}text")]
    together = " ".join(lines)
    for cell in cells:
        assert cell.label in together, "every name can be read in full"
    for number in ("1", "2", "3"):
        assert number in lines
    assert "▲ new" in together
    (new,) = [each for each in cells_of(root) if "Pratt" in each.get("aria-label")]
    assert "▲ new against last year" in new.get("aria-label")
    assert new.find(f"{NS}rect").get("stroke") == svg.BLUE
    apart(each for each in root if each.tag == f"{NS}text")


@given(st.lists(st.integers(1, 1_000), min_size=0, max_size=400))
def test_what_is_too_small_for_a_cell_is_counted_and_added_up(given_amounts):
    found = gathered([Cell(str(n), amount, words(amount)) for n, amount in enumerate(given_amounts)], words)
    assert sum(cell.amount for cell in found) == sum(given_amounts)
    assert len(found) >= min(FEWEST, len(given_amounts))
    assert [cell.amount for cell in found] == sorted((cell.amount for cell in found), reverse=True)
    rest = [cell for cell in found if cell.label.endswith(" others")]
    for cell in rest:
        assert cell.words == words(cell.amount)
        assert int(cell.label.split()[0]) == len(given_amounts) - len(found) + 1


@given(st.lists(st.tuples(titles, signed), min_size=1, max_size=15), wides)
@settings(deadline=None)
def test_changes_go_to_their_side_of_nothing_as_far_as_they_are(rows, width):
    drawn = change_bars(rows, "Changes", plus, wide=width)
    if not any(change for _, change in rows):
        assert drawn == ""
        return
    root = parsed(drawn)
    bars = [each for each in root.iter(f"{NS}rect") if each.get("x") is not None]
    (zero,) = [float(e.get("x1")) for e in root.iter(f"{NS}line") if e.get("stroke") == svg.INK]
    highest = max(abs(change) for _, change in rows)
    longest = max(float(bar.get("width")) for bar in bars)
    for (_label, change), bar in zip(rows, bars, strict=True):
        x, _, wide, _ = place(bar)
        assert (x if change >= 0 else x + wide) == pytest.approx(zero, abs=2 * ROUNDED)
        assert wide == pytest.approx(max(abs(change) / highest * longest, 0.8), abs=2 * ROUNDED)
        assert bar.find(f"{NS}title").text.endswith(f": {plus(change)}")
        assert (bar.get("fill") == svg.BLUE) == (change >= 0), "up and down differ in more than colour"
    said = [each.text for each in root.iter(f"{NS}text")]
    for _, change in rows:
        assert f"{'▲' if change > 0 else '▼' if change < 0 else '='} {plus(change)}" in said
        assert plus(change) in root.find(f"{NS}desc").text
    apart(root.iter(f"{NS}text"))


@given(st.lists(st.tuples(titles, figures, signed, figures), min_size=1, max_size=12), wides)
@settings(deadline=None)
def test_bars_beside_each_other_have_one_scale(rows, width):
    drawn = compare_bars(rows, "Compared", words, wide=width)
    known = [amount for row in rows for amount in row[1:] if amount is not None]
    if not any(known):
        assert drawn == ""
        return
    root = parsed(drawn)
    bars = [each for each in root.iter(f"{NS}rect") if each.find(f"{NS}title") is not None]
    assert len(bars) == len(known)
    longest, highest = max(float(bar.get("width")) for bar in bars), max(map(abs, known))
    (zero,) = [float(e.get("x1")) for e in root.iter(f"{NS}line") if e.get("stroke") == svg.INK]
    for amount, bar in zip(known, bars, strict=True):
        x, _, wide, _ = place(bar)
        assert wide == pytest.approx(max(abs(amount) / highest * longest, 0.8), abs=2 * ROUNDED)
        assert (x if amount >= 0 else x + wide) == pytest.approx(zero, abs=2 * ROUNDED)
        assert bar.find(f"{NS}title").text.endswith(f": {words(amount)}")
        assert words(amount) in root.find(f"{NS}desc").text
    fills = {
        bar.find(f"{NS}title").text.rsplit(": ", 1)[0].rsplit(", ", 1)[1]: bar.get("fill").split("-")[-1]
        for bar in bars
    }
    assert len(set(fills.values())) == len(fills), "three kinds of bars have three fills"
    apart(root.iter(f"{NS}text"))


@given(st.lists(amounts, min_size=4, max_size=4), amounts, wides)
@settings(deadline=None)
def test_a_budget_is_filled_as_far_as_it_is_used(used, budget, width):
    names = ("actual", "committed", "released", "reserved")
    drawn = budget_bar(list(zip(names, used, strict=True)), budget, "Budget", words, wide=width)
    if not budget and not any(used):
        assert drawn == ""
        return
    root = parsed(drawn)
    bars = [each for each in root.iter(f"{NS}rect") if each.find(f"{NS}title") is not None]
    whole = max(budget, sum(used))
    assert [float(bar.get("width")) for bar in bars] == pytest.approx(
        [width * amount / whole for amount in used if amount], abs=ROUNDED
    )
    told, said = root.find(f"{NS}desc").text, " ".join(each.text for each in root.iter(f"{NS}text"))
    for name, amount in zip(names, used, strict=True):
        assert f"{name} {words(amount)}" in told
        assert f"{name} {words(amount)}" in said
    assert f"available {words(budget - sum(used))}" in told
    assert ("overdrawn by" in said) == (sum(used) > budget)
    apart(root.iter(f"{NS}text"))


@given(st.lists(st.tuples(titles, titles, st.sampled_from([DONE, NOW, LATE, LATER])), max_size=20), wides)
@settings(deadline=None)
def test_a_path_tells_its_stages_by_more_than_colour(stages, width):
    drawn = path(stages, "The path", wide=width)
    if not stages:
        assert drawn == ""
        return
    root = parsed(drawn)
    marks = {DONE: "✓", NOW: "●", LATE: "!", LATER: ""}
    said = [each.text for each in root.iter(f"{NS}text") if each.get("font-size") == "15"]
    assert said == [marks[standing] for _, _, standing in stages if marks[standing]]
    assert len(list(root.iter(f"{NS}circle"))) == len(stages)
    told = root.find(f"{NS}desc").text
    assert told.startswith(f"{sum(standing == DONE for _, _, standing in stages)} of {len(stages)} stages are passed")
    apart(root.iter(f"{NS}text"))


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
@settings(deadline=None)
def test_a_band_lies_between_its_ends(first, second, third):
    low, expected, high = sorted((first, second, third))
    drawn = band(low, expected, high, "Worth", lambda value: f"{value:,.0f}")
    if drawn == "":
        assert high - low <= 1e-9 * max(abs(high), abs(low), 1)
        return
    assume(high - low > 1e-6 * max(abs(high), abs(low)))
    root = parsed(drawn)
    (bar,) = root.iter(f"{NS}rect")
    (mean,) = [float(e.get("x1")) for e in root.iter(f"{NS}line") if e.get("stroke") == svg.INK]
    x, _, wide, _ = place(bar)
    assert x - 1 <= mean <= x + wide + 1
    assert wide <= 1 or (mean - x) / wide == pytest.approx((expected - low) / (high - low), abs=0.2 / wide + 0.01)
    for value in (low, expected, high):
        assert f"{value:,.0f}" in root.find(f"{NS}desc").text
    apart([each for each in root.iter(f"{NS}text") if each.get("y") == "74"])


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_title_is_text_everywhere(hostile):
    drawn = (
        tree_map([Cell(hostile, 5, hostile, 0.5, "/there"), Cell("b", 1, "1")], hostile, words),
        change_bars([(hostile, -1), (hostile, 3)], hostile, plus),
        compare_bars([(hostile, 1, 2, None)], hostile, words),
        path([(hostile, hostile, NOW)], hostile),
    )
    for each in drawn:
        root = parsed(each)
        shown = "".join(sign for sign in hostile if sign.isalnum() and sign.isascii())
        title = "".join(sign for sign in root.find(f"{NS}title").text or "" if sign.isalnum() and sign.isascii())
        assert title == shown
        assert not {"\u202e", "\u2066"} & set(each), "nothing turns the figures beside it"


def luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_edges_stand_out_from_what_they_are_on():
    papers = {svg.BLUE: svg.BLUE_PALE, svg.ORANGE: svg.ORANGE_PALE, svg.GREEN: svg.GREEN_PALE, svg.GREY: svg.GREY_PALE}
    for ink in (svg.INK, svg.SOFT, svg.BLUE, svg.ORANGE, svg.GREEN, svg.RED):
        assert contrast(ink, svg.PAPER) >= 4.5
    for edge, pale in papers.items():
        assert contrast(svg.INK, pale) >= 4.5
        assert contrast(edge, pale) >= 4.5, (edge, "is text of a cell too")
        assert contrast(edge, svg.PAPER) >= 3


def test_widths_are_not_less_than_a_browser_makes_them():
    executable = chromium()
    from playwright.sync_api import sync_playwright

    texts = (
        "Southeast Baltimore Redevelopment", "ENOCH PRATT FREE LIBRARY", "▼ \N{MINUS SIGN}14,719,167", "USD 80,000,000.00",
        "available 12.3m",
        "planning-commission", "Wärmewende Großküche", "東京都庁舎の改修", "مدرسة ابتدائية", "3 of 5 signed", "MMMWWW@%", "illicit fit",
        "Школа № 5",
    )  # fmt: skip
    drawn = "".join(svg.text(0, 20, each) + svg.text(0, 20, each, font_weight=600) for each in texts)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_content(f"<!doctype html>{svg.picture('t', 'd', 99, drawn)}")
        found = page.evaluate("[...document.querySelectorAll('text')].map(t => t.getComputedTextLength())")
        browser.close()
    for position, measured in enumerate(found):
        words_, bold = texts[position // 2], position % 2
        assert measured <= svg.width(words_) * (svg.BOLDER if bold else 1) * 1.02, (words_, measured, svg.width(words_))


@pytest.mark.parametrize(("low", "high"), [(0, 0), (5, 5), (float("nan"), 1), (0, float("inf"))])
def test_no_ticks_where_there_is_no_span(low, high):
    assert len(svg.ticks(low, high)) == 1


@given(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15))
def test_ticks_hold_the_ends_and_are_round(one, other):
    low, high = sorted((one, other))
    assume(high - low > 1e-9 * max(abs(low), abs(high), 1e-300))
    found = svg.ticks(low, high)
    step = found[1] - found[0]
    assert found[0] <= low + step * 1e-6
    assert found[-1] >= high - step * 1e-6
    assert 2 <= len(found) <= 12
