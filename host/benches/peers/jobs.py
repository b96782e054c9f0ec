"""The benchmark's jobs. Each sets itself up, and yields the function that does one round and returns its figures."""

import contextlib
import multiprocessing
import random
import time
from pathlib import Path


def square(n):
    return n * n


def cubes(n):
    return [i**3 for i in range(n)]


def echo(value):
    return value


def burn(loops):
    for _ in range(loops):
        pass


@contextlib.contextmanager
def warm(pool_of, workers):
    """A pool whose workers have all been busy."""
    pool = pool_of(workers)
    pool.map(square, range(100 * workers), 1)
    try:
        yield pool
    finally:
        pool.close()


def seconds(run):
    begun = time.perf_counter()
    # What it returns is freed outside of the time.
    result = run()
    return time.perf_counter() - begun, result


@contextlib.contextmanager
def apply(pool_of, workers, count):
    with warm(pool_of, workers) as pool:
        yield lambda: [seconds(lambda: pool.apply(square, 12))[0] for _ in range(count)]


def mapping(function, items_of, chunksize=None):
    """Jobs a second of a `map`."""

    @contextlib.contextmanager
    def job(pool_of, workers, count):
        with warm(pool_of, workers) as pool:
            items = items_of(count)
            yield lambda: [count / seconds(lambda: pool.map(function, items, chunksize))[0]]

    return job


@contextlib.contextmanager
def there_and_back(pool_of, workers, count):
    """Bytes a second, each counted once."""
    with warm(pool_of, workers) as pool:
        data = bytes(count)
        yield lambda: [count / seconds(lambda: pool.apply(echo, data))[0]]


@contextlib.contextmanager
def start(pool_of, workers, _count):
    """From nothing to the first result."""

    def one_round():
        def begin():
            pool = pool_of(workers)
            pool.apply(square, 12)
            return pool

        taken, pool = seconds(begin)
        pool.close()
        return [taken]

    yield one_round


@contextlib.contextmanager
def memory(pool_of, workers, _count):
    """Bytes of an idle worker: its own, and its share of what it shares."""
    with warm(pool_of, workers):
        time.sleep(0.2)

        def mean(*names):
            return sum(kib(child.pid, name) for child in multiprocessing.active_children() for name in names) / workers

        yield lambda: [mean("Private_Clean", "Private_Dirty") * 1024, mean("Pss") * 1024]


def kib(pid, name):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def uneven(order):
    """Jobs of 1 µs to 10 ms: the share of all processors that was busy, with the chunk size that is best."""

    @contextlib.contextmanager
    def job(pool_of, workers, count):
        with warm(pool_of, workers) as pool:
            loops_a_second = 1e6 / seconds(lambda: burn(1_000_000))[0]
            jobs = [int(loops_a_second * 1e-6 * 1e4 ** (i / count)) for i in range(count)]
            if order == "shuffled":
                random.Random(1).shuffle(jobs)

            def busy(chunksize):
                before = processor_seconds()
                taken, _ = seconds(lambda: pool.map(burn, jobs, chunksize))
                return (processor_seconds() - before) / (workers * taken)

            yield lambda: [max(busy(chunksize) for chunksize in [None, 1, 4, 16])]

    return job


def processor_seconds():
    children = multiprocessing.active_children()
    return sum(int(Path(f"/proc/{child.pid}/schedstat").read_text().split()[0]) for child in children) / 1e9


def put_all(queue, count):
    for number in range(count):
        queue.put(number)


@contextlib.contextmanager
def queue(_pool_of, _workers, count):
    """Items a second from one process to another, by a queue of the standard library."""

    def one_round():
        numbers = multiprocessing.Queue(1000)
        process = multiprocessing.Process(target=put_all, args=(numbers, count))
        process.start()
        numbers.get()
        taken, _ = seconds(lambda: [numbers.get() for _ in range(count - 1)])
        process.join()
        return [count / taken]

    yield one_round


@contextlib.contextmanager
def dictionary(_pool_of, _workers, count):
    """Seconds of a set or a get of a manager's dict."""
    with multiprocessing.Manager() as manager:
        shared = manager.dict()

        def both():
            for number in range(count):
                shared["key"] = number
                shared["key"]

        yield lambda: [seconds(both)[0] / (2 * count)]


@contextlib.contextmanager
def batch(_pool_of, _workers, count):
    """No pool at all: numpy squares a whole array in one call."""
    import numpy

    numbers = numpy.arange(count, dtype=numpy.int64)
    yield lambda: [count / seconds(lambda: numbers * numbers)[0]]


JOBS = {
    "apply": apply,
    "map": mapping(square, range),
    "map-one-by-one": mapping(square, range, 1),
    "cubes": mapping(cubes, lambda count: [1000] * count),
    "there-and-back": there_and_back,
    "start": start,
    "memory": memory,
    "uneven-shuffled": uneven("shuffled"),
    "uneven-sorted": uneven("sorted"),
    "queue": queue,
    "dict": dictionary,
    "batch": batch,
}
