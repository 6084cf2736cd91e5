"""A run that can be killed at a chosen moment, in whole or in part."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.workflow.engine import Analysis

PATIENCE_S = 300
POLL_S = 0.02


@dataclass(frozen=True)
class Run:
    """Snakemake at work in a process group of its own."""

    analysis: Analysis
    process: subprocess.Popen

    def jobs(self) -> dict[int, str]:
        """Process and rule of every job's script that is at work in the analysis, whoever started it."""
        found = {}
        scripts = re.compile(re.escape(f"{self.analysis.work}/.snakemake/scripts/") + r"\w+\.(\w+)\.py")
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                # The shell that starts the script has it in its words too; the script is the second word.
                if len(words) > 1 and (match := scripts.fullmatch(words[1].decode("utf-8", "replace"))):
                    found[int(entry.name)] = match[1]
        return found

    def wait_for_job(self, rule: str) -> bool:
        """Wait until a job of the rule is at work; False if the run ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            if rule in self.jobs().values():
                return True
            assert time.monotonic() < deadline, f"no job of {rule} in {PATIENCE_S} s"
            time.sleep(POLL_S)
        return False

    def kill(self, kind: str) -> list[str]:
        """Kill without warning and say which rules' jobs were at work: ``job`` (one job), ``snakemake`` (alone,
        its jobs live on) or ``all`` (the process group); ``ctrl-c`` interrupts the group."""
        jobs = self.jobs()
        victims = sorted(jobs.values())
        try:
            if kind == "job" and jobs:
                os.kill(min(jobs), signal.SIGKILL)
            elif kind == "snakemake":
                self.process.kill()
            else:
                os.killpg(self.process.pid, signal.SIGINT if kind == "ctrl-c" else signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was faster
        try:
            self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return victims


def start(analysis: Analysis, *arguments: str) -> Run:
    """Start ``snakemake`` as ``analysis.run`` does, without waiting."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(analysis.project / "Snakefile")]
    command += ["--directory", str(analysis.work), "--cores", "2", *arguments]
    log = (analysis.work / "killed.out").open("a", encoding="utf-8")
    process = subprocess.Popen(
        command, cwd=analysis.project, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=log, stderr=log,
        # Where a shell started the tests in the background, Ctrl-C is ignored, also by what they start.
        start_new_session=True, preexec_fn=heed_ctrl_c,  # noqa: PLW1509
    )  # fmt: skip
    return Run(analysis, process)


def heed_ctrl_c() -> None:
    """Give SIGINT its meaning back."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def differences(analysis: Analysis, undisturbed: Analysis) -> list[str]:
    """Results that only one of the two has, or that have other bytes.

    Where a job was killed whose results were up to date, its output may be gone and not needed by anybody; asked
    for, it must come back.
    """
    missing = sorted(set(undisturbed.results()) - set(analysis.results()))
    if missing:
        assert analysis.reruns() == {}
        analysis.run(*missing)
    return analysis.differs_from(undisturbed)
