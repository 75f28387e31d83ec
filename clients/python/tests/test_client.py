"""The client against a daemon that a test steers. Run: python3 -m unittest discover -s tests"""
import asyncio
import pathlib
import re
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE)]

import offloop  # noqa: E402
from offloop import _errors, _http, _msgpack, _plain, _wire  # noqa: E402
from fake_daemon import Daemon, bye, frame, results, results_there, welcome  # noqa: E402


def upper(job):
    return results((job["id"], 0, 0, 0, job["payload"].upper()))


def let_read_arena(daemon, jobs):
    """The daemon sees what the client has mapped."""
    daemon.read_arena = lambda offset, length: jobs._link._arena._map[offset:offset + length]


class HangUp(list):
    """Arenas, none of which gets through."""

    def __init__(self, daemon):
        self.daemon = daemon

    def __iadd__(self, items):
        self.daemon.hang_up()
        raise ConnectionError(super().extend(items))


class ClientTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = self.folder.name + "/jobs.sock"

    def tearDown(self):
        self.folder.cleanup()

    def connect(self, **more):
        return offloop.connect(self.path, inline=False, **more)

    async def test_every_operation_is_sent_as_the_protocol_says(self):
        async with Daemon(self.path, upper) as daemon, self.connect(name="shop") as jobs:
            self.assertEqual(await jobs.encode(b"\xa1a"), b"\xa1A")
            await jobs.decode(b'{"a": 1}')
            await jobs.compact(memoryview(b"[1, 2]"), gzip=True)
            await jobs.project(b"\x81\xa1a\x01", "a,b.c", zstd=True)
            await jobs.patch(b'{"a":1}', b'{"a":2}')
            await jobs.validate(b"\x90")
            await jobs.jq(b'[1]', "map(. + $n)", {"n": 5}, timeout=3)
            self.assertEqual(daemon.names, ["shop"])
        sent = daemon.jobs
        self.assertEqual([job["op"] for job in sent], [1, 0, 4, 1, 6, 3, 1])
        self.assertEqual([job["options"] for job in sent],
                         [None, None, b"\x94\x01\x00\x00\xc4\x00",
                          b"\x94\x08\x00\x00\xc4\x05a,b.c", b"\x94\x04\x07\x00\xc4\x00", None,
                          b"\x94\xce\x00\x00\x00\x84\x11\x00\xc4\x00"])
        self.assertEqual(sent[4]["payload"], b'{"a":1}{"a":2}')
        self.assertEqual(sent[6]["payload"], b'[1]\x92\xabmap(. + $n)\x81\xa1n\x05')
        self.assertEqual(sent[6]["separator"], 10)
        self.assertTrue(2000 < sent[6]["deadline"] <= 3000)

    async def test_results_come_in_any_order_and_grouping(self):
        held = []

        def hold(job):
            held.append(job)
            if len(held) == 100:
                return results(*((one["id"], 0, 0, 0, one["payload"]) for one in held[:0:-1])) + \
                    upper(held[0])

        async with Daemon(self.path, hold), self.connect() as jobs:
            wanted = [b"\xa3%03d" % n for n in range(100)]
            got = await asyncio.gather(*(jobs.encode(one) for one in wanted))
            self.assertEqual(got, wanted)

    async def test_text_is_refused_at_once_and_the_others_go_on(self):
        async with Daemon(self.path, upper), self.connect() as jobs:
            other = asyncio.ensure_future(jobs.compact(b"[1]"))
            for document in ("[1]", 5, None, [1]):
                with self.assertRaises(TypeError):
                    await jobs.compact(document)
                with self.assertRaises(TypeError):
                    await jobs.project(document, "a")
                with self.assertRaises(TypeError):
                    await jobs.patch(b"{}", document)
            self.assertEqual(await other, b"[1]")
            self.assertEqual(await jobs.compact(memoryview(b"[1]  [2]")[::1]), b"[1]  [2]")

    async def test_a_view_of_any_shape_is_its_bytes(self):
        text = b"[1, 2, 3]123"
        async with Daemon(self.path, upper), self.connect() as jobs:
            for view in (memoryview(text).cast("B", (3, 4)), memoryview(text).cast("I"),
                         memoryview(text).cast("I", (3, 1)), memoryview(text * 2)[::-1][11::-1],
                         memoryview(text).cast("c")):
                self.assertEqual(await jobs.compact(view), view.tobytes())

    async def test_large_documents_pass_both_ways(self):
        document = b"\xc6" + bytes(range(256)) * 50_000
        async with Daemon(self.path, lambda job: results((job["id"], 0, 0, 0, job["payload"]))):
            async with self.connect() as jobs:
                got = await asyncio.gather(*(jobs.encode(document) for _ in range(3)))
                self.assertEqual(got, [document] * 3)
                self.assertEqual(await jobs.encode(b"\x01"), b"\x01")

    async def test_large_documents_lie_in_the_arena(self):
        async with Daemon(self.path, upper, hello=welcome(capabilities=7)) as daemon, self.connect() as jobs:
            let_read_arena(daemon, jobs)
            self.assertEqual(await jobs.compact(b"a" * 100), b"A" * 100)
            self.assertEqual(daemon.arenas, [])
            for _ in range(3):
                documents = [bytes((97 + n,)) * (100_000 + n) for n in range(8)]
                self.assertEqual(await asyncio.gather(*map(jobs.compact, documents)),
                                 [one.upper() for one in documents])
                self.assertEqual([one["offset"] is None for one in daemon.jobs[-8:]], [False] * 8)
            self.assertEqual(await jobs.patch(b"{" * 50_000, b"}" * 10), b"{" * 50_000 + b"}" * 10)
            self.assertEqual(daemon.jobs[-1]["offset"], 0)  # what was used before
            self.assertEqual(await jobs.compact(b"x" * (5 << 20)), b"X" * (5 << 20))  # too large for it
            self.assertEqual(daemon.arenas, [32 << 20])

    async def test_what_is_given_up_stays_in_the_arena(self):
        held = []

        def hold(job):
            if job["offset"] is None:
                return upper(job)
            held.append(job)
            if len(held) == 2:
                return upper(job)

        async with Daemon(self.path, hold, hello=welcome(capabilities=7)) as daemon, self.connect() as jobs:
            let_read_arena(daemon, jobs)
            await jobs.compact(b"1")  # the welcome has come
            first = asyncio.ensure_future(jobs.compact(b"a" * 100_000))
            while not held:
                await asyncio.sleep(0.01)
            first.cancel()
            self.assertEqual(await jobs.compact(b"b" * 100_000), b"B" * 100_000)
            self.assertGreaterEqual(held[1]["offset"], held[0]["offset"] + held[0]["length"])
            self.assertEqual(daemon.cancelled, [held[0]["id"]])

    async def test_a_result_that_is_not_in_the_message_ends_the_connection(self):
        def answer(job):
            if len(daemon.names) > 1 or job["offset"] is None:
                return upper(job)
            return results_there(job["id"], job["offset"], 1)

        async with Daemon(self.path, answer, hello=welcome(capabilities=7)) as daemon, self.connect() as jobs:
            let_read_arena(daemon, jobs)
            await jobs.compact(b"1")  # the welcome has come
            self.assertEqual(await jobs.compact(b"a" * 100_000), b"A" * 100_000)  # sent once more
            self.assertEqual(len(daemon.names), 2)

    async def test_where_no_descriptor_passes_jobs_go_through_the_socket(self):
        async with Daemon(self.path, upper, hello=welcome(capabilities=7)) as daemon, self.connect() as jobs:
            daemon.arenas = HangUp(daemon)
            await jobs.compact(b"1")  # the welcome has come
            for _ in range(3):
                self.assertEqual(await jobs.compact(b"a" * 100_000), b"A" * 100_000)
            self.assertEqual((len(daemon.names), len(daemon.arenas)), (2, 1))

    async def test_each_verdict_is_its_error(self):
        async with Daemon(self.path, lambda job: results(
                (job["id"], *job["payload"][1:3], 9, b"why" if job["payload"][2] else b""))):
            async with self.connect() as jobs:
                for verdict, kind in ((1, offloop.JobTimeout), (3, offloop.Overloaded),
                                      (4, offloop.NoWorker), (5, offloop.JobLost),
                                      (6, offloop.JobLost)):
                    with self.assertRaises(kind):
                        await jobs.encode(b"\xa2" + bytes((verdict, 0)))
                with self.assertRaises(offloop.JobError) as caught:
                    await jobs.encode(b"\xa2\x00\x01")
                self.assertEqual((caught.exception.status, caught.exception.offset,
                                  str(caught.exception)), ("syntax", 9, "why"))
        self.assertTrue(issubclass(offloop.JobTimeout, TimeoutError))

    async def test_a_cancelled_job_is_taken_back(self):
        seen = asyncio.Event()

        def never(job):
            seen.set()

        async with Daemon(self.path, never) as daemon, self.connect() as jobs:
            task = asyncio.ensure_future(jobs.encode(b"\x01"))
            await seen.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            while not daemon.cancelled:
                await asyncio.sleep(0)
            self.assertEqual(daemon.cancelled, [daemon.jobs[0]["id"]])
            while jobs._live:
                await asyncio.sleep(0)

    async def test_a_lost_connection_costs_one_more_sending(self):
        def first_time_hang_up(job):
            if len(daemon.jobs) == 1:
                daemon.hang_up()
                return None
            return upper(job)

        async with Daemon(self.path, first_time_hang_up) as daemon, self.connect() as jobs:
            self.assertEqual(await jobs.encode(b"\xa1x"), b"\xa1X")
            self.assertEqual(len(daemon.jobs), 2)

    async def test_a_job_that_ends_every_connection_is_given_up(self):
        async with Daemon(self.path, lambda job: daemon.hang_up()) as daemon:
            async with self.connect() as jobs:
                with self.assertRaises(offloop.JobLost):
                    await jobs.encode(b"\x01")
                self.assertEqual(len(daemon.jobs), 2)

    async def test_a_daemon_that_starts_late(self):
        async with self.connect() as jobs:
            waiting = asyncio.ensure_future(jobs.encode(b"\xa1x"))
            await asyncio.sleep(0.01)
            async with Daemon(self.path, upper):
                self.assertEqual(await waiting, b"\xa1X")

    async def test_no_daemon_is_an_error_after_half_of_the_timeout(self):
        async with self.connect() as jobs:
            with self.assertRaises(offloop.NoWorker):
                await jobs.encode(b"\x01", timeout=0.2)

    async def test_no_daemon_and_a_codec_here(self):
        async with self.connect() as jobs:
            jobs._inline = lambda op, flags, separator, options, payload: (0, 0, b"here")
            jobs._absent = True
            self.assertEqual(await jobs.encode(b"\x01"), b"here")
            self.assertEqual(jobs._live, {})

    async def test_small_jobs_run_here_until_the_turn_has_had_enough(self):
        ran = []

        def here(*job):
            ran.append(job)
            return 0, 0, b"here"

        async with Daemon(self.path, upper) as daemon, self.connect() as jobs:
            jobs._inline = here
            self.assertEqual(await jobs.encode(b"\xa1x"), b"here")
            await jobs.encode(b"\xda\x20\x00" + bytes(8192))
            await jobs.compact(b"[1]", gzip=True)
            await jobs.jq(b"[1]", ".")
            self.assertEqual((len(ran), len(daemon.jobs)), (1, 3))
            jobs._spent = 1.0
            self.assertEqual(await jobs.encode(b"\xa1x"), b"\xa1X")
            jobs._inline = lambda *job: (1, 5, b"")
            jobs._on_turn()
            with self.assertRaises(offloop.JobError) as caught:
                await jobs.compact(b"[")
            self.assertEqual(caught.exception.offset, 5)

    async def test_a_daemon_that_refuses_is_none(self):
        """The job runs here; or it waits for another daemon, and no refusal counts as a try."""
        refused = b"O\x01\x03\x92\x04\xa4full"
        async with Daemon(self.path, lambda job: None, hello=frame(refused)) as daemon:
            async with self.connect() as jobs:
                jobs._inline_bytes = 0
                jobs._inline = lambda *job: (0, 0, b"here")
                self.assertEqual(await jobs.encode(b"\x01"), b"here")
                jobs._inline = None
                waiting = asyncio.ensure_future(jobs.encode(b"\xa1x"))
                seen = len(daemon.names)
                while len(daemon.names) < seen + 3:
                    await asyncio.sleep(0.01)
                daemon.hello, daemon.answer = welcome(), upper
                self.assertEqual(await waiting, b"\xa1X")

    async def test_more_than_the_daemon_allows_is_overloaded_at_once(self):
        async with Daemon(self.path, lambda job: None, hello=welcome(2)) as daemon:
            async with self.connect() as jobs:
                tasks = [asyncio.ensure_future(jobs.encode(b"\x01")) for _ in range(2)]
                while not jobs.connected or len(daemon.jobs) < 2:
                    await asyncio.sleep(0)
                with self.assertRaises(offloop.Overloaded):
                    await jobs.encode(b"\x01")
                for task in tasks:
                    task.cancel()

    async def test_nonsense_ends_the_connection_and_never_the_application(self):
        for greeting, hello in ((b"HTTP/1.1", b""), (_wire.GREETING, b"\x02" + bytes(20)),
                                (_wire.GREETING, b"\x01" + b"\xff" * 8),
                                (_wire.GREETING, b"\x01" + bytes(7) + b"\x05O\x01\x20\x91\x98")):
            path = self.folder.name + "/other.sock"
            async with Daemon(path, lambda job: None, greeting, hello):
                async with offloop.connect(path, inline=False) as jobs:
                    with self.assertRaises(offloop.OffloopError):
                        await jobs.encode(b"\x01", timeout=0.5)
            pathlib.Path(path).unlink(missing_ok=True)

    async def test_after_bye_another_connection_is_used_at_once(self):
        """The daemon that drains answers what it has read; what it has not read goes again."""
        held = []

        def hold_first(job):
            held.append(job)
            return bye() if len(held) == 1 else upper(job)

        async with Daemon(self.path, hold_first) as daemon, self.connect() as jobs:
            first = asyncio.ensure_future(jobs.encode(b"\xa1a"))
            while not held:
                await asyncio.sleep(0)
            old = daemon.writers[0]
            self.assertEqual(await jobs.encode(b"\xa1b"), b"\xa1B")
            self.assertEqual(len(daemon.writers), 2)
            old.write(upper(held[0]))
            self.assertEqual(await first, b"\xa1A")
            self.assertEqual(len(daemon.jobs), 2)

    async def test_what_a_draining_daemon_did_not_read_is_no_try(self):
        count = 5

        def drain(job):
            if len(daemon.jobs) > count:
                return upper(job)
            daemon.writers[-1].write(bye())
            asyncio.get_running_loop().call_soon(daemon.hang_up)
            return None

        async with Daemon(self.path, drain) as daemon, self.connect() as jobs:
            self.assertEqual(await jobs.encode(b"\xa1a"), b"\xa1A")
            self.assertEqual(len(daemon.jobs), count + 1)

    async def test_close_gives_up_what_waits(self):
        async with Daemon(self.path, lambda job: None):
            jobs = await self.connect()
            task = asyncio.ensure_future(jobs.encode(b"\x01"))
            await asyncio.sleep(0)
            await jobs.close()
            with self.assertRaises(offloop.NoWorker):
                await task
            with self.assertRaises(offloop.NoWorker):
                await jobs.encode(b"\x01")


