/* load.c - the loop: begin what is due, wait for bytes, end what has ended. */
#include "net/load.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "net/arrivals.h"
#include "net/poller.h"
#include "net/saturation.h"
#include "net/transfer.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S 1e9
#define TICK_NS 20000000      /* how late a deadline or Ctrl-C may be noticed */
#define USERS_APART_NS 200000 /* users do not all begin at once: a burst would measure itself */
#define PAUSE_NS 100000000    /* a user whose request failed waits before the next one */
#define HOPELESS 200          /* so many failures without one success, and 4 for each user */

/* One place for a request: a user of the closed loop, or one of max_in_flight. */
struct slot {
    struct transfer transfer;
    int64_t ready_ns; /* closed loop: when its user wants the next one */
    bool is_busy;
};

struct driver {
    struct load *load;
    const struct load_options *options;
    struct poller poller;
    struct slot *slots;
    int32_t *idle; /* a stack of them */
    int64_t n_slots, n_idle, n_busy;
    struct arrivals arrivals;
    int64_t next_ns;  /* open loop: when the next one is due */
    int64_t issued;   /* sent or dropped */
    int64_t until_ns; /* no request begins later */
    struct saturation saturation;
    bool is_over, is_out_of_memory;
    int64_t succeeded;
};

struct load_options load_options_default(void) {
    return (struct load_options){.users = 1,
                                 .rate = 1,
                                 .drain_s = 600,
                                 .max_in_flight = 1024,
                                 .seed = 1,
                                 .limits = net_limits_default()};
}

void load_free(struct load *load) {
    mem_free(load->records);
    mem_free(load->times);
    mem_free(load->text);
    *load = (struct load){.records = NULL};
}

/* ---- keeping ---- */

static bool reserve(void **block, size_t *capacity, size_t needed, size_t size) {
    if (needed <= *capacity) return true;
    size_t wanted = *capacity > 0 ? *capacity : 1024;
    while (wanted < needed)
        wanted *= 2;
    void *moved = mem_realloc(*block, wanted * size);
    if (moved == NULL) return false;
    *block = moved;
    *capacity = wanted;
    return true;
}

static bool keep_arrays(struct load *load, struct transfer *t) {
    struct net_record *record = &t->record;
    size_t n = (size_t)record->n_pieces;
    void *records = load->records, *times = load->times, *text = load->text;
    bool ok = reserve(&records, &load->records_capacity, load->n_records + 1, sizeof *record);
    load->records = records;
    ok = ok && reserve(&times, &load->times_capacity, load->n_times + n, sizeof *load->times);
    load->times = times;
    ok = ok && reserve(&text, &load->text_capacity, load->n_text + t->text.size, 1);
    load->text = text;
    if (!ok) return false;
    if (n > 0) memcpy(load->times + load->n_times, t->times, n * sizeof *load->times);
    if (t->text.size > 0) memcpy(load->text + load->n_text, t->text.bytes, t->text.size);
    record->times_at = load->n_times;
    record->text_at = load->n_text;
    load->records[load->n_records++] = *record;
    load->n_times += n;
    load->n_text += t->text.size;
    return true;
}

static void keep(struct driver *d, struct transfer *t) {
    struct load *load = d->load;
    const struct net_record *record = &t->record;
    char *example = load->examples[record->failure];
    if (example[0] == '\0') snprintf(example, sizeof load->examples[0], "%.190s", t->message);
    load->by_failure[record->failure]++;
    if (!keep_arrays(load, t)) d->is_out_of_memory = true;
    if (record->failure != NET_OK) return;
    d->succeeded++;
    saturation_ttft(&d->saturation, (double)(record->plan_ns - load->start_ns) / NS_PER_S,
                    (double)(record->first_ns - record->plan_ns) / NS_PER_S);
}

/* ---- beginning and ending one request ---- */

static void release(struct driver *d, struct slot *slot, int64_t now) {
    slot->is_busy = false;
    slot->ready_ns = slot->transfer.record.failure == NET_OK ? now : now + PAUSE_NS;
    d->idle[d->n_idle++] = (int32_t)(slot - d->slots);
    d->n_busy--;
}

