"""The runtime folder: nobody but the user may write to it, or put another in its place."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_model.seam.folder import FILES

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
STRANGER = 12345
IN_A_SANDBOX = f"""
import ctypes, os, sys
from midfill_model import seam
if os.getuid() == 0:
    os.setgroups([]); os.setgid({STRANGER}); os.setuid({STRANGER})
me, libc = os.getuid(), ctypes.CDLL(None)
libc.prctl(4, 1)  # PR_SET_DUMPABLE: /proc/self is this user's again
if libc.unshare(0x10000000):  # CLONE_NEWUSER
    sys.exit(77)
open("/proc/self/uid_map", "w").write(f"{{me}} {{me}} 1")
print(seam.runtime_folder(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
class TestFolder:
    def test_it_is_made_private(self, tmp_path: Path) -> None:
        folder = seam.runtime_folder(str(tmp_path / "a" / "b"))
        assert folder.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
    def test_others_who_may_write_are_refused(self, tmp_path: Path, mode: int) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run").chmod(mode)
        with pytest.raises(seam.RuntimeFolderError, match=f"; run `chmod go-w {tmp_path}/run`\\.$"):
            seam.runtime_folder(str(tmp_path / "run"))

    def test_a_folder_above_that_all_may_write_to_is_refused(self, tmp_path: Path) -> None:
        """That is said before anything else: what is below it is not worth mending first."""
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o777)
        (tmp_path / "open" / "run").mkdir()
        (tmp_path / "open" / "run").chmod(0o777)
        with pytest.raises(seam.RuntimeFolderError, match=f"others.*; run `chmod go-w {tmp_path}/open`\\.$"):
            seam.runtime_folder(str(tmp_path / "open" / "run"))
        (tmp_path / "open" / "run").chmod(0o700)
        (tmp_path / "open").chmod(0o1777)  # as /tmp
        assert seam.runtime_folder(str(tmp_path / "open" / "run"))

    def test_so_is_one_that_is_further_above_or_behind_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "open" / "mine").mkdir(parents=True)
        (tmp_path / "open").chmod(0o777)
        (tmp_path / "link").symlink_to(tmp_path / "open" / "mine")
        for named in ("open/mine/run", "link/run", "link"):
            with pytest.raises(seam.RuntimeFolderError, match=f"may write to {tmp_path / 'open'};"):
                seam.runtime_folder(str(tmp_path / named))

    def test_a_link_half_way_that_others_can_replace_is_refused(self, tmp_path: Path) -> None:
        """Neither the name that was given nor the folder behind it lies in the open one."""
        for name in ("here", "open", "there/run"):
            (tmp_path / name).mkdir(mode=0o700, parents=True)
        (tmp_path / "here" / "run").symlink_to("../open/next")
        (tmp_path / "open" / "next").symlink_to(tmp_path / "there")
        assert seam.runtime_folder(tmp_path / "here" / "run" / "run")
        (tmp_path / "open").chmod(0o777)
        with pytest.raises(seam.RuntimeFolderError, match=f"may write to {tmp_path}/here/../open;"):
            seam.runtime_folder(tmp_path / "here" / "run" / "run")

    def test_a_link_of_ones_own_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir(mode=0o700)
        (tmp_path / "link").symlink_to(tmp_path / "run")
        assert seam.runtime_folder(str(tmp_path / "link"))

    @pytest.mark.parametrize("umask", [0, 0o177, 0o277, 0o777])
    def test_what_is_made_on_the_way_is_private_whatever_the_umask_says(
        self, tmp_path: Path, umask: int
    ) -> None:
        before = os.umask(umask)
        try:
            folder = seam.runtime_folder(tmp_path / "a" / "b" / "run")
        finally:
            os.umask(before)
        assert {it.stat().st_mode & 0o777 for it in (folder, folder.parent, tmp_path / "a")} == {0o700}

    @pytest.mark.skipif(not IS_ROOT, reason="gives a folder away")
    def test_what_belongs_to_another_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "run" / "below").mkdir(mode=0o700, parents=True)
        (tmp_path / "link").symlink_to(tmp_path / "mine")
        (tmp_path / "mine" / "below").mkdir(mode=0o700, parents=True)
        os.chown(tmp_path / "run", STRANGER, STRANGER)
        os.lchown(tmp_path / "link", STRANGER, STRANGER)
        for name in ("run", "link", "run/below", "link/below"):
            with pytest.raises(seam.RuntimeFolderError, match=r"another user.*; set MIDFILL_RUNTIME_DIR"):
                seam.runtime_folder(str(tmp_path / name))

    @pytest.mark.skipif(not IS_ROOT, reason="gives a folder to a group")
    def test_a_group_that_may_write_above_is_others_but_roots_own(self, tmp_path: Path) -> None:
        (tmp_path / "shared" / "run").mkdir(mode=0o700, parents=True)
        (tmp_path / "shared").chmod(0o770)
        assert seam.runtime_folder(tmp_path / "shared" / "run")
        os.chown(tmp_path / "shared", -1, STRANGER)
        with pytest.raises(seam.RuntimeFolderError, match="replaced by others"):
            seam.runtime_folder(tmp_path / "shared" / "run")

    @pytest.mark.skipif(sys.platform != "linux", reason="users that are mapped")
    def test_in_a_sandbox_root_is_known_by_the_number_that_it_has_there(self) -> None:
        """As VS Code's Flatpak sees the folders of root above its own."""
        with tempfile.TemporaryDirectory(prefix="midfill-") as folder:
            os.chmod(folder, 0o755)
            (Path(folder) / "run").mkdir(mode=0o700)
            if IS_ROOT:
                os.chown(Path(folder) / "run", STRANGER, STRANGER)
            command = [sys.executable, "-c", IN_A_SANDBOX, f"{folder}/run"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 77:
            pytest.skip("this machine lets nobody have users of their own")
        assert done.stdout == f"{folder}/run\n", done.stderr

    @pytest.mark.parametrize("named", ["file/run", "a\0b", "~nobody-of-that-name/run"])
    def test_what_cannot_be_is_one_sentence(self, tmp_path: Path, named: str) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(seam.RuntimeFolderError, match="MIDFILL_RUNTIME_DIR"):
            seam.runtime_folder(str(tmp_path / named) if "~" not in named else named)

    @pytest.mark.parametrize("below", ["", "run"])
    def test_what_stands_in_its_place_is_named_with_what_to_do(self, tmp_path: Path, below: str) -> None:
        (tmp_path / "file").write_text("")
        (tmp_path / "dangling").symlink_to(tmp_path / "gone")
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        faults = ("file", "is no folder"), ("dangling", "is a link to nowhere"), ("loop", "leads to itself")
        for name, why in faults:
            with pytest.raises(
                seam.RuntimeFolderError, match=rf"/{name} is .*; remove that, or set "
            ) as told:
                seam.runtime_folder(tmp_path / name / below)
            assert why in str(told.value)

    @pytest.mark.parametrize("name", FILES)
    def test_a_folder_in_a_files_place_is_named(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).mkdir()
        with pytest.raises(seam.RuntimeFolderError, match=f"{tmp_path / name} is a folder.*remove it"):
            seam.runtime_folder(tmp_path)

    def test_a_tilde_that_no_shell_expanded_and_relative_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MIDFILL_RUNTIME_DIR", "~/run")
        assert seam.runtime_folder() == tmp_path / "run"
        monkeypatch.setenv("MIDFILL_RUNTIME_DIR", "run")
        assert seam.runtime_folder() == tmp_path / "run"
