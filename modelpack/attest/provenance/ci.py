"""What a CI job says about itself, from the variables it sets. They are passed in: the library reads no environment.

These are a job's claims about itself, not a platform's statement about the job: they make provenance richer, not better.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from modelpack.attest.inventory.origins import without_login
from modelpack.attest.provenance.model import Material
from modelpack.oci import JSONObject

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_VALUE = 1024
_GITHUB = {
    "event_name": "GITHUB_EVENT_NAME",
    "ref": "GITHUB_REF",
    "repository": "GITHUB_REPOSITORY",
    "repository_id": "GITHUB_REPOSITORY_ID",
    "runner_environment": "RUNNER_ENVIRONMENT",
    "workflow": "GITHUB_WORKFLOW",
}
_GITLAB = {
    "job": "CI_JOB_NAME",
    "pipeline_source": "CI_PIPELINE_SOURCE",
    "project_path": "CI_PROJECT_PATH",
    "ref": "CI_COMMIT_REF_NAME",
    "runner_id": "CI_RUNNER_ID",
}


@dataclass(frozen=True, slots=True)
class CiFacts:
    """``builder`` is the workflow's identity, ``invocation`` the run's page, ``source`` what was checked out."""

    builder: str
    invocation: str
    source: Material | None = None
    internal: JSONObject = field(default_factory=dict, hash=False)


def ci_facts(variables: Mapping[str, str]) -> CiFacts | None:
    """What GitHub Actions or GitLab CI say, by the names of their variables; None where neither runs."""
    said = {key: value[:_MAX_VALUE] for key, value in variables.items() if isinstance(value, str)}
    if said.get("GITHUB_ACTIONS") == "true":
        return _github(said)
    if said.get("GITLAB_CI") == "true":
        return _gitlab(said)
    return None


def _github(said: Mapping[str, str]) -> CiFacts:
    server, repository = said.get("GITHUB_SERVER_URL", "https://github.com"), said.get("GITHUB_REPOSITORY", "")
    server = without_login(server).rstrip("/")
    workflow = said.get("GITHUB_WORKFLOW_REF", "") or f"{repository}/.github/workflows/unknown"
    run, attempt = said.get("GITHUB_RUN_ID", ""), said.get("GITHUB_RUN_ATTEMPT", "1")
    page = f"{server}/{repository}/actions/runs/{run}/attempts/{attempt}" if run else ""
    source = _source(f"git+{server}/{repository}", said.get("GITHUB_REF", ""), said.get("GITHUB_SHA", ""))
    return CiFacts(f"{server}/{workflow}", page, source, {"github": _facts(said, _GITHUB)})


def _gitlab(said: Mapping[str, str]) -> CiFacts:
    project = without_login(said.get("CI_PROJECT_URL", "https://gitlab.com")).rstrip("/")
    config = said.get("CI_CONFIG_PATH") or ".gitlab-ci.yml"
    source = _source(f"git+{project}", said.get("CI_COMMIT_REF_NAME", ""), said.get("CI_COMMIT_SHA", ""))
    return CiFacts(
        f"{project}//{config}", without_login(said.get("CI_JOB_URL", "")), source, {"gitlab": _facts(said, _GITLAB)}
    )


def _source(uri: str, ref: str, commit: str) -> Material | None:
    if not _COMMIT.fullmatch(commit):
        return None
    return Material(f"{uri}@{ref}" if ref else uri, "source", {"gitCommit": commit})


def _facts(said: Mapping[str, str], names: Mapping[str, str]) -> JSONObject:
    return {key: said[name] for key, name in names.items() if said.get(name)}