static bool begin(struct driver *d, int32_t index, int64_t plan_ns, struct err *err) {
    const struct load_options *o = d->options;
    struct slot *slot = &d->slots[index];
    int64_t body = o->shape == LOAD_TRACE && o->trace_body != NULL ? o->trace_body[d->issued]
                                                                   : d->issued % o->n_bodies;
    struct net_request request = {.method = "POST",
                                  .url = o->url,
                                  .headers = o->headers,
                                  .body = o->bodies[body].bytes,
                                  .body_size = o->bodies[body].size,
                                  .max_tokens = o->max_tokens,
                                  .is_stream = true,
                                  .ca_file = o->ca_file};
    d->issued++;
    slot->transfer.keeps_text = o->keeps_text;
    if (!transfer_start(&slot->transfer, &request, err)) return false;
    slot->transfer.record.plan_ns = plan_ns;
    slot->transfer.record.body = (int32_t)body;
    slot->is_busy = true;
    d->n_busy++;
    d->load->stop_ns = slot->transfer.record.send_ns;
    saturation_in_flight(&d->saturation, (double)(plan_ns - d->load->start_ns) / NS_PER_S,
                         (int)d->n_busy);
    return poller_add(&d->poller, slot->transfer.easy, err);
}

/* ---- what is due ---- */

static bool is_last(const struct driver *d, int64_t at_ns) {
    const struct load_options *o = d->options;
    if (o->requests > 0 && d->issued >= o->requests) return true;
    if (o->shape == LOAD_TRACE && d->issued >= o->n_trace) return true;
    return o->duration_s > 0 && at_ns >= d->until_ns;
}

static void plan_next(struct driver *d) {
    const struct load_options *o = d->options;
    double at_s = 0;
    if (o->shape == LOAD_TRACE) {
        at_s = d->issued < o->n_trace ? o->trace_s[d->issued] : 0;
    } else {
        at_s = arrivals_next(&d->arrivals);
    }
    d->next_ns = d->load->start_ns + (int64_t)(at_s * NS_PER_S);
}

static bool begin_due(struct driver *d, int64_t now, struct err *err) {
    while (!d->is_over && d->next_ns <= now) {
        if (is_last(d, d->next_ns)) {
            d->is_over = true;
        } else if (d->n_idle == 0) {
            d->issued++; /* late is not dropped, but nobody is free to send it */
            d->load->dropped++;
        } else if (!begin(d, d->idle[--d->n_idle], d->next_ns, err)) {
            return false;
        }
        if (!d->is_over) plan_next(d);
    }
    return true;
}

static bool begin_users(struct driver *d, int64_t now, struct err *err) {
    d->next_ns = now + TICK_NS;
    d->is_over = is_last(d, now);
    for (int64_t i = d->n_idle - 1; i >= 0 && !d->is_over; i--) {
        int32_t index = d->idle[i];
        int64_t ready = d->slots[index].ready_ns;
        if (ready > now) {
            if (ready < d->next_ns) d->next_ns = ready;
            continue;
        }
        d->idle[i] = d->idle[--d->n_idle];
        if (!begin(d, index, ready, err)) return false;
        d->is_over = is_last(d, now);
    }
    return true;
}

/* ---- what ends ---- */

static void end_ended(struct driver *d) {
    CURLcode code;
    CURL *easy;
    while ((easy = poller_ended(&d->poller, &code)) != NULL) {
        char *slot = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &slot); /* the transfer is its first member */
        transfer_end((struct transfer *)(void *)slot, code);
        keep(d, (struct transfer *)(void *)slot);
        release(d, (struct slot *)(void *)slot, net_now_ns());
    }
}

static void give_up(struct driver *d, struct slot *slot, enum net_failure why) {
    poller_remove(&d->poller, slot->transfer.easy);
    transfer_give_up(&slot->transfer, why);
    keep(d, &slot->transfer);
    release(d, slot, net_now_ns());
}

static void end_late(struct driver *d, int64_t now) {
    int64_t drain_ns = d->load->stop_ns + (int64_t)(d->options->drain_s * NS_PER_S);
    for (int64_t i = 0; i < d->n_slots; i++) {
        struct slot *slot = &d->slots[i];
        enum net_failure why;
        if (!slot->is_busy) continue;
        if (now >= transfer_deadline(&slot->transfer, &why)) {
            give_up(d, slot, why);
        } else if (d->is_over && now >= drain_ns) {
            give_up(d, slot, NET_CANCELLED);
        }
    }
}

