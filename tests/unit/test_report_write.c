/* SPDX-License-Identifier: Apache-2.0 */
/* The run's folder: whole files or none, a full disk, rendering again, and run.json files that are
 * none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/report/report.h"
#include "brownout/report/view.h"
#include "report_run.h"

struct fixture {
	char path[64];
	int dir;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->path, "/tmp/brownout-report-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->dir = open(f->path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	*state = f;
	return f->dir < 0;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int rc;

	close(f->dir);
	rc = nftw(f->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return rc;
}

static char *slurp(int dir, const char *name)
{
	bo_auto_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t cap = 0;
	FILE *in = fd >= 0 ? fdopen(dup(fd), "r") : NULL;

	if (!in)
		return NULL;
	if (getdelim(&text, &cap, '\0', in) < 0) {
		free(text);
		text = NULL;
	}
	fclose(in);
	return text;
}

static void put(int dir, const char *name, const char *text)
{
	struct bo_err err = { 0 };

	assert_int_equal(bo_report_put_file(dir, name, text, strlen(text), &err), 0);
}

/* Names ending in .tmp, below the folder itself. */
static int count_temps(int dir)
{
	DIR *d = fdopendir(openat(dir, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC));
	int n = 0;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += strstr(e->d_name, ".tmp") != NULL;
	closedir(d);
	return n;
}

static void test_replaces_whole(void **state)
{
	struct fixture *f = *state;
	struct bo_err err = { 0 };

	put(f->dir, "a.txt", "old and longer");
	put(f->dir, "a.txt", "new");

	bo_auto_free char *text = slurp(f->dir, "a.txt");

	assert_string_equal(text, "new");
	assert_int_equal(mkdirat(f->dir, "taken", 0755), 0);
	assert_int_equal(bo_report_put_file(f->dir, "taken", "x", 1, &err), -EISDIR);
	assert_non_null(strstr(err.msg, "cannot write taken: "));
	assert_int_equal(bo_report_put_file(f->dir, "none/x", "x", 1, &err), -ENOENT);
	assert_int_equal(count_temps(f->dir), 0);
}

static void test_write_and_render_again(void **state)
{
	static const char *const only[] = { "junit", NULL }, *const unknown[] = { "pdf", NULL };
	static const char *const by_run[] = { "hlog", NULL };
	static const char *const files[] = { "run.json",
					     "plan.json",
					     "scenario.lua",
					     "faults.json",
					     "junit.xml",
					     "report.html",
					     "summary.md",
					     "series/latency.csv",
					     "series/orders.goroutines.csv",
					     "series/client.load.connections.checkout.csv" };
	struct fixture *f = *state;
	struct report_run rr = report_run_new(SAMPLE_FAIL, false);
	struct bo_err err = { 0 };

	assert_int_equal(bo_report_write_all(rr.run, f->dir, &err), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		bo_auto_free char *text = slurp(f->dir, files[i]);

		assert_non_null(text);
	}

	bo_auto_free char *scenario = slurp(f->dir, "scenario.lua"),
			  *junit = slurp(f->dir, "junit.xml");

	assert_string_equal(scenario, rr.plan->scenario_text);
	put(f->dir, "junit.xml", "stale");
	put(f->dir, "summary.md", "stale");
	assert_int_equal(bo_report_render(f->dir, only, &err), 0);

	bo_auto_free char *junit2 = slurp(f->dir, "junit.xml"),
			  *stale = slurp(f->dir, "summary.md");

	assert_string_equal(junit2, junit);
	assert_string_equal(stale, "stale");
	assert_int_equal(bo_report_render(f->dir, NULL, &err), 0);

	bo_auto_free char *fresh = slurp(f->dir, "summary.md");

	assert_string_not_equal(fresh, "stale");
	assert_int_equal(bo_report_render(f->dir, unknown, &err), -EINVAL);
	assert_string_equal(
		err.msg,
		"unknown report 'pdf': expected one of junit, html, summary, faults, series");

	/* what run.json does not hold stays as the run wrote it */
	bo_auto_free char *hlog = slurp(f->dir, "latency.hlog");

	assert_int_equal(strncmp(hlog, "#[", 2), 0);
	assert_int_equal(bo_report_render(f->dir, by_run, &err), -EINVAL);
	assert_string_equal(
		err.msg,
		"report 'hlog': latency.hlog is written by the run itself; run.json does not hold what is in it");
	report_run_free(&rr);
}

