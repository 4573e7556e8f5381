"""The rhythm in which a meter is heard."""

from acrel_link.rhythm import Rhythm


def hear(rhythm: Rhythm, gap: float, times: int, now: float = 0.0) -> float:
    for _ in range(times):
        now += gap
        rhythm.heard(now)
    return now


def test_a_steady_rhythm_is_learned_from_two_readings():
    rhythm = Rhythm()
    hear(rhythm, 300, 1)
    assert rhythm.seconds is None
    hear(rhythm, 300, 1, 300)
    assert rhythm.seconds == 300


def test_a_slower_rhythm_is_believed_at_once_and_an_outage_only_by_half():
    rhythm = Rhythm(100)
    now = hear(rhythm, 150, 2)
    assert rhythm.seconds == 150
    rhythm.heard(now + 86400)
    assert rhythm.seconds == 300, "a day of silence is no rhythm"


def test_a_faster_rhythm_is_believed_gradually():
    rhythm = Rhythm(300)
    hear(rhythm, 10, 3)
    assert 200 < rhythm.seconds < 300
    hear(rhythm, 10, 60, 30)
    assert rhythm.seconds < 12


def test_uploads_between_polls_do_not_hide_the_longest_wait():
    rhythm = Rhythm()
    now = 0.0
    for _ in range(50):
        now = hear(rhythm, 10, 1, now)
        now = hear(rhythm, 290, 1, now)
    assert rhythm.seconds == 290


def test_a_reading_of_the_past_teaches_nothing():
    rhythm = Rhythm(60)
    rhythm.heard(1000)
    rhythm.heard(1000)
    rhythm.heard(900)
    assert rhythm.seconds == 60


def test_what_is_expected_is_never_less_than_the_plan():
    rhythm = Rhythm(10)
    rhythm.expect(300)
    assert rhythm.seconds == 300
    rhythm.expect(10)
    assert rhythm.seconds == 300


def test_news_is_told_once_and_only_when_it_is_worth_it():
    rhythm = Rhythm()
    assert not rhythm.news()
    hear(rhythm, 100, 2)
    assert rhythm.news()
    assert not rhythm.news()
    rhythm.seconds = 119
    assert not rhythm.news()
    rhythm.seconds = 121
    assert rhythm.news()
