/* SPDX-License-Identifier: Apache-2.0 */
/* report/write.c — files of a run's folder, each whole or not there at all.
 *
 * A report is rendered into memory first; only then is the disk touched, by plain write(2).  So an
 * error of the disk is never mistaken for one of rendering, and the errno that people see is the
 * one the kernel gave.
 *
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/report.h"
#include "brownout/report/view.h"

/* A run of a day at the usual sampling stays far below; more is not ours. */
#define RUN_JSON_MAX (INT64_C(1) << 30)

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

int bo_report_put_file(int dir_fd, const char *name, const char *bytes, size_t len,
		       struct bo_err *err)
{
	char temp[320];
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	int dirlen = (int)(base - name), rc, n;

	/* The pid keeps two renderings of one folder apart: the last rename wins, both are
	 * whole. */
	n = snprintf(temp, sizeof(temp), "%.*s.%s.%d.tmp", dirlen, name, base, (int)getpid());
	if (n < 0 || (size_t)n >= sizeof(temp))
		return bo_err_set(err, ENAMETOOLONG, BO_SUBSYS_REPORT,
				  "cannot write %s: name too long", name);

	int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return bo_err_errno(err, BO_SUBSYS_REPORT, "cannot write %s", name);
	rc = write_all(fd, bytes, len);
	/* Network file systems and quotas tell of a full disk only here. */
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && renameat(dir_fd, temp, dir_fd, name))
		rc = -errno;
	if (rc) {
		unlinkat(dir_fd, temp, 0);
		return bo_err_set(err, -rc, BO_SUBSYS_REPORT, "cannot write %s: %s", name,
				  strerror(-rc));
	}
	return 0;
}

/* 15 digits give back every instant to the nanosecond and write 0.1 as 0.1. */
#define DIGITS JSON_REAL_PRECISION(15)

int bo_report_dump(const json_t *doc, FILE *out)
{
	return json_dumpf(doc, out, JSON_COMPACT | DIGITS) || fputc('\n', out) == EOF || fflush(out)
		       ? -EIO
		       : 0;
}

static int put_json(int dir_fd, const char *name, const json_t *doc, size_t flags,
		    struct bo_err *err)
{
	char *text = json_dumps(doc, flags | DIGITS);
	int rc;

	if (!text)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT, "cannot write %s: out of memory",
				  name);
	size_t len = strlen(text);

	text[len] = '\n'; /* in place of the NUL: the length is known */
	rc = bo_report_put_file(dir_fd, name, text, len + 1, err);
	free(text);
	return rc;
}

/* @run: NULL when there is only what it left */
static int render_one(const struct bo_report_kind *kind, const struct bo_run *run,
		      const json_t *doc, int dir_fd, struct bo_err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int rc;

	if (kind->write_into) {
		if (mkdirat(dir_fd, kind->file, 0755) && errno != EEXIST)
			return bo_err_errno(err, BO_SUBSYS_REPORT, "cannot create %s/", kind->file);
		return kind->write_into(doc, dir_fd, err);
	}
	out = open_memstream(&text, &len);
	if (!out)
		return bo_err_errno(err, BO_SUBSYS_REPORT, "cannot render %s", kind->file);
	rc = kind->write_run ? kind->write_run(run, out, err) : kind->write(doc, out, err);
	bool broken = ferror(out);

	if (fclose(out) || broken) {
		if (!rc)
			rc = bo_err_set(err, ENOMEM, BO_SUBSYS_REPORT,
					"cannot render %s: out of memory", kind->file);
	}
	if (!rc)
		rc = bo_report_put_file(dir_fd, kind->file, text, len, err);
	free(text);
	return rc;
}

