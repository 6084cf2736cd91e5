"""The picture of a draft without a label: its largest parts, or in plain words that there is none."""

import numpy as np
from lunggtv.evaluate import overlay
from lunggtv.evaluate.overlay import MOST_PARTS, draw_draft
from lunggtv.evaluate.picture_draft import picture_draft
from lunggtv.figures import PREDICTION_COLOUR
from lunggtv.files import write_json
from lunggtv.geometry import Grid, Orientation
from lunggtv.image_files import write_image
from lunggtv.volume import Volume, write_volume
from matplotlib.colors import to_rgba
from PIL import Image

GRID = Grid((8, 30, 40), (5.0, 2.0, 2.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def parts(count: int) -> np.ndarray:
    """Blocks of 2, 3, 4, ... voxels along x, one a slice."""
    draft = np.zeros(GRID.shape, np.uint8)
    for n in range(count):
        draft[2 * n, 5:7, 10 : 12 + n] = 1
    return draft


def headings(draft: np.ndarray) -> list[str]:
    figure = draw_draft(np.zeros(GRID.shape, np.int16), draft, GRID.spacing_mm, "title")
    return [text.get_text() for text in figure.texts][1:]


def test_the_largest_parts_have_a_row_each():
    # 2 x 5 voxels of 5 x 2 x 2 mm, in the seventh slice.
    assert headings(parts(4))[0] == "Part 1 of 4, 0.2 ml: slice 7 of 8 from the feet up"
    assert len(headings(parts(4))) == MOST_PARTS
    assert len(headings(parts(1))) == 1


def test_a_part_is_shown_where_it_is_largest():
    draft = np.zeros(GRID.shape, np.uint8)
    draft[2:6, 5:7, 10:12] = 1
    draft[4, 5:9, 10:16] = 1
    (heading,) = headings(draft)
    assert "slice 5 of 8" in heading


def test_a_row_goes_through_the_middle_of_its_own_part(monkeypatch):
    """Two parts in one slice: neither picture lies between them."""
    draft = np.zeros(GRID.shape, np.uint8)
    draft[3, 5:10, 5:10] = 1
    draft[3, 21:24, 31:34] = 1
    kept, drawn = [], overlay._draw

    def keeping(masks, spacing_mm, title, rows, legend):
        kept.extend(rows)
        return drawn(masks, spacing_mm, title, rows, legend)

    monkeypatch.setattr(overlay, "_draw", keeping)
    headings(draft)
    assert [place for _, place in kept] == [(3, 7, 7), (3, 22, 32)]


def test_an_empty_draft_says_so():
    assert headings(parts(0)) == ["Nothing is drawn; the middle of the scan"]


def test_it_is_drawn_from_the_files_of_the_other_stages(tmp_path):
    ct = np.random.default_rng(0).integers(-1000, 300, GRID.shape).astype(np.int16)
    turn = {"permutation": [0, 1, 2], "flips": [False, True, False]}
    write_volume(tmp_path / "volume.h5", "ingest", Volume("p", ct, GRID, metadata={"orientation": turn}))
    write_image(tmp_path / "gtv.nii.gz", parts(2), GRID)
    found = {"expected_dice": 0.7, "lesions": [{}, {}], "patient": "p", "volume_ml": 0.3}
    pictures = []
    for name, record in (("a", found), ("b", found), ("c", found | {"lesions": [], "volume_ml": 0.0})):
        write_json(tmp_path / "infer.json", record)
        picture = tmp_path / f"{name}.png"
        picture_draft(
            volume=tmp_path / "volume.h5",
            mask=tmp_path / "gtv.nii.gz",
            record=tmp_path / "infer.json",
            picture=picture,
        )
        pictures.append(picture.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1400, 790)


def test_a_draft_stored_in_another_direction_lies_on_the_ct_it_was_drawn_on(tmp_path, monkeypatch):
    turn = Orientation((0, 1, 2), (False, True, True))
    draft = np.zeros(GRID.shape, np.uint8)
    draft[2, 3:6, 30:37] = 1
    place = Volume(
        "p", np.where(draft, 300, -900).astype(np.int16), GRID, metadata={"orientation": turn.to_dict()}
    )
    write_volume(tmp_path / "volume.h5", "ingest", place)
    write_image(tmp_path / "gtv.nii.gz", turn.undo(draft), GRID)
    write_json(
        tmp_path / "i.json", {"expected_dice": None, "lesions": [{}], "patient": "p", "volume_ml": 0.4}
    )
    kept = []
    monkeypatch.setattr("lunggtv.evaluate.picture_draft.save_png", lambda *drawn: kept.append(drawn))
    files = {"volume": tmp_path / "volume.h5", "mask": tmp_path / "gtv.nii.gz", "record": tmp_path / "i.json"}
    picture_draft(**files, picture="p.png")
    ((figure, path),) = kept
    axes = figure.axes[0]
    assert path == "p.png" and figure.texts[0].get_text().startswith("Patient p: draft of 0.4 ml in 1 part")
    (line,) = axes.collections
    assert tuple(line.get_edgecolor()[0]) == to_rgba(PREDICTION_COLOUR)
    x, y = np.concatenate([one.vertices for one in line.get_paths()]).T
    assert (x.min(), x.max(), y.min(), y.max()) == (59, 73, 5, 11), (
        "mm, half a voxel around the outermost centres"
    )
    assert axes.images[0].get_array()[3:6, 30:37].min() == 300
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["draft (model)"]
