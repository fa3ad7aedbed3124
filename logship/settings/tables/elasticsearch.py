"""The settings of where documents go: the cluster, and the index."""

from __future__ import annotations

from logship.settings import together
from logship.settings.index_name import check_data_stream, check_index_name
from logship.settings.kinds import (
    Choice,
    FilePath,
    Flag,
    ListOf,
    Number,
    Secret,
    SecretFile,
    Text,
    Time,
)
from logship.settings.model import DAY_SECONDS, ElasticsearchSettings, IndexSettings
from logship.settings.sections import Key, Section
from logship.settings.tables.bounds import HOUR_SECONDS, YEARS_SECONDS
from logship.settings.texts import (
    check_api_key,
    check_ca_fingerprint,
    check_cloud_id,
    check_host,
    check_proxy,
    check_timezone,
    check_token,
    check_username,
)

__all__ = ["ELASTICSEARCH", "INDEX"]

API_KEY = Secret(check_api_key)

PASSWORD = Secret()

BEARER_TOKEN = Secret(check_token)

ELASTICSEARCH = Section(
    ElasticsearchSettings,
    (
        Key("hosts", ListOf(Text(check_host), at_least_one=True), "URLs of the cluster's nodes."),
        Key("cloud_id", Text(check_cloud_id), "An Elastic Cloud deployment, instead of hosts."),
        Key("api_key", API_KEY, "An API key, encoded or as id:key."),
        Key(
            "api_key_file", SecretFile(API_KEY), "A file with the API key, re-read when it changes."
        ),
        Key("username", Text(check_username), "User of basic authentication."),
        Key("password", PASSWORD, "Password of that user."),
        Key(
            "password_file",
            SecretFile(PASSWORD),
            "A file with the password, re-read when it changes.",
        ),
        Key("bearer_token", BEARER_TOKEN, "A bearer token."),
        Key(
            "bearer_token_file",
            SecretFile(BEARER_TOKEN),
            "A file with the bearer token, re-read when it changes.",
        ),
        Key(
            "ca_certs", FilePath(must_exist=True), "PEM file with the authorities to trust in TLS."
        ),
        Key(
            "ca_fingerprint",
            Text(check_ca_fingerprint),
            "SHA-256 fingerprint of the authority to trust in TLS.",
        ),
        Key("client_cert", FilePath(must_exist=True), "PEM file with this agent's certificate."),
        Key("client_key", FilePath(must_exist=True), "PEM file with that certificate's key."),
        Key("verify", Flag(), "Whether the server's certificate is verified."),
        Key(
            "proxy",
            Secret(check_proxy),
            "URL of an HTTP proxy on the way, with its user and password if it wants them.",
            nullable=True,
        ),
        Key(
            "compression",
            Choice(("auto",), or_flag=True),
            "Whether request bodies are gzipped; auto does unless every host is this machine.",
        ),
        Key("timeout", Time(0.1, HOUR_SECONDS), "For one request, connect to last byte."),
    ),
    finish=together.finish_elasticsearch,
)

INDEX = Section(
    IndexSettings,
    (
        Key(
            "name",
            Text(check_index_name),
            "Pattern of index names: %Y %m %d %H of the record's own time, {field} of the record.",
        ),
        Key(
            "data_stream",
            Text(check_data_stream),
            "A data stream that everything goes to, instead of indices by name.",
        ),
        Key("timezone", Text(check_timezone), "IANA name; whose midnight divides the days."),
        Key("template", Flag(), "Whether the index template is kept up to date."),
        Key("shards", Number(1, 1024), "Primary shards of new indices."),
        Key("replicas", Number(0, 100), "Copies of each shard in new indices."),
        Key(
            "refresh_interval",
            Time(0.1, DAY_SECONDS),
            "How soon stored records are found by searches.",
        ),
        Key(
            "retention",
            Time(DAY_SECONDS, YEARS_SECONDS),
            "Indices are deleted when everything in them is older; null keeps them.",
        ),
        Key(
            "accept_past",
            Time(1.0, YEARS_SECONDS),
            "Older records count as without time; null accepts all since 2000.",
        ),
        Key(
            "accept_future",
            Time(0.0, YEARS_SECONDS),
            "Records further ahead of the time of reading count as without time.",
        ),
    ),
    finish=together.finish_index,
)
