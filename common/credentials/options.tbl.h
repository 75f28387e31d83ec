/*
 * The options for secure connections between the two daemons. Both daemons' tables
 * include these rows and define the macros (common/options/options.h). The internal rows
 * contain what the master has read from the named files, because its children must not or
 * cannot read files.
 */
/* clang-format off */
GROUP("Security")
OPTION(STRING, tls_cert, "tls-cert", "FILE", "",
       "this daemon's TLS certificate (PEM, with the intermediate certificates)")
OPTION(STRING, tls_key, "tls-key", "FILE", "",
       "the private key of --tls-cert (PEM, not encrypted)")
OPTION(STRING, tls_ca, "tls-ca", "FILE", "",
       "CA certificates (PEM): one of them must have signed the other side's")
OPTION(STRING, worker_secret, "worker-secret", "FILE", "",
       "a file with a secret; each side refuses peers that do not know it")
OPTION(SWITCH, allow_plain_tcp, "allow-plain-tcp", "on|off", "off",
       "allow tcp:// without TLS to other hosts, although everybody on the way can read "
       "the documents; needs --worker-secret")
OPTION(STRING, tls_cert_text, "tls-cert.text", "", "", "", .internal = true)
OPTION(STRING, tls_key_text, "tls-key.text", "", "", "", .internal = true)
OPTION(STRING, tls_ca_text, "tls-ca.text", "", "", "", .internal = true)
OPTION(STRING, worker_secret_text, "worker-secret.text", "", "", "", .internal = true)
