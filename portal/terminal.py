"""How a person's command differs from a service: it speaks their language and logs trouble only.

Services keep a log of everything; between the lines of a command's own output it would be noise.
"""

from collections.abc import MutableMapping, Sequence

from portal.stack.guardian import MARK

#: Commands that are run as services, on other machines by whatever starts services there.
SERVICES = frozenset({"record_predictions", "runserver", "watch_drift"})
LANGUAGES = ("ko", "en")
#: Where a shell says which language its person reads, the strongest first.
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


def prepare(argv: Sequence[str], environ: MutableMapping[str, str]) -> None:
    """Set what a person at a terminal wants and has not set otherwise, before settings are read.

    Parameters
    ----------
    argv
        The words of the command line, the program first.
    environ
        The environment, which is changed.
    """
    if MARK in environ or (len(argv) > 1 and argv[1] in SERVICES):
        return
    wanted = {"MILLWRIGHT_LOG_LEVEL": "WARNING", "MILLWRIGHT_LANGUAGE": language(environ)}
    for name, value in wanted.items():
        if value and not environ.get(name):
            environ[name] = value


def language(environ: MutableMapping[str, str]) -> str:
    """Return the language of the shell's locale if the portal speaks it, else nothing."""
    locale = next((environ[name] for name in LOCALE_VARIABLES if environ.get(name)), "")
    spoken = locale.partition(".")[0].partition("_")[0].lower()
    return spoken if spoken in LANGUAGES else ""
