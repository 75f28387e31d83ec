"""Which lines of a room each test runs, by gcov: a mutant is tried only by tests that reach it.

This is also where each test must pass on the unchanged sources, and where its usual time is
measured.
"""
import json
import os
import pathlib
import shutil

import trees
import trial

WALL_SECONDS = 300
# A child that ends by _exit() leaves its counts, too; only a killed one does not.
EXIT = """
void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
"""
# A test that has doubles of a module keeps them: its own object comes first.
LINK = ("--coverage", "-Wl,--wrap=_exit", "-Wl,-z,muldefs")


def _name(path):
    return path.replace("/", "_").removesuffix(".c")


class Room:
    """What is instrumented of one room."""

    def __init__(self, tree, folder, files):
        self.tree, self.folder, self.files = tree, folder / "objects", files

    def compile(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.files:
            command = self.tree.compile_command(path, self.folder / f"{_name(path)}.o", "--coverage", "-O0")
            done = trees.run([*command[:-1], str(trees.ROOT / path)], cwd=self.tree.folder)
            if done.returncode != 0:
                raise trees.Broken(f"{path} does not compile:\n{done.stderr[-2000:]}")
        done = trees.run(["cc", "-c", "-x", "c", "-o", str(self.folder / "exit.o"), "-"], input=EXIT)
        if done.returncode != 0:
            raise trees.Broken(done.stderr)

    def measure(self, test, folder):
        """{"seconds":, "cpu":, "lines": {path: [line]}} of one test, which must pass."""
        program, arguments, environment = self.tree.tests[test]
        folder.mkdir(parents=True, exist_ok=True)
        executable, data = folder / f"{program}-coverage", folder / "gcov"
        objects = [self.folder / f"{_name(path)}.o" for path in self.files]
        self.tree.link(program, [*objects, self.folder / "exit.o"], executable, *LINK)
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        for attempt in range(2):
            ending = trial.run(executable, arguments, {**environment, "GCOV_PREFIX": str(data)},
                               folder / "t", WALL_SECONDS, WALL_SECONDS, False)
            if ending.what == "passed":
                break
        else:
            raise trees.Broken(f"{test} {ending.what} on the unchanged sources")
        executable.unlink()
        return {"seconds": ending.seconds, "cpu": ending.cpu_seconds, "lines": self._lines(data)}

    def _lines(self, data):
        lines = {}
        for found in self._read(data):
            lines[found["path"]] = [one["line_number"] for one in found["lines"] if one["count"] > 0]
        return {path: some for path, some in lines.items() if some}

    def _read(self, data):
        below = pathlib.Path(f"{data}{self.folder}")
        names = sorted(path.name for path in below.glob("*.gcda")) if below.exists() else []
        for name in names:
            os.symlink(self.folder / name.replace(".gcda", ".gcno"), below / name.replace(".gcda", ".gcno"))
        if not names:
            return
        yield from self._gcov(below, names)

    def _gcov(self, folder, names):
        done = trees.run(["gcov", "--json-format", "--stdout", *names], cwd=folder)
        if done.returncode != 0:
            raise trees.Broken(f"gcov: {done.stderr[-1000:]}")
        for line in done.stdout.splitlines():
            for entry in json.loads(line)["files"]:
                path = os.path.relpath(entry["file"], trees.ROOT)
                if path in self.files:
                    yield {"path": path, **entry}

    def shape(self):
        """{path: {"lines": [those with code], "functions": [[first, last]]}}"""
        return {entry["path"]: {"lines": [one["line_number"] for one in entry["lines"]],
                                "functions": [[one["start_line"], one["end_line"]]
                                              for one in entry["functions"]]}
                for entry in self._gcov(self.folder, [f"{_name(path)}.gcno" for path in self.files])}


def reaches(shape, lines, path, line):
    """Whether a test that ran these lines ran this one. Part of a longer statement counts with its
    function; what is outside of functions counts with the whole file."""
    ran = set(lines.get(path, ()))
    if not ran:
        return False
    if line in shape[path]["lines"]:
        return line in ran
    for first, last in shape[path]["functions"]:
        if first <= line <= last:
            return any(first <= one <= last for one in ran)
    return True
