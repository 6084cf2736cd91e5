"""What only stands in the verdict, and what makes a patient one to be looked at: a contract with its readers."""

import ast
from pathlib import Path

from lunggtv.ingest.dicom.drawing_notes import TEXTS
from lunggtv.ingest.raw_scan import NOTED

INGEST = Path(__file__).parents[2] / "workflow/lunggtv/ingest"
# Everything else is warned about, or rejects.
TOLD_ALONE = {
    "contour_slips", "contours_without_voxels", "exclusive_crossing", "holes",
    "copied_files", "empty_roi", "other_ct_left_out", "other_name_left_out", "other_patient_left_out",
    "phase_by_structure_set", "preferred_series", "rois_joined", "rois_not_taken",
    "empty_segment", "label_rounded", "other_segmentation", "segments_joined", "segments_not_taken", "skipped_files",
    "rounded",
}  # fmt: skip


def severities_in_code() -> dict[str, set[str]]:
    """Code of each reason written out in a module -> the expressions that are its severity."""
    found: dict[str, set[str]] = {}
    for path in sorted(INGEST.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Reason" and node.args:
                given = [*node.args[2:], *(word.value for word in node.keywords if word.arg == "severity")]
                if isinstance(node.args[0], ast.Constant):
                    severity = ast.unparse(given[0]) if given else "WARNED"
                    found.setdefault(node.args[0].value, set()).add(severity)
    return found


def test_only_these_findings_leave_a_patient_accepted():
    written = severities_in_code()
    assert len(written) > 20 and len(TEXTS) > 10
    # Of two kinds each, which their own tests know.
    assert written.pop("contour_types") == {"severity"}
    assert written.pop("other_rtstruct") == {
        "WARNED if newer or similar else NOTED",
        "WARNED if similar else NOTED",
    }
    told = {code for code, severities in written.items() if "NOTED" in severities}
    told |= {code for code, (severity, _) in TEXTS.items() if severity == NOTED}
    assert told == TOLD_ALONE
