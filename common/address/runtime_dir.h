/*
 * The runtime directory, in which the sockets are: the first path of $RUNTIME_DIRECTORY,
 * else $XDG_RUNTIME_DIR/offloop, else /run/offloop.
 *
 * Here is only its name. The gate makes its socket's directory (mode 0750) if it is
 * missing. The main thread calls, at the process's start.
 */
#ifndef OFFLOOP_COMMON_ADDRESS_RUNTIME_DIR_H
#define OFFLOOP_COMMON_ADDRESS_RUNTIME_DIR_H

/* The directory's path; the caller frees it with mem_free(). */
char *runtime_dir_path(void) __attribute__((returns_nonnull));

/* The default of --rpc and --connect: an ipc:// URL in the directory. The caller frees it
   with mem_free(). */
char *runtime_dir_rpc_url(void) __attribute__((returns_nonnull));

#endif
