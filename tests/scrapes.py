"""What Prometheus gets, read with its own parser."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

PER_PROCESS = "process"


class Figures:
    """The samples of one answer; the label that names the process, another one each time, is left out."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        samples = [sample for family in families for sample in family.samples]
        self.types = {family.name: family.type for family in families}
        self.explained = {family.name for family in families if family.documentation}
        self.processes = {sample.labels[PER_PROCESS] for sample in samples if PER_PROCESS in sample.labels}
        self._values = {_key(sample.name, sample.labels): sample.value for sample in samples}

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sample ``name`` with exactly these labels."""
        return self._values[_key(name, labels)]

    def __contains__(self, name: str) -> bool:
        return any(known == name for known, _ in self._values)


def _key(name: str, labels: dict[str, str]) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset((key, value) for key, value in labels.items() if key != PER_PROCESS)


def scrape(url: str, **headers: str) -> Figures:
    """Return what ``url``/metrics says now."""
    return Figures(httpx.get(f"{url}/metrics", headers=headers, timeout=10).raise_for_status().text)
