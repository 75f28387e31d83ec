"""`ab` over the sample data, both modes, with and without keep-alive: everything complete,
nothing failed, nothing but 2xx."""
import subprocess

from harness import ROOT, SANITIZED, case, equal, run_ab

REQUESTS = 500 if SANITIZED else 10_000
COLLECTION_REQUESTS = 20 if SANITIZED else 300  # scripts/bench-http does all 10,000
UNSANITIZED = True  # it only measures
PAIR = {"workers": 2}


def load(pair):
    if not pair.ask("GET", "/v1").json():
        subprocess.run([ROOT / "scripts/sample-data", "load", f"http://127.0.0.1:{pair.port}"],
                       check=True, capture_output=True, timeout=300)


def run(pair, path, requests, mode, keep_alive):
    done = run_ab(f"http://127.0.0.1:{pair.port}{path}", requests, 20, keep_alive,
                  [f"Offloop-Mode: {mode}"])
    equal((done["complete"], done["failed"], done["non_2xx"]), (requests, 0, 0))
    return done


@case
def the_sample_data_loads_and_comes_back(pair):
    load(pair)
    listed = {one["name"]: one["documents"] for one in pair.ask("GET", "/v1").json()}
    equal(listed, {"instrument_details": 2000, "sizes": 4})
    again = subprocess.run([ROOT / "scripts/sample-data", "sizes"], capture_output=True,
                           check=True).stdout.splitlines()
    with pair.client() as client:
        for line, name in zip(again, ("2k", "20k", "200k", "2m")):
            for mode in ("inline", "rpc"):
                body = client.ask("GET", f"/v1/sizes/{name}",
                                  headers=[("Offloop-Mode", mode)]).body
                expected = line.split(b'"document":', 1)[1][:-1]
                assert body == expected, f"{name}: {len(body)} bytes are not as sent"


@case
def a_2_kb_document(pair):
    load(pair)
    for mode in ("inline", "rpc"):
        for keep_alive in (False, True):
            done = run(pair, "/v1/sizes/2k", REQUESTS, mode, keep_alive)
            if keep_alive:
                equal(done["kept_alive"], REQUESTS)


@case
def the_whole_collection(pair):
    load(pair)
    for mode in ("inline", "rpc"):
        for keep_alive in (False, True):
            done = run(pair, "/v1/instrument_details", COLLECTION_REQUESTS, mode, keep_alive)
            assert done["bytes"] > 1_000_000, done
