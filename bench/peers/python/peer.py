"""Does in Python, with its standard library, what the hot functions do: a yardstick for bench/.

    peer.py                                the custom runtime of Lambda; _HANDLER names the handler
    peer.py measure HANDLER FILE SECONDS   the handler over one payload, again and again; prints JSON

Handlers: hello, burst, kinesis, sqs. See ../README.md for what they do alike and what not.
"""

import http.client
import json
import os
import platform
import sys
import time

from batch import kinesis, sqs
from burst import burst

HANDLERS = {"hello": lambda _: '"hello"', "burst": burst, "kinesis": kinesis, "sqs": sqs}
USAGE = "usage: peer.py measure HANDLER FILE SECONDS; handlers: " + ", ".join(HANDLERS)


def serve(handle):
    """Lambda's custom runtime (AWS: "Using the Lambda runtime API for custom runtimes")."""
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    base = "/2018-06-01/runtime/invocation/"
    while True:
        connection.request("GET", base + "next")
        invocation = connection.getresponse()
        request_id, payload = invocation.headers["Lambda-Runtime-Aws-Request-Id"], invocation.read()
        try:
            answer, path = handle(payload), "/response"
        except Exception as error:  # any failure is the invocation's, not the runtime's
            answer, path = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}), "/error"
        connection.request("POST", base + request_id + path, answer, {"Content-Type": "application/json"})
        connection.getresponse().read()


def measure(handle, payload, seconds):
    """Runs the handler for that long after a tenth of it to warm up."""
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds / 10:
        handle(payload)
    times = []
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds or len(times) < 5:
        one = time.perf_counter_ns()
        answer = handle(payload)
        times.append(time.perf_counter_ns() - one)
    times.sort()
    print(json.dumps({
        "language": "python" + platform.python_version(),
        "iterations": len(times),
        "median_ns": times[len(times) // 2],
        "p95_ns": times[len(times) * 95 // 100],
        "answer": json.loads(answer),
    }))


def main(args):
    if not args:
        name = os.environ.get("_HANDLER", "")
        if name not in HANDLERS:
            sys.exit(f"peer.py: _HANDLER is {name!r}; expected one of {', '.join(HANDLERS)}")
        return serve(HANDLERS[name])
    if len(args) != 4 or args[0] != "measure" or args[1] not in HANDLERS:
        sys.exit(USAGE)
    with open(args[2], "rb") as file:
        payload = file.read()
    return measure(HANDLERS[args[1]], payload, float(args[3]))


if __name__ == "__main__":
    main(sys.argv[1:])
