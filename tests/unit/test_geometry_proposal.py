"""The geometry that a cohort proposes: the median spacing, and the patch that nnU-Net's rule makes of a lung box."""

import re
from itertools import product
from pathlib import Path

import pytest
import yaml
from lunggtv.cache.geometry_proposal import (
    LUNG_BOX_MM,
    PATCH_VOXELS,
    SMALLEST_EDGE,
    Proposal,
    differing,
    propose_geometry,
    propose_patch,
)
from lunggtv.errors import CohortError
from lunggtv.model.architecture import plan_architecture

STRUCTSEG = ((5.0, 1.17, 1.17), (475.0, 599.04, 599.04))
SCHEMA = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"


def row(spacing_mm: str, shape: str, verdict: str = "accepted", kind: str = "labelled") -> dict[str, str]:
    return {"set": kind, "verdict": verdict, "spacing_mm": spacing_mm, "shape": shape}


def structseg(number: int) -> list[dict[str, str]]:
    return [row("5 1.171875 1.171875", f"{90 + n} 512 512") for n in range(number)]


def test_the_geometry_of_structseg_is_5_by_1_17_mm_and_48_by_160_by_192_voxels():
    found = propose_geometry(structseg(11))
    assert found == Proposal((5.0, 1.17, 1.17), (48, 160, 192), (475.0, 600.0, 600.0), 11)


@pytest.mark.parametrize(
    ("spacing_mm", "extent_mm", "patch"),
    [
        (*STRUCTSEG, (48, 160, 192)),
        # Three steps of 16 slices, and then of 8; rows and columns in steps of 32.
        ((3.0, 0.98, 0.98), (360.0, 501.76, 501.76), (48, 160, 160)),
        ((3.0, 1.17, 1.17), (400.0, 600.0, 600.0), (64, 128, 160)),
        ((1.0, 1.0, 1.0), (400.0, 500.0, 500.0), (128, 96, 96)),
        # 24 slices of 5 mm: the patch is the scan from end to end, and the box in the plane.
        ((5.0, 1.17, 1.17), (120.0, 599.04, 599.04), (24, 224, 256)),
        # The demo's phantoms: their box fits as a whole.
        ((6.25, 3.2, 3.2), (275.0, 358.4, 358.4), (48, 80, 96)),
        # Two slices.
        ((20.0, 1.0, 1.0), (40.0, 400.0, 400.0), (8, 256, 320)),
    ],
)
def test_a_patch_by_nnu_nets_rule(spacing_mm, extent_mm, patch):
    found = propose_patch(spacing_mm, extent_mm)
    assert found == patch
    assert found[0] * found[1] * found[2] <= PATCH_VOXELS
    assert plan_architecture("residual_encoder", spacing_mm, found, 32, 320, (1,)).patch_shape == found


def test_every_step_down_takes_what_the_network_divides_from_the_longest_axis(monkeypatch):
    """For StructSeg by hand: from the lungs' box, 60 x 210 x 246 voxels, rounded up to 16, 32 and 64."""
    path = [
        (64, 224, 256), (48, 224, 256), (48, 192, 256), (48, 192, 224), (48, 160, 224), (48, 160, 192),
    ]  # fmt: skip
    for shape in path:
        monkeypatch.setattr("lunggtv.cache.geometry_proposal.PATCH_VOXELS", shape[0] * shape[1] * shape[2])
        assert propose_patch(*STRUCTSEG) == shape


def test_whatever_is_planned_could_stand_in_the_settings():
    slices_mm = (0.3, 0.6, 1.0, 1.25, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0)
    for z_mm, x_mm, slices in product(
        slices_mm, (0.2, 0.5, 0.7, 0.98, 1.37, 2.0, 5.0, 20.0), (1, 9, 30, 400)
    ):
        patch = propose_patch((z_mm, x_mm, x_mm), (slices * z_mm, 512 * x_mm, 512 * x_mm))
        assert min(patch) >= SMALLEST_EDGE and max(patch) <= 1024, (z_mm, x_mm, slices)
        assert patch[0] * patch[1] * patch[2] <= PATCH_VOXELS, (z_mm, x_mm, slices)


def test_the_median_is_the_middle_patients_and_the_lower_of_two():
    odd = [row("3 0.9 0.9", "100 512 512"), row("5 1.2 1.2", "80 512 512"), row("2 1 1", "300 512 512")]
    assert propose_geometry(odd).spacing_mm == (3.0, 1.0, 1.0)
    assert propose_geometry(odd).median_extent_mm == (400.0, 512.0, 512.0)
    even = [*odd, row("4 1.1 1.1", "60 512 512")]
    assert propose_geometry(even).spacing_mm == (3.0, 1.0, 1.0)
    assert propose_geometry(even).median_extent_mm == (300.0, 512.0, 512.0)


