"""What processes cost: wall and CPU time, and the peak memory of all of them together."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import psutil

ROOT = Path(__file__).parents[1]
SAMPLE_S = 0.05


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds, and peak memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def measured(commands: list[list[str]], log: Path, **environment: str) -> Cost:
    """What commands cost, one after the other."""
    peak = 0.0
    before, start = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    with log.open("w", encoding="utf-8") as file:
        for command in commands:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=file, stderr=subprocess.STDOUT
            )
            found: list[float] = []
            watcher = threading.Thread(target=watch_memory, args=(process.pid, found))
            watcher.start()
            if process.wait() != 0:
                sys.exit(f"{command[:4]} failed; see {log}")
            watcher.join()
            peak = max(peak, *found)
    wall_s, after = time.perf_counter() - start, getrusage(RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall_s, cpu_s, peak / 1e6)


def watch_memory(pid: int, found: list[float]) -> None:
    """Note the proportional set size of a process and all below it, in bytes, until it ends."""
    found.append(0.0)
    try:
        root = psutil.Process(pid)
        while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
            found[0] = max(found[0], sum(map(proportional_bytes, [root, *root.children(recursive=True)])))
            time.sleep(SAMPLE_S)
    except psutil.Error:
        return


def proportional_bytes(process: psutil.Process) -> float:
    try:
        return process.memory_full_info().pss
    except psutil.Error:
        return 0.0
