"""The targets that the contract suite runs over."""

from tuning.engine.contract import Target
from tuning.engine.rocksdb.target import RocksDB
from tuning.engine.toys import Sham, Toy

#: Target and seconds that a short trial of it takes.
MEMBERS: dict[str, tuple[Target, float]] = {
    "toy": (Toy(), 2.0),
    "sham": (Sham(), 2.0),
    "rocksdb": (RocksDB(), 2.0),
}
