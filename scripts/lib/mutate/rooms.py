"""Which sources are mutated, and by which tests each room is to be held.

sources, without   patterns of files, from the top of the tree
tests              patterns of test sources; ctest's entries of those programs are run
children           of these, tests whose children are killed: what those ran is not seen by
                   gcov, so that these tests are asked about every mutant
helpers            programs that the tests start, built unchanged
"""
import dataclasses
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]


@dataclasses.dataclass(frozen=True)
class Room:
    sources: tuple
    tests: tuple
    without: tuple = ()
    children: tuple = ()
    helpers: tuple = ()

    def files(self):
        found = {path for pattern in self.sources for path in ROOT.glob(pattern)}
        found -= {path for pattern in self.without for path in ROOT.glob(pattern)}
        return sorted(str(path.relative_to(ROOT)) for path in found)

    def programs(self):
        return sorted({path.stem for pattern in self.tests for path in ROOT.glob(pattern)})


ROOMS = {
    # The powers are a generated table; the command's main() is run by its tests as a program.
    "codec": Room(sources=("common/codec/**/*.c",),
                  without=("common/codec/jq/**/*.c", "common/codec/cli/*.c",
                           "common/codec/number/number_powers.c"),
                  tests=("tests/unit/codec/*_test.c", "tests/unit/jq/*_test.c"),
                  helpers=("offloop-codec",)),
    "jq": Room(sources=("common/codec/jq/**/*.c",),
               tests=("tests/unit/jq/*_test.c", "tests/unit/codec/*_test.c"),
               helpers=("offloop-codec",)),
    "parser": Room(sources=("server/http/parser/*.c",),
                   tests=("tests/unit/http/*_test.c", "tests/oracle/llhttp_test.c")),
    "scheduler": Room(sources=("server/jobs/**/*.c",),
                      tests=("tests/unit/jobs/*_test.c", "tests/process/jobs_*_test.c"),
                      helpers=("offloop-server", "offloop-worker", "poison-worker", "plain-worker",
                               "fake-worker", "bare-worker")),
    "writer": Room(sources=("server/store/writer/*.c", "server/store/lmdb/lmdb_db.c",
                            "server/store/lmdb/lmdb_free_space.c", "server/store/lmdb/lmdb_layout.c",
                            "server/store/lmdb/lmdb_open_writer.c"),
                   tests=("tests/unit/store/writer_*_test.c", "tests/unit/store/lmdb_*_test.c",
                          "tests/unit/store/store_test.c", "tests/unit/store/store_*_test.c",
                          "tests/process/store_*_test.c"),
                   children=("store_kill_test", "store_full_test")),
}
