"""Who takes part in bench/peers.py: what each runs, what it stores, and how that is checked.

Every candidate backs up one tree. All but borg store it at the S3 server of the run; the names say
what is compressed how. Checks read back what was stored and are not in the timing.
"""

import dataclasses
import json
import os
import subprocess
import urllib.parse
from collections.abc import Callable

from measure import MIB, CommandFailed
from s3_server import BUCKET, REGION, find_tool

# Of repositories that do not outlive the run.
PASSWORD = "not-a-secret-of-anybody"
KEY = "run/backup"


@dataclasses.dataclass
class Place:
    """Where a run takes place: the tree, the server (None if not needed), a scratch directory."""
    tree: str
    tree_bytes: int
    server: object
    scratch: str

    def environment(self):
        base = dict(os.environ) if self.server is None else self.server.environment()
        # No cache or configuration outlives the run, and nothing asks.
        return {**base, "RESTIC_PASSWORD": PASSWORD,
                "RESTIC_CACHE_DIR": os.path.join(self.scratch, "cache"),
                "BORG_BASE_DIR": os.path.join(self.scratch, "borg-home"),
                "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
                "KOPIA_PASSWORD": PASSWORD, "KOPIA_CHECK_FOR_UPDATES": "false",
                "KOPIA_CONFIG_PATH": os.path.join(self.scratch, "kopia.config"),
                "KOPIA_CACHE_DIRECTORY": os.path.join(self.scratch, "cache"),
                "KOPIA_LOG_DIR": os.path.join(self.scratch, "log"),
                "MC_CONFIG_DIR": os.path.join(self.scratch, "mc"),
                "MC_HOST_bench": self._mc_host()}

    def _mc_host(self):
        if self.server is None:
            return ""
        scheme, host = self.server.endpoint.split("://")
        secret = urllib.parse.quote(self.server.secret_key, safe="")
        return f"{scheme}://{self.server.access_key}:{secret}@{host}"


def output_of(command, place):
    result = subprocess.run(command, env=place.environment(), capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}: {result.stderr.strip()[-1000:]}")
    return result.stdout


def check_archive(place):
    """Fetches the archive: its decompressor must accept it, and it must hold the tree."""
    inflate = {".gz": "gzip", ".zst": "zstd"}
    archives = [key for key in place.server.objects() if key.endswith(tuple(inflate))]
    if len(archives) != 1:
        raise CommandFailed(f"expected one archive, found {archives}")
    tool = find_tool(inflate[os.path.splitext(archives[0])[1]])
    path = f"/{BUCKET}/" + urllib.parse.quote(archives[0])
    with subprocess.Popen(place.server.curl(path), stdout=subprocess.PIPE) as curl, \
            subprocess.Popen([tool, "-dc"], stdin=curl.stdout, stdout=subprocess.PIPE) as inflated:
        curl.stdout.close()
        tar_bytes = 0
        while chunk := inflated.stdout.read(MIB):
            tar_bytes += len(chunk)
    if inflated.returncode != 0 or curl.returncode != 0 or tar_bytes < place.tree_bytes:
        raise CommandFailed(f"{archives[0]} does not hold the tree: {tar_bytes} bytes of tar")


def stored_at_server(place):
    return sum(place.server.objects().values())


def stored_in_scratch(place):
    repository = os.path.join(place.scratch, "repository")
    return sum(os.path.getsize(os.path.join(root, name))
               for root, _, names in os.walk(repository) for name in names)


@dataclasses.dataclass
class Candidate:
    name: str
    family: str                             # candidates of one are joined in the plot
    commands: Callable                      # of the pipe that is timed
    tools: list = dataclasses.field(default_factory=list)  # which it needs
    prepare: Callable = lambda place: []    # commands before the clock starts
    stored: Callable = stored_at_server     # bytes
    check: Callable = check_archive         # raises CommandFailed
    needs_server: bool = True
    lacking: str = ""                       # an option that the binary does not know
    note: str = ""

    def missing(self):
        """Why it cannot run; empty if it can."""
        missing = [tool for tool in self.tools if find_tool(tool) is None]
        return f"{', '.join(missing)} not installed" if missing else self.lacking


def volstream_candidates(volstream, gzip_levels, zstd_levels):
    known = subprocess.run([volstream, "backup", "--help"], capture_output=True, text=True,
                           check=True).stdout

    def lacking(*options):
        absent = [option for option in options if option not in known]
        return f"{volstream} does not know {', '.join(absent)}" if absent else ""

    def backup(codec, level, *options):
        codec_options = ["--codec", codec] if codec != "gzip" else []
        return lambda place: [[volstream, "backup", place.tree, "--to", f"s3://{BUCKET}/run/",
                               *codec_options, "--level", str(level), *options, "--no-prune",
                               "--quiet"]]

    found = []
    for codec, levels in (("gzip", gzip_levels), ("zstd", zstd_levels)):
        needed = ["--codec"] if codec == "zstd" else []
        for level in levels:
            found.append(Candidate(f"volstream {codec} -{level}", f"volstream {codec}",
                                   backup(codec, level), lacking=lacking(*needed)))
        if levels:
            found.append(Candidate(
                f"volstream {codec} -{levels[0]} --no-stream-md5",
                f"volstream {codec} --no-stream-md5",
                backup(codec, levels[0], "--no-stream-md5"),
                lacking=lacking(*needed, "--no-stream-md5"), note="no MD5 of the whole stream"))
    return found


