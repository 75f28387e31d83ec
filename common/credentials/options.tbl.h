/*
 * The options for secure connections between the two daemons. Both daemons' tables
 * include these rows and define the macros (common/options/options.h). The internal rows
 * contain what the master has read from the named files, because its children must not or
 * cannot read files.
 */
/* clang-format off */
GROUP("Security")
OPTION(STRING, tls_cert, "tls-cert", "FILE", "",
       "certificate of this daemon for TLS (PEM, with the certificates between it and the CA)")
OPTION(STRING, tls_key, "tls-key", "FILE", "",
       "its private key (PEM, not encrypted)")
OPTION(STRING, tls_ca, "tls-ca", "FILE", "",
       "certificates (PEM) of the CAs that sign the other side's certificate")
OPTION(STRING, worker_secret, "worker-secret", "FILE", "",
       "a secret that server and workers share; without it, no peer is accepted")
OPTION(SWITCH, allow_plain_tcp, "allow-plain-tcp", "on|off", "off",
       "allow plain tcp:// to other hosts, which everybody on the way can read; "
       "needs --worker-secret")
OPTION(STRING, tls_cert_text, "tls-cert.text", "", "", "", .internal = true)
OPTION(STRING, tls_key_text, "tls-key.text", "", "", "", .internal = true)
OPTION(STRING, tls_ca_text, "tls-ca.text", "", "", "", .internal = true)
OPTION(STRING, worker_secret_text, "worker-secret.text", "", "", "", .internal = true)
