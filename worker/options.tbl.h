/*
 * The options of offloop-worker, one row each; see common/options/options.h and
 * server/process/options.tbl.h, which has the same form.
 */
/* clang-format off */
#ifndef GROUP
#define GROUP(title)
#endif
#ifndef OPTION
#define OPTION(...)
#endif

GROUP("Servers")
OPTION(LIST, connect, "connect", "URL", NULL,
       "a server's --rpc URL: ipc:///path, tls+tcp://ADDR:PORT, or tcp:// on this host",
       .shown = "ipc:// rpc.sock in the runtime directory; none with --listen",
       .check = rpc_url_check)

GROUP("Applications")
OPTION(STRING, listen, "listen", "unix:PATH", "off",
       "the job socket, where applications of this host connect; off for none",
       .check = worker_config_check_listen)
OPTION(STRING, admin, "admin", "ADDR:PORT", "off",
       "operations listener of the job socket: health, metrics, the live page",
       .check = worker_config_check_admin)
OPTION(STRING, broker_url, "broker-url", "URL", "",
       "where the broker's gate listens", .internal = true)

GROUP("Codec")
OPTION(STRING, codec, "codec", "ENGINE", "yajl",
       "the JSON engine", .names = codec_engine_names)
OPTION(SIZE, memory_bytes, "memory", "SIZE", "1GiB",
       "the memory that one job may use; a job that needs more fails (413)",
       .min = 1 << 20, .max = UINT64_C(1) << 46)

GROUP("Processes")
OPTION(UNSIGNED, processes, "processes", "N", NULL,
       "worker processes", .shown = "number of CPUs", .min = 1, .max = 1024)
OPTION(UNSIGNED, max_jobs, "max-jobs", "N", "0",
       "a worker process is replaced after N jobs; 0 for never", .max = UINT32_MAX)
OPTION(DURATION, drain_timeout_ns, "drain-timeout", "D", "30s",
       "how long TERM waits for jobs in flight", .max = UINT64_C(86400000000000))

GROUP("Rights")
OPTION(STRING, user, "user", "NAME", "",
       "become this user (the daemon is started as root)",
       .check = privileges_check_user)
OPTION(SWITCH, sandbox, "sandbox", "on|off", "on",
       "workers cannot open files, start programs or use most system calls; "
       "the broker (--listen) cannot start programs or reach the network")

#include "common/credentials/options.tbl.h"

#undef GROUP
#undef OPTION
