"""What is kept of parsed documents."""

from fiscus.workflow.service.reading import Parsed


def test_the_latest_are_kept_and_made_once():
    made, kept = [], Parsed(2)

    def get(key):
        return kept.get(key, lambda: made.append(key) or key.upper())

    assert [get(key) for key in "abab"] == ["A", "B", "A", "B"]
    assert made == ["a", "b"]
    get("a")
    get("c")  # Of the two, b was not asked for the longest.
    get("a")
    assert made == ["a", "b", "c"]
    get("b")
    assert made == ["a", "b", "c", "b"]
    assert list(kept.kept) == ["a", "b"]


def test_large_ones_take_the_place_of_many():
    kept = Parsed(10, lambda key, made: made)
    for number in range(20):
        kept.keep(f"{number}", 1)
    assert list(kept.kept) == [f"{number}" for number in range(10, 20)]
    kept.keep("19", 1)
    assert (len(kept.kept), kept.weight) == (10, 10)
    kept.keep("large", 8)
    assert (list(kept.kept), kept.weight) == (["18", "19", "large"], 10)
    kept.keep("too large", 99)  # Whoever asked goes on with it, and others after them.
    assert list(kept.kept) == ["too large"]
    kept.keep("small", 1)
    assert (list(kept.kept), kept.weight) == (["small"], 1)


def test_what_is_over_makes_room_for_what_comes_instead():
    kept = Parsed(10, lambda key, made: made)
    kept.keep("first", 4)
    kept.keep("second", 4)
    kept.keep("third", 6, instead_of="first")
    assert (list(kept.kept), kept.weight) == (["second", "third"], 10)
    kept.keep("third", 6, instead_of="third")
    kept.keep("fourth", 0, instead_of="never there")
    assert (list(kept.kept), kept.weight) == (["second", "third", "fourth"], 10)
    kept.keep("", 0)
    kept.keep("fifth", 0)
    assert list(kept.kept) == ["second", "third", "fourth", "", "fifth"]


def test_the_last_is_given_again_for_the_same_text_alone():
    made, kept = [], Parsed(1)
    text, other = "".join(["te", "xt"]), "".join(["ot", "her"])
    for key in ("", text, text, other, other, text):
        assert kept.get(key, lambda key=key: made.append(key) or key.upper()) == key.upper()
    assert made == ["", "text", "other", "text"]
