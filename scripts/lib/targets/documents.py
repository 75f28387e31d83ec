"""The documents that are read: of any size, each one different, as the server prints them."""
import importlib.machinery
import importlib.util
import itertools
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
LIGHT = b'{"id":"light","name":"a document of sixty-three bytes","n":1.5}'
NAMES = {"500B": 500, "2KB": 2_000, "5KB": 5_000, "20KB": 20_000, "64KB": 64_000,
         "200KB": 200_000, "2MB": 2_000_000, "16MB": 16_000_000}


def script(name):
    """A script of scripts/ as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Documents:
    def __init__(self):
        self.contracts = [one for _, one in itertools.islice(script("sample-data").contracts(), 1000)]
        self.texts = [compact(one) for one in self.contracts]

    def small(self, size, number):
        """A contract without what is too much."""
        kept = {"n": number}
        for key, value in self.contracts[number % len(self.contracts)].items():
            if len(compact({**kept, key: value})) <= size:
                kept[key] = value
        return compact(kept)

    def text(self, size, number):
        """Contracts in a row, from another one on for each number."""
        if size < 1500:
            return self.small(size, number)
        parts, length = [], 40
        for at in itertools.count(number * 7):
            part = self.texts[at % len(self.texts)]
            if length + len(part) / 2 > size and parts:
                break
            parts.append(part)
            length += len(part) + 1
        return b'{"n":%d,"contracts":[%b]}' % (number, b",".join(parts))
