"""The build trees, and how one changed file becomes test programs.

Each tree is built once. A mutant is one object: it stands in front of the libraries in a
test's own link command, so that the linker does not take the unchanged one from its archive.
Nothing in a tree is written for a mutant, so several can be tried at a time.
"""
import fcntl
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
FLAGS = {"plain": (), "asan": ("-DOFFLOOP_ASAN=ON",)}
# A warning about a mutant says nothing; neither do debug symbols.
QUIET = ("-w", "-g0")


class Broken(Exception):
    """What should work does not: the message is for the user."""


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


class Tree:
    def __init__(self, top, name):
        self.name, self.folder = name, top / name
        self.compiles, self.links, self.tests = {}, {}, {}

    def build(self, programs, helpers, jobs):
        """Configures and builds what the room's tests need; one run at a time, where several try
        different rooms."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._build(programs, helpers, jobs)

    def _build(self, programs, helpers, jobs):
        if not (self.folder / "build.ninja").exists(): # else ninja does it where it must
            self._must(["cmake", "-G", "Ninja", "-S", ROOT, "-B", self.folder, "-DOFFLOOP_TESTS=ON",
                        *FLAGS[self.name]])
        known = self._must(["ninja", "-C", self.folder, "-t", "targets", "all"]).splitlines()
        known = {line.split(":")[0] for line in known}
        targets = [f"tests/{name}" for name in programs if f"tests/{name}" in known]
        extra = [name for name in (*helpers, *(f"tests/{name}" for name in helpers)) if name in known]
        self._must(["ninja", "-C", self.folder, f"-j{jobs}", *targets, *extra])
        for entry in json.loads((self.folder / "compile_commands.json").read_text()):
            path = os.path.relpath(entry["file"], ROOT)
            if "room_" in entry["command"]: # of a library, not of a test's own copy
                self.compiles[path] = shlex.split(entry["command"])
        self._read_tests({target.split("/")[1] for target in targets})

    def _must(self, command):
        done = run([str(part) for part in command])
        if done.returncode != 0:
            raise Broken(f"{shlex.join(str(part) for part in command)}\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout

    def _read_tests(self, programs):
        shown = json.loads(self._must(["ctest", "--test-dir", self.folder, "--show-only=json-v1"]))
        for entry in shown["tests"]:
            program = pathlib.Path(entry.get("command", [""])[0])
            if program.stem not in programs or program.parent != self.folder / "tests":
                continue
            values = {one["name"]: one["value"] for one in entry["properties"]}
            environment = dict(pair.split("=", 1) for pair in values.get("ENVIRONMENT", ()))
            self.tests[entry["name"]] = (program.stem, entry["command"][1:], environment)

    def digest(self, program):
        return hashlib.sha256((self.folder / "tests" / program).read_bytes()).hexdigest()[:16]

    def compile_command(self, path, output, *more):
        """The tree's command for this file, with the source from stdin."""
        command = self.compiles[path]
        if os.path.basename(command[0]) == "ccache":
            command = command[1:]
        kept, skip = [], False
        for part in command:
            if skip or part == "-c":
                skip = False
            elif part in ("-o", "-MF", "-MT"):
                skip = True
            elif part != "-MD" and not part.endswith(path):
                kept.append(part)
        return [*kept, *QUIET, *more, "-c", "-x", "c", "-o", str(output), "-"]

    def compile(self, path, source, output, *more):
        """False where it does not compile. A line marker gives __FILE__ and __LINE__ the file's own
        values, so that two objects differ only by what the code does."""
        text = f'# 1 "{ROOT / path}"\n{source}'
        done = run(self.compile_command(path, output, *more), input=text, cwd=self.folder)
        return done.returncode == 0

    def link(self, program, objects, output, *more):
        if program not in self.links:
            commands = self._must(["ninja", "-C", self.folder, "-t", "commands", f"tests/{program}"])
            parts = shlex.split(commands.splitlines()[-1])
            begin = parts.index("&&") + 1
            self.links[program] = parts[begin:parts.index("&&", begin)]
        command = list(self.links[program])
        if os.path.basename(command[0]) == "ccache":
            del command[0]
        at = command.index("-o")
        command[at:at + 2] = ["-o", str(output), *(str(one) for one in objects)]
        more = (*more, "-Wl,--strip-debug")
        if shutil.which("ld.lld"):
            more = (*more, "-fuse-ld=lld") # a third of the time
        done = run([*command, *more], cwd=self.folder)
        if done.returncode != 0:
            raise Broken(f"{program} cannot be linked:\n{done.stderr[-2000:]}")
