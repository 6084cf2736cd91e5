"""Every fault of a patient's files has its own reason, in words that name the file and the remedy."""

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from lunggtv.errors import RejectedPatient
from lunggtv.ingest.verdict import sentence
from lunggtv.patient_files import PatientFiles
from lunggtv.volume import read_volume

from tests.unit.ingest_bodies import GRID, LPS, chest_hu, gtv_mask, ingest, sitk_image, write_pair

CONTRACT = {"patient", "verdict", "reasons", "format", "spacing_mm", "shape", "hu_rule", "gtv_ml"}


def rejected(files: PatientFiles, out: Path, code: str, *words: str, **changed) -> None:
    """Assert that ingest rejects with one code and these words, and that a later stage gets them."""
    outcome = ingest(files, out, **changed)
    assert outcome.verdict["verdict"] == "rejected"
    assert code in outcome.codes, outcome.verdict["reasons"]
    for word in words:
        assert word in outcome.words
    with pytest.raises(RejectedPatient, match=r"^Patient 7 is rejected\. ") as caught:
        read_volume(outcome.volume, "ingest")
    assert all(word in str(caught.value) for word in words)


def patched(path: Path, offset: int, layout: str, *values: float) -> None:
    """Overwrite bytes of a gzipped file's content."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(layout, content, offset, *values)
    path.write_bytes(gzip.compress(bytes(content), 1))


def test_a_good_pair_is_accepted_with_the_contract_keys(tmp_path):
    outcome = ingest(write_pair(tmp_path / "7"), tmp_path)
    assert outcome.verdict["verdict"] == "accepted"
    assert outcome.verdict["reasons"] == []
    assert outcome.verdict.keys() >= CONTRACT
    assert outcome.verdict["spacing_mm"] == [6.0, 8.0, 8.0]
    assert outcome.verdict["shape"] == [16, 36, 44]
    assert outcome.verdict["gtv_ml"] == pytest.approx(gtv_mask().sum() * 6 * 8 * 8 / 1000)
    volume = read_volume(outcome.volume, "ingest")
    assert np.array_equal(volume.ct, chest_hu())
    assert np.array_equal(volume.label, gtv_mask())


def test_outputs_are_the_same_bytes_when_made_again(tmp_path):
    files = write_pair(tmp_path / "7")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ingest(files, tmp_path / name)
    for name in ("volume.h5", "verdict.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_no_output_names_the_folder_the_data_lay_in(tmp_path):
    rejecting = write_pair(tmp_path / "Secret Place" / "7", label=np.zeros(GRID.shape, np.uint8))
    for files in (rejecting, write_pair(tmp_path / "Secret Place" / "8")):
        outcome = ingest(files, tmp_path)
        assert b"Secret" not in outcome.volume.read_bytes() + (tmp_path / "verdict.json").read_bytes()


def test_an_unlabelled_patient_has_no_label(tmp_path):
    files = replace(write_pair(tmp_path / "7"), labelled=False, label=None)
    outcome = ingest(files, tmp_path)
    assert outcome.verdict["verdict"] == "accepted"
    assert outcome.verdict["gtv_ml"] is None
    assert read_volume(outcome.volume, "ingest").label is None


def test_a_labelled_patient_without_label(tmp_path):
    files = replace(write_pair(tmp_path / "7"), label=None)
    rejected(
        files,
        tmp_path,
        "no_label",
        "There is an image, data.nii.gz, but no label where data.label says. Add the label, or put the patient under "
        "data.unlabelled.",
    )


def test_a_problem_of_the_folder_is_passed_on(tmp_path):
    files = PatientFiles("7", True, tmp_path, (), problem="the folder is empty: no 7/data.nii.gz.")
    rejected(files, tmp_path, "unusable_folder", "The folder is empty")


def test_a_file_that_vanished(tmp_path):
    files = write_pair(tmp_path / "7")
    files.image.unlink()
    rejected(
        files,
        tmp_path,
        "missing_file",
        "data.nii.gz is not there. Put it back, or mend the pattern in data.",
    )


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_truncated_file(tmp_path, suffix, share):
    files = write_pair(tmp_path / "7", suffix=suffix)
    content = files.image.read_bytes()
    files.image.write_bytes(content[: int(share * len(content))])
    outcome = ingest(files, tmp_path)
    assert outcome.verdict["verdict"] == "rejected"
    assert outcome.codes[0] in ("unreadable", "damaged")
    assert f"data{suffix}" in outcome.words


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_flipped_bit_never_passes_as_other_voxels(tmp_path, suffix):
    """SimpleITK reads some of these without a word; what it says of others has the folder's name."""
    files = replace(write_pair(tmp_path / ("Secret" * 30), suffix=suffix), labelled=False, label=None)
    content = files.image.read_bytes()
    for position in np.linspace(len(content) // 10, len(content) - 1, 25).astype(int):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        files.image.write_bytes(damaged)
        outcome = ingest(files, tmp_path)
        assert outcome.codes[0] in ("damaged", "unreadable")
        assert f"data{suffix}" in outcome.words and "Secret" not in outcome.words


def test_a_file_that_is_something_else(tmp_path):
    files = write_pair(tmp_path / "7")
    files.label.write_text("no image")
    rejected(files, tmp_path, "unreadable", "label.nii.gz")


def test_data_longer_than_the_header_says(tmp_path):
    files = write_pair(tmp_path / "7")
    content = gzip.decompress(files.image.read_bytes())
    files.image.write_bytes(gzip.compress(content + b"\1" * 1000, 1))
    rejected(files, tmp_path, "damaged", "data.nii.gz holds more than")


def test_a_header_of_absurd_size_takes_no_memory(tmp_path):
    files = write_pair(tmp_path / "7")
    patched(files.image, 40, "<4h", 3, 32767, 32767, 32767)
    rejected(
        files,
        tmp_path,
        "too_large",
        "data.nii.gz says that it has 32767 x 32767 x 32767 voxels, above ingest.max_voxels (10000000). If that is "
        "true, raise the limit; else export the file again.",
    )


def test_a_bomb_is_stopped_at_the_size_it_promised(tmp_path):
    files = write_pair(tmp_path / "7")
    content = gzip.decompress(files.image.read_bytes())
    files.image.write_bytes(gzip.compress(content + bytes(200_000_000), 1))
    rejected(files, tmp_path, "damaged", "holds more than")


@pytest.mark.parametrize(
    ("array", "is_vector", "code"),
    [
        (np.zeros((4, *GRID.shape), np.int16), False, "not_3d"),
        (np.zeros((36, 44), np.int16), False, "not_3d"),
        (np.zeros((1, 36, 44), np.int16), False, "not_3d"),
        (np.zeros((*GRID.shape, 3), np.uint8), True, "not_grey"),
    ],
)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_an_image_that_is_no_grey_volume(tmp_path, array, is_vector, code, suffix):
    files = write_pair(tmp_path / "7", suffix=suffix)
    sitk.WriteImage(sitk_image(array, is_vector), str(files.image), useCompression=True)
    outcome = ingest(files, tmp_path)
    assert outcome.verdict["verdict"] == "rejected"
    assert set(outcome.codes) & {code, "unreadable"}
    sizes = " x ".join(map(str, array.shape[::-1]))
    assert f"data{suffix}" in outcome.words
    assert (
        code not in outcome.codes
        or outcome.words
        == {
            "not_3d": f"data{suffix} is not one three-dimensional image: it has {sizes} voxels. Export a single phase "
            "or a single series as one volume.",
            "not_grey": f"data{suffix} does not hold one number a voxel ({sitk.sitkVectorUInt8} is its pixel type: "
            "colour, vector or complex). Export the CT as a grey image.",
        }[code]
    )


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_fourth_axis_of_one_is_dropped(tmp_path, suffix):
    files = write_pair(tmp_path / "7", suffix=suffix)
    image = sitk.JoinSeries([sitk.ReadImage(str(files.image))])
    sitk.WriteImage(image, str(files.image), useCompression=True)
    outcome = ingest(files, tmp_path)
    assert outcome.verdict["verdict"] == "accepted"
    assert np.array_equal(read_volume(outcome.volume, "ingest").ct, chest_hu())


@pytest.mark.parametrize("spacing", [0.0, -8.0, float("nan"), float("inf"), 900.0, 0.001])
def test_an_absurd_spacing(tmp_path, spacing):
    files = write_pair(tmp_path / "7")
    patched(files.image, 80, "<f", spacing)
    rejected(
        files,
        tmp_path,
        "spacing_absurd",
        f"data.nii.gz has a voxel spacing of {spacing:g} mm in its header; 0.05 to 50.0 mm is believed. Mend the "
        "header from the scanner's series.",
    )


@pytest.mark.parametrize("spacing", ["0 8 6", "-8 8 6", "nan 8 6"])
def test_an_absurd_spacing_in_a_text_header(tmp_path, spacing):
    files = write_pair(tmp_path / "7", suffix=".mha")
    content = files.image.read_bytes()
    files.image.write_bytes(
        content.replace(b"ElementSpacing = 8 8 6", b"ElementSpacing = " + spacing.encode())
    )
    outcome = ingest(files, tmp_path)
    assert outcome.codes[0] in ("spacing_absurd", "unreadable")


@pytest.mark.parametrize(
    ("spacing", "believed"), [(0.05, True), (0.0499, False), (50.0, True), (50.1, False)]
)
def test_spacings_at_the_limits(tmp_path, spacing, believed):
    files = write_pair(tmp_path / "7", suffix=".mha")
    for path in (files.image, files.label):
        content = path.read_bytes()
        new = f"ElementSpacing = 8 8 {spacing}"
        path.write_bytes(content.replace(b"ElementSpacing = 8 8 6", new.encode()))
    outcome = ingest(files, tmp_path)
    assert ("spacing_absurd" not in outcome.codes) == believed
    assert outcome.verdict["spacing_mm"] == ([spacing, 8.0, 8.0] if believed else None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(tmp_path, bad):
    ct = chest_hu().astype(np.float32)
    ct[3, 4, 5:8] = bad
    told = "data.nii.gz holds NaN or infinity in 3 voxels. Export it again as whole numbers."
    rejected(write_pair(tmp_path / "7", ct), tmp_path, "not_finite", told)


def test_a_double_too_large_for_anything(tmp_path):
    ct = chest_hu().astype(np.float64)
    ct[3, 4, 5] = 1e300
    rejected(write_pair(tmp_path / "7", ct), tmp_path, "not_finite", "in 1 voxels")


def test_a_constant_volume(tmp_path):
    ct = np.full(GRID.shape, -1000, np.int16)
    rejected(write_pair(tmp_path / "7", ct), tmp_path, "constant", "data.nii.gz holds one value, -1000")


def test_label_of_another_shape(tmp_path):
    label, grid = np.pad(gtv_mask(), ((0, 1), (0, 0), (0, 0))), replace(GRID, shape=(17, 36, 44))
    files = write_pair(tmp_path / "7", label=label, label_grid=grid)
    rejected(files, tmp_path, "shape_differs", "44 x 36 x 17", "44 x 36 x 16", "reaches beyond the image")


def test_label_of_another_spacing_origin_or_direction(tmp_path):
    turned = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)
    for change, code in (
        ({"spacing_mm": (6.0, 8.0, 8.01)}, "spacing_differs"),
        ({"origin_mm": (-170.0, -139.5, -50.0)}, "origin_differs"),
        ({"direction": turned}, "direction_differs"),
    ):
        files = write_pair(tmp_path / "7", label_grid=replace(GRID, **change))
        rejected(files, tmp_path, code, "Export the label again")
        assert ingest(files, tmp_path).codes == [code]


def test_small_differences_of_geometry_are_tolerated_as_configured(tmp_path):
    near = replace(GRID, spacing_mm=(6.0, 8.0, 8.0005), origin_mm=(-170.0, -139.95, -50.0))
    files = write_pair(tmp_path / "7", label_grid=near)
    assert ingest(files, tmp_path).verdict["verdict"] == "accepted"
    rejected(files, tmp_path, "spacing_differs", spacing_tolerance_mm=0.0001)
    rejected(files, tmp_path, "origin_differs", "0.05 mm", position_tolerance_mm=0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_label_values_that_are_not_configured(tmp_path, dtype):
    label = gtv_mask().astype(dtype)
    label[2:4] = 4
    label[4, 5, 6] = 9
    files = write_pair(tmp_path / "7", label=label)
    rejected(files, tmp_path, "label_values", "label.nii.gz holds the values 0, 1, 4, 9", "ingest.gtv_values")
    outcome = ingest(files, tmp_path, gtv_values=(1, 4, 9))
    assert outcome.verdict["gtv_ml"] == pytest.approx(np.count_nonzero(label) * 0.384)


def test_label_values_beyond_sixteen_bits(tmp_path):
    label = gtv_mask().astype(np.int32) * 100_000
    rejected(write_pair(tmp_path / "7", label=label), tmp_path, "label_values", "0, 100000")


def test_a_label_of_fractions(tmp_path):
    label = gtv_mask().astype(np.float32) * 0.75
    told = (
        "label.nii.gz holds fractions: it is a probability or was interpolated. Export the drawn mask itself, 0 and "
        "1."
    )
    rejected(write_pair(tmp_path / "7", label=label), tmp_path, "label_fractional", told)


def test_an_empty_label(tmp_path, caplog):
    label = np.zeros(GRID.shape, np.uint8)
    files = write_pair(tmp_path / "7", label=label)
    told = "label.nii.gz is empty: no voxel is GTV. Draw the GTV, or put the patient under data.unlabelled."
    caplog.set_level("INFO")
    rejected(files, tmp_path, "label_empty", told)
    said = f"Patient 7 is rejected. {told} Folder: {files.folder}"
    assert caplog.record_tuples == [("root", 40, said), ("root", 20, "Patient 7 is rejected.")]


def test_a_label_of_one_voxel(tmp_path):
    label = np.zeros(GRID.shape, np.uint8)
    label[8, 18, 30] = 1
    rejected(write_pair(tmp_path / "7", label=label), tmp_path, "label_one_voxel", "single voxel")


def test_specks_beside_the_label_are_told_and_kept(tmp_path):
    label = gtv_mask()
    label[8, 18, 13] = 1
    outcome = ingest(write_pair(tmp_path / "7", label=label), tmp_path)
    assert (outcome.verdict["verdict"], outcome.codes) == ("warned", ["label_specks"])
    assert outcome.verdict["gtv_parts"] == 2
    assert np.array_equal(read_volume(outcome.volume, "ingest").label, label)


def test_repeated_slices_are_warned_about(tmp_path, caplog):
    ct = chest_hu()
    ct[5:7] = ct[4]
    ct[0:2] = -1000
    outcome = ingest(write_pair(tmp_path / "7", ct), tmp_path)
    assert (outcome.verdict["verdict"], outcome.codes) == ("warned", ["repeated_slices"])
    assert ("root", 30, f"Patient 7: {outcome.words}") in caplog.record_tuples
    assert outcome.words == (
        "data.nii.gz has 2 slices that repeat the slice below, voxel by voxel: slices were missing and filled, or were "
        "stored twice. Convert the series again."
    )


def test_a_label_outside_the_body(tmp_path):
    label = np.zeros(GRID.shape, np.uint8)
    label[4:8, 1:4, 1:5] = 1
    files = write_pair(tmp_path / "7", label=label)
    rejected(files, tmp_path, "label_outside_body", "100% of label.nii.gz lies outside the body")
    label |= gtv_mask()
    label[4:7, 1:4, 1:5] = 0
    outcome = ingest(write_pair(tmp_path / "7", label=label), tmp_path)
    assert outcome.codes == ["label_partly_outside"]


def test_all_faults_of_one_patient_are_told_at_once(tmp_path):
    ct = chest_hu().astype(np.float32)
    ct[0, 0, 0] = np.nan
    grid = replace(GRID, spacing_mm=(5.0, 8.0, 8.0), origin_mm=(0.0, 0.0, 0.0))
    outcome = ingest(write_pair(tmp_path / "7", ct, label_grid=grid), tmp_path)
    assert outcome.codes == ["not_finite", "spacing_differs", "origin_differs"]


def test_a_header_whose_matrix_contradicts_its_spacing(tmp_path):
    files = write_pair(tmp_path / "7")
    patched(files.image, 280, "<f", -9.0)
    told = (
        "data.nii.gz has a header that contradicts itself: its sform matrix (sheared, or scaled unlike pixdim) places "
        "a corner 43 mm from where spacing and direction place it. Convert the series again, or write one consistent "
        "sform and qform."
    )
    rejected(files, tmp_path, "contradictory_header", told)


def test_a_header_with_axes_that_are_not_orthogonal(tmp_path):
    files = write_pair(tmp_path / "7", suffix=".mha")
    content = files.image.read_bytes()
    assert b"TransformMatrix = 1 0 0 0 1 0 0 0 1" in content
    sheared = content.replace(b"TransformMatrix = 1 0 0 0 1 0 0 0 1", b"TransformMatrix = 1 0 0 1 0 0 0 0 1")
    files.image.write_bytes(sheared)
    told = (
        "data.mha has axes that are not at right angles to one another (a sheared or rounded direction matrix), which "
        "no scanner makes. Mend the header or convert the series again."
    )
    rejected(files, tmp_path, "not_orthogonal", told)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
@pytest.mark.parametrize(("shear", "codes"), [(0.00009, []), (0.00011, ["not_orthogonal"])])
def test_axes_may_be_off_a_right_angle_by_rounding_alone(tmp_path, suffix, shear, codes):
    """Written with four decimals, the product of two axes is off by less than a ten-thousandth."""
    files = write_pair(tmp_path / "7", suffix=suffix)
    x, y, _ = GRID.spacing_mm[::-1]
    old, new = {
        ".mha": ("TransformMatrix = 1 0 0 0 1 0", f"TransformMatrix = 1 0 0 {shear} 1 0"),
        ".nrrd": (f"({x:g},0,0) (0,{y:g},0)", f"({x:g},0,0) ({y * shear:.6g},{y:g},0)"),
    }[suffix]
    for path in (files.image, files.label):
        content = path.read_bytes()
        assert content.count(old.encode()) == 1
        path.write_bytes(content.replace(old.encode(), new.encode()))
    assert ingest(files, tmp_path).codes == codes


def test_an_image_without_a_place_in_the_patient_is_warned(tmp_path):
    files = write_pair(tmp_path / "7", grid=replace(GRID, origin_mm=(0.0, 0.0, 0.0)))
    for path in (files.image, files.label):
        patched(path, 252, "<2h", 0, 0)
    outcome = ingest(files, tmp_path)
    assert (outcome.verdict["verdict"], outcome.codes) == ("warned", ["no_orientation"])
    assert outcome.words == (
        "data.nii.gz does not say how it lies in the patient; its axes are taken as the format's default. Check left "
        "and right in the report's pictures."
    )


def test_what_was_noticed_before_a_refusal_is_told_with_it(tmp_path):
    files = write_pair(tmp_path / "7", chest_hu() // 2, grid=replace(GRID, origin_mm=(0.0, 0.0, 0.0)))
    for path in (files.image, files.label):
        patched(path, 252, "<2h", 0, 0)
    outcome = ingest(files, tmp_path)
    assert (outcome.verdict["verdict"], outcome.codes) == ("rejected", ["no_orientation", "not_hu"])


def test_every_direction_is_told_in_lps(tmp_path):
    flipped = replace(
        GRID, direction=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0), origin_mm=(174.0, 140.0, -50.0)
    )
    outcome = ingest(
        write_pair(tmp_path / "7", chest_hu()[:, ::-1, ::-1], gtv_mask()[:, ::-1, ::-1], flipped), tmp_path
    )
    volume = read_volume(outcome.volume, "ingest")
    assert volume.grid.direction == LPS
    assert np.array_equal(volume.ct, chest_hu())
    assert np.array_equal(volume.label, gtv_mask())


def test_errors_that_are_not_the_data_s_go_through(tmp_path):
    files = write_pair(tmp_path / "7")
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(OSError):
        ingest(files, tmp_path / "taken")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("the CT is no thorax", "The CT is no thorax."),
        ("files not used: 1 empty.", "Files not used: 1 empty."),
        ("a slice is missing!", "A slice is missing!"),
        # Names of files stay as they are, for whoever looks for one.
        ("rs.dcm: the RTSTRUCT is cut short.", "rs.dcm: the RTSTRUCT is cut short."),
        ("image99: empty", "image99: empty."),
        ("export: empty", "export: empty."),
        ("ct/export, image7: empty", "ct/export, image7: empty."),
        ("export, import: empty", "export, import: empty."),
        ("slice_a and slice_b say they are the same", "slice_a and slice_b say they are the same."),
        ("bcfbb050-acab-4a6b-869d-4bd8b3fa7aa7: empty", "bcfbb050-acab-4a6b-869d-4bd8b3fa7aa7: empty."),
    ],
)
def test_a_reason_is_a_sentence_but_for_the_name_it_begins_with(text, told):
    assert sentence(text) == told
