"""A PostgreSQL of the tests' own: started in a temporary folder, reached by a socket in it, gone afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

USER = "postgres"  # PostgreSQL does not run as root; Debian's package makes this user


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: -float(path.parts[4]))
    found = str(versions[0]) if versions else shutil.which(name)
    assert found, (
        f"{name} is missing, and tests run on PostgreSQL too: make test brings it (Debian: apt-get install postgresql)"
    )
    return found


class Server:
    """A server, and databases in it."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Start a server whose data and socket are in `folder`."""
        self.folder, self.options = folder, options
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            program("postgres"),
            "-D",
            str(self.folder / "data"),
            "-k",
            str(self.folder),
            "-h",
            "",
            *self.options,
        ]
        self.log = (self.folder / "log").open("a")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, **_as_user())
        until = time.monotonic() + 60
        while not (self.folder / ".s.PGSQL.5432").exists() or not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, "PostgreSQL does not answer"
            time.sleep(0.02)

    def url(self, database: str = "postgres", schema: str = "") -> str:
        """Return the URL of a database, with `schema` as where its tables are."""
        path = f"&options=-csearch_path%3D{schema}" if schema else ""
        return f"postgresql://{USER}@/{database}?host={self.folder}{path}"

    def new_schema(self) -> str:
        """Return the URL of an empty place for tables; it costs a millisecond."""
        name = f"s{uuid.uuid4().hex}"
        self.execute(f"CREATE SCHEMA {name}")
        return self.url(schema=name)

    def new_database(self) -> str:
        """Return the URL of an empty database."""
        name = f"d{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """Run one statement."""
        engine = sa.create_engine(
            self.url().replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop it: SIGINT sends everybody away, SIGQUIT is a crash."""
        self.process.send_signal(how)
        self.process.wait(60)
        self.log.close()

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except sa.exc.OperationalError:
            return False
        return True


@contextlib.contextmanager
def server(*options: str) -> Iterator[Server]:
    """Run a server; without options it waits for the disk as a real one does."""
    folder = Path(tempfile.mkdtemp(prefix="robo-rlhf-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)
        initdb = [program("initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", USER, "-E", "UTF8", "--no-sync"]
        subprocess.run([*initdb, "--locale=C"], check=True, capture_output=True, **_as_user())
        running = Server(folder, *options)
        try:
            yield running
        finally:
            running.stop(signal.SIGQUIT)  # nothing of it is kept
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_user() -> dict[str, object]:
    return {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
