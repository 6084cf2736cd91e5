"""The same CT under two patients, found by slices that are bit-identical."""

from collections.abc import Mapping
from typing import Any

from lunggtv.natural_order import natural_key

SAME_SLICES = 3  # bit-identical slices two scans must share to be one scan


def shared_scans(verdicts: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Patients that have CT slices in common, each with one text for every twin.

    A few slices suffice: the same scan may have been cut, turned, or stored in another format.
    """
    holders: dict[str, list[str]] = {}
    for patient in sorted(verdicts, key=natural_key):
        for digest in verdicts[patient]["ct_slice_digests"]:
            holders.setdefault(digest, []).append(patient)
    shared: dict[tuple[str, str], int] = {}
    for patients in holders.values():
        for i, one in enumerate(patients):
            for other in patients[i + 1 :]:
                shared[one, other] = shared.get((one, other), 0) + 1
    texts: dict[str, list[str]] = {}
    for (one, other), count in shared.items():
        if count < min(SAME_SLICES, *(len(verdicts[p]["ct_slice_digests"]) for p in (one, other))):
            continue
        for patient, twin in ((one, other), (other, one)):
            kind = "labelled" if verdicts[twin]["labelled"] else "unlabelled"
            texts.setdefault(patient, []).append(
                f"Its CT is that of the {kind} patient {twin} ({count} identical slices). Name one of the "
                "two under data.exclude, or put the right scan there."
            )
    return texts
