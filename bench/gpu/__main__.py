"""What a GPU makes of the default settings: one command, a table, and a JSON file a row.

    python bench/gpu --minutes 10                                    # with the libraries that are there
    python bench/gpu --python /usr/bin/python3 --wheels wheels       # a machine without a package index

The rows come in order of worth, each in a process of its own, and each is written when it is measured: a run that is
stopped keeps what it has, and one that is started again goes on with the rows that are missing (--again measures all).
Neither Snakemake nor SimpleITK is needed: torch of the interpreter, and h5py, numpy, psutil, PyYAML and safetensors,
which are installed from --wheels into the working folder where they are missing. On a machine with a package index
fetch them with

    pip download --dest wheels --no-deps h5py numpy psutil pyyaml safetensors
    pip download --dest wheels nnunetv2==2.8.1                        # for nnU-Net's row

nnU-Net's row is left out, saying so, where nnU-Net cannot be installed. Without --caches the boxes are made here: air,
tissue and tumours of the size of a usual lung box. To see that the script itself works, on a CPU:

    python bench/gpu --config profiles/demo/small.yaml --device cpu --box 24 64 64 --turns 3 --out /tmp/gpu
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from libraries import LibraryMissing, paths_with_libraries
from table import table

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# A usual lung box at 5 x 1.17 x 1.17 mm.
BOX_SHAPE = (60, 210, 246)
# In order of worth: what each answers stands in ``rows.py``.
ROWS = (
    "step", "nondeterministic", "compiled", "compiled_nondeterministic", "nnunet", "prediction", "saving", "float32",
)  # fmt: skip
LEAST_S = 20.0  # a row is not begun with less time left


@dataclass(frozen=True)
class Run:
    """How rows are measured."""

    python: str
    job: dict
    work: Path
    out: Path
    environment: dict[str, str]

    def measure(self, row: str, seconds: float) -> dict:
        """The values of one row, or why it has none, in at most ``seconds``."""
        job, answer = self.work / f"{row}.job.json", self.work / f"{row}.answer.json"
        job.write_text(json.dumps({**self.job, "row": row}), encoding="utf-8")
        answer.unlink(missing_ok=True)
        with (self.work / f"{row}.log").open("w", encoding="utf-8") as log:
            try:
                done = subprocess.run(
                    [self.python, HERE / "rows.py", job, answer],
                    env=self.environment, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=seconds,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                return {"missing": f"ran past the {seconds:.0f} s that were left"}
        if done.returncode or not answer.exists():
            return {"missing": f"failed with exit status {done.returncode}; see {log.name}"}
        return json.loads(answer.read_text(encoding="utf-8"))


def main() -> None:
    options = read_options()
    out, work = options.out.resolve(), options.work.resolve()
    for folder in (out, work):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        paths = paths_with_libraries(options.python, options.wheels, work / "libraries")
    except LibraryMissing as error:
        sys.exit(str(error))
    job = {
        "caches": [str(path.resolve()) for path in options.caches or ()], "configs": options.config or [],
        "box_shape": options.box, "patients": options.patients, "device": options.device,
        "turns": options.turns, "work": str(work), "wheels": options.wheels and str(options.wheels.resolve()),
    }  # fmt: skip
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "workflow"), str(ROOT / "bench"), *paths]),
    }  # fmt: skip
    run = Run(options.python, job, work, out, environment)
    end = time.monotonic() + 60 * options.minutes
    reasons: dict[str, str] = {}
    for row in options.rows:
        path = out / f"{row}.json"
        if path.exists() and not options.again:
            continue
        left = end - time.monotonic()
        values = run.measure(row, left) if left >= LEAST_S else {"missing": "no time was left; see --minutes"}
        print(f"{row}: {json.dumps(values)}", file=sys.stderr, flush=True)
        if "missing" in values:
            reasons[row] = values["missing"]
        else:
            path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    page = table(out, ROWS, reasons)
    (out / "README.md").write_text(page, encoding="utf-8")
    print(page, end="")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter whose torch is measured")
    parser.add_argument(
        "--wheels", type=Path, help="folder to install from what is missing, without an index"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for all rows together")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--again", action="store_true", help="measure also what is there already")
    parser.add_argument("--config", action="append", help="laid over config.yaml")
    parser.add_argument("--caches", nargs="+", type=Path, help="cache volumes instead of boxes made here")
    parser.add_argument("--box", nargs=3, type=int, default=BOX_SHAPE, help="voxels of the boxes, z y x")
    parser.add_argument("--patients", type=int, default=6, help="boxes to make")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:<n> or cpu")
    parser.add_argument(
        "--turns", type=int, default=8, help="of each step timed; a turn on a GPU is 20 steps"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / ".work.gpu")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "gpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