static void test_refuses_other_json(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{ "", "run.json:1:0: " },
		{ "{\"schema\": \"brownout/run/1\"", "run.json:1:" },
		{ "[]", "schema is \"\", expected \"brownout/run/1\"" },
		{ "{\"schema\": \"brownout/run/2\"}", "schema is \"brownout/run/2\"" },
		{ "{\"schema\": \"brownout/run/1\", \"schema\": \"brownout/run/1\"}", "duplicate" },
	};
	struct fixture *f = *state;
	struct bo_err err = { 0 };
	json_t *doc = NULL;

	assert_int_equal(bo_report_load(&doc, f->dir, &err), -ENOENT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put(f->dir, "run.json", cases[i].text);
		assert_int_equal(bo_report_load(&doc, f->dir, &err), -EINVAL);
		assert_null(doc);
		assert_non_null(strstr(err.msg, cases[i].says));
	}
	assert_int_equal(unlinkat(f->dir, "run.json", 0), 0);
	assert_int_equal(mkfifoat(f->dir, "run.json", 0600), 0);
	assert_int_equal(bo_report_load(&doc, f->dir, &err), -EINVAL);
}

/* Every member of a run, and of what it holds, is replaced by something of another type: rendering
 * goes on. */
static void test_renders_mangled(void **state)
{
	static const char *const wrong[] = { "null",
					     "17",
					     "\"text\"",
					     "[]",
					     "{}",
					     "[1, \"x\", null, [], {}]",
					     "{\"a\": [null], \"name\": 3, \"t_s\": {}}" };
	struct fixture *f = *state;
	struct report_run rr = report_run_new(SAMPLE_FAIL, false);
	struct bo_err err = { 0 };
	json_t *whole = NULL;
	const char *key;
	json_t *value;

	assert_int_equal(bo_report_json(&whole, rr.run, &err), 0);
	json_object_foreach(whole, key, value) {
		if (!strcmp(key, "schema"))
			continue;
		for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
			json_t *run = json_copy(whole),
			       *bad = json_loads(wrong[i], JSON_DECODE_ANY, NULL);
			bo_auto_free char *text = NULL;

			assert_non_null(bad);
			json_object_set_new(run, key, bad);
			text = json_dumps(run, JSON_COMPACT);
			put(f->dir, "run.json", text);
			assert_int_equal(bo_report_render(f->dir, NULL, &err), 0);
			json_decref(run);
		}
	}
	put(f->dir, "run.json", "{\"schema\": \"brownout/run/1\"}");
	assert_int_equal(bo_report_render(f->dir, NULL, &err), 0);
	json_decref(whole);
	report_run_free(&rr);
}

/* Names that cannot be replaced: the first failure is told, the rest is written. */
static void test_first_failure_wins(void **state)
{
	struct fixture *f = *state;
	struct report_run rr = report_run_new(SAMPLE_PASS, false);
	struct bo_err err = { 0 };

	assert_int_equal(mkdirat(f->dir, "plan.json", 0755), 0);
	assert_int_equal(mkdirat(f->dir, "summary.md", 0755), 0);
	assert_int_equal(bo_report_write_all(rr.run, f->dir, &err), -EISDIR);
	assert_string_equal(err.msg, "cannot write plan.json: Is a directory");

	bo_auto_free char *junit = slurp(f->dir, "junit.xml");
	bo_auto_free char *latency = slurp(f->dir, "series/latency.csv");

	assert_non_null(junit);
	assert_non_null(latency);
	assert_int_equal(count_temps(f->dir), 0);
	report_run_free(&rr);
}