/* Reasons to begin no more. */
static void look_at_whole(struct driver *d, int64_t now) {
    struct load *load = d->load;
    int64_t failed = (int64_t)load->n_records - d->succeeded;
    if (d->succeeded == 0 && failed >= HOPELESS && failed >= 4 * d->n_slots) {
        load->has_given_up = d->is_over = true;
    }
    if (d->options->stops_saturated && d->options->shape != LOAD_CLOSED && !d->is_over &&
        saturation_reached(&d->saturation, (double)(now - load->start_ns) / NS_PER_S)) {
        load->is_saturated = d->is_over = true;
    }
}

/* ---- the loop ---- */

static bool run(struct driver *d, const volatile int *cancel, struct err *err) {
    bool is_closed = d->options->shape == LOAD_CLOSED;
    int64_t tick_ns = d->load->start_ns;
    if (!is_closed) plan_next(d);
    for (;;) {
        int64_t now = net_now_ns();
        if (!d->is_over) {
            bool ok = is_closed ? begin_users(d, now, err) : begin_due(d, now, err);
            if (!ok) return false;
        }
        if (d->is_over && d->n_busy == 0) return true;
        int64_t wait = TICK_NS;
        if (!d->is_over && d->next_ns - now < wait) wait = d->next_ns - now;
        poller_step(&d->poller, wait);
        end_ended(d);
        if (d->is_out_of_memory) {
            return err_set(err, ERR_ENVIRONMENT, "out of memory for the load's results");
        }
        if (*cancel != 0) return err_set(err, ERR_CANCELLED, "interrupted");
        now = net_now_ns();
        if (now - tick_ns < TICK_NS) continue;
        tick_ns = now;
        end_late(d, now);
        look_at_whole(d, now);
    }
}

static bool make_slots(struct driver *d, struct err *err) {
    const struct load_options *o = d->options;
    d->n_slots = o->shape == LOAD_CLOSED ? o->users : o->max_in_flight;
    d->slots = mem_new_array((size_t)d->n_slots, sizeof *d->slots);
    d->idle = mem_new_array((size_t)d->n_slots, sizeof *d->idle);
    if (d->slots == NULL || d->idle == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "out of memory for %lld users", (long long)d->n_slots);
    }
    for (int64_t i = 0; i < d->n_slots; i++) {
        if (!transfer_init(&d->slots[i].transfer, &o->limits, err)) return false;
        d->idle[d->n_idle++] = (int32_t)(d->n_slots - 1 - i);
    }
    return true;
}

static void free_slots(struct driver *d) {
    for (int64_t i = 0; d->slots != NULL && i < d->n_slots; i++) {
        struct transfer *t = &d->slots[i].transfer;
        if (d->slots[i].is_busy) poller_remove(&d->poller, t->easy);
        transfer_free(t);
    }
    mem_free(d->slots);
    mem_free(d->idle);
}

static void set_start(struct driver *d) {
    const struct load_options *o = d->options;
    struct load *load = d->load;
    load->start_ns = load->stop_ns = net_now_ns();
    d->until_ns = load->start_ns + (int64_t)(o->duration_s * NS_PER_S);
    d->arrivals =
        (struct arrivals){.shape = o->shape == LOAD_POISSON ? ARRIVE_POISSON : ARRIVE_CONSTANT,
                          .rate = o->rate,
                          .rate_end = o->rate_end > 0 ? o->rate_end : o->rate,
                          .ramp_s = o->rate_end > 0 ? o->ramp_s : 0,
                          .state = o->seed};
    for (int64_t i = 0; i < d->n_slots; i++) {
        double share = d->n_slots > 1 ? (double)i / (double)(d->n_slots - 1) : 0;
        int64_t ramp = (int64_t)(share * o->ramp_s * NS_PER_S), apart = i * USERS_APART_NS;
        d->slots[i].ready_ns = load->start_ns + (ramp > apart ? ramp : apart);
    }
}

bool load_run(struct load *load, const struct load_options *options, const volatile int *cancel,
              struct err *err) {
    struct driver d = {.load = load, .options = options, .poller = {.epoll_fd = -1}};
    *load = (struct load){.records = NULL};
    int64_t cpu_ns = clock_thread_cpu_ns();
    int64_t places = options->shape == LOAD_CLOSED ? options->users : options->max_in_flight;
    bool ok = poller_open(&d.poller, (int)places, err) && make_slots(&d, err);
    if (ok) {
        set_start(&d);
        ok = run(&d, cancel, err);
        load->end_ns = net_now_ns();
        load->cpu_ns = clock_thread_cpu_ns() - cpu_ns;
    }
    free_slots(&d);
    poller_close(&d.poller);
    return ok;
}
