"""AWS on loopback: an emulator (ministack) for the control plane, real PostgreSQL behind its RDS endpoints.

In front of the emulator stands an edge that does what the emulator lacks: quotas, clusters that take a while to become
available, final snapshots, master users in PostgreSQL, the end of a cluster's data; and every fault a test wants.
"""

import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import boto3
import psycopg
import pytest
from psycopg import sql

from .fixtures import PostgresServer, free_port, running_postgres

_TIMES_OUT_SECONDS = 20


@dataclass
class Fault:
    """What a request is answered with instead of being done, `times` times."""

    action: str
    code: str
    status: int = 400
    times: int = 1
    message: str = "planted by the test"
    after: bool = False
    """The request is done and its answer lost."""


@dataclass
class AwsEdge:
    """The emulator as a test sees it."""

    emulator_port: int
    behind: PostgresServer
    """The PostgreSQL behind every cluster; its superuser is AWS itself."""
    port: int = 0
    quotas: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    looks_until_available: int = 0
    """How many times a fresh cluster or instance is described as being made."""
    stuck: str | None = None
    """A status that instances of dedicated clusters never leave."""
    shared_status: str | None = None
    """What shared clusters are described as."""
    before: Callable[[str], None] = lambda _action: None
    """Told each RDS action before it is done."""
    requests: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    scaling: set[str] = field(default_factory=set)
    """Clusters whose Serverless v2 instances know between what to scale, as `region/identifier`."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return _client(service, region, self.url)

    def reset(self) -> None:
        self.quotas, self.faults, self.looks_until_available, self.stuck = {}, [], 0, None
        self.shared_status = None
        self.before = lambda _action: None
        self.requests.clear()

    def add_shared_cluster(self, name: str, *, model: str, **tags: str) -> None:
        """Deploy a shared cluster as the stacks do, with its administrator's secret."""
        password = f"administrator-of-{name}"
        self.client("secretsmanager").create_secret(
            Name=f"bezant/administrator/{name.removeprefix('bezant-')}",
            SecretString=f'{{"username": "bezant_administrator", "password": "{password}"}}',
        )
        marked = {"bezant:model": model, "bezant:tier": "shared", **tags}
        rds = self.client("rds")
        rds.create_db_cluster(
            DBClusterIdentifier=name, Engine="aurora-postgresql", MasterUsername="bezant_administrator",
            MasterUserPassword=password, Tags=[{"Key": key, "Value": value} for key, value in marked.items()],
        )  # fmt: skip
        for number in range(2):
            rds.create_db_instance(
                DBInstanceIdentifier=f"{name}-{number}", DBClusterIdentifier=name, Engine="aurora-postgresql",
                DBInstanceClass="db.r6g.xlarge",
            )  # fmt: skip

    # what follows runs on the edge's threads

    def fault_for(self, action: str, *, after: bool) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.after is after and fault.action in (action, "*"):
                fault.times -= 1
                return fault
        return None

    def refusal(self, region: str, form: dict[str, str]) -> str | None:
        """Return why AWS would refuse a request that the emulator takes, None if it would not."""
        action, cluster = form["Action"], f"{region}/{form.get('DBClusterIdentifier')}"
        if action == "CreateDBCluster" and "ServerlessV2ScalingConfiguration.MinCapacity" in form:
            self.scaling.add(cluster)
        if action == "CreateDBInstance" and form["DBInstanceClass"] == "db.serverless" and cluster not in self.scaling:
            return "set the Serverless v2 scaling configuration of the cluster before its instances"
        follows = action == "CreateDBCluster" and "GlobalClusterIdentifier" in form
        if follows and form.get("StorageEncrypted") == "true":
            if not form.get("PreSignedUrl"):
                return "the source cluster is encrypted; a pre-signed URL has to be specified"
            if not form.get("KmsKeyId"):
                return "the source cluster is encrypted; a key of this region has to be specified"
        if action == "DeleteDBCluster" and self._protected(region, form["DBClusterIdentifier"]):
            return "the cluster is protected from deletion"
        return None

    def _protected(self, region: str, cluster: str) -> bool:
        listed = self._direct(region).describe_db_clusters()["DBClusters"]
        return any(one["DBClusterIdentifier"] == cluster and one.get("DeletionProtection") for one in listed)

    def prepare(self, region: str, form: dict[str, str]) -> dict[str, str]:
        """Do AWS's own part before the emulator does its; return the request for it."""
        action = form["Action"]
        if action in ("CreateDBCluster", "CreateDBInstance"):
            form = {**form, "Port": str(self.behind.port)}
        if action == "CreateDBCluster" and "MasterUsername" in form:
            self._make_master(form["MasterUsername"], form["MasterUserPassword"])
        if action == "DeleteDBCluster" and (snapshot := form.get("FinalDBSnapshotIdentifier")):
            tags = self._tags(region, form["DBClusterIdentifier"])
            self._direct(region).create_db_cluster_snapshot(
                DBClusterSnapshotIdentifier=snapshot, DBClusterIdentifier=form["DBClusterIdentifier"], Tags=tags
            )
            form = {key: value for key, value in form.items() if key != "FinalDBSnapshotIdentifier"}
            form["SkipFinalSnapshot"] = "true"
        return form

    def finish(self, form: dict[str, str], status: int, body: str) -> str:
        """Do AWS's part after the emulator's; return the answer."""
        if form["Action"] == "DeleteDBCluster" and status == 200 and (found := re.search("[0-9a-f]{32}", str(form))):
            self._drop_data(found[0])
        body = body.replace("<ReaderEndpoint>localhost<", "<ReaderEndpoint>127.0.0.1<")
        if form["Action"] in ("DescribeDBClusters", "DescribeDBInstances"):
            body = re.sub(r"<(DBCluster|DBInstance)>.*?</\1>", self._being_made, body, flags=re.DOTALL)
        return body

    def account_attributes(self, region: str) -> str:
        rds = self._direct(region)
        used = {
            "DBClusters": len(rds.describe_db_clusters()["DBClusters"]),
            "DBInstances": len(rds.describe_db_instances()["DBInstances"]),
        }
        quotas = "".join(
            f"<AccountQuota><AccountQuotaName>{name}</AccountQuotaName><Used>{count}</Used>"
            f"<Max>{self.quotas.get(name, 10_000)}</Max></AccountQuota>"
            for name, count in used.items()
        )
        return _xml("DescribeAccountAttributes", f"<AccountQuotas>{quotas}</AccountQuotas>")

    def _being_made(self, match: re.Match[str]) -> str:
        text = match[0]
        identifier = re.search(r"<DB(?:Cluster|Instance)Identifier>([^<]+)<", text)
        assert identifier is not None
        dedicated = "bezant-t-" in identifier[1]
        self.looks[identifier[1]] += 1
        status = "creating" if dedicated and self.looks[identifier[1]] <= self.looks_until_available else None
        if self.stuck and dedicated and match[1] == "DBInstance":
            status = self.stuck
        if self.shared_status and not dedicated and match[1] == "DBCluster":
            status = self.shared_status
        if status is None:
            return text
        return re.sub(r"<(Status|DBInstanceStatus)>available<", rf"<\1>{status}<", text, count=1)

    def _make_master(self, user: str, password: str) -> None:
        with psycopg.connect(self.behind.dsn("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(user)))
            # As Aurora's master user: no superuser.
            connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(
                    sql.Identifier(user), sql.Literal(password)
                )
            )

    def _drop_data(self, tenant: str) -> None:
        """The data of a dedicated cluster goes with it."""
        with psycopg.connect(self.behind.dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(f"bz_{tenant}"))
            )
            roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (f"bz\\_{tenant}%",))
            for (role,) in roles.fetchall():
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

    def _tags(self, region: str, cluster: str) -> list[dict[str, str]]:
        found = self._direct(region).describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
        return list(found[0].get("TagList", []))

    def _direct(self, region: str) -> Any:
        return _client("rds", region, f"http://127.0.0.1:{self.emulator_port}")


