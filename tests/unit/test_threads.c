/* Teams of threads: every piece done once, barriers hold, regions repeat, sleepers wake. */
#include "engine/threads.h"
#include "support/check.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define PIECES 1000
#define STAGES 9

struct job {
    struct threads *team;
    atomic_int done[STAGES][PIECES];
    atomic_int finished[STAGES];
    atomic_int too_early, too_long, owned;
    int64_t least, most;
};

static void stages(void *user, int thread) {
    struct job *job = user;
    for (int s = 0; s < STAGES; s++) {
        int64_t first, last;
        for (int i = 0; i < PIECES; i++) atomic_fetch_add(&job->owned, threads_own(job->team, thread, PIECES, i));
        while (threads_next_half(job->team, thread, PIECES, job->least, job->most, &first, &last)) {
            /* All pieces of the stage before must be done. */
            if (s > 0 && atomic_load(&job->finished[s - 1]) != PIECES) {
                atomic_fetch_add(&job->too_early, 1);
            }
            if (last - first > job->most) atomic_fetch_add(&job->too_long, 1);
            for (int64_t i = first; i < last; i++) {
                atomic_fetch_add(&job->done[s][i], 1);
                atomic_fetch_add(&job->finished[s], 1);
            }
        }
        threads_barrier(job->team, thread);
    }
}

static void test_pieces(int n_threads, int n_active, int64_t least, int64_t most) {
    static struct job job;
    struct err err;
    struct threads *team = threads_new(n_threads, n_threads % 2 == 0, &err);
    CHECK(team != NULL);
    CHECK(threads_count(team) == n_threads);
    for (int repeat = 0; repeat < 20; repeat++) {
        memset(&job, 0, sizeof job);
        job.team = team;
        job.least = least;
        job.most = most;
        threads_run(team, n_active, stages, &job);
        int wrong = 0;
        for (int s = 0; s < STAGES; s++) {
            for (int i = 0; i < PIECES; i++) wrong += atomic_load(&job.done[s][i]) != 1;
        }
        CHECK(wrong == 0);
        CHECK(atomic_load(&job.too_early) == 0);
        CHECK(atomic_load(&job.too_long) == 0);
        CHECK(atomic_load(&job.owned) == STAGES * PIECES); /* each piece is in one share */
    }
    threads_free(team);
}

static void count_threads(void *user, int thread) {
    atomic_fetch_or((atomic_uint *)user, 1u << thread);
}

static void test_regions_after_sleep(void) {
    struct err err;
    struct threads *team = threads_new(3, false, &err);
    CHECK(team != NULL);
    for (int i = 0; i < 30; i++) {
        atomic_uint seen = 0;
        threads_run(team, 3, count_threads, &seen);
        CHECK(atomic_load(&seen) == 7);
        struct timespec pause = {.tv_nsec = i % 3 * 1000000};
        nanosleep(&pause, NULL); /* now and then long enough that the helpers fall asleep */
    }
    atomic_uint seen = 0;
    threads_run(team, 2, count_threads, &seen);
    CHECK(atomic_load(&seen) == 3);
    threads_free(team);
}

int main(void) {
    CHECK(threads_available() >= 1);
    for (int n = 1; n <= 5; n++) {
        test_pieces(n, n, 1, 1);
        test_pieces(n, n, 7, 7);
        test_pieces(n, n, 1, 64);
        test_pieces(n, n, 4, PIECES);
        if (n > 1) test_pieces(n, n - 1, PIECES + 1, PIECES + 1);
    }
    test_regions_after_sleep();
    threads_free(NULL);
    return check_done();
}
