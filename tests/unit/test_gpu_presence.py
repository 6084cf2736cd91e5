"""A machine without a GPU, or with hidden ones, is told from one with a driver."""

import pytest
from lunggtv import gpu_presence


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("visible", "hidden"), [(None, False), ("0,1", False), ("GPU-1", False), ("", True), ("-1", True)]
)
def test_a_driver_says_so_unless_its_cards_are_hidden(monkeypatch, tmp_path, there, visible, hidden):
    signs = (tmp_path / "nvidiactl", tmp_path / "kfd")
    if there:
        signs[1].touch()
    monkeypatch.setattr(gpu_presence, "SIGNS", signs)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_presence.gpu_is_there() == (there and not hidden)
