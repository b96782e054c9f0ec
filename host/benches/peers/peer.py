"""One of Python's pools on one of the benchmark's jobs: prints a line of JSON for each round.

    python peer.py multiprocessing map --count 1000000 --rounds 5

`cargo bench` starts it with --on-request, sends a line for each round that it wants, and closes stdin at the end.
"""

import argparse
import json
import sys

from jobs import JOBS
from pools import POOLS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=[*POOLS, "numpy"])
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--count", type=int, default=100_000, help="how many jobs, or how many bytes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--on-request", action="store_true", help="a round for each line of stdin")
    args = parser.parse_args()

    rounds = sys.stdin if args.on_request else range(args.rounds)
    pool_of = POOLS.get(args.peer)
    with JOBS[args.job](pool_of, args.workers, args.count) as one_round:
        for _ in rounds:
            print(json.dumps(one_round()), flush=True)


if __name__ == "__main__":
    main()
