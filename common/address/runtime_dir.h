/*
 * The runtime directory, where sockets live: $RUNTIME_DIRECTORY (the first of
 * them), else $XDG_RUNTIME_DIR/offloop, else /run/offloop.
 *
 * Only its name: the gate makes the directory of its socket (mode 0750) where it
 * is missing. Main thread at start.
 */
#ifndef OFFLOOP_COMMON_ADDRESS_RUNTIME_DIR_H
#define OFFLOOP_COMMON_ADDRESS_RUNTIME_DIR_H

/* Its path, freed by the caller with mem_free(). */
char *runtime_dir_path(void) __attribute__((returns_nonnull));

/* The default of --rpc and --connect: an ipc:// URL in it, freed with mem_free(). */
char *runtime_dir_rpc_url(void) __attribute__((returns_nonnull));

#endif
