/*
 * --user: a daemon that root starts opens what only root can open and serves as
 * somebody else. Masters, before their first child; children inherit it, and so
 * does the next binary of an upgrade.
 */
#ifndef OFFLOOP_COMMON_PROCESS_PRIVILEGES_H
#define OFFLOOP_COMMON_PROCESS_PRIVILEGES_H

/* The check of --user's row: 0 where there is such a user, or none is asked for, or
   nobody can tell now (privileges_drop() will); else -1 and what was expected, in
   *expected_r. */
int privileges_check_user(const char *user, const char **expected_r);

/* Where `user` is not empty: makes this process that user's for good, with its groups and
   no others. No-op for a process that is that user's already; ends the process with one
   line where there is no such user or we are not root. */
void privileges_drop(const char *user);

/* Root, before privileges_drop(): sees to it that `user` (no-op where empty) has the
   directory, made where it is missing. One that is there stays as it is, but for the
   runtime directory, which is given to the user where it is root's or that user's. A link
   is not followed, and nothing but a directory given. Failures are logged. */
void privileges_give_directory(const char *user, const char *path);

/* The same for the file of a socket that was just made; no-op for one that is not there.
 */
void privileges_give_file(const char *user, const char *path);

/* Nothing that this process or a child of it executes gains rights (no_new_privs). */
void privileges_forgo(void);

#endif
