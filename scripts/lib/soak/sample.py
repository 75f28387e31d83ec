"""What the processes of a pair use: memory, descriptors, shared memory; what the store has."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess

from harness import children, open_fds, role_of


def process_names(daemons):
    """{name: pid} of the daemons and their children: "server front 0", "worker master"."""
    found = {}
    for name, daemon in daemons.items():
        found[f"{name} master"] = daemon.pid
        roles = {}
        for pid in children(daemon.pid):
            roles.setdefault(role_of(pid), []).append(pid)
        for role, pids in roles.items():
            for number, pid in enumerate(pids):
                found[f"{name} {role}" + (f" {number}" if len(pids) > 1 else "")] = pid
    return found


def memory_of(pid):
    """(RssAnon, RssShmem) in bytes."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"{name}:\s+(\d+)", text).group(1)) * 1024
                 for name in ("RssAnon", "RssShmem"))


def shared_files(pid):
    """{inode: bytes} of the memory files that the process has open; pages never used count
    nothing."""
    found = {}
    for one in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{one}"
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(path).startswith("/memfd:"):
                at = os.stat(path)
                found[at.st_dev, at.st_ino] = at.st_blocks * 512
    return found


def processes(names):
    """{figure: value} of these processes; one that has ended meanwhile is left out."""
    figures, files = {}, {}
    for name, pid in names.items():
        with contextlib.suppress(OSError, AttributeError):
            anonymous, shared = memory_of(pid)
            count = len(open_fds(pid))
            files.update(shared_files(pid))
            figures[f"anon {name}"] = anonymous
            figures[f"shmem {name}"] = shared
            figures[f"fds {name}"] = count
    figures["memfd all"] = sum(files.values())
    return figures


def store(folder):
    """The LMDB file's size and, where mdb_stat (Debian: lmdb-utils) is there, its pages."""
    figures = {"lmdb file": (folder / "data.mdb").stat().st_size}
    if shutil.which("mdb_stat"):
        told = subprocess.run(["mdb_stat", "-ef", folder], capture_output=True, text=True, timeout=60).stdout

        def figure(words):
            return int(re.search(rf"{words}: (\d+)", told).group(1))
        with contextlib.suppress(AttributeError):
            page = figure("Page size")
            figures["lmdb free"] = figure("Free pages") * page
            figures["lmdb used"] = figure("Number of pages used") * page - figures["lmdb free"]
    return figures
