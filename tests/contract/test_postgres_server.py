"""The embedded server, really started: adopted, killed, raced, and kept out of other people's directories."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from compuerta.adapters.postgres import server as embedded
from compuerta.adapters.postgres.binaries import DirectoryOutOfReach, ServerAccount, find_binaries
from compuerta.adapters.postgres.server import EmbeddedServer

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server to another account")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the server's account may enter, which pytest's own tmp_path is not."""
    with tempfile.TemporaryDirectory(prefix="cpt-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory
        for marker in directory.glob(f"**/{embedded.MARKER}"):
            EmbeddedServer(marker.parent, fast_test=True).stop()


def a_server(place: Path) -> EmbeddedServer:
    return EmbeddedServer(place / "database", fast_test=True)


def postmaster_pid(place: Path) -> int:
    return int((place / "database" / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def kill_postmaster(place: Path) -> None:
    os.kill(postmaster_pid(place), signal.SIGKILL)


def ask(url: str, question: str) -> object:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def tell(url: str, order: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(order.encode())


def start_in_a_process(directory: Path) -> str:
    EmbeddedServer(directory, fast_test=True).start()
    return (directory / "cluster" / "postmaster.pid").read_text().splitlines()[0]


def test_a_started_server_keeps_our_promises(place: Path) -> None:
    server = EmbeddedServer(place / "database", shared_buffers_mb=32)

    url = server.start()

    assert server.is_answering()
    durability = ("fsync", "synchronous_commit", "wal_compression", "max_wal_size")
    assert [ask(url, f"show {name}") for name in durability] == ["on", "on", "off", "2GB"]
    assert [ask(url, f"show {name}") for name in ("shared_buffers", "TimeZone")] == ["32MB", "UTC"]
    assert [ask(url, f"show {name}") for name in ("server_encoding", "listen_addresses")] == ["UTF8", ""]
    assert ask(url, "select datlocale from pg_database where datname = current_database()") == "C.UTF-8"
    assert (place / "database").stat().st_mode & 0o777 == 0o700


def test_a_stopped_server_is_silent_and_stopping_twice_is_allowed(place: Path) -> None:
    server = a_server(place)
    server.start()

    server.stop()
    server.stop()

    assert not server.is_answering()


def test_a_server_that_never_started_may_be_stopped(place: Path) -> None:
    a_server(place).stop()

    assert not (place / "database").exists()


def test_a_running_server_is_adopted(place: Path) -> None:
    first_url = a_server(place).start()
    pid = postmaster_pid(place)

    second_url = a_server(place).start()

    assert second_url == first_url
    assert postmaster_pid(place) == pid


def test_the_server_outlives_the_program_that_started_it(place: Path) -> None:
    directory = place / "database"
    program = (
        "import os, pathlib, signal\n"
        "from compuerta.adapters.postgres.server import EmbeddedServer\n"
        f"EmbeddedServer(pathlib.Path({str(directory)!r}), fast_test=True).start()\n"
        "os.killpg(0, signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, start_new_session=True, timeout=60, check=False
    )

    assert ended.returncode == -signal.SIGKILL
    assert a_server(place).is_answering()


def test_a_killed_server_starts_again_with_every_committed_row(place: Path) -> None:
    server = EmbeddedServer(place / "database", shared_buffers_mb=32)
    url = server.start()
    tell(url, "create table paid as select n from generate_series(1, 100000) as n")
    kill_postmaster(place)

    url = server.start()

    assert ask(url, "select count(*) from paid") == 100_000


def test_a_killed_server_whose_children_still_compute_starts_again(place: Path) -> None:
    server = a_server(place)
    url = server.start()
    with closing(psycopg.connect(url, autocommit=True)) as busy:
        busy.execute("set statement_timeout = '2s'")
        busy.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000)")
        kill_postmaster(place)

        url = server.start()

        assert ask(url, "select 1") == 1


@needs_proc
@pytest.mark.parametrize("number", ["1", "self"])
def test_a_dead_servers_number_on_another_process_does_not_stop_a_start(place: Path, number: str) -> None:
    server = a_server(place)
    server.start()
    kill_postmaster(place)
    pid_file = place / "database" / "cluster" / "postmaster.pid"
    reused = str(os.getpid()) if number == "self" else number
    pid_file.write_text(pid_file.read_text().replace(str(postmaster_pid(place)), reused, 1))

    url = server.start()

    assert ask(url, "select 1") == 1


@needs_proc
def test_a_stop_signals_nobody_when_the_server_is_dead(place: Path) -> None:
    server = a_server(place)
    server.start()
    kill_postmaster(place)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file = place / "database" / "cluster" / "postmaster.pid"
        pid_file.write_text(pid_file.read_text().replace(str(postmaster_pid(place)), str(stranger.pid), 1))

        server.stop()

        assert stranger.poll() is None
        stranger.kill()


@needs_proc
def test_a_server_that_died_unreaped_starts_again(place: Path) -> None:
    server = a_server(place)
    server.start()
    kill_postmaster(place)
    with subprocess.Popen(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        pid_file = place / "database" / "cluster" / "postmaster.pid"
        pid_file.write_text(pid_file.read_text().replace(str(postmaster_pid(place)), str(zombie.pid), 1))

        url = server.start()

        assert ask(url, "select 1") == 1


def test_starters_at_once_end_up_with_one_server(place: Path) -> None:
    directories = [place / "database"] * 4

    with multiprocessing.get_context("spawn").Pool(len(directories)) as starters:
        pids = starters.map(start_in_a_process, directories)

    assert len(set(pids)) == 1
    assert ask(a_server(place).url, "select count(*) from pg_database where datname = 'compuerta'") == 1


def test_an_initialisation_that_was_killed_leaves_nothing_in_the_way(place: Path) -> None:
    unfinished = place / "database" / "cluster.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18")
    (place / "database" / embedded.MARKER).touch()

    url = a_server(place).start()

    assert ask(url, "select 1") == 1


def test_somebody_elses_directory_is_refused_and_left_as_it_was(place: Path) -> None:
    directory = place / "database"
    directory.mkdir(mode=0o755)
    (directory / "photos.txt").write_text("mine")
    before = directory.stat()

    with pytest.raises(embedded.ForeignDirectory, match=str(directory)) as refused:
        a_server(place).start()

    after = directory.stat()
    assert refused.value.directory == directory
    assert [path.name for path in directory.iterdir()] == ["photos.txt"]
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)


def test_an_empty_volume_is_taken(place: Path) -> None:
    (place / "database" / "lost+found").mkdir(parents=True)

    assert ask(a_server(place).start(), "select 1") == 1


def test_a_cluster_of_another_major_is_refused_with_its_number(place: Path) -> None:
    server = a_server(place)
    server.start()
    server.stop()
    (place / "database" / "cluster" / "PG_VERSION").write_text("16\n")

    with pytest.raises(embedded.ClusterOfOtherMajor) as refused:
        server.start()

    assert refused.value.major == "16"


def test_a_server_that_cannot_start_says_why(place: Path) -> None:
    server = a_server(place)
    server.start()
    server.stop()
    conf = place / "database" / "cluster" / "postgresql.conf"
    conf.write_text(conf.read_text() + "no_such_setting = 1\n")

    with pytest.raises(embedded.ServerDidNotStart, match="no_such_setting"):
        server.start()


def test_a_test_server_is_not_trusted_with_money(place: Path) -> None:
    a_server(place).start()

    with pytest.raises(embedded.RunsWithoutSync):
        EmbeddedServer(place / "database").start()


def test_a_path_too_long_for_a_socket_gets_a_short_one(place: Path) -> None:
    directory = place / ("a" * 100) / "database"
    server = EmbeddedServer(directory, fast_test=True)

    url = server.start()

    socket_dir = Path(str(psycopg.conninfo.conninfo_to_dict(url)["host"]))
    assert ask(url, "show data_directory") == str(directory / "cluster")
    assert socket_dir.stat().st_mode & 0o777 == 0o700
    server.stop()
    shutil.rmtree(socket_dir)


def test_a_short_socket_directory_that_somebody_else_made_is_refused(place: Path) -> None:
    directory = place / ("b" * 100) / "database"
    socket_dir = embedded._socket_dir_for(directory)
    socket_dir.symlink_to(place)

    with pytest.raises(embedded.DirectoryNotOurs):
        EmbeddedServer(directory, fast_test=True).start()

    socket_dir.unlink()


def test_a_name_with_spaces_quotes_and_other_letters_is_a_good_name(place: Path) -> None:
    directory = place / "l'énergie 电 100% a&b"

    url = EmbeddedServer(directory, fast_test=True).start()

    assert ask(url, "show data_directory") == str(directory / "cluster")


def test_the_callers_own_settings_for_postgres_do_not_reach_ours(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGHOST", "/nowhere")

    assert ask(a_server(place).start(), "show port") == "5432"


@needs_root
def test_root_lends_the_server_to_a_lesser_account(place: Path) -> None:
    a_server(place).start()

    assert Path(f"/proc/{postmaster_pid(place)}").stat().st_uid != 0


@needs_root
def test_parents_that_the_account_cannot_enter_are_refused_and_stay_shut(place: Path) -> None:
    place.chmod(0o700)

    with pytest.raises(DirectoryOutOfReach, match="/var/lib"):
        a_server(place).start()

    assert place.stat().st_mode & 0o777 == 0o700


@needs_root
def test_programs_out_of_the_accounts_reach_are_copied_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = ServerAccount.for_directory(place)
    can_enter = ServerAccount.can_enter

    def can_enter_but_not_the_wheel(account: ServerAccount, path: Path) -> bool:
        return "site-packages" not in str(path) and can_enter(account, path)

    monkeypatch.setattr(ServerAccount, "can_enter", can_enter_but_not_the_wheel)
    directory = place / "database"

    url = EmbeddedServer(directory, fast_test=True).start()

    binaries = find_binaries(directory, account=account)
    assert directory in binaries.parents
    assert ask(url, "select version()")
    assert directory in Path(f"/proc/{postmaster_pid(place)}/exe").readlink().parents
