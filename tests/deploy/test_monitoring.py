"""Alerts on what the services really export."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from tests.deploy.manifests import SERVICES, rendered

DAY_S = 86_400
ALERTS = {
    "LodestoneDown": ("critical", {"job": "novelty", "namespace": "lodestone", "instance": "a"}),
    "LodestoneImagesFail": ("warning", {"job": "embedder"}),
    "LodestoneCertificateExpires": ("critical", {"job": "crawler", "namespace": "lodestone"}),
    "LodestoneMissing": None,
    "LodestoneQueueFull": None,
    "LodestoneCallsFail": None,
}


def series(name, job, values, **labels):
    labels = {"namespace": "lodestone", "job": job, **labels}
    listed = ", ".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{name}{{{listed}}}", "values": values}


def half_an_hour():
    """One service down, one image in ten without an answer, a certificate that nobody renewed."""
    given = [
        series("up", word, "0x60" if word == "novelty" else "1x60", instance="a")
        for word in SERVICES
    ]
    for outcome, each in (("computed", 90), ("failed", 10)):
        name = "lodestone_embedder_images_total"
        given.append(series(name, "embedder", f"0+{each}x60", outcome=outcome))
    for word, days in (("crawler", 13), ("embedder", 20)):
        name = f"lodestone_{word}_certificate_not_after_seconds"
        given.append(series(name, word, f"{days * DAY_S}x60"))
    expected = []
    for name, alert in ALERTS.items():
        alerts = [{"exp_labels": {"severity": alert[0], **alert[1]}}] if alert else []
        expected.append({"eval_time": "30m", "alertname": name, "exp_alerts": alerts})
    return {
        "rule_files": ["rules.yaml"],
        "tests": [{"interval": "1m", "input_series": given, "alert_rule_test": expected}],
    }


def rules():
    (group,) = rendered("cpu", "monitoring").one("PrometheusRule", "lodestone")["spec"]["groups"]
    return group["rules"]


def test_every_service_is_scraped():
    """By the label of its Service, as a job by its own word."""
    overlay = rendered("cpu", "monitoring")
    spec = overlay.one("ServiceMonitor", "lodestone")["spec"]
    assert spec["jobLabel"] == "app.kubernetes.io/name"
    (endpoint,) = spec["endpoints"]
    for word in SERVICES:
        service = overlay.one("Service", word)
        assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_alerts_are_on_metrics_that_are_exported(served_metrics):
    """A misspelt name is an alert that never comes."""
    exported = set().union(*served_metrics.values())
    for rule in rules():
        expression = rule["expr"]
        patterns = re.findall(r'__name__=~"([^"]+)"', expression)
        rest = re.sub(r'"[^"]*"', "", expression)
        patterns += re.findall(r"\b(?:lodestone|process)_\w+", rest)
        assert patterns or re.search(r"\bup\b", rest), rule["alert"]
        for pattern in patterns:
            assert any(re.fullmatch(pattern, name) for name in exported), pattern


def test_promtool_understands_the_rules_and_they_alert(tmp_path):
    """When they should, and not when they should not."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool, of Debian's package prometheus, is not installed")
    written = {"groups": [{"name": "lodestone", "rules": rules()}]}
    (tmp_path / "written.yaml").write_text(yaml.safe_dump(written))
    # What an alert says would be compared as well.
    silent = {"groups": [{"name": "a", "rules": [one | {"annotations": {}} for one in rules()]}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(silent))
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(half_an_hour()))
    for command in (["check", "rules", "written.yaml"], ["test", "rules", "test.yaml"]):
        done = subprocess.run(
            ["promtool", *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
