"""Holds that another WEIR_RELEASE publishes a version of every function, and that another parameter alone does not.

    release.py TEMPLATE

SAM names a version by a digest of its function's properties as they are written, so a version is published when its logical
id changes. Should SAM come to resolve parameters first, the second half says so, and WEIR_RELEASE can go.
"""

import copy
import sys
from pathlib import Path

import expand

RELEASE = "WEIR_RELEASE"


def versions(template, overrides=()):
    """Function → logical id of its version."""
    resources = expand.expanded(copy.deepcopy(template), overrides)["Resources"]
    found = {name: resource for name, resource in resources.items() if resource["Type"] == "AWS::Lambda::Version"}
    return {resource["Properties"]["FunctionName"]["Ref"]: name for name, resource in found.items()}


def main(path):
    template = expand.packaged(expand.yaml_parse(Path(path).read_text(encoding="utf-8")))
    before = versions(template)
    parameters = ["KinesisTimeoutSeconds=61", "LogLevel=DEBUG", "HourRowDays=401"]
    if versions(template, parameters) != before:
        raise SystemExit(f"SAM publishes versions for another parameter by itself: {RELEASE} is needed no more")
    template["Globals"]["Function"]["Environment"]["Variables"][RELEASE] += "+"
    after = versions(template)
    kept = [function for function, version in before.items() if after[function] == version]
    if kept:
        raise SystemExit(f"another {RELEASE} publishes no version of {', '.join(kept)}")
    print(f"another {RELEASE} publishes a version of each of {len(after)} functions")


if __name__ == "__main__":
    main(*sys.argv[1:])
