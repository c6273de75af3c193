"""A Ceph RGW on loopback for the benches, and the tools that are run against it."""

import os
import shutil
import subprocess
import urllib.parse
import xml.etree.ElementTree

from measure import cpu_seconds

HERE = os.path.dirname(os.path.abspath(__file__))
RGW_SCRIPT = os.path.join(HERE, "..", "tests", "rgw.sh")
BUCKET = "bench"
REGION = "us-east-1"
START_TRIES = 3
REQUEST_SECONDS = 60  # of a request with next to no body
# What tells its version how.
VERSION_FLAGS = {"tar": "--version", "gzip": "--version", "pigz": "--version",
                 "igzip": "--version", "zstd": "--version", "rclone": "version",
                 "aws": "--version", "restic": "version", "borg": "--version",
                 "kopia": "--version", "s5cmd": "version", "mc": "--version",
                 "radosgw": "--version"}


def find_tool(name):
    """A distribution's own binary first: the shims of version managers cost time to start."""
    return shutil.which(name, path="/usr/local/bin:/usr/bin:/bin") or shutil.which(name)


def versions(tools=("tar", "gzip", "pigz", "igzip", "rclone", "aws", "radosgw")):
    """The first line of what each says of itself, or 'missing'."""
    found = {}
    for tool in tools:
        path = find_tool(tool)
        if path is None:
            found[tool] = "missing"
            continue
        result = subprocess.run([path, VERSION_FLAGS[tool]], capture_output=True, text=True,
                                check=False)
        lines = (result.stdout + result.stderr).splitlines()
        found[tool] = lines[0] if lines else "unknown"
    return found


class Server:
    """One RGW, from `with` to its end; objects in memory, or in a file of at most disk_bytes."""

    def __init__(self, state_dir, disk_bytes=None):
        self.state_dir = state_dir
        self.disk_bytes = disk_bytes

    def __enter__(self):
        # Where memory or processors are short, a Ceph that has just started may never answer.
        for attempt in range(START_TRIES):
            try:
                self._start()
                return self
            except subprocess.CalledProcessError:
                if attempt + 1 == START_TRIES:
                    raise
        raise AssertionError("not reached")

    def _start(self):
        env = dict(os.environ)
        if self.disk_bytes is not None:
            env["VOLSTREAM_RGW_DISK_BYTES"] = str(self.disk_bytes)
        subprocess.run([RGW_SCRIPT, "up", self.state_dir, "0", str(os.getpid())], check=True,
                       stdout=subprocess.DEVNULL, env=env)
        try:
            self._prepare()
        except BaseException:  # no __exit__ follows
            self.__exit__()
            raise

    def _prepare(self):
        self.endpoint = self._state("endpoint")
        self.access_key = self._state("access_key")
        self.secret_key = self._state("secret_key")
        # radosgw makes its pools when they are first needed; nobody's time shall pay for that.
        self.request("PUT", f"/{BUCKET}")
        self.request("PUT", f"/{BUCKET}/warm", data="x")
        upload = self.request("POST", f"/{BUCKET}/warm-parts?uploads=")
        upload_id = xml.etree.ElementTree.fromstring(upload).findtext("{*}UploadId")
        self.request("DELETE", f"/{BUCKET}/warm-parts?uploadId={upload_id}")
        self.request("DELETE", f"/{BUCKET}/warm")

    def __exit__(self, *unused):
        subprocess.run([RGW_SCRIPT, "down", self.state_dir], check=True)

    def _state(self, name):
        with open(os.path.join(self.state_dir, name), encoding="ascii") as file:
            return file.read().strip()

    def curl(self, path):
        return ["curl", "--silent", "--show-error", "--fail", "--aws-sigv4",
                f"aws:amz:{REGION}:s3", "--user", f"{self.access_key}:{self.secret_key}",
                "--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD", self.endpoint + path]

    def request(self, method, path, data=None):
        command = self.curl(path) + ["--request", method, "--max-time", str(REQUEST_SECONDS)]
        if data is not None:
            command += ["--data-raw", data]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def objects(self):
        """Key to bytes, of the whole bucket."""
        found = {}
        last = ""
        while True:
            after = "&start-after=" + urllib.parse.quote(last, safe="") if last else ""
            listing = xml.etree.ElementTree.fromstring(
                self.request("GET", f"/{BUCKET}?list-type=2{after}"))
            for item in listing.findall("{*}Contents"):
                last = item.findtext("{*}Key")
                found[last] = int(item.findtext("{*}Size"))
            if listing.findtext("{*}IsTruncated") != "true":
                return found

    def cpu_seconds(self):
        run_dir = os.path.join(self.state_dir, "run")
        total = 0.0
        for name in os.listdir(run_dir):
            if name.endswith(".pid"):
                with open(os.path.join(run_dir, name), encoding="ascii") as file:
                    total += cpu_seconds(int(file.read()))
        return total

    def environment(self):
        """For the S3 tools; nothing of the user's own configuration is read."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("AWS_", "RCLONE_", "S3_", "BACKUP_"))
                and not name.lower().endswith("_proxy")}
        return {**kept, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "RCLONE_CONFIG": "", "RCLONE_CONFIG_S3_TYPE": "s3",
                "RCLONE_CONFIG_S3_PROVIDER": "Ceph", "RCLONE_CONFIG_S3_ENV_AUTH": "true",
                "RCLONE_CONFIG_S3_REGION": REGION, "RCLONE_CONFIG_S3_ENDPOINT": self.endpoint,
                "RCLONE_S3_NO_CHECK_BUCKET": "true"}
