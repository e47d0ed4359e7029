"""The digest of a job's records: it stays small, and what it says is what the records said."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from batcher.model import Record, Status
from batcher.rules.records.codec import timestamp
from batcher.rules.report import prefixes, timeline
from batcher.rules.report.digest import EXAMPLES, MOST_KINDS, Digest
from batcher.rules.report.histogram import Histogram
from batcher.rules.report.prefixes import OTHERS, Prefixes
from batcher.rules.report.timeline import Timeline

NOW = 1_795_509_000.0


@given(st.lists(st.floats(0.01, 1e7), min_size=1, max_size=50), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_a_value_of_its_rank_to_5_percent(values, share):
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    ranked = sorted(values)
    exact = next(value for index, value in enumerate(ranked, 1) if index >= share * len(ranked))
    assert histogram.percentile(share) == pytest.approx(exact, rel=0.05)


def test_histograms_add_up_and_an_empty_one_has_no_percentile():
    one, other = Histogram(), Histogram()
    assert one.percentile(0.5) is None
    one.add(0.0)
    other.add(1000.0)
    other.merge(one)
    assert other.total == 2
    assert other.percentile(1.0) == pytest.approx(1000, rel=0.05)


def test_starts_are_counted_by_the_second_as_long_as_they_fit():
    line = Timeline()
    for at in (NOW, NOW + 0.9, NOW + 1.1, NOW + 3.5):
        line.note(at).starts += 1
    assert line.seconds == 1.0
    assert [span.starts for span in line.filled()] == [2, 1, 0, 1]
    assert [span.at - NOW for span in line.filled()] == pytest.approx([0, 1.1, 2.1, 3.5])


@given(st.integers(1, 20_000), st.integers(1, 400))
def test_a_timeline_of_any_length_keeps_every_start_in_a_bounded_number_of_spans(starts, step):
    line = Timeline()
    starts = min(starts, 2000)
    for number in range(starts):
        span = line.note(NOW + number * step)
        span.starts += 1
        span.latencies.add(5)
    spans = line.filled()
    assert len(spans) <= timeline.MOST
    assert sum(span.starts for span in spans) == starts
    assert sum(span.latencies.total for span in spans) == starts
    assert not any(span.after_pause for span in spans)


@pytest.mark.parametrize("away", [86_400.0, -86_400.0])
def test_the_time_between_two_runs_is_cut_out_and_so_is_a_clock_that_was_set(away):
    line = Timeline()
    for at in (NOW, NOW + 1, NOW + 1 + away, NOW + 2 + away):
        line.note(at).starts += 1
    assert [(span.starts, span.after_pause) for span in line.filled()] == [
        (1, False),
        (1, False),
        (1, True),
        (1, False),
    ]
    assert line.filled()[2].at == NOW + 1 + away


def test_many_pauses_keep_a_timeline_small():
    line = Timeline()
    for number in range(1000):
        line.note(NOW + number * 3600).starts += 1
    assert len(line.filled()) <= timeline.MOST
    assert sum(span.starts for span in line.filled()) == 1000


def test_a_prefix_is_slow_when_its_slow_starts_are():
    found = Prefixes()
    for number in range(40):
        found.add("b", f"fast/{number}", 10)
        found.add("b", f"slow/{number}", 10 if number < 30 else 900)
        found.add("b", "rare/one" if number == 0 else f"fast/{number}", 5000 if number == 0 else 10)
    slowest = found.slowest(5)
    assert [(prefix.name, prefix.starts) for prefix in slowest] == [("b/slow/", 40), ("b/fast/", 79)]
    assert slowest[0].p95 == pytest.approx(900, rel=0.05)
    assert slowest[0].p50 == pytest.approx(10, rel=0.05)


def test_too_many_prefixes_are_cut_off_earlier_and_none_is_lost():
    found = Prefixes()
    for number in range(5000):
        found.add("b", f"top/{number % 3}/{number}/clip", 7)
    assert [(prefix.name, prefix.starts) for prefix in found.slowest(10)] == [
        ("b/top/0/", 1667), ("b/top/1/", 1667), ("b/top/2/", 1666),
    ]  # fmt: skip


def test_too_many_buckets_go_together():
    found = Prefixes()
    for number in range(prefixes.MOST + 50):
        for _ in range(prefixes.WEIGHTY):
            found.add(f"bucket-{number}", "key", 7)
    kept = {prefix.name: prefix.starts for prefix in found.slowest(2 * prefixes.MOST)}
    assert len(kept) == prefixes.MOST + 1
    assert sum(kept.values()) == prefixes.WEIGHTY * (prefixes.MOST + 50)
    assert kept[OTHERS] == prefixes.WEIGHTY * 50


def record(number, status, **more):
    known = {
        "error": None if status is Status.STARTED else {"code": "Code", "message": "why\n"},
        "recorded_at": timestamp(NOW),
    }
    return Record(number, "b", f"k/{number}", status, **known | more)


def test_failures_are_counted_by_what_they_say_with_a_few_examples():
    digest = Digest()
    for number in range(10):
        digest.add(record(number, Status.REJECTED, http_status=404, request_id=f"R{number}"))
    digest.add(record(11, Status.IN_DOUBT, http_status=500))
    digest.add(record(11, Status.STARTED, reconciled=True, execution_name="e"))
    digest.add(record(12, Status.DUPLICATE, error=None))
    rejected, doubt = digest.failures()
    assert (rejected.count, rejected.status, rejected.http_status, rejected.code) == (10, Status.REJECTED, 404, "Code")
    assert rejected.message == "why\\n"
    assert [tuple(each) for each in rejected.examples] == [(n, f"b/k/{n}", f"R{n}") for n in range(EXAMPLES)]
    assert (doubt.count, digest.doubted, digest.adopted, digest.records) == (1, 1, 1, 13)
    assert digest.timeline.filled() == []


def test_a_service_that_makes_up_codes_does_not_fill_the_memory():
    digest = Digest()
    for number in range(1000):
        digest.add(record(number, Status.REJECTED, error={"code": f"C{number}", "message": ""}))
    found = digest.failures()
    assert len(found) == MOST_KINDS + 1
    assert sum(failure.count for failure in found) == 1000
    assert found[0].code == "other codes"


def test_a_long_key_is_named_without_its_middle():
    digest = Digest()
    digest.add(structs.replace(record(1, Status.REJECTED), object="a" * 500 + "z" * 500))
    ((example,),) = [failure.examples for failure in digest.failures()]
    assert len(example.name) == 163
    assert example.name.startswith("b/aaa")
    assert example.name.endswith("zzz")


def test_starts_over_a_day_are_all_counted_in_a_bounded_number_of_spans():
    digest = Digest()
    draw = random.Random(7)
    for number in range(30_000):
        digest.add(
            record(number, Status.STARTED, latency_ms=draw.expovariate(0.02), recorded_at=timestamp(NOW + number * 2.3))
        )
    spans = digest.timeline.spans.values()
    assert len(spans) <= timeline.MOST
    assert sum(span.starts for span in spans) == 30_000
    assert digest.prefixes.slowest(1)[0].starts == 30_000
    assert digest.prefixes.slowest(1)[0].p50 == pytest.approx(50 * 0.693, rel=0.1)
