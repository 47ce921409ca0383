"""The parts of tests/rehearsal that a shell would do badly.

    rehearse.py package TEMPLATE BOOTSTRAPS DIRECTORY   what `sam build` leaves, from bootstraps that are built already
    rehearse.py at-once TEMPLATE                        what SAM makes of CodeDeploy=false: no deployment preferences;
                                                        and no metric math, which the emulator refuses
    rehearse.py glibc DIRECTORY [NAME…]                 no bootstrap below it needs a newer glibc than provided.al2023 has
                                                        (or these executables in it)
    rehearse.py wait ENDPOINT                           until the emulator answers
    rehearse.py telemetry STACK                         sends messages and waits for their rows
"""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

# Amazon Linux 2023, and so provided.al2023 (AWS: "Amazon Linux 2023 User Guide", "Glibc").
GLIBC_MAX = (2, 34)
# A symbol's version as it stands among the names of an executable's dynamic symbols.
GLIBC_VERSION = re.compile(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)")
MESSAGES = 20
WAIT_SECONDS = 120


def package(template_path, bootstraps, directory):
    """Each function's CodeUri is a directory with its bootstrap, each layer's ContentUri where it is."""
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse(Path(template_path).read_text(encoding="utf-8"))
    template["Globals"]["Function"].pop("CodeUri", None)
    beside = Path(template_path).resolve().parent
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            code = Path(directory, name)
            code.mkdir(parents=True)
            shutil.copy(Path(bootstraps, resource["Metadata"]["BuildProperties"]["Binary"]), code / "bootstrap")
            # A dev build's debug information is larger than what Lambda takes.
            subprocess.run(["strip", str(code / "bootstrap")], check=True)
            resource["Properties"]["CodeUri"] = str(code)
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = str(beside / resource["Properties"]["ContentUri"])
    Path(directory, "template.yaml").write_text(json.dumps(template, indent=1, default=str), encoding="utf-8")


def at_once(template_path):
    """SAM resolves the parameter while it expands; the emulator's expansion is not told parameters, and knows no CodeDeploy."""
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse(Path(template_path).read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        properties.pop("DeploymentPreference", None)
        if resource["Type"] == "AWS::CloudWatch::Alarm" and properties.pop("Metrics", None):
            # Some alarm, since others name it: whether metric math is right, cfn-lint says.
            properties.update(Namespace="weir", MetricName="stand-in", Statistic="Sum", Period=60)
    Path(template_path).write_text(json.dumps(template, indent=1, default=str), encoding="utf-8")


def glibc(directory, *names):
    """Prints the newest version that the bootstraps need."""
    found = {}
    for path in [Path(directory, name) for name in names] or sorted(Path(directory).rglob("bootstrap")):
        versions = [tuple(map(int, match)) for match in GLIBC_VERSION.findall(path.read_bytes())]
        if not versions:
            raise SystemExit(f"{path} names no version of glibc: is it linked dynamically?")
        found[path.name if names else path.parent.name] = max(versions)
    if not found:
        raise SystemExit(f"no bootstrap below {directory}")
    newest = max(found.values())
    print(f"{len(found)} bootstraps need glibc {newest[0]}.{newest[1]}; provided.al2023 has {GLIBC_MAX[0]}.{GLIBC_MAX[1]}")
    if newest > GLIBC_MAX:
        raise SystemExit(f"too new: {found}; build with zig (cargo lambda's default compiler) or on an older system")


def wait(endpoint):
    """Until it answers."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"no answer on {endpoint} after {WAIT_SECONDS} s")


def telemetry(stack):
    """One event a message, the same minute; the rows must come to their sums."""
    import boto3

    sqs, table = boto3.client("sqs"), boto3.resource("dynamodb").Table(f"{stack}-rollups")
    queue = sqs.get_queue_url(QueueName=f"{stack}-telemetry")["QueueUrl"]
    at = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime())
    for number in range(MESSAGES):
        event = {"service": "rehearsal", "endpoint": "/even" if number % 2 == 0 else "/odd", "status": 500 if number % 5 == 0 else 200, "timestamp": at}
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(event))
    wanted = {("rehearsal#/even", 10, 2), ("rehearsal#/odd", 10, 2), ("rehearsal#*", 20, 4)}
    until, found = time.monotonic() + WAIT_SECONDS, set()
    while time.monotonic() < until:
        rows = [row for row in table.scan()["Items"] if row["window"] == f"1m#{at}"]
        found = {(row["series"], int(row["events"]), int(row["errors"])) for row in rows}
        if found == wanted:
            print(f"{MESSAGES} messages are in {len(rows)} rows of {at}: {sorted(found)}")
            return
        time.sleep(0.5)
    raise SystemExit(f"after {WAIT_SECONDS} s the rows of {at} are {sorted(found)}, not {sorted(wanted)}")


commands = {"package": package, "at-once": at_once, "glibc": glibc, "wait": wait, "telemetry": telemetry}
commands[sys.argv[1]](*sys.argv[2:])
