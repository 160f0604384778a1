"""What ends this process, and what it must not leave behind: the private folder of its socket."""

import os
import secrets
import select
import shutil
import signal
import sys
import tempfile
import threading

folder: str | None = None
_parent_pid: int | None = None
# Held while the folder is made and filled, and for good by what removes it on leaving: else the socket could appear in
# a folder that has just been found empty, and keep it. The thread that holds it may be told to leave, too.
filling = threading.RLock()


def make_folder() -> str:
    """Makes the folder for the socket: mode 0700, so nobody else can connect.

    Its name is known before it is made, and `tempfile` is not asked for the place where that is known: it would try it
    out with a file, and this process may have to leave at any moment and must leave nothing behind.
    """
    global folder
    places = [place for place in (os.environ.get("TMPDIR"), "/tmp") if place and os.access(place, os.W_OK | os.X_OK)]
    place = os.path.abspath(places[0]) if places else tempfile.gettempdir()
    folder = os.path.join(place, f"gymnasium-js-{secrets.token_hex(6)}")
    os.mkdir(folder, 0o700)
    return folder


def remove_folder() -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def leave(*_: object) -> None:
    """Ends the process at once, from any thread, whatever the main thread does."""
    filling.acquire()
    remove_folder()
    os._exit(0)


def ignore_terminal_signals() -> None:
    """Ctrl-C reaches the whole process group, but the parent decides what it means."""
    for name in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(name, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)


def watch_parent(parent_pid: int | None) -> None:
    """Leaves when standard input closes (it is a pipe from the parent) or this process gets another parent.

    Nothing else asks it to leave: schedulers, `timeout` and `docker stop` send SIGTERM to the whole process group, and
    the parent may still need its environments then.
    """
    global _parent_pid
    _parent_pid = parent_pid
    if parent_pid is None:
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent_pid:
            readable, _, _ = select.select([0], [], [], 1.0)
            if readable and not os.read(0, 4096):
                break
        leave()

    threading.Thread(target=watch, daemon=True).start()


def connected() -> None:
    """The client is connected: the folder is no longer needed, so from here on nothing can be left behind.

    From here on the kernel may also kill this process when its parent ends, for an extension that never lets the
    watching thread run.
    """
    remove_folder()
    if _parent_pid is not None and sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != _parent_pid:
            leave()
