#!/usr/bin/env bash
# Sends NDJSON telemetry, one event a line, from standard input to weir's queue with the AWS CLI:
#
#     produce.sh my-app-2026-11-21 < access.ndjson
#
# 100 lines to a message, each named by its content, so that sending them again counts nothing twice. For a few thousand lines: the
# CLI starts anew for every request.
set -euo pipefail

source=${1:?usage: produce.sh SOURCE, which names the lines}
name=${WEIR_STACK:-weir}-telemetry
# The CLI 1 does not read AWS_ENDPOINT_URL for every service.
aws=(aws)
if [[ -n ${AWS_ENDPOINT_URL:-} ]]; then aws+=(--endpoint-url "$AWS_ENDPOINT_URL"); fi

url=$("${aws[@]}" sqs get-queue-url --queue-name "$name" --query QueueUrl --output text)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
split --lines=100 --numeric-suffixes --suffix-length=6 - "$work/body-"

for body in "$work"/body-*; do
    [[ -s $body ]] || continue
    id=$source:${body##*-}:$(sha256sum <"$body" | cut -c1-32)
    attributes="{\"weir-id\":{\"DataType\":\"String\",\"StringValue\":\"$id\"}}"
    for attempt in 1 2 3 4 5; do
        if "${aws[@]}" sqs send-message --queue-url "$url" --message-body "file://$body" \
            --message-attributes "$attributes" >/dev/null; then
            continue 2
        fi
        # It may have been taken all the same: under its id it counts once.
        sleep $((attempt * attempt))
    done
    echo "produce.sh: lines of $body were not taken" >&2
    exit 1
done