def test_rows_and_columns_get_one_spacing_rounded_to_a_hundredth_of_a_millimetre():
    assert propose_geometry([row("2.9996 0.9 1.6", "90 512 512")]).spacing_mm == (3.0, 1.2, 1.2)
    assert propose_geometry([row("3.004 0.9765 0.9765", "90 512 512")]).spacing_mm == (3.0, 0.98, 0.98)


def test_labelled_patients_alone_propose_where_there_are_any_and_no_rejected_one_ever():
    thin = [row("1 0.7 0.7", "300 512 512", kind="unlabelled")] * 5
    others = [
        row("2 0.7 0.7", "150 512 512", "rejected"),
        {"set": "", "verdict": "excluded", "spacing_mm": "", "shape": ""},
        row("", "", "rejected"),
    ]
    mixed = [*thin, *others, *structseg(2), row("4 1 1", "100 512 512", "warned")]
    found = propose_geometry(mixed)
    assert (found.spacing_mm, found.patients) == ((5.0, 1.17, 1.17), 3)
    assert propose_geometry(thin).spacing_mm == (1.0, 0.7, 0.7)


@pytest.mark.parametrize(
    "rows",
    [[], [row("", "", "rejected")], [row("", "", "rejected"), row("1 1 1", "9 9 9", kind="unlabelled")]],
)
def test_where_nobody_can_propose_the_error_says_so_and_what_to_do(rows):
    with pytest.raises(CohortError) as caught:
        propose_geometry(rows)
    words = str(caught.value)
    assert "no patient is accepted" in words and "set numbers in config.yaml" in words
    assert "cache.spacing_mm" in words and "train.patch_shape" in words


def test_a_patch_is_planned_for_a_spacing_that_is_given():
    found = propose_geometry(structseg(3), [3.0, 1.17, 1.17])
    assert found.spacing_mm == (3.0, 1.17, 1.17)
    assert found.patch_shape == propose_patch((3.0, 1.17, 1.17), (455.0, 600.0, 600.0)) == (64, 128, 160)
    own = propose_geometry(structseg(3), [None, 1.17, 1.17])
    assert own.spacing_mm == (None, 1.17, 1.17)
    assert own.patch_shape == (48, 160, 192), "of slices as the patients have them"


PLAN = {"spacing_mm": [5.0, 1.17, 1.17], "patch_shape": [48, 160, 192]}


@pytest.mark.parametrize(
    ("spacing_mm", "patch", "keys", "differs"),
    [
        ((5.0, 1.17, 1.17), (48, 160, 192), ["spacing_mm", "patch_shape"], False),
        ((5.0, 1.28, 1.28), (48, 160, 176), ["spacing_mm", "patch_shape"], False),
        ((5.0, 1.29, 1.29), (48, 160, 192), ["spacing_mm", "patch_shape"], True),
        ((4.49, 1.17, 1.17), (48, 160, 192), ["spacing_mm", "patch_shape"], True),
        ((4.51, 1.17, 1.17), (48, 160, 192), ["spacing_mm", "patch_shape"], False),
        ((5.0, 1.17, 1.17), (48, 160, 160), ["spacing_mm", "patch_shape"], True),
        ((5.0, 1.17, 1.17), (48, 160, 160), ["spacing_mm"], False),
        ((3.0, 1.17, 1.17), (48, 160, 192), ["patch_shape"], False),
    ],
)
def test_more_than_a_tenth_of_a_number_that_is_used_is_a_difference(spacing_mm, patch, keys, differs):
    assert differing(PLAN, Proposal(spacing_mm, patch, (1.0, 1.0, 1.0), 1), keys) is differs


def test_the_schema_tells_the_figures_of_the_plan():
    train, cache = (
        yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["properties"][stage]["properties"]
        for stage in ("train", "cache")
    )
    told = train["patch_shape"]["description"]
    assert f"at most {PATCH_VOXELS} voxels" in told and "48 x 160 x 192" in told
    assert f"{' x '.join(f'{mm:g}' for mm in LUNG_BOX_MM)} mm" in told
    assert train["patch_shape"]["items"]["minimum"] == SMALLEST_EDGE
    assert train["patch_shape"]["default"] == cache["spacing_mm"]["default"] == "auto"


def test_the_examples_of_the_docs_are_what_is_planned():
    page = (Path(__file__).parents[2] / "docs/training.md").read_text(encoding="utf-8")
    section = page.partition("## Spacing and patch")[2].partition("\n## ")[0]
    examples = re.findall(r"^\| ([\d. x]+?)(?: \(StructSeg\))? \| ([\d x]+) \|$", section, re.MULTILINE)
    assert len(examples) == 3
    for spacing, patch in examples:
        z_mm, y_mm, x_mm = map(float, spacing.split(" x "))
        assert propose_patch((z_mm, y_mm, x_mm), (500.0, 500.0, 500.0)) == tuple(map(int, patch.split(" x ")))
    assert f"{PATCH_VOXELS:,} voxels" in section
    assert f"{' x '.join(f'{mm:g}' for mm in LUNG_BOX_MM)} mm" in section
