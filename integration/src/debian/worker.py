"""Greets, and counts its visitors: in memory, and in /data/visits where there is a /data."""

import http.server
import os
import sys

count = 0


class Visit(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global count
        count += 1
        text = f"{os.environ.get('GREETING', 'hello')}, visit {count}\n".encode()
        if os.path.isdir("/data"):
            with open("/data/visits", "a") as visits:
                visits.write(f"{count}\n")
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):
        # nginx has the log.
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("0.0.0.0", 8000), Visit)
if "--background" in sys.argv and os.fork() > 0:
    os._exit(0)
server.serve_forever()
