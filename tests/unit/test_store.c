/* The store: what goes in comes out, and files that are not ours or not sound are left alone. */
#include "support/check.h"
#include "support/store_run.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"

#include <float.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/woolly-store-XXXXXX";

/* A fresh name in the folder each time. */
static const char *fresh(void) {
    static char path[128];
    static int n;
    snprintf(path, sizeof path, "%s/%d.db", folder, n++);
    return path;
}

static struct store *must_open(const char *path, bool read_only) {
    struct err err = {.message = ""};
    struct store *store = store_open(path, read_only, &err);
    check_report(store != NULL, __FILE__, __LINE__, path, err.message);
    if (store == NULL) exit(1);
    return store;
}

static void save(struct store *store, const char *id) {
    struct made_run made;
    struct err err = {.message = ""};
    bool ok = store_save(store, make_run(&made, id), &err);
    check_report(ok, __FILE__, __LINE__, id, err.message);
}

static void refuses(const char *url, bool read_only, enum err_code code, const char *part) {
    struct err err = {.message = ""};
    struct store *store = store_open(url, read_only, &err);
    check_report(store == NULL, __FILE__, __LINE__, url, "was opened");
    CHECK_INT(err.code, code);
    CHECK_CONTAINS(err.message, part);
    store_close(store);
}

static bool execute(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    bool ok = sqlite3_open(path, &db) == SQLITE_OK && sqlite3_exec(db, sql, 0, 0, 0) == SQLITE_OK;
    sqlite3_close(db);
    return ok;
}

/* ---- saving and reading ---- */

