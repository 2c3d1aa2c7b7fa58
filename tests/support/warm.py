"""The command line in a process forked from one that has loaded the libraries: the same code, files and signals, seconds sooner.

Half of a small study's time goes into loading PyTorch, transformers and PEFT twice, in the run and in the server that its trials are
forked from. Here a process of each test worker loads them once. What is asked of it is forked from it, with its own environment,
streams and signals, and in turn forks the server of its trials, instead of starting a new one that loads everything again.
"""

import contextlib
import json
import os
import random
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: Variables that begin so are read while Python and the libraries are loaded.
READ_AT_IMPORT = ("HF_", "HUGGINGFACE_", "PYTHON", "OMP_", "MKL_", "ONEDNN_", "CUDA_", "XDG_", "LANG", "LC_")
#: What this process or its libraries have set and a new one has not.
_SET = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


class WarmProcess(subprocess.Popen[str]):
    """As ``subprocess.Popen`` gives it; it is a child of the warm process, which tells how it ended."""

    _teller: socket.socket
    _status: int | None = None

    def _execute_child(self, args: Any, *rest: Any) -> None:  # type: ignore[override]
        folder, environment, (read, write, _, out, _, error) = rest[4], rest[5], rest[9:15]
        assert (read, write) == (-1, -1), "what is asked of it reads nothing"
        self._teller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._teller.connect(_server())
        asked = {"arguments": list(args), "environment": dict(environment), "folder": os.fspath(folder or os.getcwd())}
        message = json.dumps(asked).encode()
        socket.send_fds(self._teller, [len(message).to_bytes(4, "big")], [out, error])
        self._teller.sendall(message)
        self.pid = int.from_bytes(self._teller.recv(4), "big")
        self._child_created = True
        for handle in {out, error} - {-1}:
            os.close(handle)

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:  # type: ignore[override]
        if self._status is None:
            self._teller.settimeout(0 if wait_flags & os.WNOHANG else None)
            with contextlib.suppress(BlockingIOError):
                told = self._teller.recv(4)
                self._status = int.from_bytes(told, "big") if told else signal.SIGKILL
                self._teller.close()
        return (0, 0) if self._status is None else (self.pid, self._status)

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:  # type: ignore[override]
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):  # type: ignore[attr-defined]
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def can_be_warm(extra: dict[str, str]) -> bool:
    """Whether these variables mean the same to a process that has loaded its libraries."""
    return sys.platform == "linux" and not any(name.startswith(READ_AT_IMPORT) for name in extra)


@cache
def _server() -> str:
    """Address of this process's warm one, which ends with it."""
    address = str(Path(tempfile.mkdtemp(prefix="warm")) / "socket")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm", address], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "the warm process did not start"
    _alive.append(process)
    return address


#: Its standard input stays open as long as this process lives.
_alive: list[subprocess.Popen[bytes]] = []


def serve(address: str) -> None:
    """Fork what is asked for and tell how it ended, until nobody can ask any more."""
    import gc

    import tuneoff.run.preload  # noqa: F401

    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    selector = selectors.DefaultSelector()
    for source in (sys.stdin.buffer.fileno(), listener, woken):
        selector.register(source, selectors.EVENT_READ)
    tellers: dict[int, socket.socket] = {}
    os.write(1, b"ready\n")
    while True:
        ready = [key.fileobj for key, _ in selector.select()]
        if sys.stdin.buffer.fileno() in ready:
            shutil.rmtree(Path(address).parent)
            os._exit(0)
        if woken in ready:
            os.read(woken, 4096)
            while tellers and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                teller = tellers.pop(ended[0])
                with contextlib.suppress(OSError):
                    teller.sendall(ended[1].to_bytes(4, "big"))
                teller.close()
        if listener in ready:
            teller, _ = listener.accept()
            length, streams, *_ = socket.recv_fds(teller, 4, 2)
            asked = b""
            while len(asked) < int.from_bytes(length, "big"):
                asked += teller.recv(1 << 16)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                _become(json.loads(asked), streams)
            tellers[pid] = teller
            for stream in streams:
                os.close(stream)
            teller.sendall(pid.to_bytes(4, "big"))


def _become(asked: dict[str, Any], streams: list[int]) -> None:
    """A process that was started with these arguments, for all that it can tell."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for wanted, there in enumerate((nothing, *streams)):
        os.dup2(there, wanted)
    os.closerange(3, 1 << 12)
    for number in _SET:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    random.seed()
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, buffering=1, errors="backslashreplace" if number == 2 else "strict", closefd=False)  # noqa: SIM115
        for number, mode in enumerate("rww")
    )
    sys.argv = asked["arguments"][2:]
    _fork_servers()
    code: Any = 0
    try:
        runpy.run_module("tuneoff", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = 0 if end.code is None else end.code
        if not isinstance(code, int):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    _end(code)


def _end(code: int) -> None:
    """As an interpreter ends: threads, what was registered, streams."""
    import atexit

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)


def _fork_servers() -> None:
    """From here on, the server that trials are forked from is forked as well: it would load what is here already."""
    from multiprocessing import forkserver, util

    from tuneoff.run.processes import ignore_what_the_parent_hears

    start = util.spawnv_passfds

    def forked(path: Any, arguments: Any, handles: Any) -> int:
        if "multiprocessing.forkserver" not in str(arguments[-1]):
            return int(start(path, arguments, handles))
        pid = os.fork()
        if pid:
            return pid
        last = 2
        for handle in sorted(handles):
            os.closerange(last + 1, handle)
            last = handle
        os.closerange(last + 1, 1 << 12)
        ignore_what_the_parent_hears()
        code = 1
        try:
            exec(arguments[-1], {"__name__": "__main__"})
            code = 0
        finally:
            os._exit(code)

    forkserver.util.spawnv_passfds = forked  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve(sys.argv[1])
