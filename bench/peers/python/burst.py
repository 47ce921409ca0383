"""The summary of a JSON array of events, as burst-summary answers it."""

import base64
import json
import math
import time
from collections import Counter


def burst(payload):
    begun = time.perf_counter()
    request = json.loads(payload)
    body = request["body"]
    if request.get("isBase64Encoded"):
        body = base64.b64decode(body)
    summary = summarise(json.loads(body))
    summary["compute_ms"] = round((time.perf_counter() - begun) * 1000, 3)
    return json.dumps({
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(summary),
    })


def summarise(events):
    users, endpoints, statuses, durations = set(), Counter(), Counter(), []
    for event in events:
        endpoints[event.get("endpoint", "unknown")] += 1
        statuses[str(event.get("status", "unknown"))] += 1
        duration = event.get("duration_ms")
        if duration is not None:
            durations.append(duration)
        user = event.get("user_id")
        if user is not None:
            users.add(user)
    durations.sort()
    return {
        "total_events": len(events),
        "unique_users": len(users),
        "p95_duration_ms": durations[math.floor(0.95 * (len(durations) - 1))] if durations else None,
        "top_endpoints": sorted(endpoints.items(), key=lambda entry: (-entry[1], entry[0]))[:5],
        "status_counts": statuses,
    }
