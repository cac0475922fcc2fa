"""Column operations: groups, unions, exact sums, running order."""

import numpy as np

from pcap_analyzer.analysis.columns import Ints, add_up, address_keys, gather, group, last_of_each, rows_of, wall_ns
from pcap_analyzer.analysis.tiling import any_between
from pcap_analyzer.capture.tables import EXCHANGES, Table
from tests.analysis.rows import address, exchange


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def test_groups_are_numbered_by_their_first_row() -> None:
    first, groups = group(ints(7, 3, 7, 3, 9), ints(1, 1, 1, 2, 1))
    assert first.tolist() == [0, 1, 3, 4]
    assert groups.tolist() == [0, 1, 0, 2, 3]


def test_addresses_group_over_all_their_bytes() -> None:
    addresses = np.stack([address("2001:db8::1"), address("2001:db8::2"), address("2001:db8::1")])
    assert group(*address_keys(addresses))[1].tolist() == [0, 1, 0]


def test_gather_reads_every_chunk_and_only_the_columns_asked_for() -> None:
    table = Table(EXCHANGES, [exchange(1), exchange(2), exchange(3)])
    rows = gather(table, ("flow", "status"))
    assert rows["flow"].tolist() == [1, 2, 3]
    assert rows.dtype.names == ("flow", "status")


def test_keys_are_found_in_any_order_and_unknown_ones_are_minus_one() -> None:
    assert rows_of(ints(5, 1, 8), ints(8, 5)).tolist() == [1, -1, 0]
    assert rows_of(ints(5), ints()).tolist() == [-1]


def test_a_union_counts_what_overlaps_once() -> None:
    assert wall_ns(ints(0, 5, 20), ints(10, 8, 30)) == 20
    assert wall_ns(ints(0, 2, 12), ints(10, 15, 13)) == 15
    assert wall_ns(ints(), ints()) == 0


def test_sums_stay_exact_beyond_the_precision_of_floats() -> None:
    large = 2**60
    assert add_up(ints(0, 0, 1), ints(large, 1, 1), 2).tolist() == [large + 1, 1]


def test_the_last_row_of_each_group_is_known() -> None:
    assert last_of_each(ints(1, 1, 2, 3, 3)).tolist() == [False, True, True, False, True]


def test_a_moment_counts_after_the_start_up_to_the_end_of_its_own_row() -> None:
    moments = (ints(0, 0, 1), ints(10, 20, 15))
    asked = any_between(moments, ints(0, 0, 0, 1, 2), ints(10, 9, 20, 14, 0), ints(19, 10, 99, 15, 99))
    assert asked.tolist() == [False, True, False, True, False]
