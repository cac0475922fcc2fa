"""The example is what its script makes, and small enough to try."""

from examples.make_example import EXAMPLE, encode


def test_the_example_is_made_again_byte_for_byte() -> None:
    assert EXAMPLE.read_bytes() == encode()


def test_the_example_is_quick_to_upload() -> None:
    assert 200_000 < EXAMPLE.stat().st_size < 450_000
