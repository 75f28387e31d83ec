/*
 * The options of offloop-server, one row each; see common/options/options.h. To be
 * included with the macros below defined as wanted; undefined at the end.
 *
 * GROUP(TITLE)
 * OPTION(KIND, MEMBER, FLAG, ARGUMENT, DEFAULT, HELP, more members of option_row)
 */
/* clang-format off */
#ifndef GROUP
#define GROUP(title)
#endif
#ifndef OPTION
#define OPTION(...)
#endif

GROUP("Listeners")
OPTION(LIST, listen, "listen", "ADDR:PORT", "127.0.0.1:8080",
       "where clients connect; [ADDR6]:PORT and unix:/path too, port 0 takes a free one",
       .check = endpoint_check)
OPTION(STRING, admin, "admin", "ADDR:PORT", "127.0.0.1:8081",
       "operations listener (health, metrics), or off", .check = config_check_admin)
OPTION(LIST, host, "host", "NAME", "",
       "further hosts that requests may name, or any; requests for other hosts get 421",
       .shown = "at listeners on loopback addresses without tokens, those that no stranger "
                "can own (address literals, localhost, *.localhost, names without a dot); "
                "elsewhere any",
       .check = config_check_host)
OPTION(DURATION, idle_timeout_ns, "idle-timeout", "D", "75s",
       "how long the server keeps a connection without a request",
       .min = 1000000, .max = UINT64_C(86400000000000))
OPTION(DURATION, send_timeout_ns, "send-timeout", "D", "5m",
       "cut off a client that acknowledges no byte of a reply for this long, or reads less "
       "than 256 bytes a second over it",
       .min = 1000000, .max = UINT64_C(86400000000000))
OPTION(STRING, rpc, "rpc", "URL", NULL,
       "where workers connect: ipc:///path, tls+tcp://ADDR:PORT, or tcp:// on this host",
       .shown = "ipc:// rpc.sock in the runtime directory", .check = rpc_url_check)
OPTION(STRING, base_path, "base-path", "/PREFIX", "",
       "a path prefix that a proxy removes; the server adds it to Link and Location",
       .check = config_check_base_path)

GROUP("Documents")
OPTION(STRING, store, "store", "URL", "lmdb:data",
       "where documents are kept: lmdb:DIR, redis://[user:password@]host:port/db, "
       "rediss:// (TLS), redis+unix:///path, redis+sentinel://host:port,.../master, "
       "redis+cluster://host:port,...; with ?key=doc:{collection}:{id} behind it the values "
       "that an application keeps in Redis",
       .check = store_url_check, .mask = store_url_print)
OPTION(ENUM, representation, "representation", "R", "msgpack",
       "how documents are stored: msgpack, or json (compact text, sent as it is; always "
       "with key= in --store)",
       .names = config_representation_names)
OPTION(ENUM, numbers, "numbers", "N", "double",
       "how MessagePack holds a number such as 12500.00: as double, or as text",
       .names = config_numbers_names)
OPTION(SWITCH, lmdb_sync, "lmdb-sync", "on|off", "on",
       "make writes durable (fsync) before they are answered")
OPTION(SIZE, lmdb_max_bytes, "lmdb-max", "SIZE", "64GiB",
       "the largest size of the LMDB map", .min = 1 << 20, .max = UINT64_C(1) << 46)
OPTION(SIZE, max_body_bytes, "max-body", "SIZE", "64MiB",
       "larger request bodies are refused (413)", .min = 1, .max = UINT64_C(1) << 40)
OPTION(SIZE, max_reply_bytes, "max-reply", "SIZE", "512MiB",
       "a document whose JSON would be larger is refused (413)",
       .min = 1, .max = UINT64_C(1) << 40)

OPTION(SIZE, reply_cache_bytes, "reply-cache", "SIZE|off", "32MiB",
       "cache of encoded replies of documents that are asked for again, per front",
       .min = 64 << 10, .max = UINT64_C(1) << 40, .may_be_off = true)

