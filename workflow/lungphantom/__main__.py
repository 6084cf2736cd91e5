"""Command line: write a cohort of synthetic patients into a folder."""

import argparse

from lunggtv.errors import ConfigError

from lungphantom.make_phantom import make_phantom
from lungphantom.plan import DEMO, FULL, PhantomSettings


def main() -> None:
    """Parse the command line and write the cohort."""
    parser = argparse.ArgumentParser(prog="python -m lungphantom", description=__doc__)
    parser.add_argument("folder", metavar="OUT", help="folder that gets labelled/ and unlabelled/")
    parser.add_argument("--labelled", type=int, default=10, help="patients with a GTV (default 10)")
    parser.add_argument("--unlabelled", type=int, default=0, help="patients without a GTV (default 0)")
    parser.add_argument(
        "--dicom", type=int, default=0, help="how many of the labelled ones are DICOM (default 0)"
    )
    parser.add_argument("--size", choices=(DEMO, FULL), default=DEMO, help=f"voxel grid (default {DEMO})")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another cohort (default 1)")
    parser.add_argument("--workers", type=int, default=1, help="patients made at a time (default 1)")
    options = parser.parse_args()
    try:
        settings = PhantomSettings(
            options.labelled, options.unlabelled, options.dicom, options.size, options.seed
        )
    except ConfigError as error:
        parser.error(str(error))
    make_phantom(settings, options.folder, options.workers)


if __name__ == "__main__":
    main()
