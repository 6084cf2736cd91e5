"""A real SLURM on this one machine, with two pretend GPUs, for as long as the tests run.

The jobs see another /tmp and another cache folder of the user than Snakemake does, as on the nodes of a cluster: only
the working directory and the Python environment are shared.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import shared_folder
from tests.workflow.engine import PROJECT

# Jobs look for the cluster's configuration here: the executor plugin passes no SLURM_CONF on.
ETC = Path("/etc/slurm")
START_S = 60
HOLD_S = 300
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
GPUS = 2
# More than this machine has, so that jobs start with the memory they really ask for; nothing enforces it.
MEMORY_MB = 64000


@dataclass(frozen=True)
class Cluster:
    """The cluster's own records."""

    def jobs(self) -> list[dict[str, str]]:
        """What ``scontrol show job`` says of every job, ended ones too; ``rule`` is the rule it is for."""
        done = subprocess.run(["scontrol", "-o", "show", "job"], capture_output=True, text=True, check=False)
        found = []
        for line in done.stdout.splitlines():
            job = dict(re.findall(r"(\S+?)=(\S*)", line))
            rule = re.search(r"rule_(.+?)(?:_wildcards_|$)", job.get("Comment", ""))
            if rule:
                found.append(job | {"rule": rule[1]})
        return found

    def waiting_or_running(self) -> list[str]:
        """Ids of all jobs that have not ended; one that is cancelled is listed as completing while its node tidies
        up, which is an end."""
        command = ["squeue", "-h", "-o", "%A", "-t", "PENDING,RUNNING,SUSPENDED"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    @contextmanager
    def holding(self, rule: str, number: int) -> Iterator[None]:
        """Jobs submitted within wait until so many of the rule do; then all start for which there is room."""
        set_partition("DOWN")
        try:
            yield
            deadline = time.monotonic() + HOLD_S
            while [job["JobState"] for job in self.jobs() if job["rule"] == rule].count("PENDING") < number:
                assert time.monotonic() < deadline, f"{number} jobs of {rule} are not submitted together"
                time.sleep(0.2)
        finally:
            set_partition("UP")


def set_partition(state: str) -> None:
    """``DOWN``: jobs are taken, none starts; ``UP``."""
    subprocess.run(["scontrol", "update", "PartitionName=all", f"State={state}"], check=True)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A running cluster; skips where there can be none."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"needs root and Debian's slurm-wlm and munge (missing: {', '.join(missing) or 'root'})")
    if (ETC / "slurm.conf").exists():
        pytest.skip(f"{ETC} holds a configuration: this machine may be part of a real cluster")
    folder = tmp_path_factory.mktemp("slurm")
    configure(folder)
    daemons = [start_munge()]
    for name, command in (
        ("slurmctld", ["slurmctld", "-D"]),
        ("slurmd", on_a_node(shared_folder(tmp_path_factory))),
    ):
        log = (folder / f"{name}.out").open("w")
        daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        wait_until_idle(folder)
        yield Cluster()
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)


def start_munge() -> subprocess.Popen:
    """Authentication of the cluster: munged in the foreground, as its own user."""
    run = Path("/run/munge")
    run.mkdir(exist_ok=True)
    shutil.chown(run, "munge", "munge")
    return subprocess.Popen(["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", "munged", "-F"])


def on_a_node(shared: Path) -> list[str]:
    """The command that runs slurmd where /tmp and the user's cache are its own, but for the tests' folder and what
    Python runs from; in the open where mounting is not allowed."""
    kept = " ".join(shlex.quote(str(path)) for path in (shared, PROJECT, Path(sys.prefix).resolve()))
    cache = shlex.quote(str(Path.home() / ".cache"))
    script = (
        f"mount --make-rprivate / && mkdir -p /run/lunggtv {cache} && mount -t tmpfs tmpfs /run/lunggtv && n=0 && "
        f"for f in {kept}; do n=$((n+1)); mkdir /run/lunggtv/$n; mount --bind $f /run/lunggtv/$n; done && "
        f"mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs {cache} && n=0 && "
        f"for f in {kept}; do n=$((n+1)); mkdir -p $f; mount --bind /run/lunggtv/$n $f; done && exec slurmd -D"
    )
    can = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
    return ["unshare", "-m", "sh", "-c", script] if can else ["slurmd", "-D"]


def configure(folder: Path) -> None:
    """Write slurm.conf and gres.conf; the GPUs are null devices of another name."""
    host = socket.gethostname()
    for number in range(GPUS):
        subprocess.run(["mknod", str(folder / f"gpu{number}"), "c", "1", "3"], check=True)
    for name in ("state", "spool", "log", "run"):
        (folder / name).mkdir()
    ETC.mkdir(exist_ok=True)
    (ETC / "gres.conf").write_text(f"Name=gpu File={folder}/gpu[0-{GPUS - 1}]\n")
    (ETC / "slurm.conf").write_text(
        f"ClusterName=test\nSlurmctldHost={host}\nSlurmUser=root\nAuthType=auth/munge\n"
        "ProctrackType=proctrack/pgid\nTaskPlugin=task/none\nSelectType=select/cons_tres\n"
        "SelectTypeParameters=CR_CPU_Memory\nJobAcctGatherType=jobacct_gather/none\n"
        "AccountingStorageType=accounting_storage/none\nReturnToService=2\nMpiDefault=none\nGresTypes=gpu\n"
        "SlurmdParameters=config_overrides\nMinJobAge=7200\nKillWait=20\n"
        f"SlurmctldPort=16817\nSlurmdPort=16818\n"
        f"StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\n"
        f"SlurmctldPidFile={folder}/run/slurmctld.pid\nSlurmdPidFile={folder}/run/slurmd.pid\n"
        f"SlurmctldLogFile={folder}/log/slurmctld.log\nSlurmdLogFile={folder}/log/slurmd.log\n"
        f"NodeName={host} CPUs={max(os.cpu_count() or 1, GPUS)} RealMemory={MEMORY_MB} Gres=gpu:{GPUS} State=UNKNOWN\n"
        f"PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP\n"
    )


def wait_until_idle(folder: Path) -> None:
    """Wait for the node; where the daemons cannot run, the tests skip with what they logged."""
    deadline = time.monotonic() + START_S
    said = ""
    while time.monotonic() < deadline:
        try:
            done = subprocess.run(
                ["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False, timeout=10
            )
        except subprocess.TimeoutExpired:
            continue
        said = done.stdout + done.stderr
        if done.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    logs = [path.read_text(errors="replace")[-500:] for path in sorted((folder / "log").glob("*.log"))]
    pytest.skip(f"SLURM's daemons do not come up on this machine: {said} {' '.join(logs)}")