class HttpTest(unittest.TestCase):
    def test_who_takes_gzip(self):
        for field in ("gzip", "deflate, gzip", "gzip;q=0.5, br", "*", "GZIP", "br,gzip ; q=1.0"):
            self.assertTrue(_http.takes_gzip(field), field)
        for field in (None, "", "br", "gzip;q=0", "gzip;q=0.000, br", "x-gzip2", "nogzip"):
            self.assertFalse(_http.takes_gzip(field), field)

    def test_errors_are_statuses(self):
        for problem, status in ((offloop.Overloaded(""), 503), (offloop.NoWorker(""), 503),
                                (offloop.JobLost(""), 503), (offloop.JobTimeout(""), 504),
                                (offloop.JobError("failed", 1), 422),
                                (offloop.JobError("syntax", 1), 500)):
            self.assertEqual(_http.status_of(problem), status)


class PlainTest(unittest.TestCase):
    """The codec in Python; tests/e2e/88-clients.py compares it with the workers'."""

    def run_job(self, op, *payload, flags=0, fields=b"", pretty=False):
        options = _wire.options(flags, len(payload[1]) if len(payload) > 1 else 0, fields)
        self.assertTrue(_plain.can(op, options))
        return _plain.run(op, int(pretty), 0, options, payload)

    def test_json_to_json_keeps_the_text_of_numbers(self):
        for text in (b"[12500.00,1e2,-0,1E+400]", b'{"a":18446744073709551616}'):
            self.assertEqual(self.run_job(_wire.COMPACT, text), (0, 0, text))
            self.assertEqual(self.run_job(_wire.ENCODE, text, flags=_wire.INPUT_JSON), (0, 0, text))
        self.assertEqual(self.run_job(_wire.PATCH, b'{"a":1.50}', b'{"b":2.50}',
                                      flags=_wire.INPUT_JSON), (0, 0, b'{"a":1.50,"b":2.50}'))

    def test_fields(self):
        for fields, wanted in ((b"a.b", b'{"a":{"b":1}}'), (b"%", b'{"":3}'), (b"a.x", b'{"a":{}}')):
            self.assertEqual(self.run_job(_wire.ENCODE, b'{"a":{"b":1,"c":2},"":3}', fields=fields,
                                          flags=_wire.INPUT_JSON), (0, 0, wanted))
        status, fault, _ = self.run_job(_wire.ENCODE, b"\x80", fields=b"a..b")
        self.assertEqual((_errors.STATUSES[status][0], fault), ("fields", _errors.NO_OFFSET))

    def test_too_deep_for_python_is_refused(self):
        status, _, _ = self.run_job(_wire.COMPACT, b"[" * 512 + b"]" * 512)
        self.assertIn(_errors.STATUSES[status][0], ("ok", "depth"))

    def test_what_it_cannot(self):
        for flags in (_wire.ZSTD, _wire.TRANSFORM):
            self.assertFalse(_plain.can(_wire.ENCODE, _wire.options(flags)))


