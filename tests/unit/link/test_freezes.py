"""When meters are looked into for the months that they keep."""

from acrel_link.freezes import A_SECOND, AT_ONCE, Newest


def test_all_meters_at_once_are_read_a_few_a_second():
    newest = Newest()
    begun = [sum(newest.may_begin(1000.0 + second) for _ in range(10_000)) for second in range(4)]
    assert begun == [AT_ONCE, A_SECOND, A_SECOND, A_SECOND]


def test_a_pause_brings_back_no_more_than_a_start_had():
    newest = Newest()
    while newest.may_begin(1000.0):
        pass
    assert sum(newest.may_begin(1_000_000.0) for _ in range(10_000)) == AT_ONCE
