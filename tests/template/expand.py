"""Expands the SAM template as AWS would, offline, once for its defaults and once for each environment of samconfig.toml.

    expand.py TEMPLATE SAMCONFIG DIRECTORY [NAME=VALUE,NAME=VALUE…]…

Writes DIRECTORY/<environment>.json and DIRECTORY/<environment>.parameters (one NAME=VALUE a line), and the same for each
further set of parameters. What SAM refuses (an unknown event property, a wrong type, a parameter that the template does not
have) ends it with status 1 and a line for each.
"""

import copy
import json
import logging
import os
import sys
import tomllib
import warnings
from pathlib import Path

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
# The translator names its own deprecations and toggles, none of which is the template's affair.
warnings.simplefilter("ignore", DeprecationWarning)
logging.disable(logging.WARNING)

from samtranslator.model.exceptions import InvalidDocumentException  # noqa: E402
from samtranslator.parser.parser import Parser  # noqa: E402
from samtranslator.translator.translator import Translator  # noqa: E402
from samtranslator.validator.validator import SamTemplateValidator  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402


def packaged(template):
    """The template as `sam package` leaves it: the code is on S3 before AWS sees it."""
    template["Globals"]["Function"].pop("CodeUri", None)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://code/package.zip"
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = "s3://code/layer.zip"
    return template


def environments(samconfig):
    """Name → overrides of each environment that is deployed."""
    with open(samconfig, "rb") as file:
        tables = tomllib.load(file)
    tables.pop("version")
    deployed = {name: table["deploy"]["parameters"] for name, table in tables.items() if "deploy" in table}
    return {name: parameters.get("parameter_overrides", []) for name, parameters in deployed.items()}


def expanded(template, overrides):
    """CloudFormation, or the lines that say why not."""
    values = dict(override.split("=", 1) for override in overrides)
    unknown = values.keys() - template["Parameters"].keys()
    if unknown:
        raise SystemExit(f"no such parameter: {', '.join(sorted(unknown))}")
    errors = SamTemplateValidator().get_errors(template)
    if errors:
        raise SystemExit("\n".join(map(str, errors)))
    try:
        return Translator({}, Parser()).translate(copy.deepcopy(template), values)
    except InvalidDocumentException as refused:
        raise SystemExit("\n".join(cause.message for cause in refused.causes)) from None


def main(path, samconfig, directory, *sets):
    template = packaged(yaml_parse(Path(path).read_text(encoding="utf-8")))
    wanted = {"defaults": [], **environments(samconfig)}
    wanted |= {text.replace(",", "-").replace("=", "-"): text.split(",") for text in sets}
    for name, overrides in wanted.items():
        result = json.dumps(expanded(template, overrides), indent=1)
        Path(directory, f"{name}.json").write_text(result, encoding="utf-8")
        Path(directory, f"{name}.parameters").write_text("".join(f"{line}\n" for line in overrides), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
