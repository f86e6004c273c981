"""Excerpts in the form that RocksDB's sources print."""

STALLS = """\
2026/01/02-03:04:05.000001 1 RocksDB version: 9.8.4
2026/01/02-03:04:05.000002 1 [WARN] [db/column_family.cc:991] [default] Stalling writes because \
we have 20 level-0 files rate 16777216
2026/01/02-03:04:06.000002 1 [WARN] [db/column_family.cc:919] [default] Stopping writes because \
we have 2 immutable memtables (waiting for flush), max_write_buffer_number is set to 2
"""

DB_BENCH = """\
RocksDB:    version 9.8.4
Keys:       16 bytes each (+ 0 bytes user-defined timestamp)
Values:     100 bytes each (50 bytes after compression)
Entries:    10000000
fillrandom   :       3.374 micros/op 296383 ops/sec 33.740 seconds 10000000 operations;   32.8 MB/s
Microseconds per write:
Count: 10000000 Average: 3.3740  StdDev: 12.30
Min: 1  Median: 2.6  Max: 90211
Percentiles: P50: 2.60 P75: 3.10 P99: 12.50 P99.9: 20.10 P99.99: 890.00
readrandom   :       9.771 micros/op 102345 ops/sec
"""