static void test_a_run_comes_back(void) {
    const char *path = fresh();
    struct store *store = must_open(path, false);
    CHECK_STR(store_path(store), path);
    struct made_run made;
    struct store_run *run = make_run(&made, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    static const double odd[] = {-0.0, 5e-324, DBL_MAX, 1.0 / 3, -1e-300};
    memcpy(made.values, odd, sizeof odd);
    struct err err;
    CHECK(store_save(store, run, &err));
    CHECK_INT(run_state(path, run->id), RUN_WHOLE);
    char *report = store_report(store, run->id, &err);
    CHECK(report != NULL);
    CHECK_STR(report, made.report);
    mem_free(report);
    store_close(store);
    CHECK_INT(query_int(path,
                        "SELECT count(*) FROM samples WHERE metric='ttft_ms' AND"
                        " value IN (5e-324, 1.7976931348623157e308, 1.0/3, -1e-300)",
                        ""),
              4);
    CHECK_INT(query_int(path, "SELECT seed FROM runs", ""), (int64_t)0xFEDCBA9876543210u);
    CHECK_INT(query_int(path, "SELECT count(*) FROM tags WHERE value LIKE '%DROP TABLE%'", ""), 1);
    CHECK_INT(query_int(path, "SELECT bound_value = 0.1 FROM verdicts WHERE bound='min'", ""), 1);
    CHECK_INT(query_int(path, "SELECT bound_value IS NULL FROM verdicts WHERE bound='max'", ""), 1);
    CHECK_INT(query_int(path, "SELECT started_ns FROM runs", ""), 1767323045678000000);
    CHECK_INT(query_int(path, "PRAGMA user_version", ""), store_schema_version());
}

static void test_saving_an_id_again_changes_nothing(void) {
    const char *path = fresh();
    struct store *store = must_open(path, false);
    save(store, "01B");
    struct made_run made;
    struct store_run *run = make_run(&made, "01B");
    run->report_json = "{}";
    run->n_sets = 0;
    struct err err;
    CHECK(store_save(store, run, &err));
    CHECK_INT(run_state(path, "01B"), RUN_WHOLE);
    CHECK_INT(query_int(path, "SELECT count(*) FROM runs WHERE report='{}'", ""), 0);
    store_close(store);
}

static void test_a_run_without_model_gate_and_tags(void) {
    const char *path = fresh();
    struct store *store = must_open(path, false);
    struct made_run made;
    struct store_run *run = make_run(&made, "01C");
    run->model_sha256 = run->model_name = run->model_json = run->preset = run->commit = NULL;
    run->switches_json = run->verdict = NULL;
    run->n_verdicts = run->n_tags = run->n_sets = 0;
    struct err err;
    CHECK(store_save(store, run, &err));
    CHECK_INT(query_int(path, "SELECT model IS NULL AND verdict IS NULL FROM runs", ""), 1);
    CHECK_INT(query_int(path, "SELECT count(*) FROM models", ""), 0);
    store_close(store);
}

/* Machine and model are kept once; later facts about them replace earlier ones. */
static void test_shared_rows(void) {
    const char *path = fresh();
    struct store *store = must_open(path, false);
    save(store, "01D1");
    struct made_run made;
    struct store_run *run = make_run(&made, "01D2");
    run->machine_json = "{\"a\":2}";
    struct err err;
    CHECK(store_save(store, run, &err));
    store_close(store);
    CHECK_INT(query_int(path, "SELECT count(*) FROM machines", ""), 1);
    CHECK_INT(query_int(path, "SELECT facts='{\"a\":2}' FROM machines", ""), 1);
    CHECK_INT(query_int(path, "SELECT count(*) FROM models", ""), 1);
    CHECK_INT(run_state(path, "01D1"), RUN_WHOLE);
    CHECK_INT(run_state(path, "01D2"), RUN_WHOLE);
}

static void test_a_run_that_breaks_a_rule_is_refused_whole(void) {
    const char *path = fresh();
    struct store *store = must_open(path, false);
    struct made_run made;
    struct store_run *run = make_run(&made, "01E");
    made.sets[1].metric = made.sets[0].metric;
    struct err err;
    CHECK(!store_save(store, run, &err));
    CHECK_INT(err.code, ERR_INPUT);
    CHECK_CONTAINS(err.message, "metrics.metric");
    CHECK_INT(run_state(path, "01E"), RUN_ABSENT);
    run = make_run(&made, "01E");
    made.values[3] = NAN;
    CHECK(!store_save(store, run, &err));
    CHECK_INT(run_state(path, "01E"), RUN_ABSENT);
    save(store, "01E"); /* the store goes on */
    CHECK_INT(run_state(path, "01E"), RUN_WHOLE);
    store_close(store);
    char spooled[200];
    snprintf(spooled, sizeof spooled, "%s.spool-01E", path);
    unlink(spooled);
}

/* ---- finding ---- */

static bool collect(void *user, const struct store_row *row) {
    strcat(user, row->id);
    strcat(user, " ");
    return true;
}

static bool collect_one(void *user, const struct store_row *row) {
    collect(user, row);
    return false;
}

static void lists(struct store *store, struct store_filter filter, const char *expected) {
    char ids[256] = "";
    struct err err;
    CHECK(store_list(store, &filter, collect, ids, &err));
    CHECK_STR(ids, expected);
}

static void test_lists_are_newest_first_and_filtered(void) {
    struct store *store = must_open(fresh(), false);
    struct made_run made;
    struct err err;
    lists(store, (struct store_filter){0}, "");
    struct store_run *run = make_run(&made, "ZZ1"); /* ids do not decide the order, saving does */
    CHECK(store_save(store, run, &err));
    run = make_run(&made, "AA2");
    run->scenario = "baseline";
    run->preset = NULL;
    run->model_sha256 = NULL;
    CHECK(store_save(store, run, &err));
    run = make_run(&made, "MM3");
    run->machine_fingerprint = "ffff";
    run->target = "null";
    run->started_wall_ns = 5; /* a clock that went back */
    CHECK(store_save(store, run, &err));
    lists(store, (struct store_filter){0}, "MM3 AA2 ZZ1 ");
    lists(store, (struct store_filter){.limit = 2}, "MM3 AA2 ");
    lists(store, (struct store_filter){.scenario = "quick"}, "MM3 ZZ1 ");
    lists(store, (struct store_filter){.preset = "p1"}, "MM3 ZZ1 ");
    lists(store, (struct store_filter){.machine = "ffff"}, "MM3 ");
    lists(store, (struct store_filter){.target = "native", .model = "abc0"}, "ZZ1 ");
    lists(store, (struct store_filter){.scenario = "qu%"}, "");
    char first[64] = "";
    CHECK(store_list(store, &(struct store_filter){0}, collect_one, first, &err));
    CHECK_STR(first, "MM3 ");
    store_close(store);
}

/* ---- history ---- */

struct told {
    char text[512];
    int stop_after; /* calls; 0: never */
};

static bool tell_run(void *user, const struct store_row *row) {
    struct told *told = user;
    strcat(told->text, row->id);
    strcat(told->text, row->params != NULL ? row->params : "");
    strcat(told->text, ": ");
    return told->stop_after == 0 || --told->stop_after > 0;
}

static bool tell_value(void *user, const char *metric, double median, int64_t n) {
    struct told *told = user;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof told->text - used, "%.3s=%g/%d ", metric, median, (int)n);
    return told->stop_after == 0 || --told->stop_after > 0;
}