OPTION(SIZE, memory_bytes, "memory", "SIZE", "1GiB",
       "per front, for request bodies, inputs of jobs and waiting replies together; requests "
       "that do not fit are refused (503), large ones first",
       .min = 16 << 20, .max = UINT64_C(1) << 46)

GROUP("Access")
OPTION(STRING, auth_file, "auth-file", "FILE", "off",
       "the rights of tokens: each line has a token's SHA-256, r, w or rw (each also with q, "
       "for programs), and a prefix of collections; off lets everybody do everything")
OPTION(STRING, jq, "jq", "on|views|off", "",
       "whether requests may bring programs (?jq=), only name those of --views, or neither",
       .shown = "on at listeners on loopback addresses, elsewhere views",
       .check = config_check_jq)
OPTION(STRING, views, "views", "DIR", "off",
       "programs that requests may name (?view=NAME): the files NAME.jq there")
OPTION(LIST, cors, "cors", "ORIGIN", "off",
       "scripts in browsers from this origin may use the server; * for any", .check = cors_check)
OPTION(LIST, cors_headers, "cors-headers", "NAMES", "off",
       "more header fields that those scripts may send (traceparent)",
       .check = cors_headers_check)

GROUP("Codec")
OPTION(ENUM, mode, "mode", "MODE", "auto",
       "where JSON is transcoded", .names = config_mode_names)
OPTION(STRING, codec, "codec", "ENGINE", "yajl",
       "the JSON engine for work in the server itself", .names = codec_engine_names)
OPTION(DURATION, inline_budget_ns, "inline-budget", "D", "200us",
       "the longest codec work that mode auto does on the loop",
       .min = 1000, .max = UINT64_C(1000000000))
OPTION(UNSIGNED, queue, "queue", "N", "1024",
       "how many jobs may wait for a worker, per front; more get 503", .min = 1, .max = 10000000)
OPTION(DURATION, job_timeout_ns, "job-timeout", "D", "10s",
       "how long a codec job may take (then 504), and the store stand still (5s to 60s)", .min = 1000000, .max = UINT64_C(3600000000000))
OPTION(SIZE, arena_bytes, "arena", "SIZE|off", "64MiB",
       "shared memory for large documents: this much for each front with each worker on "
       "this host, and once more for each front with all workers",
       .min = 1 << 20, .max = UINT64_C(1) << 36, .may_be_off = true)
OPTION(SWITCH, fastpath, "fastpath", "on|off", "on",
       "send jobs to workers on this host over a socket of their own, without nng's threads")

GROUP("Processes")
OPTION(UNSIGNED, processes, "processes", "N", "1",
       "front processes", .min = 1, .max = 256)
OPTION(DURATION, drain_timeout_ns, "drain-timeout", "D", "30s",
       "how long TERM waits for requests in flight", .max = UINT64_C(86400000000000))

GROUP("Rights")
OPTION(STRING, user, "user", "NAME", "",
       "become this user after root has opened the listeners",
       .check = privileges_check_user)
OPTION(SWITCH, sandbox, "sandbox", "on|off", "on",
       "the server's processes cannot gain rights, its children cannot start programs")

#include "common/credentials/options.tbl.h"

GROUP("Logs and measurements")
OPTION(SWITCH, mode_header, "mode-header", "on|off", "off",
       "let a request choose its mode by Offloop-Mode (for comparing)")
OPTION(SWITCH, server_timing, "server-timing", "on|off", "off",
       "add a Server-Timing reply header")
OPTION(STRING, access_log, "access-log", "FILE", "off",
       "log requests to FILE; - is stdout, off for none")
OPTION(STRING, profile, "profile", "FILE", "off",
       "write a CPU profile of each front to FILE.<pid>, from its start to its end")

GROUP("Instead of serving")
OPTION(COMMAND, check_store, "check-store", "", NULL,
       "verify every document and exit 0 or 1")

#undef GROUP
#undef OPTION