def pipe_candidates(cores):
    """tar, a compressor, and a tool that uploads its standard input."""
    def tar(place):
        return [find_tool("tar"), "-C", place.tree, "-c", "."]

    uploads = {
        "rclone rcat": lambda place, key: [find_tool("rclone"), "rcat", f"s3:{BUCKET}/{key}"],
        "aws s3 cp": lambda place, key: [
            find_tool("aws"), "s3", "cp", "--endpoint-url", place.server.endpoint, "-",
            f"s3://{BUCKET}/{key}"],
        "s5cmd pipe": lambda place, key: [
            find_tool("s5cmd"), "--endpoint-url", place.server.endpoint, "pipe",
            f"s3://{BUCKET}/{key}"],
        "mc pipe": lambda place, key: [find_tool("mc"), "pipe", f"bench/{BUCKET}/{key}"],
    }

    def through(compress, upload):
        tool = compress[0]
        key = KEY + (".tar.zst" if tool == "zstd" else ".tar.gz")
        return Candidate(
            f"tar|{' '.join(compress)}|{upload}", f"tar|{tool}|{upload}",
            lambda place: [tar(place), [find_tool(tool), *compress[1:], "-c"],
                           uploads[upload](place, key)],
            tools=["tar", tool, upload.split()[0]])

    return [through(["gzip", "-6"], "aws s3 cp"),
            through(["pigz", "-1", f"-p{cores}"], "rclone rcat"),
            through(["pigz", "-6", f"-p{cores}"], "rclone rcat"),
            through(["igzip", "-1", f"-T{cores}"], "rclone rcat"),
            through(["zstd", "-1", f"-T{cores}"], "rclone rcat"),
            through(["zstd", "-3", f"-T{cores}"], "rclone rcat"),
            through(["pigz", "-1", f"-p{cores}"], "s5cmd pipe"),
            through(["pigz", "-1", f"-p{cores}"], "mc pipe")]


def check_restic(place):
    repository = restic_repository(place)
    stats = json.loads(output_of([find_tool("restic"), "-r", repository, "stats", "--json",
                                  "--mode", "restore-size", "latest"], place))
    if stats["total_size"] != place.tree_bytes:
        raise CommandFailed(f"restic's snapshot holds {stats['total_size']} bytes, the tree has "
                            f"{place.tree_bytes}")


def restic_repository(place):
    return f"s3:{place.server.endpoint}/{BUCKET}/restic"


def restic_candidates():
    def restic(place, *words):
        return [[find_tool("restic"), "-r", restic_repository(place), *words]]

    return [Candidate("restic backup", "restic", lambda place: restic(
                          place, "backup", "--quiet", place.tree),
                      tools=["restic"], prepare=lambda place: restic(place, "init"),
                      check=check_restic, note="first backup; encrypts")]


def check_borg(place):
    info = json.loads(output_of([find_tool("borg"), "info", "--json",
                                 os.path.join(place.scratch, "repository") + "::run"], place))
    held = info["archives"][0]["stats"]["original_size"]
    if held < place.tree_bytes:
        raise CommandFailed(f"borg's archive holds {held} bytes, the tree has {place.tree_bytes}")


def borg_candidates():
    def repository(place):
        return os.path.join(place.scratch, "repository")

    def borg(compression):
        return Candidate(
            f"borg create {compression}, to memory", "borg, to memory",
            lambda place: [[find_tool("borg"), "create", "--compression", compression,
                            repository(place) + "::run", place.tree]],
            tools=["borg"],
            prepare=lambda place: [[find_tool("borg"), "init", "-e", "none", repository(place)]],
            stored=stored_in_scratch, check=check_borg, needs_server=False,
            note="knows no S3: a repository on tmpfs, no server, no network; not encrypted")

    return [borg("lz4"), borg("zstd,1"), borg("zstd,3")]


def check_kopia(place):
    snapshots = json.loads(output_of([find_tool("kopia"), "snapshot", "list", "--json"], place))
    held = snapshots[-1]["rootEntry"]["summ"]["size"]
    if held != place.tree_bytes:
        raise CommandFailed(f"kopia's snapshot holds {held} bytes, the tree has "
                            f"{place.tree_bytes}")


def kopia_candidates():
    def prepare(place):
        kopia = find_tool("kopia")
        scheme, host = place.server.endpoint.split("://")
        return [[kopia, "repository", "create", "s3", "--bucket", BUCKET, "--prefix", "kopia/",
                 "--region", REGION, "--endpoint", host,
                 *(["--disable-tls"] if scheme == "http" else [])],
                [kopia, "policy", "set", "--global", "--compression", "zstd-fastest"]]

    return [Candidate("kopia snapshot create, zstd-fastest", "kopia",
                      lambda place: [[find_tool("kopia"), "snapshot", "create", place.tree,
                                      "--no-progress"]],
                      tools=["kopia"], prepare=prepare, check=check_kopia,
                      note="first backup; encrypts")]


def all_candidates(volstream, cores, gzip_levels, zstd_levels):
    return [*volstream_candidates(volstream, gzip_levels, zstd_levels), *pipe_candidates(cores),
            *restic_candidates(), *borg_candidates(), *kopia_candidates()]
