#!/usr/bin/env python3
"""The checker of scripts/histories against histories that are known to be right or wrong.

    python3 -B tests/histories/check_test.py

A history is written as tests/histories/record.h says, but for times in small numbers.
"""
import itertools
import pathlib
import random
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/lib"))
from histories import check, linear, register  # noqa: E402
from histories.register import DELETE, FOREVER, IMPOSSIBLE, JQ, MERGE, PUT, Operation, look  # noqa: E402


def verdict(text, failovers=()):
    """What a history comes to: the kinds of its violations, each once."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    result = check.check(lines, failovers)
    assert not result.undecided, result.undecided
    return sorted({one.kind for one in result.violations})


NOT_LINEAR = ["not linearizable"]


class Registers(unittest.TestCase):
    """One document: what may answer what."""

    def right(self, text, failovers=()):
        self.assertEqual(verdict(text, failovers), [])

    def wrong(self, text, kinds=None, failovers=()):
        self.assertEqual(verdict(text, failovers), kinds or NOT_LINEAR)

    def test_reads_and_writes_one_after_another(self):
        self.right("""
            0 1 2 get h0/k001 - - 404 - -
            0 3 4 put h0/k001 - 7 201 101 -
            0 5 6 get h0/k001 - - 200 101 0/0/7
            0 7 8 merge h0/k001 - 9 200 102 0/9/7
            0 9 10 jq h0/k001 - 11 200 103 1/11/7
            0 11 12 delete h0/k001 - - 204 - -
            0 13 14 delete h0/k001 - - 404 - -
            0 15 16 put h0/k001 - 8 201 104 -""")

    def test_a_stale_read(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 put h0/k001 - 8 200 102 -
            1 5 6 get h0/k001 - - 200 101 0/0/7""")

    def test_a_read_beside_a_write_may_see_either(self):
        for state, tag in (("0/0/7", 101), ("0/0/8", 102)):
            self.right(f"""
                0 1 2 put h0/k001 - 7 201 101 -
                0 3 9 put h0/k001 - 8 200 102 -
                1 5 6 get h0/k001 - - 200 {tag} {state}""")

    def test_reads_do_not_go_back(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 9 put h0/k001 - 8 200 102 -
            1 4 5 get h0/k001 - - 200 102 0/0/8
            2 6 7 get h0/k001 - - 200 101 0/0/7""")

    def test_a_lost_acknowledged_write(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            1 3 4 get h0/k001 - - 404 - -""")

    def test_a_lost_patch(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 jq h0/k001 - 10 200 102 1/10/7
            1 3 4 jq h0/k001 - 11 200 103 1/11/7""")

    def test_two_patches_in_either_order(self):
        self.right("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 6 jq h0/k001 - 10 200 103 1/10/7
            1 3 6 merge h0/k001 - 9 200 102 0/9/7""")

    def test_a_program_that_ran_twice(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 jq h0/k001 - 10 200 102 2/10/7""")

    def test_a_value_that_nobody_wrote(self):
        self.wrong("0 1 2 get h0/k001 - - 200 101 0/0/7")

    def test_created_or_replaced(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 put h0/k001 - 8 201 102 -""")
        self.wrong("0 1 2 put h0/k001 - 7 200 101 -")

    # ---- conditions

    def test_conditions_that_hold(self):
        self.right("""
            0 1 2 put h0/k001 n* 7 201 101 -
            0 3 4 put h0/k001 m101 8 200 102 -
            0 5 6 put h0/k001 n101 9 200 103 -
            0 7 8 put h0/k001 m* 10 200 104 -
            0 9 10 get h0/k001 n104 - 304 104 -
            0 11 12 delete h0/k001 m104 - 204 - -""")

    def test_conditions_that_do_not(self):
        self.right("""
            0 1 2 put h0/k001 m* 6 412 - -
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 put h0/k001 n* 8 412 - -
            0 5 6 put h0/k001 - 9 200 102 -
            0 7 8 put h0/k001 m101 10 412 - -
            0 7 8 jq h0/k001 m101 20 412 - -
            0 7 8 put h0/k001 n102 11 412 - -
            0 9 10 delete h0/k001 - - 204 - -
            0 11 12 put h0/k001 m102 12 412 - -
            0 11 12 merge h0/k001 m102 13 404 - -""")

    def test_a_condition_that_was_not_looked_at(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 put h0/k001 - 8 200 102 -
            0 5 6 put h0/k001 m101 9 200 103 -""")

    def test_both_of_two_writes_with_one_tag_win(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 9 put h0/k001 m101 8 200 102 -
            1 3 9 put h0/k001 m101 9 200 103 -""")

    def test_a_refusal_without_a_reason(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 put h0/k001 m101 8 412 - -""")

    def test_not_modified_although_it_was(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 put h0/k001 - 8 200 102 -
            0 5 6 get h0/k001 n101 - 304 101 -""")

    # ---- what got no answer

    def test_a_write_without_an_answer_may_happen_or_not(self):
        for later in ("404 - -", "200 102 0/0/7"):
            self.right(f"""
                0 1 0 put h0/k001 - 7 0? - -
                1 9 10 get h0/k001 - - {later}""")

    def test_it_may_happen_late_but_once(self):
        self.right("""
            0 1 0 put h0/k001 - 7 0? - -
            1 3 4 get h0/k001 - - 404 - -
            1 5 6 get h0/k001 - - 200 101 0/0/7""")
        self.wrong("""
            0 1 0 put h0/k001 - 7 0? - -
            1 3 4 get h0/k001 - - 200 101 0/0/7
            1 5 6 delete h0/k001 - - 204 - -
            1 7 8 get h0/k001 - - 200 101 0/0/7""")

    def test_it_does_not_happen_before_it_is_asked_for(self):
        self.wrong("""
            1 1 2 get h0/k001 - - 200 101 0/0/7
            0 3 0 put h0/k001 - 7 0? - -""")

    def test_its_condition_counts(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 put h0/k001 - 8 200 102 -
            1 5 0 put h0/k001 m101 9 0? - -
            2 7 8 get h0/k001 - - 200 103 0/0/9""")

    def test_a_503_that_says_may_or_may_not(self):
        self.right("""
            0 1 2 put h0/k001 - 7 503? - -
            1 3 4 get h0/k001 - - 200 101 0/0/7""")

    def test_a_refusal_that_must_not_have_happened(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 503! - -
            1 3 4 get h0/k001 - - 200 101 0/0/7""")

    def test_unseen_writes_explain_presence(self):
        """A delete that found something, and a PUT that was refused: only an unanswered
        write can be the reason, and one is not enough for both."""
        one = "0 1 0 put h0/k001 - 7 0? - -\n"
        two = one + "0 1 0 put h0/k001 - 8 0? - -\n"
        seen = """1 3 4 delete h0/k001 - - 204 - -
            1 5 6 put h0/k001 n* 9 412 - -"""
        self.right(two + seen)
        self.wrong(one + seen)

    def test_many_unanswered_writes_are_decided(self):
        lines = [f"0 {at} 0 put h0/k001 - {at} 0? - -" for at in range(1, 40)]
        lines += [f"0 {at} 0 jq h0/k001 - {at} 0? - -" for at in range(40, 60)]
        lines += [f"0 {at} 0 delete h0/k001 - - 0? - -" for at in range(60, 80)]
        lines += ["1 90 91 put h0/k001 - 900 201 101 -", "1 92 93 get h0/k001 - - 200 101 0/0/900"]
        self.right("\n".join(lines))
        self.wrong("\n".join([*lines, "1 94 95 get h0/k001 - - 200 102 0/0/901"]))

    # ---- tags

    def test_a_tag_that_comes_back(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 1 -
            0 3 4 delete h0/k001 - - 204 - -
            0 5 6 put h0/k001 - 8 201 1 -""", ["a tag came back"])

    def test_a_write_that_happened_twice(self):
        self.wrong("""
            0 1 2 put h0/k001 - 7 201 101 -
            0 3 4 get h0/k001 - - 200 102 0/0/7""", ["a write happened twice"])

    def test_a_status_that_must_not_be(self):
        self.wrong("0 1 2 wrong h0/k001 - - 500 - a_status_that_must_not_be:",
                   ["a wrong reply"])


class Lists(unittest.TestCase):
    BEFORE = """
        0 1 2 put h0/k001 - 1 201 101 -
        0 3 4 put h0/k002 - 2 201 102 -
        0 5 6 put h0/k003 - 3 201 103 -
        """

    def right(self, text):
        self.assertEqual(verdict(self.BEFORE + text), [])

    def wrong(self, text, kinds=None):
        self.assertEqual(verdict(self.BEFORE + text), kinds or NOT_LINEAR)

    def test_whole_and_in_pages(self):
        self.right("""
            1 7 8 list h0 - 0 200 - k001=0/0/1,k002=0/0/2,k003=0/0/3
            1 9 10 list h0 - 2 200 k002 k001=0/0/1,k002=0/0/2
            1 11 12 list h0 k002 2 200 - k003=0/0/3""")

    def test_a_page_that_skips(self):
        self.wrong("1 7 8 list h0 - 2 200 k002 k001=0/0/1")
        self.wrong("1 7 8 list h0 k001 5 200 - k003=0/0/3")

    def test_a_document_twice_or_out_of_order(self):
        for shown in ("k001=0/0/1,k001=0/0/1,k002=0/0/2,k003=0/0/3",
                      "k002=0/0/2,k001=0/0/1,k003=0/0/3"):
            self.wrong(f"1 7 8 list h0 - 0 200 - {shown}", ["a page out of order"])

    def test_a_page_beyond_its_link(self):
        self.wrong("1 7 8 list h0 - 2 200 k001 k001=0/0/1,k002=0/0/2", ["a page out of order"])
        self.wrong("1 7 8 list h0 k002 2 200 k002 -", ["a page out of order"])

    def test_what_never_was(self):
        self.wrong("1 7 8 list h0 - 0 200 - k001=0/0/1,k002=0/0/2,k003=0/0/3,k004=0/0/4")

    def test_what_changes_meanwhile_may_show_or_not(self):
        for shown in ("k001=0/0/1,k003=0/0/3", "k001=0/0/1,k002=0/0/2,k003=0/0/3"):
            self.right(f"""
                1 10 20 list h0 - 0 200 - {shown}
                2 12 15 delete h0/k002 - - 204 - -""")

    def test_what_was_deleted_before(self):
        self.wrong("""
            2 7 8 delete h0/k002 - - 204 - -
            1 10 20 list h0 - 0 200 - k001=0/0/1,k002=0/0/2,k003=0/0/3""")

    def test_a_stale_document_in_a_list(self):
        self.wrong("""
            2 7 8 put h0/k002 - 9 200 109 -
            1 10 20 list h0 - 0 200 - k001=0/0/1,k002=0/0/2,k003=0/0/3""")


class BulkLoads(unittest.TestCase):
    def test_lines_are_stored(self):
        self.assertEqual(verdict("""
            0 1 4 bulk h0 - k001=1,k002=2 200 2 -
            1 5 6 get h0/k001 - - 200 101 0/0/1
            1 5 6 get h0/k002 - - 200 102 0/0/2"""), [])

    def test_a_stored_line_is_lost(self):
        self.assertEqual(verdict("""
            0 1 4 bulk h0 - k001=1,k002=2 200 2 -
            1 5 6 get h0/k002 - - 404 - -"""), NOT_LINEAR)

    def test_of_two_lines_the_later_wins(self):
        lines = "0 1 4 bulk h0 - k001=1,k001=2 200 2 -\n1 5 6 get h0/k001 - - 200 101 0/0/"
        self.assertEqual(verdict(lines + "2"), [])
        self.assertEqual(verdict(lines + "1"), NOT_LINEAR)

    def test_failed_lines(self):
        lines = "0 1 4 bulk h0 - k001=1,k002=2 200 1 2{}\n1 5 6 get h0/k002 - - 200 101 0/0/2"
        self.assertEqual(verdict(lines.format("?")), [])
        self.assertEqual(verdict(lines.format("!")), NOT_LINEAR)

    def test_a_report_that_does_not_add_up(self):
        self.assertEqual(verdict("0 1 4 bulk h0 - k001=1,k002=2 200 1 -"), ["a wrong report"])


class Failovers(unittest.TestCase):
    BEFORE = """
        0 1 2 put h0/k001 - 1 201 101 -
        0 3 4 put h0/k001 - 2 200 102 -
        """

    def test_the_last_writes_may_be_lost_once(self):
        history = self.BEFORE + "0 20 21 get h0/k001 - - 200 101 0/0/1"
        self.assertEqual(verdict(history), NOT_LINEAR)
        self.assertEqual(verdict(history, [(10, 11)]), [])

    def test_what_is_lost_is_named(self):
        lines = [line.strip() for line in
                 (self.BEFORE + "0 20 21 get h0/k001 - - 404 - -").strip().splitlines()]
        lost = check.check(lines, [(10, 11)]).lost
        self.assertEqual([(name, one.value) for name, one, _ in lost],
                         [("h0/k001", 1), ("h0/k001", 2)])

    def test_nothing_is_lost_later(self):
        self.assertEqual(verdict(self.BEFORE + """
            0 20 21 get h0/k001 - - 200 102 0/0/2
            0 30 31 get h0/k001 - - 200 101 0/0/1""", [(10, 11)]), NOT_LINEAR)

    def test_nothing_comes_back(self):
        self.assertEqual(verdict(self.BEFORE + """
            0 20 21 get h0/k001 - - 200 101 0/0/1
            0 30 31 get h0/k001 - - 200 102 0/0/2""", [(10, 11)]), NOT_LINEAR)

    def test_a_read_that_waits_over_a_lost_delete(self):
        self.assertEqual(verdict(self.BEFORE + """
            0 5 6 delete h0/k001 - - 204 - -
            1 20 40 get h0/k001 - - 404 - -
            0 22 23 get h0/k001 - - 200 102 0/0/2
            0 24 26 delete h0/k001 - - 204 - -""", [(10, 11)]), [])


def explains(definite, optional):
    """The same question, answered by trying every order."""
    def go(state, left, maybe):
        if not left:
            return True
        until = min(one.end for one in left)
        for pool, sure in ((left, True), (maybe, False)):
            for one in pool:
                if one.start > until:
                    continue
                after = one.apply(state)
                if after is IMPOSSIBLE:
                    continue
                if go(after, [x for x in left if x is not one],
                      [x for x in maybe if x is not one]):
                    return True
        return False
    return go(None, definite, optional)


class AgainstEveryOrder(unittest.TestCase):
    """Small random histories, mostly of answers that a real register gave and some that it
    did not: the search and the trying of every order agree."""

    @staticmethod
    def make(chance):
        count, definite, optional, value = chance.randint(3, 8), [], [], itertools.count(1)
        state, states = None, [None]
        for at in range(count):
            begin = at * 4 + chance.randint(-4, 2)
            end = at * 4 + chance.randint(3, 7)
            kind = chance.choice([register.LOOK, register.LOOK, PUT, MERGE, JQ, DELETE])
            one = Operation(begin, end, kind, value=next(value) if kind in (PUT, MERGE, JQ) else 0)
            after = one.apply(state)
            if kind == register.LOOK:
                one = look(begin, end, state if chance.random() < 0.4 else chance.choice(states))
            elif after is IMPOSSIBLE:
                one = look(begin, end, None)
            elif chance.random() < 0.2:
                one.end = FOREVER
                if chance.random() < 0.5:
                    state = after
            else:
                one.created = state is None if kind == PUT else None
                one.result = after if kind in (MERGE, JQ) else None
                state = after
            states.append(state)
            (optional if one.end == FOREVER else definite).append(one)
        return definite, optional

    def test_they_agree(self):
        chance, counts = random.Random(11), [0, 0]
        for _ in range(4000):
            definite, optional = self.make(chance)
            expected = explains(definite, optional)
            counts[expected] += 1
            answer = linear.search(definite, optional)
            self.assertEqual(answer.verdict, linear.FOUND if expected else linear.NONE)
            if expected:
                self.replay(answer.order, definite)
            else:
                some, maybe = linear.shrink(definite, optional)
                self.assertEqual(linear.search(some, maybe).verdict, linear.NONE)
        self.assertGreater(min(counts), 300, counts)

    def replay(self, order, definite):
        """The order is one: every operation fits, none comes before one that had ended."""
        state = None
        for at, one in enumerate(order):
            state = one.apply(state)
            self.assertIsNot(state, IMPOSSIBLE)
            self.assertFalse(any(later.end < one.start for later in order[at + 1:]))
        self.assertLessEqual({id(one) for one in definite}, {id(one) for one in order})


if __name__ == "__main__":
    unittest.main()