/* A red budget and a run that says nothing for certain: both show, and equal budgets stay apart. */
static void test_junit_run_case(void **state)
{
	static const char *const only[] = { "junit", NULL };
	struct fixture *f = *state;
	struct report_run rr = report_run_new(SAMPLE_FAIL, false);
	struct bo_err err = { 0 };

	rr.run->verdict.budgets.items[3].text = rr.run->verdict.budgets.items[2].text;
	assert_true(bo_vec_push(&rr.run->verdict.reasons, "load generator late"));
	assert_int_equal(bo_report_write_all(rr.run, f->dir, &err), 0);

	bo_auto_free char *junit = slurp(f->dir, "junit.xml");

	assert_non_null(strstr(junit, " tests=\"7\" failures=\"3\" errors=\"1\""));
	assert_non_null(strstr(junit, "\n- load generator late</error>"));
	assert_non_null(strstr(junit, "name=\"goroutines.delta &lt;= 5 at hold [2]\""));

	rr.run->failure = "orders ended by itself";
	assert_int_equal(bo_report_write_all(rr.run, f->dir, &err), 0);
	assert_int_equal(bo_report_render(f->dir, only, &err), 0);

	bo_auto_free char *failed = slurp(f->dir, "junit.xml");

	assert_non_null(strstr(failed, " tests=\"7\" failures=\"4\" errors=\"0\""));
	report_run_free(&rr);
}

/* What requests of each route came to, and why some of them failed. */
static void test_routes_and_reasons(void **state)
{
	static const struct bo_route_spec routes[] = {
		{ .name = "list", .weight = 3, .method = "GET", .path = "/orders?page=<1>" },
		{ .name = "pay", .weight = 1, .method = "POST", .path = "/pay|ments" },
	};
	struct fixture *f = *state;
	struct report_run rr = report_run_new(SAMPLE_FAIL, false);
	struct bo_load_record *rec = &rr.run->loads.items[0];
	struct bo_err err = { 0 };

	rr.plan->loads.items[0].routes = routes;
	rr.plan->loads.items[0].nroutes = 2;
	bo_vec_foreach(req, &rr.run->requests)
		req->route = req->cls == BO_REQ_HTTP_5XX ? 1 : 0;
	rec->reasons[0] = (struct bo_load_reason){ BO_REQ_TLS, "certificate has expired", 7 };
	rec->reasons[1] = (struct bo_load_reason){ BO_REQ_HTTP_5XX, "no | <such> pool", 398 };
	rec->reasons[2] = (struct bo_load_reason){ BO_REQ_HTTP_5XX, "rare", 2 };
	rec->nreasons = 3;
	assert_int_equal(bo_report_write_all(rr.run, f->dir, &err), 0);

	bo_auto_free char *html = slurp(f->dir, "report.html"),
			  *summary = slurp(f->dir, "summary.md");

	assert_non_null(strstr(html, "<td class=\"name\">checkout</td><td class=\"name\">pay</td>"
				     "<td>POST /pay|ments</td><td class=\"n\">1</td>"
				     "<td class=\"n\">400</td><td class=\"n\">100%</td>"));
	assert_non_null(strstr(html, "<td>GET /orders?page=&lt;1&gt;</td><td class=\"n\">3</td>"
				     "<td class=\"n\">3600</td><td class=\"n\">0.44%</td>"));
	assert_non_null(strstr(html, "<td>http_5xx</td><td class=\"n\">398</td>"
				     "<td>no | &lt;such&gt; pool</td></tr>"));
	assert_non_null(strstr(html, "<td>tls</td><td class=\"n\">7</td>"));
	assert_non_null(strstr(summary,
			       "Errors: 416 of 4000 requests (10.4%): most http&#95;5xx (400), "
			       "no &#124; &#60;such> pool\n"));
	assert_non_null(strstr(summary, "| Load | Route | Requests | Errors | p50 | p99 |\n"
					"|-|-|-:|-:|-:|-:|\n| checkout | list | 3600 | 0.44% |"));
	assert_non_null(strstr(summary, "\n| checkout | pay | 400 | 100% |"));
	assert_non_null(strstr(summary, "| Load | Error | Requests | Why |\n|-|-|-:|-|\n"
					"| checkout | tls | 7 | certificate has expired |\n"
					"| checkout | http&#95;5xx | 398 | "));
	report_run_free(&rr);

	/* Nothing is said of what is not there. */
	rr = report_run_new(SAMPLE_FAIL, false);
	bo_vec_foreach(req, &rr.run->requests)
		req->cls = req->cls == BO_REQ_INFLIGHT ? BO_REQ_INFLIGHT : BO_REQ_OK;
	assert_int_equal(bo_report_write_all(rr.run, f->dir, &err), 0);

	bo_auto_free char *page = slurp(f->dir, "report.html"),
			  *brief = slurp(f->dir, "summary.md");

	assert_null(strstr(page, "class=\"routes\""));
	assert_null(strstr(page, "class=\"errors\""));
	assert_null(strstr(brief, "Errors:"));
	assert_null(strstr(brief, "| Route |"));
	assert_null(strstr(brief, "| Why |"));
	report_run_free(&rr);
}

