"""Whatever happens, and in whatever order: every viewer sees every event once."""

import subprocess
import sys

from tests.site import ROOT, Site

EXAMPLES = 60


def test_in_any_order_of_events_faults_and_viewers_each_viewer_sees_its_events_once_in_order_and_the_end(
    site: Site,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.progress.machine", str(EXAMPLES)],
        cwd=ROOT,
        env=site.env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, (done.stdout + done.stderr)[-20_000:]
