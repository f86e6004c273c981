"""The processes of one machine, declared in one table."""

import enum
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from portal.env import Env, SettingError
from portal.stack.account import OWN, Account
from portal.stack.postgres import Postgres
from portal.stack.redis import Redis

ROOT = Path(__file__).resolve().parent.parent.parent
QUEUES = {"interactive": 2, "train": 1, "bench": 1, "maintenance": 1}
CELERY = (sys.executable, "-m", "celery", "-A", "portal.celery", "--quiet")
#: For what ends by itself as soon as it is asked: a bound, not a wait. Twelve processes that end at
#: once on a machine with four waiting for each core took 14 s.
PATIENT = ((signal.SIGTERM, 30.0),)
DEFAULT_BIND = "127.0.0.1:8000"
DEFAULT_WEB_WORKERS = 2
DEFAULT_WEB_THREADS = 24
OWN_SCHEDULER = "portal.runs.beat:Scheduler"
PLAIN_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"


class Restart(enum.Enum):
    """What happens when a member ends by itself."""

    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True)
class Member:
    """One process of the stack.

    Attributes
    ----------
    name
        Names its log and its entry in the state file.
    words
        The command line.
    stops
        Signals and the seconds each is given, in order; after the last comes SIGKILL.
    ready
        Whether it does its work, for those others wait for.
    account
        Whom it runs as.
    restart
        What happens when it ends by itself.
    """

    name: str
    words: Sequence[str | Path]
    stops: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 15),)
    ready: Callable[[], bool] = lambda: True
    account: Account = OWN
    restart: Restart = Restart.ALWAYS


@dataclass(frozen=True)
class Bind:
    """Where the web listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Bind":
        """Read ``HOST:PORT`` or ``[IPV6]:PORT``.

        Raises
        ------
        SettingError
            When the text has another form.
        """
        host, _colon, port = text.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise SettingError(f"MILLWRIGHT_BIND={text!r} is not HOST:PORT, as in {DEFAULT_BIND}.")
        return cls(host.strip("[]"), int(port))

    @property
    def url(self) -> str:
        """Return the address to open in a browser on this machine."""
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared
        return f"http://[{local}]:{self.port}/" if ":" in local else f"http://{local}:{self.port}/"


def has_command(name: str) -> bool:
    """Whether one of our apps brings a management command of this name."""
    patterns = (f"{depth}/management/commands/{name}.py" for depth in ("*", "*/*"))
    return any(path for pattern in patterns for path in ROOT.glob(pattern))


def manage(*words: str) -> list[str | Path]:
    """Return the words that run a management command."""
    return [sys.executable, ROOT / "manage.py", *words]


def answers(url: str) -> bool:
    """Whether a web server answers there, with whatever it says short of an error of its own."""
    try:
        urlopen(url, timeout=5).close()  # noqa: S310 - our own address
    except HTTPError as exc:
        return exc.code < 500
    except (URLError, OSError):
        return False
    return True


def postgres(cluster: Postgres) -> Member:
    """Return the embedded Postgres; SIGINT is its fast shutdown, SIGQUIT its immediate one."""
    return Member(
        "postgres",
        cluster.command(),
        ((signal.SIGINT, 60), (signal.SIGQUIT, 15)),
        cluster.answers,
        cluster.account,
    )


def redis(store: Redis) -> Member:
    """Return the embedded Redis."""
    return Member("redis", store.command(), ((signal.SIGTERM, 30),), store.answers)


def web(bind: Bind, log_config: Path, env: Env) -> Member:
    """Return the web server."""
    workers = env.integer("MILLWRIGHT_WEB_WORKERS", DEFAULT_WEB_WORKERS, low=1)
    threads = env.integer("MILLWRIGHT_WEB_THREADS", DEFAULT_WEB_THREADS, low=2)
    words = [sys.executable, "-m", "portal.web", "--interface", "wsgi", "--no-ws"]
    words += ["--host", bind.host, "--port", str(bind.port)]
    words += ["--workers", str(workers), "--blocking-threads", str(threads)]
    words += ["--respawn-failed-workers", "--respawn-interval", "0.5"]
    words += ["--workers-kill-timeout", "10", "--log-config", str(log_config)]
    return Member(
        "web",
        [*words, "portal.wsgi:application"],
        ((signal.SIGTERM, 15),),
        lambda: answers(f"{bind.url}livez"),
    )


def celery(*words: str, log_level: str) -> list[str | Path]:
    """Return the words that run a part of Celery."""
    return [*CELERY, *words, "--loglevel", log_level]


def worker(queue: str, concurrency: int, log_level: str) -> Member:
    """Return the worker of one queue; work it cannot finish in time goes back to the queue."""
    words = ["worker", "--queues", queue, "--hostname", f"{queue}@%h"]
    words += ["--concurrency", str(concurrency), "-O", "fair"]
    words += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return Member(
        f"worker-{queue}",
        celery(*words, log_level=log_level),
        ((signal.SIGTERM, 10), (signal.SIGQUIT, 5)),
    )


def beat(log_level: str) -> Member:
    """Return the clock of the schedules."""
    own = (ROOT / "portal" / "runs" / "beat.py").exists()
    words = ["beat", "--scheduler", OWN_SCHEDULER if own else PLAIN_SCHEDULER, "--pidfile="]
    return Member("beat", celery(*words, log_level=log_level), PATIENT)


def behind_the_web(env: Env) -> list[Member]:
    """Return what may start once the web answers: workers, beat, who records and who watches."""
    log_level = env.choice("MILLWRIGHT_LOG_LEVEL", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR"})
    table = [worker(queue, concurrency, log_level) for queue, concurrency in QUEUES.items()]
    table.append(beat(log_level))
    if has_command("record_predictions"):
        table.append(Member("recorder", manage("record_predictions"), PATIENT))
    if has_command("watch_drift"):
        table.append(Member("watcher", manage("watch_drift"), PATIENT))
    return table


@dataclass(frozen=True)
class Seed:
    """A one-time job that fills an empty installation.

    Attributes
    ----------
    name, command, options
        Of the member and of what it runs.
    done
        The file of the state folder that says that it is done.
    says, says_done, says_failed
        What the console is told.
    """

    name: str
    command: str
    options: tuple[str, ...]
    done: str
    says: str
    says_done: str
    says_failed: str


SEEDS = (
    Seed(
        name="demo",
        command="seed_demo",
        options=("--routing",),
        done="demo-seeded",
        says="Making demonstration data and training the first model in the background.",
        says_done="The demonstration data and its first champion are in place.",
        says_failed="Seeding the demonstration failed.",
    ),
    Seed(
        name="knowledge",
        command="seed_knowledge",
        options=(),
        done="knowledge-seeded",
        says="Importing the knowledge base about die casting in the background.",
        says_done="The knowledge base is imported; its search index is being built.",
        says_failed="Importing the knowledge base failed.",
    ),
)


def seeding(seed: Seed) -> Member:
    """Return the member that does a one-time job."""
    return Member(seed.name, manage(seed.command, *seed.options), restart=Restart.NEVER)
