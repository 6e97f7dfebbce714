"""A server in this process that answers huggingface_hub's own requests for one repository, as the hub does."""

import http.server
import json
import threading

COMMIT = "a" * 40


class Hub(http.server.ThreadingHTTPServer):
    """The files of a folder as a repository.

    Args:
        folder: its files.
        kind: "models" or "datasets".
        name: ORGANISATION/NAME.
        others: files that it lists and does not have.

    Attributes:
        requests: what it was asked for: method, path, range.
        cut: names of files that break off once.
        token: who does not send it is told that there is no such repository; None: everybody may read.
        commit: of its state.
    """

    def __init__(self, folder, kind="models", name="uer/poems", others=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.kind, self.name, self.others = folder, kind, name, others
        self.requests, self.cut, self.token, self.commit = [], set(), None, COMMIT
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def page(self):
        """Where the repository is, below the address."""
        return self.name if self.kind == "models" else f"{self.kind}/{self.name}"

    def files(self):
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [path.relative_to(self.folder).as_posix() for path in found] + list(self.others)

    def downloaded(self):
        mark = f"/{self.page}/resolve/"
        got = [
            path.removeprefix(mark) for method, path, _ in self.requests if method == "GET" and path.startswith(mark)
        ]
        return [path.partition("/")[2] for path in got]

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub, path = self.server, self.path.partition("?")[0]
        hub.requests.append((self.command, path, self.headers.get("Range")))
        if hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.answer(b"", {"X-Error-Code": "RepoNotFound"}, status=401)
        api, resolve = f"/api/{hub.kind}/{hub.name}", f"/{hub.page}/resolve/"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{hub.commit}"):
            body = {"id": hub.name, "sha": hub.commit, "siblings": [{"rfilename": name} for name in hub.files()]}
            return self.json(body)
        revision, _, name = path.removeprefix(resolve).partition("/")
        if path.startswith(resolve) and revision in ("main", hub.commit) and (hub.folder / name).is_file():
            return self.answer((hub.folder / name).read_bytes(), {"ETag": f'"{hub.commit[:8]}-{name}"'}, name)
        if path.startswith(resolve) and revision in ("main", hub.commit):
            return self.answer(b"", {"X-Error-Code": "EntryNotFound"}, status=404)
        code = "RevisionNotFound" if path.startswith((api, f"/{hub.page}/")) else "RepoNotFound"
        return self.answer(b"", {"X-Error-Code": code}, status=404)

    def json(self, body, status=200):
        self.answer(json.dumps(body).encode(), {"Content-Type": "application/json"}, status=status)

    def answer(self, body, headers, name=None, status=200):
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        size = len(body)
        self.send_response(206 if start else status)
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        for key, value in {**headers, "X-Repo-Commit": self.server.commit, "Content-Length": str(size - start)}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if name in self.server.cut:
            self.server.cut.discard(name)
            self.wfile.write(body[start : start + (size - start) // 2])
            self.wfile.flush()
            self.connection.close()
        else:
            self.wfile.write(body[start:])
