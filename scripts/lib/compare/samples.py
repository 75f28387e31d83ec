"""Reads gperftools' CPU profiles and names the functions in them.

What no symbol covers (the static functions of a stripped library) is named by who called it:
"below yajl_gen_string (libyajl)". (The nearest symbol before an address, which some tools
take, names the wrong function for every one of these.)
"""
import bisect
import pathlib
import re
import struct
import subprocess

# Where the JSON work begins, and where the loop waits.
ENGINE = ("codec_run", "jobs_inline_run")
WAIT = ("epoll_wait", "epoll_pwait")


class Library:
    """The symbols of one file, by address."""

    def __init__(self, path):
        self.name = pathlib.Path(path).name
        self.starts, self.symbols = [], []
        found = {}
        for file, flags in ((path, []), (path, ["-D"]), (self.debug_file(path), [])):
            if file:
                found.update(self.read(file, flags))
        for start in sorted(found):
            self.starts.append(start)
            self.symbols.append(found[start])

    @staticmethod
    def debug_file(path):
        """Debian's *-dbg file of the same build, where it is installed."""
        notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=False).stdout
        build = re.search(r"Build ID: ([0-9a-f]+)", notes)
        if not build:
            return None
        file = pathlib.Path("/usr/lib/debug/.build-id") / build.group(1)[:2] / f"{build.group(1)[2:]}.debug"
        return str(file) if file.exists() else None

    @staticmethod
    def read(path, flags):
        out = subprocess.run(["nm", "-S", "--defined-only", *flags, path], capture_output=True, text=True,
                             check=False).stdout
        for line in out.splitlines():
            parts = line.split()
            if len(parts) == 4 and parts[2] in "tTwWiu":
                name = re.sub(r"@.*|\.(constprop|isra|part|cold)\.\d+|\.(cold)$", "", parts[3])
                yield int(parts[0], 16), (int(parts[1], 16), name)

    def find(self, address):
        at = bisect.bisect_right(self.starts, address) - 1
        if at >= 0 and address < self.starts[at] + self.symbols[at][0]:
            return self.symbols[at][1]
        return None


class Place(str):
    """A library in which no symbol covers an address."""


def with_callers(names):
    """The names of a stack, outermost first. Calls without symbols, one inside the other in a
    library, become one that is named by its caller."""
    found, caller, last = [], "?", None
    for name in names:
        if not isinstance(name, Place):
            found.append(name)
            caller = name
        elif name != last:
            found.append(f"below {caller} ({name})")
        last = name
    return found


class Profile:
    def __init__(self, data):
        self.period_us, self.stacks, end = self.read_stacks(data)
        self.maps = self.read_maps(data[end:].decode(errors="replace"))
        self.libraries = {}
        self.names = {}
        self.total = sum(count for count, _ in self.stacks)

    @staticmethod
    def read_stacks(data):
        """[(count, [leaf, caller, ...])]: words; count 0 ends them."""
        words = struct.unpack(f"={len(data) // 8}Q", data[:len(data) // 8 * 8])
        if len(words) < 8 or words[0] != 0 or words[2] != 0:
            raise ValueError("this is no CPU profile of gperftools")
        at, stacks = words[1] + 2, []
        while words[at] != 0:
            count, depth = words[at], words[at + 1]
            stacks.append((count, words[at + 2:at + 2 + depth]))
            at += 2 + depth
        return words[3], stacks, (at + 3) * 8

    @staticmethod
    def read_maps(text):
        found = []
        for line in text.splitlines():
            line = re.match(r"([0-9a-f]+)-([0-9a-f]+) r-xp ([0-9a-f]+) \S+ \d+\s+(/.*)", line)
            if line:
                start, end, offset = (int(one, 16) for one in line.groups()[:3])
                found.append((start, end, offset, line.group(4)))
        return found

    def name(self, address):
        if address not in self.names:
            self.names[address] = self.find(address)
        return self.names[address]

    def find(self, address):
        for start, end, offset, path in self.maps:
            if start <= address < end:
                if path not in self.libraries:
                    self.libraries[path] = Library(path)
                name = self.libraries[path].find(address - start + offset)
                return name or Place(re.sub(r"\.so.*", "", pathlib.Path(path).name))
        return Place("kernel, vdso")

    def named(self):
        """[(count, [outermost, ..., leaf])]."""
        for count, stack in self.stacks:
            # Callers are where the call returns to: one byte earlier is inside the call.
            names = [self.name(address - (1 if i else 0)) for i, address in enumerate(stack)]
            yield count, with_callers(names[::-1])

    def functions(self):
        """[(name, own samples, samples with it anywhere)], by own samples."""
        own, whole = {}, {}
        for count, names in self.named():
            own[names[-1]] = own.get(names[-1], 0) + count
            for name in set(names):
                whole[name] = whole.get(name, 0) + count
        return sorted(((name, own.get(name, 0), whole[name]) for name in whole),
                      key=lambda row: (-row[1], -row[2], row[0]))

    def share_in(self, functions):
        """The share of samples that have one of these functions anywhere."""
        inside = sum(count for count, names in self.named() if set(functions) & set(names))
        return inside / self.total if self.total else 0

    def own_in(self, functions):
        """The functions that are mostly on top when one of those given is below them."""
        inside, all_own = {}, {}
        for count, names in self.named():
            all_own[names[-1]] = all_own.get(names[-1], 0) + count
            if set(functions) & set(names):
                inside[names[-1]] = inside.get(names[-1], 0) + count
        return {name for name, count in inside.items() if 2 * count > all_own[name]}

    def tree(self):
        """Nested [name, samples, children] for the icicle."""
        root = ["all", 0, {}]
        for count, names in self.named():
            root[1] += count
            node = root
            for name in names:
                node = node[2].setdefault(name, [name, 0, {}])
                node[1] += count
        def plain(node):
            return [node[0], node[1], [plain(one) for one in sorted(node[2].values(), key=lambda one: -one[1])]]
        return plain(root)
