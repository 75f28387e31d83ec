"""docs/COOKBOOK.md: every line in it runs, and prints what it says."""
import os
import re
import shlex
import subprocess

from harness import ROOT, case

BOOK = ROOT / "docs" / "COOKBOOK.md"
ADDRESS = "http://127.0.0.1:8080"
END = "-- the command ended with"


def steps(text):
    """("server", flags), ("start", None) and ("run", command, expected lines), in order."""
    for found in re.finditer(r"<!-- server: (.*?) -->|<!-- (start) -->|```console\n(.*?)```",
                             text, re.S):
        flags, start, block = found.groups()
        if flags:
            yield "server", flags
        elif start:
            yield "start", None
        else:
            yield from commands(block)


def commands(block):
    command, expected = None, []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield "run", command, expected
            command, expected = line[2:], []
        else:
            assert command, f"output without a command: {line}"
            expected.append(line)
    yield "run", command, expected


def pattern(expected):
    """A regular expression for lines in which ... stands for anything."""
    parts = []
    for line in expected:
        if line == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(re.escape(part) for part in line.split("...")) + r"\n")
    # versions are times
    text = re.sub(r'"1763812430123456\\-json"', r'"[0-9]+\\-json"', "".join(parts))
    return text


class Shell:
    """One bash for the whole book, so that variables stay."""

    def __init__(self, folder):
        (folder / "scripts").symlink_to(ROOT / "scripts")
        self.process = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, cwd=folder, env={"PATH": os.environ["PATH"], "LC_ALL": "C",
                                        "HOME": str(folder)})
        # without the progress meter, which a terminal shows beside the output
        self.run('curl() { command curl -sS "$@"; }')

    def run(self, command):
        """Its output and exit status."""
        self.process.stdin.write(f"{command}\nstatus=$?; echo; echo '{END}' $status\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith(END):
                text = "".join(lines).replace("\r", "")
                return text.removesuffix("\n"), int(line.rsplit(" ", 1)[1])
            lines.append(line)
        raise AssertionError(f"bash ended in {command}: {lines}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def work_through(pair):
    shell = Shell(pair.folder)
    ran = 0
    try:
        for kind, *what in steps(BOOK.read_text()):
            if kind == "server":
                pair.server_arguments = shlex.split(what[0])
            elif kind == "start":
                pair.server.stop()
                pair.start_server()
                pair.wait_ready()
            else:
                command, expected = what
                assert ADDRESS in command or "curl" not in command, command
                printed, status = shell.run(
                    command.replace(ADDRESS, f"http://127.0.0.1:{pair.port}"))
                assert status == 0, f"{command}\nexit {status}: {printed}"
                assert re.fullmatch(pattern(expected), printed.rstrip("\n") + "\n"
                                    if printed.strip() else ""), \
                    f"{command}\nprinted {printed!r}\nand not {expected}"
                ran += 1
    finally:
        shell.close()
    return ran


@case(own=True)
def every_line_runs(pair):
    assert work_through(pair) > 35


@case(own=True, workers=2, server=["--representation", "json", "--processes", "2"])
def on_stored_json_and_two_fronts_too(pair):
    work_through(pair)