@cache
def _client(service: str, region: str, url: str) -> Any:
    """Clients take a tenth of a second to make."""
    return boto3.Session().client(service, region_name=region, endpoint_url=url)  # type: ignore[call-overload]


def _xml(action: str, result: str) -> str:
    return (
        f'<{action}Response xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><{action}Result>{result}'
        f"</{action}Result><ResponseMetadata><RequestId>edge</RequestId></ResponseMetadata></{action}Response>"
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one piece: in two, the second would wait for the first one's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    edge: AwsEdge

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        scope = re.search(r"Credential=[^/]+/\d+/([a-z0-9-]+)/([a-z]+)/", self.headers.get("Authorization", ""))
        if scope is not None and scope[2] == "rds":
            self._rds(scope[1], dict(parse_qsl(body.decode(), keep_blank_values=True)))
        elif fault := self.edge.fault_for(self.headers.get("X-Amz-Target", ""), after=False):
            self._answer(fault.status, "application/x-amz-json-1.1", f'{{"__type": "{fault.code}"}}'.encode())
        else:
            self._answer(*self._forward(body))

    def _rds(self, region: str, form: dict[str, str]) -> None:
        edge, action = self.edge, form["Action"]
        edge.requests[action] += 1
        edge.before(action)
        if fault := edge.fault_for(action, after=False):
            self._refuse(fault)
            return
        if action == "DescribeAccountAttributes":
            self._answer(200, "text/xml", edge.account_attributes(region).encode())
            return
        if said := edge.refusal(region, form):
            self._refuse(Fault(action, "InvalidParameterCombination", message=said))
            return
        request = edge.prepare(region, form)
        status, kind, answer = self._forward(urlencode(request).encode())
        if fault := edge.fault_for(action, after=True):
            self._refuse(fault)
            return
        self._answer(status, kind, edge.finish(form, status, answer.decode()).encode())

    def _forward(self, body: bytes) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.edge.emulator_port, timeout=_TIMES_OUT_SECONDS)
        kept = ("authorization", "content-type", "x-amz-target", "x-amz-date", "x-amz-security-token")
        headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
        connection.request("POST", self.path, body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.headers.get("Content-Type", "text/xml"), answer.read()
        connection.close()
        return found

    def _refuse(self, fault: Fault) -> None:
        error = (
            '<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><Error><Type>Sender</Type>'
            f"<Code>{fault.code}</Code><Message>{fault.message}</Message></Error><RequestId>edge</RequestId>"
            "</ErrorResponse>"
        )
        self._answer(fault.status, "text/xml", error.encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: thousands of requests."""


@contextmanager
def running_emulator() -> Iterator[int]:
    """Start ministack on a free port and yield that."""
    root = Path(tempfile.mkdtemp(prefix="bezant-aws-", dir="/tmp"))
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        env={
            "PATH": os.environ["PATH"], "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(root),
            "HOME": str(root), "LOG_LEVEL": "WARNING", "DOCKER_HOST": "tcp://127.0.0.1:9",
        },
        cwd=root,
        stdout=(root / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        while True:
            assert process.poll() is None, (root / "log").read_text()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMES_OUT_SECONDS)
            try:
                connection.request("GET", "/_ministack/health")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                continue
            finally:
                connection.close()
        yield port
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(root)


@contextmanager
def running_edge(behind: PostgresServer) -> Iterator[AwsEdge]:
    """Start the emulator and its edge."""
    with running_emulator() as emulator_port:
        edge = AwsEdge(emulator_port, behind)
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("_EdgeHandler", (_Handler,), {"edge": edge}))
        server.daemon_threads = True
        edge.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield edge
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture(scope="session")
def aws_credentials() -> Iterator[None]:
    """Credentials for requests that the emulator does not verify."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def aurora_server() -> Iterator[PostgresServer]:
    """Behind every cluster of the emulator. Nobody has prepared it, and passwords count."""
    with running_postgres(passwords=True) as server:
        yield server


@pytest.fixture(scope="session")
def aws(aws_credentials: None, aurora_server: PostgresServer) -> Iterator[AwsEdge]:
    with running_edge(aurora_server) as edge:
        yield edge
