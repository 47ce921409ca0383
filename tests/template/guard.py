"""Holds expanded templates against fleet.guard, and each of its rules against a template that breaks it.

    guard.py RULES TEMPLATE.json…

Status 1, and a line for each, when a template breaks a rule, when a template that was broken on purpose breaks another rule
than its own or none, or when a rule has no such template.
"""

import copy
import json
import re
import sys
from pathlib import Path

from cfn_guard_rs.api import run_checks_rs


def apart(rules):
    """Each rule by its name, with the variables that all share."""
    shared, *bodies = re.split(r"^(?=rule )", rules, flags=re.MULTILINE)
    return {body.split()[1]: shared + body for body in bodies}


def breaks(template, rule):
    """Whether a template breaks a rule. One at a time, and by the report's text: of one above 8 KB the package gives the end
    alone, and its own classes do not read those of a rule with `or`. A rule that holds is reported in a few words."""
    try:
        return json.loads(run_checks_rs(json.dumps(template), rule, False))["status"] == "FAIL"
    except json.JSONDecodeError:
        return True


def findings(template, rules):
    """Names of the rules that a template breaks."""
    return [name for name, rule in apart(rules).items() if breaks(template, rule)]


def first(template, kind):
    """Properties of the first resource of a type."""
    return next(r["Properties"] for r in template["Resources"].values() if r["Type"] == kind)


def without(kind, *path):
    """Breaks a template: a property is not there."""

    def broken(template):
        properties = first(template, kind)
        for name in path[:-1]:
            properties = properties[name]
        del properties[path[-1]]

    return broken


def set_to(kind, value, *path):
    """Breaks a template: a property has another value."""

    def broken(template):
        properties = first(template, kind)
        for name in path[:-1]:
            properties = properties[name]
        properties[path[-1]] = value

    return broken


def no_policies(template):
    """Breaks a template: its buckets have no policy."""
    resources = template["Resources"]
    for name in [name for name, resource in resources.items() if resource["Type"] == "AWS::S3::BucketPolicy"]:
        del resources[name]


TABLE, BUCKET, FUNCTION = "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Lambda::Function"
BROKEN = {
    "tables_are_encrypted": [set_to(TABLE, False, "SSESpecification", "SSEEnabled"), without(TABLE, "SSESpecification")],
    "tables_cannot_be_deleted_in_prod": [
        without(TABLE, "DeletionProtectionEnabled"),
        set_to(TABLE, {"Fn::If": ["IsProd", False, True]}, "DeletionProtectionEnabled"),
    ],
    "tables_expire_what_is_old": [
        without(TABLE, "TimeToLiveSpecification"),
        set_to(TABLE, "ttl", "TimeToLiveSpecification", "AttributeName"),
    ],
    "buckets_are_encrypted": [without(BUCKET, "BucketEncryption")],
    "buckets_have_no_acls": [without(BUCKET, "OwnershipControls")],
    "bucket_policies_take_tls_only": [
        set_to("AWS::S3::BucketPolicy", "Allow", "PolicyDocument", "Statement", 0, "Effect"),
        without("AWS::S3::BucketPolicy", "PolicyDocument", "Statement", 0, "Condition"),
    ],
    "some_bucket_has_a_policy": [no_policies],
    "queues_are_encrypted": [without("AWS::SQS::Queue", "SqsManagedSseEnabled")],
    "streams_are_encrypted": [without("AWS::Kinesis::Stream", "StreamEncryption")],
    "functions_are_traced": [set_to(FUNCTION, "PassThrough", "TracingConfig", "Mode")],
    "functions_log_json": [without(FUNCTION, "LoggingConfig")],
    "log_groups_forget": [without("AWS::Logs::LogGroup", "RetentionInDays")],
}


def main(rules_path, *paths):
    rules = Path(rules_path).read_text(encoding="utf-8")
    templates = {path: json.loads(Path(path).read_text(encoding="utf-8")) for path in paths}
    wrong = [f"{path} breaks {rule}" for path, template in templates.items() for rule in findings(template, rules)]
    names = apart(rules).keys()
    wrong += [f"no template breaks {rule}" for rule in sorted(names ^ BROKEN.keys())]
    sound = next(iter(templates.values()))
    for rule, ways in BROKEN.items():
        for place, way in enumerate(ways):
            template = copy.deepcopy(sound)
            way(template)
            broken = findings(template, rules)
            if broken != [rule]:
                wrong.append(f"a template that should break {rule} alone (way {place}) breaks {broken}")
    if wrong:
        raise SystemExit("\n".join(wrong))
    print(f"cfn-guard: {len(names)} rules hold over {len(templates)} templates, and each is broken by one made for it")


main(*sys.argv[1:])
