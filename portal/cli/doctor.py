"""`flask doctor`: is everything that the portal stands on as it should be?"""

import json
import sys
from collections import Counter
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from portal.cli.answers import services
from portal.doctor import Finding, Level, examine


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@with_appcontext
def doctor(as_json: bool) -> None:
    """Looks at settings, database, spool, clock, HighLevel, workers and senders; ends with 1 when there is a fault."""
    findings: list[Finding] = []
    for finding in examine(services()):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    counts = Counter(finding.level for finding in findings)
    if as_json:
        told = {"faults": counts[Level.FAULT], "warnings": counts[Level.WARN]}
        click.echo(json.dumps(told | {"checks": [asdict(finding) for finding in findings]}, ensure_ascii=False))
    else:
        click.echo(f"{counts[Level.FAULT]} fault(s), {counts[Level.WARN]} warning(s)")
    sys.exit(1 if counts[Level.FAULT] else 0)


def _line(finding: Finding) -> str:
    line = f"{finding.level:<5}  {finding.check}: {finding.says}"
    return f"{line}\n       -> {finding.remedy}" if finding.remedy else line
