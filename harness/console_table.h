/* SPDX-License-Identifier: Apache-2.0 */
/* harness/console_table.h — what a person reads in a terminal at the end of a run, and the tables
 * it is made of.
 * Owns: the cells of a table until printed.  Threads: none.  Privilege: none. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "brownout/base/vec.h"
#include "brownout/model/run.h"

/** struct bo_console - where to print and how; @columns: lines are wrapped to this width */
struct bo_console {
	FILE *out;
	int columns;
	bool colour;
};

/**
 * bo_console_for() - as @out wants it: a terminal's own width (60 … 100 columns), 100 for files and
 * pipes; colours only on a terminal, and not when NO_COLOR is set (no-color.org) or TERM is "dumb"
 */
struct bo_console bo_console_for(FILE *out);

/**
 * bo_console_verdict_json() - verdict, budgets, faults, reasons, where the reports are, how to run it again; from a
 * parsed run.json
 * @dir: the run's folder as the user knows it, or NULL when nothing was written
 */
void bo_console_verdict_json(const struct bo_console *con, const json_t *run, const char *dir);

/** bo_console_brief_json() - one line for the run, and one for each reason why it did not pass */
void bo_console_brief_json(const struct bo_console *con, const json_t *run, const char *dir);

#define BO_TABLE_COLUMNS 8

/** struct bo_table - zero-initialise and set @head, @ncols; bit i of @right aligns column i to the
 * right */
struct bo_table {
	const char *head[BO_TABLE_COLUMNS];
	size_t ncols;
	unsigned int right;
	BO_VEC(char *) cells;
	bool failed;
};

/** bo_table_add() - the next cell, row by row; control characters and broken UTF-8 are replaced */
void bo_table_add(struct bo_table *table, const char *text);
/** bo_table_print() - print with the widest columns wrapped to fit, and free the cells; no rows
 * print nothing */
void bo_table_print(struct bo_table *table, const struct bo_console *con);
/** bo_console_text() - one paragraph, wrapped, every line indented by two */
void bo_console_text(const struct bo_console *con, const char *text);
/** bo_console_badge() - a verdict word, coloured where that is wanted */
void bo_console_badge(const struct bo_console *con, const char *verdict);