static void tells(struct store *store, struct store_filter filter, const char *metric,
                  int stop_after, const char *expected) {
    struct told told = {.stop_after = stop_after};
    struct store_history visit = {.user = &told, .run = tell_run, .value = tell_value};
    struct err err = {.message = ""};
    CHECK(store_history(store, &filter, metric, &visit, &err));
    CHECK_STR(told.text, expected);
}

static void test_history_is_oldest_first_with_medians(void) {
    struct store *store = must_open(fresh(), false);
    struct made_run made;
    struct err err;
    tells(store, (struct store_filter){0}, NULL, 0, "");
    CHECK(store_save(store, make_run(&made, "ZZ1"), &err));
    struct store_run *run = make_run(&made, "AA2");
    made.sets[0].n = 2;
    made.sets[1].n = 0;
    made.tags[1] = (struct store_tag){.key = STORE_PARAMS_TAG, .value = "{}"};
    run->started_wall_ns = 5; /* a clock that went back */
    CHECK(store_save(store, run, &err));
    run = make_run(&made, "MM3");
    run->status = "partial";
    CHECK(store_save(store, run, &err));
    tells(store, (struct store_filter){0}, NULL, 0,
          "ZZ1: tok=41.2/25 ttf=41.2/25 AA2{}: tok=40.05/2 ");
    tells(store, (struct store_filter){.limit = 1}, NULL, 0, "AA2{}: tok=40.05/2 ");
    tells(store, (struct store_filter){0}, "ttft_ms", 0, "ZZ1: ttf=41.2/25 AA2{}: ");
    tells(store, (struct store_filter){.scenario = "absent"}, NULL, 0, "");
    tells(store, (struct store_filter){0}, NULL, 1, "ZZ1: ");
    tells(store, (struct store_filter){0}, NULL, 2, "ZZ1: tok=41.2/25 ");
    store_close(store);
}

static void finds(struct store *store, const char *which, const char *expected) {
    struct err err = {.message = ""};
    char *report = store_report(store, which, &err);
    check_report(report != NULL, __FILE__, __LINE__, which, err.message);
    if (report != NULL) CHECK_CONTAINS(report, expected);
    mem_free(report);
}

static void finds_none(struct store *store, const char *which, const char *part) {
    struct err err = {.message = ""};
    char *report = store_report(store, which, &err);
    check_report(report == NULL, __FILE__, __LINE__, which, "was found");
    CHECK_INT(err.code, ERR_INPUT);
    CHECK_CONTAINS(err.message, part);
    mem_free(report);
}

static void test_a_run_is_found_by_id_prefix_pin_and_last(void) {
    struct store *store = must_open(fresh(), false);
    finds_none(store, "last", "holds no run yet");
    finds_none(store, "01AB", "there is none");
    save(store, "01ABCDEFGH");
    save(store, "01ABCDXXXX");
    save(store, "01ZZZZZZZZ");
    finds(store, "last", "01ZZZZZZZZ");
    finds(store, "01ABCDEFGH", "01ABCDEFGH");
    finds(store, "01ABCDX", "01ABCDXXXX");
    finds(store, "01abcdx", "01ABCDXXXX");
    finds(store, "01ZZ", "01ZZZZZZZZ");
    finds_none(store, "01ABCD", "more than one begins so");
    finds_none(store, "01Z", "there is none"); /* three letters are too few */
    finds_none(store, "", "there is none");
    finds_none(store, "%%%%", "there is none");
    finds_none(store, "____", "there is none");
    finds_none(store, "01ABCDEFGHJ", "there is none");
    finds_none(store, "nothing", "runs.lua lists them");
    struct err err;
    CHECK(store_pin(store, "release-1", "01ABCDE", &err));
    finds(store, "release-1", "01ABCDEFGH");
    CHECK(store_pin(store, "release-1", "last", &err)); /* replaces */
    finds(store, "release-1", "01ZZZZZZZZ");
    CHECK(store_pin(store, "old", "release-1", &err)); /* a pin of a pin */
    finds(store, "old", "01ZZZZZZZZ");
    finds_none(store, "Release-1", "there is none");
    CHECK(!store_pin(store, "last", "01ABCDE", &err));
    CHECK_INT(err.code, ERR_INPUT);
    CHECK(!store_pin(store, "", "01ABCDE", &err));
    CHECK(!store_pin(store, "new", "absent", &err));
    CHECK_INT(err.code, ERR_INPUT);
    store_close(store);
}