class BytesTest(unittest.TestCase):
    def test_json_and_msgpack_are_told_apart(self):
        for text in (b"{}", b" 1", b"null", b"7", b'"a"', b""):
            self.assertTrue(_wire.is_json(text), text)
        for raw in (b"\x80", b"\x01", b"\xc0", b"\xcb" + bytes(8), b"a"):
            self.assertFalse(_wire.is_json(raw), raw)

    def test_values_are_packed_as_msgpack_does(self):
        cases = [(None, b"\xc0"), (True, b"\xc3"), (0, b"\x00"), (-1, b"\xff"), (-33, b"\xd0\xdf"),
                 (200, b"\xcc\xc8"), (1 << 40, b"\xcf\x00\x00\x01" + bytes(5)),
                 (-(1 << 40), b"\xd3\xff\xff\xff" + bytes(5)), (1.5, b"\xcb\x3f\xf8" + bytes(6)),
                 ("a" * 40, b"\xd9\x28" + b"a" * 40), ([1] * 16, b"\xdc\x00\x10" + b"\x01" * 16),
                 ({"a": []}, b"\x81\xa1a\x90"), (1 << 64, b"\xc7\x14\x0118446744073709551616")]
        for value, wanted in cases:
            out = bytearray()
            _msgpack._pack(value, out, 0)
            self.assertEqual(bytes(out), wanted, value)
        for value in (object(), {1: 2}, {"a": b""}):
            with self.assertRaises(TypeError):
                _msgpack._pack(value, bytearray(), 0)

    def test_statuses_are_those_of_the_codec(self):
        header = HERE.parents[2] / "common/codec/codec.h"
        if not header.exists():
            self.skipTest("not in the project's tree")
        table = re.search(r"#define CODEC_STATUS_MAP\(X\)(.*?)\n\n", header.read_text(), re.S)
        names = re.findall(r"X\((\w+),", table.group(1))
        ours = [name for name, _ in _errors.STATUSES]
        self.assertEqual(ours[:len(names)], [name.lower() for name in names])

    def test_errors_of_statuses(self):
        for status, fault, text, name, offset, said in (
                (1, 5, "", "syntax", 5, "not valid JSON at byte 5"), (4, 0, "why", "utf8", 0, "why"),
                (15, _errors.NO_OFFSET, "", "duplicate", None, "a merge patch names a member twice"),
                (250, 1, "", "status_250", 1, "refused at byte 1")):
            problem = _errors.error_of_status(status, fault, text)
            self.assertEqual((problem.status, problem.offset, str(problem)), (name, offset, said))

    def test_results_that_are_cut_are_refused(self):
        whole = results((7, 0, 0, 0, b"abc"))[9:]
        self.assertEqual(_wire.read_results(memoryview(whole))[0].payload, b"abc")
        for end in range(3, len(whole)):
            with self.assertRaises(offloop.ProtocolError):
                _wire.read_results(memoryview(whole[:end]))
        with self.assertRaises(offloop.ProtocolError):
            _wire.read_results(memoryview(whole + b"x"))


if __name__ == "__main__":
    unittest.main()
