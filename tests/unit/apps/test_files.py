"""Files for their owner alone, whole or not at all."""

from pathlib import Path

from compuerta.apps.files import write_whole


def test_a_file_is_replaced_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"the one before, which was longer")
    path.chmod(0o644)

    write_whole(path, b"the next")

    assert path.read_bytes() == b"the next"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_draft_of_who_was_killed_lends_its_mode_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "key"
    draft = tmp_path / ".key.draft"
    draft.write_bytes(b"half")
    draft.chmod(0o644)

    write_whole(path, b"whole")

    assert path.read_bytes() == b"whole"
    assert path.stat().st_mode & 0o777 == 0o600
