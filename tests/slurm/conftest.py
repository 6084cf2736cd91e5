"""A real SLURM on this one machine, with a pretend GPU, for as long as the tests run."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

# Jobs look for the cluster's configuration here: the executor plugin passes no SLURM_CONF on.
ETC = Path("/etc/slurm")
START_S = 60
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The file in which the test cluster records every job that has ended."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"needs root and Debian's slurm-wlm and munge (missing: {', '.join(missing) or 'root'})")
    if (ETC / "slurm.conf").exists():
        pytest.skip(f"{ETC} holds a configuration: this machine may be part of a real cluster")
    folder = tmp_path_factory.mktemp("slurm")
    configure(folder)
    daemons = [start_munge()]
    for command in (["slurmctld", "-D"], ["slurmd", "-D"]):
        log = (folder / f"{command[0]}.out").open("w")
        daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        wait_until_idle(folder)
        yield folder / "completed"
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


def configure(folder: Path) -> None:
    """Write slurm.conf and gres.conf; the GPU is a null device of another name."""
    host = socket.gethostname()
    gpu = folder / "gpu0"
    subprocess.run(["mknod", str(gpu), "c", "1", "3"], check=True)
    for name in ("state", "spool", "log", "run"):
        (folder / name).mkdir()
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 500
    ETC.mkdir(exist_ok=True)
    (ETC / "gres.conf").write_text(f"Name=gpu File={gpu}\n")
    (ETC / "slurm.conf").write_text(
        f"ClusterName=test\nSlurmctldHost={host}\nSlurmUser=root\nAuthType=auth/munge\n"
        "ProctrackType=proctrack/pgid\nTaskPlugin=task/none\nSelectType=select/cons_tres\n"
        "SelectTypeParameters=CR_CPU_Memory\nJobAcctGatherType=jobacct_gather/none\n"
        f"AccountingStorageType=accounting_storage/none\nJobCompType=jobcomp/filetxt\n"
        f"JobCompLoc={folder}/completed\nReturnToService=2\nMpiDefault=none\nGresTypes=gpu\n"
        f"SlurmctldPort=16817\nSlurmdPort=16818\n"
        f"StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\n"
        f"SlurmctldPidFile={folder}/run/slurmctld.pid\nSlurmdPidFile={folder}/run/slurmd.pid\n"
        f"SlurmctldLogFile={folder}/log/slurmctld.log\nSlurmdLogFile={folder}/log/slurmd.log\n"
        f"NodeName={host} CPUs={os.cpu_count()} RealMemory={memory_mb} Gres=gpu:1 State=UNKNOWN\n"
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
