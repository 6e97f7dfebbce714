"""A server in this process that answers huggingface_hub's own requests for one repository, as the hub does."""

import base64
import hashlib
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
        token: who does not send it is told that there is no such repository; None: everybody may do everything.
        commit: of its state.
        created: what the client said when it asked for a new repository.
        refused: the status with which a commit is refused; None: it is taken.
    """

    def __init__(self, folder, kind="models", name="uer/poems", others=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.kind, self.name, self.others = folder, kind, name, others
        self.requests, self.cut, self.token, self.commit = [], set(), None, COMMIT
        self.created, self.refused, self.stored = None, None, {}
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
        if not self.is_allowed():
            return None
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

    def is_allowed(self):
        hub = self.server
        hub.requests.append((self.command, self.path.partition("?")[0], self.headers.get("Range")))
        if hub.token is None or self.headers.get("Authorization") == f"Bearer {hub.token}":
            return True
        self.answer(b"", {"X-Error-Code": "RepoNotFound"}, status=401)
        return False

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_allowed():
            return
        hub, path = self.server, self.path.partition("?")[0]
        if path == "/api/repos/create":
            hub.created = json.loads(body)
            self.json({"url": f"{hub.address}/{hub.page}", "name": hub.name})
        elif path == "/api/validate-yaml":
            self.json({"errors": [], "warnings": []})
        elif path == f"/api/{hub.kind}/{hub.name}/preupload/main":
            files = json.loads(body)["files"]
            modes = {
                one["path"]: "lfs" if one["path"].endswith((".h5", ".safetensors", ".bin")) else "regular"
                for one in files
            }
            self.json(
                {"files": [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes.items()]}
            )
        elif path == f"/{hub.page}.git/info/lfs/objects/batch":
            objects = json.loads(body)["objects"]
            actions = [{**one, "actions": {"upload": {"href": f"{hub.address}/lfs/{one['oid']}"}}} for one in objects]
            self.json({"transfer": "basic", "objects": actions})
        elif path == f"/api/{hub.kind}/{hub.name}/commit/main" and hub.refused:
            self.json({"error": "you may not write here"}, hub.refused)
        elif path == f"/api/{hub.kind}/{hub.name}/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "header":
                    continue
                place = hub.folder / line["value"]["path"]
                place.parent.mkdir(parents=True, exist_ok=True)
                plain = line["key"] == "file"
                place.write_bytes(
                    base64.b64decode(line["value"]["content"]) if plain else hub.stored[line["value"]["oid"]]
                )
            self.json({"commitUrl": f"{hub.address}/{hub.page}/commit/{hub.commit}", "commitOid": hub.commit})
        else:
            self.answer(b"", {"X-Error-Code": "RepoNotFound"}, status=404)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.stored[hashlib.sha256(body).hexdigest()] = body
        self.answer(b"", {})

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
