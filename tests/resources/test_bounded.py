"""A dict of which only what is over goes."""

from regime.resources.bounded import Bounded


def test_the_oldest_that_is_over_goes_and_what_goes_on_stays() -> None:
    going = {"a", "c"}
    known = Bounded(3, lambda key: key not in going, {"a": 0})
    for key in "bcde":
        known[key] = 1
    assert list(known) == ["a", "c", "e"]
    known["a"] = 2
    assert dict(known) == {"a": 2, "c": 1, "e": 1}
    going |= {"e", "f"}
    known["f"] = 1
    assert list(known) == ["a", "c", "e", "f"], "more than so many where none is over"
