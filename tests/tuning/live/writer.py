"""A process with a real RocksDB that is written to: ``python -m tests.tuning.live.writer FOLDER``.

Further words: ``statistics`` (in the LOG, each second), ``dump`` (in a file beside the folder),
``no-log`` (no write-ahead log), ``small-log`` (the LOG rolls). It writes until its standard input
ends, and then says how many keys it put.
"""

import os
import select
import sys
import time
from pathlib import Path

from rocksdict import Options, Rdict, WriteOptions

VALUE_BYTES, BATCH = 400, 100


def main() -> None:
    folder, words = Path(sys.argv[1]), set(sys.argv[2:])
    options = Options(raw_mode=True)
    options.set_write_buffer_size(256 << 10)
    options.set_stats_dump_period_sec(1 if "statistics" in words else 600)
    if words & {"statistics", "dump"}:
        options.enable_statistics()
    if "small-log" in words:
        options.set_max_log_file_size(30_000)
    written = WriteOptions()
    if "no-log" in words:
        written.disable_wal = True  # type: ignore[method-assign, assignment]  # a property
    database = Rdict(str(folder), options)
    database.set_write_options(written)
    n_puts, due = 0, 0.0
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        for _place in range(BATCH):
            database[os.urandom(16)] = os.urandom(VALUE_BYTES)
        n_puts += BATCH
        if "dump" in words and time.monotonic() >= due:
            due = time.monotonic() + 0.5
            beside = folder.with_suffix(".partial")
            beside.write_text(options.get_statistics() or "")
            beside.replace(folder.with_suffix(".statistics"))
    database.close()
    sys.stdout.write(f"{n_puts}\n")


if __name__ == "__main__":
    main()
