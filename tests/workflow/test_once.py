"""What an object finds out about itself once."""

from fiscus.workflow.once import once


class Found:
    def __init__(self):
        self.looked = 0

    @once
    def answer(self):
        """What it is."""
        self.looked += 1
        return [self.looked]


def test_it_is_found_out_when_it_is_asked_for_and_once():
    one, other = Found(), Found()
    assert one.looked == 0
    assert one.answer is one.answer
    assert (one.answer, one.looked) == ([1], 1)
    assert other.answer is not one.answer


def test_it_is_forgotten_where_it_is_kept():
    found = Found()
    assert found.answer == [1]
    del found.__dict__["answer"]
    assert found.answer == [2]


def test_a_class_tells_what_it_is():
    assert isinstance(Found.answer, once)
    assert Found.answer.__doc__ == "What it is."
