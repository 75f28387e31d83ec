/*
 * --user: root starts the daemon, which opens what only root can open, and then serves as
 * another user. Masters only, before their first child. Children and the next binary of
 * an upgrade inherit the user.
 */
#ifndef OFFLOOP_COMMON_PROCESS_PRIVILEGES_H
#define OFFLOOP_COMMON_PROCESS_PRIVILEGES_H

/* The check of --user's row. 0 where the user exists, where none is given, or where the
   lookup fails (then privileges_drop() reports it). Else -1; *expected_r says what is
   expected. */
int privileges_check_user(const char *user, const char **expected_r);

/* Where `user` is not empty: changes this process to that user and the user's groups,
   irrevocably. Does nothing where the process has that user already. Ends the process
   with a log line where the user does not exist or the process is not root's. */
void privileges_drop(const char *user);

/* Root calls this before privileges_drop(). Makes the directory for `user` if it is
   missing; does nothing where `user` is empty. A directory that exists stays as it is,
   except for the runtime directory: it is given to the user where root or that user owns
   it. A link is not followed, and only a directory is given. Failures are logged. */
void privileges_give_directory(const char *user, const char *path);

/* The same for the file of a socket that was just made. Does nothing where there is no
   file. */
void privileges_give_file(const char *user, const char *path);

/* From now on no program that this process or its children execute gains rights
   (no_new_privs). */
void privileges_forgo(void);

#endif
