#!/usr/bin/env python3
"""Reads the public bytes of weir-rollup with the libraries that analysts use.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install datasketches==5.2.0 opentelemetry-proto==1.45.2
    /tmp/venv/bin/python shared/rollup/tests/read_sketch.py

The goldens are pinned by `cargo test -p weir-rollup --test public_bytes`; run this when they change.
"""

import math
import pathlib
import sys

from datasketches import hll_sketch, hll_union, tgt_hll_type
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

GOLDENS = pathlib.Path(__file__).parent / "goldens"
LG_K = 12


def check_users(users: int) -> None:
    data = (GOLDENS / f"users_{users}.hll").read_bytes()
    ours = hll_sketch.deserialize(data)
    assert ours.lg_config_k == LG_K
    theirs = hll_sketch(LG_K, tgt_hll_type.HLL_4)
    for user in range(users):
        theirs.update(f"usér-{user}")

    estimate = ours.get_estimate()
    assert abs(estimate - users) <= 0.05 * users, (users, estimate)
    # The same registers: a union of Python's own sketch of these users with itself (which forgets
    # the order, as ours has from the start) estimates the same, and a union with ours does not grow.
    for first, second in ((theirs, theirs), (ours, theirs), (theirs, ours)):
        union = hll_union(LG_K)
        union.update(first)
        union.update(second)
        assert math.isclose(union.get_estimate(), estimate, rel_tol=1e-12), (users, union.get_estimate())
    # Python can go on counting from our bytes.
    ours.update("another")
    assert ours.get_estimate() >= estimate
    print(f"{users:>7} users: {len(data):>5} bytes, estimate {estimate:,.2f}")


def check_durations() -> None:
    data = (GOLDENS / "durations.otlp").read_bytes()
    point = ExponentialHistogramDataPoint.FromString(data)
    durations_ms = [i**3 * 53 / 1000 for i in range(1000)]
    assert point.time_unix_nano - point.start_time_unix_nano == 60 * 10**9
    assert point.scale == 5 and point.count == 1000 and point.zero_count == 1
    assert not point.HasField("negative") and point.zero_threshold == 0
    assert math.isclose(point.sum, sum(durations_ms), rel_tol=1e-12)
    assert (point.min, point.max) == (0, max(durations_ms))

    # Bin i is (base^i, base^(i+1)]; none of these durations lies within rounding of an end.
    expected: dict[int, int] = {}
    for ms in durations_ms[1:]:
        index = math.ceil(math.log2(ms) * 2**point.scale) - 1
        expected[index] = expected.get(index, 0) + 1
    counts = enumerate(point.positive.bucket_counts, point.positive.offset)
    assert {index: n for index, n in counts if n} == expected
    assert point.SerializeToString() == data, "Python writes other bytes"
    print(f"1,000 durations: {len(data)} bytes, {len(point.positive.bucket_counts)} bins")


def main() -> int:
    for users in (0, 1, 7, 8, 100, 384, 385, 2_000, 100_000):
        check_users(users)
    check_durations()
    return 0


if __name__ == "__main__":
    sys.exit(main())