static bool wanted(const char *name, const char *const *names)
{
	if (!names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

/* Keep the first failure, go on with the rest. */
static void note(int rc, const struct bo_err *now, int *first, struct bo_err *err)
{
	if (!rc || *first)
		return;
	*first = rc;
	if (err)
		*err = *now;
}

static int render_all(const struct bo_run *run, const json_t *doc, int dir_fd,
		      const char *const *names, struct bo_err *err)
{
	int first = 0;

	for (const struct bo_report_kind *const *kind = bo_report_kinds(); *kind; kind++) {
		struct bo_err now = { 0 };

		if (wanted((*kind)->name, names) && (run || !(*kind)->write_run))
			note(render_one(*kind, run, doc, dir_fd, &now), &now, &first, err);
	}
	return first;
}

int bo_report_write_all(const struct bo_run *run, int dir_fd, struct bo_err *err)
{
	const char *scenario = run->plan->scenario_text ? run->plan->scenario_text : "";
	json_t *doc = NULL, *plan = NULL;
	struct bo_err now = { 0 };
	int first = 0, rc;

	rc = bo_report_json(&doc, run, err);
	if (rc)
		return rc;
	note(put_json(dir_fd, "run.json", doc, JSON_COMPACT, &now), &now, &first, err);
	rc = bo_report_plan_json(&plan, run->plan, &now);
	if (!rc)
		rc = put_json(dir_fd, "plan.json", plan, JSON_INDENT(2), &now);
	note(rc, &now, &first, err);
	note(bo_report_put_file(dir_fd, "scenario.lua", scenario, strlen(scenario), &now), &now,
	     &first, err);
	now = (struct bo_err){ 0 };
	note(render_all(run, doc, dir_fd, NULL, &now), &now, &first, err);
	json_decref(plan);
	json_decref(doc);
	return first;
}

int bo_report_load(json_t **ret, int dir_fd, struct bo_err *err)
{
	json_error_t jerr;
	struct stat st;
	bo_auto_fd int fd = openat(dir_fd, "run.json", O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return bo_err_errno(err, BO_SUBSYS_REPORT, "cannot read run.json");
	if (fstat(fd, &st))
		return bo_err_errno(err, BO_SUBSYS_REPORT, "cannot read run.json");
	if (!S_ISREG(st.st_mode) || st.st_size > RUN_JSON_MAX)
		return bo_err_set(err, EINVAL, BO_SUBSYS_REPORT,
				  "run.json is not a regular file of at most 1 GiB");

	json_t *doc = json_loadfd(fd, JSON_REJECT_DUPLICATES, &jerr);

	if (!doc)
		return bo_err_set(err, EINVAL, BO_SUBSYS_REPORT, "run.json:%d:%d: %s", jerr.line,
				  jerr.column, jerr.text);
	if (strcmp(bo_view_str(doc, "schema"), BO_RUN_SCHEMA) != 0) {
		int rc = bo_err_set(err, EINVAL, BO_SUBSYS_REPORT,
				    "run.json: schema is \"%s\", expected \"%s\"",
				    bo_view_str(doc, "schema"), BO_RUN_SCHEMA);

		json_decref(doc);
		return rc;
	}
	*ret = doc;
	return 0;
}

static int check_names(const char *const *names, struct bo_err *err)
{
	for (; names && *names; names++) {
		const struct bo_report_kind *const *kind = bo_report_kinds();
		char known[128] = "";

		for (; *kind && strcmp((*kind)->name, *names) != 0; kind++) {
			size_t used = strlen(known);

			if (!(*kind)->write_run)
				snprintf(known + used, sizeof(known) - used, "%s%s",
					 used ? ", " : "", (*kind)->name);
		}
		if (!*kind)
			return bo_err_set(err, EINVAL, BO_SUBSYS_REPORT,
					  "unknown report '%s': expected one of %s", *names, known);
		if ((*kind)->write_run)
			return bo_err_set(
				err, EINVAL, BO_SUBSYS_REPORT,
				"report '%s': %s is written by the run itself; run.json does not hold what is in it",
				*names, (*kind)->file);
	}
	return 0;
}

int bo_report_render(int dir_fd, const char *const *names, struct bo_err *err)
{
	json_t *doc = NULL;
	int rc = check_names(names, err);

	if (!rc)
		rc = bo_report_load(&doc, dir_fd, err);
	if (rc)
		return rc;
	rc = render_all(NULL, doc, dir_fd, names, err);
	json_decref(doc);
	return rc;
}
