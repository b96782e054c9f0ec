"""Python's pools behind one face: `apply`, `map`, `close`."""

import concurrent.futures
import multiprocessing


class Multiprocessing:
    """`multiprocessing.Pool`, whose workers are forked."""

    method = "fork"

    def __init__(self, workers):
        self.pool = multiprocessing.get_context(self.method).Pool(workers)

    def apply(self, function, item):
        return self.pool.apply(function, (item,))

    def map(self, function, items, chunksize=None):
        return self.pool.map(function, items, chunksize)

    def close(self):
        self.pool.terminate()
        self.pool.join()


class MultiprocessingSpawn(Multiprocessing):
    """The same, but each worker is a new interpreter."""

    method = "spawn"


class Futures:
    """`concurrent.futures.ProcessPoolExecutor`, which has no chunks unless it is told."""

    def __init__(self, workers):
        self.pool = concurrent.futures.ProcessPoolExecutor(workers)

    def apply(self, function, item):
        return self.pool.submit(function, item).result()

    def map(self, function, items, chunksize=None):
        return list(self.pool.map(function, items, chunksize=chunksize or 1))

    def close(self):
        self.pool.shutdown()


class Loky(Futures):
    """`loky`, the pool of joblib."""

    def __init__(self, workers):
        import loky

        self.pool = loky.ProcessPoolExecutor(workers)


class Pebble:
    """`pebble`, whose jobs can have time limits."""

    def __init__(self, workers):
        import pebble

        self.pool = pebble.ProcessPool(max_workers=workers)

    def apply(self, function, item):
        return self.pool.schedule(function, args=(item,)).result()

    def map(self, function, items, chunksize=None):
        return list(self.pool.map(function, items, chunksize=chunksize or 1).result())

    def close(self):
        self.pool.stop()
        self.pool.join()


POOLS = {
    "multiprocessing": Multiprocessing,
    "multiprocessing-spawn": MultiprocessingSpawn,
    "futures": Futures,
    "loky": Loky,
    "pebble": Pebble,
}