static void test_tags_replace(void) {
    const char *path = fresh();
    struct store *store = must_open(path, false);
    save(store, "01TAGS");
    struct err err;
    CHECK(store_tag_run(store, "last", "branch", "next", &err));
    CHECK(store_tag_run(store, "01TAG", "new", "", &err));
    CHECK(!store_tag_run(store, "absent", "new", "1", &err));
    CHECK_INT(err.code, ERR_INPUT);
    store_close(store);
    CHECK_INT(query_int(path, "SELECT count(*) FROM tags", ""), 3);
    CHECK_INT(query_int(path, "SELECT count(*) FROM tags WHERE key='branch' AND value='next'", ""),
              1);
}

static void test_ids_sort_and_never_repeat(void) {
    char last[27] = "", id[27];
    for (int i = 0; i < 100000; i++) {
        store_new_id(id);
        if (strlen(id) != 26 || strcmp(last, id) >= 0) {
            check_report(0, __FILE__, __LINE__, id, last);
            break;
        }
        if (strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != 26) CHECK_STR(id, "a ULID");
        memcpy(last, id, sizeof last);
    }
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    int64_t ms = 0;
    for (int i = 0; i < 10; i++)
        ms = ms * 32 + (strchr(digits, id[i]) - digits);
    int64_t now = clock_wall_ns() / 1000000;
    CHECK(ms <= now && now - ms < 60000);
}

/* ---- files that are not ours, not sound, or not writable ---- */

/* Neither kind of opening may change a byte or leave a journal. Only what is read tells a reader
 * of damage, so that the rest can still be had; a writer is told at once. */
static void stays_as_it_is(const char *path, bool readable, const char *part) {
    struct err err;
    size_t before_size = 0, after_size = 0;
    char *before = path_read_file(path, 64u << 20, &before_size, &err);
    refuses(path, false, ERR_INPUT, part);
    struct store *store = readable ? store_open(path, true, &err) : NULL;
    if (store == NULL) refuses(path, true, ERR_INPUT, part);
    store_close(store);
    char *after = path_read_file(path, 64u << 20, &after_size, &err);
    CHECK(before != NULL && after != NULL && before_size == after_size);
    CHECK(memcmp(before, after, before_size) == 0);
    char journal[160];
    snprintf(journal, sizeof journal, "%s-journal", path);
    CHECK(!path_exists(journal));
    mem_free(before);
    mem_free(after);
}

static void test_newer_schema(void) {
    const char *path = fresh();
    struct store *store = must_open(path, false);
    save(store, "01NEW");
    store_close(store);
    CHECK(execute(path, "PRAGMA user_version=2"));
    stays_as_it_is(path, false, "schema version 2, this build reads up to 1");
    CHECK(execute(path, "PRAGMA user_version=1"));
    store_close(must_open(path, false));
}

static void test_files_of_others(void) {
    const char *path = fresh();
    CHECK(execute(path, "CREATE TABLE a(b); INSERT INTO a VALUES(1)"));
    stays_as_it_is(path, false, "of another program");
    CHECK(execute(path, "PRAGMA application_id=1464617049; PRAGMA user_version=1"));
    struct err err;
    struct store *store = store_open(path, true, &err); /* says it is ours, but no table is there */
    CHECK(store == NULL || store_report(store, "last", &err) == NULL);
    CHECK_INT(err.code, ERR_INPUT);
    store_close(store);
    path = fresh();
    CHECK(path_write_file(path, "{\"not\": \"a database\"}\n", 22, &err));
    stays_as_it_is(path, false, "no SQLite file");
    char noise[8192];
    memset(noise, 0xA5, sizeof noise);
    CHECK(path_write_file(path, noise, sizeof noise, &err));
    stays_as_it_is(path, false, "no SQLite file");
}

