"""The load generator: tests/bench/http/http_load_bench.c, built or compiled here."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCE = ROOT / "tests/bench/http/http_load_bench.c"


class Refused(Exception):
    """A run whose figures would mean nothing."""


class Generator:
    """The program; where no build tree has it, one is compiled and goes with this object."""

    def __init__(self, build):
        self.folder = None
        self.program = build / "bench/http_load_bench"
        if os.access(self.program, os.X_OK) and \
                self.program.stat().st_mtime >= SOURCE.stat().st_mtime:
            return
        self.folder = tempfile.TemporaryDirectory(prefix="offloop-load-")
        self.program = pathlib.Path(self.folder.name) / "load"
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2",
                        "-o", self.program, SOURCE], check=True)

    def start(self, port, targets, **options):
        return Load(self.program, port, targets, **options)

    def run(self, port, targets, **options):
        return self.start(port, targets, **options).finish()

    def close(self):
        if self.folder:
            self.folder.cleanup()


class Load:
    """One run of it. Targets are paths, or pairs of a path and the file it must equal."""

    def __init__(self, program, port, targets, connections=1, requests=None, seconds=10.0,
                 rate=None, grace=10.0, mode=None, all_times=False):
        command = [program, "-c", str(connections), "-t", str(seconds), "-g", str(grace)]
        if requests:
            command += ["-n", str(requests)]
        if rate:
            command += ["-r", str(rate)]
        if all_times:
            command.append("-a")
        if mode:
            command += ["-H", f"Offloop-Mode: {mode}"]
        self.limit = seconds + grace + 30
        self.process = subprocess.Popen([*command, str(port)], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = [one if isinstance(one, str) else f"{one[0]} {one[1]}" for one in targets]
        self.process.stdin.write("\n".join(lines) + "\n")
        self.process.stdin.close()
        self.process.stdin = None

    def finish(self):
        """Its figures, whatever the replies were."""
        try:
            out, errors = self.process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired:
            self.stop()
            raise Refused("the load generator did not come to its end") from None
        if self.process.returncode != 0:
            raise Refused(f"the load generator: {errors.strip()}")
        return json.loads(out)

    def running(self):
        return self.process.poll() is None

    def stop(self):
        if self.running():
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def whole(what, done):
    """The figures of a run in which every request was answered 200; refused else."""
    if set(done["statuses"]) != {"200"} or done["lost"] or done["hung"] or done["wrong"]:
        kept = {key: done[key] for key in ("statuses", "lost", "hung", "wrong")}
        raise Refused(f"{what}: not every reply was whole: {kept}")
    return done
