"""Runs the faults of scripts/chaos and prints the table."""
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import harness
from harness import Pair

from chaos import clients
from chaos.faults import FAULTS

COLUMNS = ("fault", "promise", "measured", "kept?")


class Run:
    """What a fault sees: pairs to start, and where its findings go."""

    def __init__(self, options):
        self.quick = options.quick
        self.seed = options.seed if options.seed is not None else int(time.time())
        self.random = random.Random(self.seed)
        self.fault = None
        self.rows = []
        self.pairs = []
        self.disks = []

    def pair(self, server=(), fronts=2, workers=2, mode="rpc"):
        pair = Pair(server=["--processes", str(fronts), "--mode", mode, *server],
                    workers=workers)
        self.pairs.append(pair)
        return pair

    def end(self, pair):
        """Ends a pair whose work is done; it must go in order and leave nothing."""
        pair.stop()
        pair.destroy()
        self.pairs.remove(pair)

    def small_disk(self, size):
        """A file system of that size; None where there can be none."""
        place = tempfile.mkdtemp(prefix="offloop-chaos-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
                              capture_output=True)
        if done.returncode != 0:
            pathlib.Path(place).rmdir()
            return None
        self.disks.append(place)
        return place

    def row(self, promise, measured, kept):
        """kept: True, False, or None where this run cannot tell."""
        self.rows.append((self.fault, promise, measured, kept))
        shown = {True: "kept", False: "BROKEN", None: "not judged"}[kept]
        print(f"{self.fault}: {measured}: {shown}", flush=True)

    def note(self, text):
        print(f"    {text}", flush=True)

    def clean(self):
        for pair in self.pairs:
            pair.destroy()
        self.pairs.clear()
        for place in self.disks:
            subprocess.run(["umount", place], check=True)
            pathlib.Path(place).rmdir()
        self.disks.clear()

    def do(self, name, function):
        self.fault = name
        try:
            function(self)
        except Exception as problem:
            self.row("it comes to its end", f"{type(problem).__name__}: {problem}"[:300], False)
            for pair in self.pairs:
                for daemon in pair.daemons[-2:]:
                    for line in daemon.log[-15:]:
                        self.note(line)
        finally:
            self.clean()


def show(rows):
    """The table, in the form that Markdown takes."""
    cells = [COLUMNS, *[(*row[:3], {True: "yes", False: "NO", None: "-"}[row[3]])
                        for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS))]
    for at, row in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        if at == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main(options):
    """The exit status: 0 where every promise was kept."""
    chosen = [(name, function) for name, function, store in FAULTS
              if store in (None, options.store) and
              (not options.only or any(word in name for word in options.only))]
    if options.list or not chosen:
        print("\n".join(name for name, _, _ in FAULTS))
        return 0 if options.list else 2
    harness.require_programs()
    clients.raise_fd_limit(0)
    run = Run(options)
    print(f"chaos: seed {run.seed}, store {options.store}", flush=True)
    started = time.monotonic()
    for name, function in chosen:
        run.do(name, function)
    print()
    show(run.rows)
    broken = sum(kept is False for *_, kept in run.rows)
    print(f"\n{len(run.rows)} promises, {broken} broken, {time.monotonic() - started:.0f} s",
          file=sys.stderr if broken else sys.stdout)
    return 1 if broken else 0
