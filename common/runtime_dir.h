/*
 * The runtime directory, where sockets live: $RUNTIME_DIRECTORY (the first of
 * them), else $XDG_RUNTIME_DIR/offloop, else /run/offloop.
 *
 * Master or main thread at start.
 */
#ifndef OFFLOOP_COMMON_RUNTIME_DIR_H
#define OFFLOOP_COMMON_RUNTIME_DIR_H

/* Its path, freed by the caller with mem_free(). */
char *runtime_dir_path(void) __attribute__((returns_nonnull));

/* The default of --rpc and --connect: an ipc:// URL in it, freed with mem_free(). */
char *runtime_dir_rpc_url(void) __attribute__((returns_nonnull));

/* Makes the runtime directory (mode 0750; one that is there stays as it is) where `url`
   is an ipc:// URL of a path directly in it; nothing otherwise. -1 with errno. */
int runtime_dir_create_for(const char *url) __attribute__((warn_unused_result));

#endif
