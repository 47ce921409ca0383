-- Over what export.py wrote; the variable `file` is its name. In S3: INSTALL httpfs; LOAD httpfs; and 's3://…' for the name.

-- Summary rows hold their endpoints: leave out one or the other, or events count twice.
CREATE OR REPLACE VIEW rollups AS
SELECT service, endpoint, CAST(start AS TIMESTAMP) AS start, events, errors, state,
       duration_ms.p50 AS p50_ms, duration_ms.p99 AS p99_ms, duration_ms.sum AS duration_sum_ms,
       duration_ms.count AS durations, unique_users
FROM read_json(getvariable('file'), format = 'newline_delimited', columns = {
    service: 'VARCHAR', endpoint: 'VARCHAR', start: 'VARCHAR', events: 'UBIGINT', errors: 'UBIGINT', state: 'VARCHAR',
    unique_users: 'UBIGINT',
    duration_ms: 'STRUCT(count UBIGINT, sum DOUBLE, min DOUBLE, max DOUBLE, avg DOUBLE, p50 DOUBLE, p90 DOUBLE, p95 DOUBLE, p99 DOUBLE)'
});

-- Counts and sums add up. Quantiles and unique users do not: max(p99_ms) is the worst window's, not that of all events.
SELECT service, endpoint,
       sum(events)::BIGINT AS events,
       sum(errors)::BIGINT AS errors,
       round(100.0 * sum(errors) / sum(events), 2) AS error_percent,
       round(sum(duration_sum_ms) / sum(durations), 3) AS average_ms,
       max(p99_ms) AS worst_window_p99_ms
FROM rollups
WHERE endpoint <> '*'
GROUP BY ALL
ORDER BY events DESC, service, endpoint;
