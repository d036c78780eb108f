/* SPDX-License-Identifier: Apache-2.0 */
/* tests/census/zookit.h — start the zoo, talk to it, end it.
 * Owns: the child process and its pipes.  Threads: one.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct zoo {
	pid_t pid;
	FILE *to, *from;
	char version[64];
	char address[64];
};

/** zoo_start() - run @path with @args (NULL-terminated, without argv[0]) and wait until it is ready; false on failure */
bool zoo_start(struct zoo *zoo, const char *path, const char *const *args);
/** zoo_ask() - send a command, get the answer's line without its newline; false when it is gone */
bool zoo_ask(struct zoo *zoo, const char *command, char *answer, size_t size);
/** zoo_count() - runtime.NumGoroutine(), -1 on failure */
int64_t zoo_count(struct zoo *zoo);
/** zoo_stacks() - goroutine?debug=2 as one string; [owned: free(3)], NULL on failure */
char *zoo_stacks(struct zoo *zoo);
/**
 * zoo_pulse() - does it rest?  By the kernel's word, not by its own
 * Return: context switches of all its threads so far, when all of them sleep; 0 when somebody runs.  The same number
 * again: nothing has run in between
 */
uint64_t zoo_pulse(pid_t pid);
/** zoo_rest() - wait until nothing runs in it: whoever was started has come to where it waits; false after a minute */
bool zoo_rest(pid_t pid);
/** zoo_stop() - kill it and wait; a zoo that was never started is fine */
void zoo_stop(struct zoo *zoo);