static void test_damage(void) {
    const char *path = fresh();
    struct store *store = must_open(path, false);
    for (int i = 0; i < 20; i++) {
        char id[27];
        store_new_id(id);
        save(store, id);
    }
    store_close(store);
    struct err err;
    size_t size = 0;
    char *bytes = path_read_file(path, 64u << 20, &size, &err);
    CHECK(bytes != NULL && size > 16 * 4096);
    for (size_t cut = 1; cut < size; cut += cut < 4096 ? 517 : 4096) {
        CHECK(path_write_file(path, bytes, cut, &err));
        stays_as_it_is(path, true, "damaged or no SQLite file");
    }
    for (size_t page = 1; page < size / 4096; page++) {
        char *copy = malloc(size);
        memcpy(copy, bytes, size);
        memset(copy + page * 4096, 0xAA, 4096);
        CHECK(path_write_file(path, copy, size, &err));
        stays_as_it_is(path, true, "damaged or no SQLite file");
        free(copy);
    }
    mem_free(bytes);
}

static void test_empty_and_absent_files(void) {
    const char *path = fresh();
    refuses(path, true, ERR_INPUT, "no such file");
    CHECK(!path_exists(path));
    struct err err;
    CHECK(path_write_file(path, "", 0, &err));
    refuses(path, true, ERR_INPUT, "is empty");
    struct store *store = must_open(path, false);
    save(store, "01EMPTY");
    store_close(store);
    CHECK_INT(run_state(path, "01EMPTY"), RUN_WHOLE);
    store = must_open(path, true);
    struct made_run made;
    CHECK(!store_save(store, make_run(&made, "01RO"), &err)); /* opened to read */
    CHECK_INT(err.code, ERR_ENVIRONMENT);
    CHECK_CONTAINS(err.message, "The run is kept as");
    store_close(store);
    CHECK_INT(run_state(path, "01RO"), RUN_ABSENT);
    char spooled[200];
    snprintf(spooled, sizeof spooled, "%s.spool-01RO", path);
    CHECK_INT(unlink(spooled), 0);
}

static void test_names_that_are_no_files(void) {
    char path[400], longest[300];
    refuses("", false, ERR_INPUT, "no file name");
    refuses("sqlite:", false, ERR_INPUT, "no file name");
    refuses("postgres://host/db", false, ERR_INPUT, "allowed are PATH");
    refuses(":memory:", false, ERR_INPUT, "no file name");
    refuses("file:a.db?mode=memory", false, ERR_INPUT, "no file name");
    refuses(folder, false, ERR_INPUT, "no regular file");
    refuses("/dev/null", false, ERR_INPUT, "no regular file");
    snprintf(path, sizeof path, "%s/absent/a.db", folder);
    refuses(path, false, ERR_ENVIRONMENT, "absent/a.db");
    snprintf(path, sizeof path, "%s/fifo", folder);
    CHECK_INT(mkfifo(path, 0600), 0);
    refuses(path, false, ERR_INPUT, "no regular file"); /* and does not wait */
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    refuses(longest, false, ERR_ENVIRONMENT, "too long");
    snprintf(path, sizeof path, "sqlite:%s", fresh());
    struct store *store = must_open(path, false);
    CHECK_STR(store_path(store), path + 7);
    store_close(store);
}

/* Root may write everywhere, so this runs as nobody, in a child. */
static void as_nobody(const char *path) {
    if (geteuid() == 0 && setuid(65534) != 0) _exit(77);
    char absent[160];
    snprintf(absent, sizeof absent, "%s.new", path);
    refuses(absent, false, ERR_ENVIRONMENT, "--store none");
    refuses(path, false, ERR_ENVIRONMENT, "Make the folder writable");
    struct store *store = must_open(path, true);
    finds(store, "last", "01PERM");
    store_close(store);
    fflush(stderr);
    _exit(check_failures == 0 ? 0 : 1);
}