/* A budget that only warns shows, and neither fails nor counts. */
static void test_warnings(void **state)
{
	struct fixture *f = *state;
	struct report_run rr = report_run_new(SAMPLE_FAIL, false);
	struct bo_err err = { 0 };

	bo_vec_foreach(b, &rr.run->verdict.budgets)
		b->warn = b->outcome != BO_PASS;
	rr.run->verdict.outcome = BO_PASS;
	assert_int_equal(bo_report_write_all(rr.run, f->dir, &err), 0);

	bo_auto_free char *json = slurp(f->dir, "run.json"), *junit = slurp(f->dir, "junit.xml"),
			  *html = slurp(f->dir, "report.html"),
			  *summary = slurp(f->dir, "summary.md");

	assert_non_null(strstr(json, "\"warn\":true"));
	assert_non_null(strstr(json, "All 3 budgets held under 3 confirmed faults; 3 warnings."));
	assert_non_null(strstr(junit, " tests=\"7\" failures=\"0\" errors=\"0\""));
	assert_null(strstr(junit, "<failure"));
	assert_non_null(strstr(junit, "<system-out>WARNING: measured "));
	assert_non_null(strstr(html, "<span class=\"badge unsure\"><span aria-hidden=\"true\">!"
				     "</span> WARNING</span>"));
	assert_non_null(strstr(summary, "| ! WARNING |"));
	report_run_free(&rr);
}

enum { DISK_OK = 0, DISK_BAD = 1, DISK_SKIP = 77 };

/* In a mount namespace of its own, so that nothing stays mounted whatever happens here. */
static int on_full_disk(const char *path)
{
	struct report_run rr = report_run_new(SAMPLE_FAIL, false);
	struct bo_err err = { 0 };
	bool user_ns = geteuid() != 0;

	if (unshare(CLONE_NEWNS | (user_ns ? CLONE_NEWUSER : 0)))
		return DISK_SKIP;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", path, "tmpfs", 0, "size=96k,mode=0777"))
		return DISK_SKIP;

	bo_auto_fd int dir = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	put(dir, "report.html", "the report of before");
	/* run.json (32 kB) fits, report.html (200 kB) does not; what comes after is written all the
	 * same. */
	int rc = bo_report_write_all(rr.run, dir, &err);
	bo_auto_free char *html = slurp(dir, "report.html"), *summary = slurp(dir, "summary.md");
	bool good = rc == -ENOSPC &&
		    !strcmp(err.msg, "cannot write report.html: No space left on device") && html &&
		    !strcmp(html, "the report of before") && summary && count_temps(dir) == 0;

	if (!good)
		fprintf(stderr, "rc %d, \"%s\", html %.20s, summary %p\n", rc, err.msg, html,
			(void *)summary);
	report_run_free(&rr);
	return good ? DISK_OK : DISK_BAD;
}

static void test_full_disk(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(on_full_disk(f->path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == DISK_SKIP) {
		print_message("no mount namespace here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), DISK_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replaces_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_and_render_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_other_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renders_mangled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_failure_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_junit_run_case, setup, teardown),
		cmocka_unit_test_setup_teardown(test_routes_and_reasons, setup, teardown),
		cmocka_unit_test_setup_teardown(test_warnings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