static void test_no_permission_is_told_at_opening(void) {
    const char *path = fresh();
    struct store *store = must_open(path, false);
    save(store, "01PERM");
    store_close(store);
    CHECK_INT(chmod(path, 0444), 0);
    CHECK_INT(chmod(folder, 0555), 0);
    pid_t child = fork();
    if (child == 0) as_nobody(path);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK_INT(chmod(folder, 0700), 0);
    CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
}

/* ---- memory ---- */

static void test_every_failing_allocation(void) {
    const char *path = "/dev/shm/woolly-store-memory.db"; /* thousands of commits: no disk */
    if (access("/dev/shm", W_OK) != 0) path = fresh();
    unlink(path);
    store_close(must_open(path, false));
    int64_t before = mem_live_bytes();
    uint64_t n = 1;
    bool done = false;
    for (; !done && n < 20000; n += 1 + n / 40) { /* dense where opening fails, then every 40th */
        struct err err;
        struct made_run made;
        char id[27], *report = NULL;
        store_new_id(id);
        bool saved = false;
        mem_fail_at(n, n % 2 == 0);
        struct store *store = store_open(path, false, &err);
        if (store != NULL) saved = store_save(store, make_run(&made, id), &err);
        if (saved) report = store_report(store, id, &err);
        done = report != NULL;
        mem_fail_at(0, 0);
        if (!done) CHECK_INT(err.code, ERR_ENVIRONMENT);
        mem_free(report);
        store_close(store);
        CHECK_INT(run_state(path, id), saved ? RUN_WHOLE : RUN_ABSENT);
        char spooled[200];
        snprintf(spooled, sizeof spooled, "%s.spool-%s", path, id);
        unlink(spooled);
        CHECK(mem_live_bytes() <= before + 4096); /* SQLite keeps a little for good */
    }
    CHECK(done && n > 100);
    unlink(path);
}

static bool tell_tag(void *user, const struct store_tagged *tag) {
    struct told *told = user;
    strcat(told->text, tag->key);
    return true;
}

static void test_reading_with_every_failing_allocation(void) {
    struct store *store = must_open(fresh(), false);
    save(store, "01FIRST");
    save(store, "01SECOND");
    const char *whole = "01FIRST: tok=41.2/25 ttf=41.2/25 01SECOND: tok=41.2/25 ttf=41.2/25 "
                        "branchbranch";
    bool done = false;
    int64_t before = 0;
    for (uint64_t n = 1; !done && n < 5000; n++) {
        struct told told = {.stop_after = 0};
        struct store_history visit = {.user = &told, .run = tell_run, .value = tell_value};
        struct err err = {.message = ""};
        if (n == 2) before = mem_live_bytes();
        mem_fail_at(n, n % 2 == 0);
        bool ok = store_history(store, &(struct store_filter){0}, NULL, &visit, &err) &&
                  store_tags(store, "branch", tell_tag, &told, &err);
        mem_fail_at(0, 0);
        done = ok && n >= 10; /* SQLite needs little of what it has in its cache already */
        if (!ok) CHECK_INT(err.code, ERR_ENVIRONMENT);
        if (ok) CHECK_STR(told.text, whole); /* never a part of it for the whole */
        if (n > 2) CHECK(mem_live_bytes() <= before + 65536);
    }
    CHECK(done);
    store_close(store);
}

int main(void) {
    if (mkdtemp(folder) == NULL) check_skip("no folder can be made in /tmp");
    test_a_run_comes_back();
    test_saving_an_id_again_changes_nothing();
    test_a_run_without_model_gate_and_tags();
    test_shared_rows();
    test_a_run_that_breaks_a_rule_is_refused_whole();
    test_lists_are_newest_first_and_filtered();
    test_history_is_oldest_first_with_medians();
    test_a_run_is_found_by_id_prefix_pin_and_last();
    test_tags_replace();
    test_ids_sort_and_never_repeat();
    test_newer_schema();
    test_files_of_others();
    test_damage();
    test_empty_and_absent_files();
    test_names_that_are_no_files();
    test_no_permission_is_told_at_opening();
    test_every_failing_allocation();
    test_reading_with_every_failing_allocation();
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
    return check_done();
}
