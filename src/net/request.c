/* request.c - a poller with one transfer in it. */
#include "net/request.h"

#include "net/poller.h"

#define TICK_NS 20000000 /* how late a deadline or Ctrl-C may be noticed */

static bool run(struct poller *poller, struct transfer *t, const volatile int *cancel,
                struct err *err) {
    if (!poller_add(poller, t->easy, err)) return false;
    for (;;) {
        CURLcode code;
        poller_step(poller, TICK_NS);
        if (poller_ended(poller, &code) != NULL) {
            transfer_end(t, code);
            return true;
        }
        enum net_failure why;
        bool is_late = net_now_ns() >= transfer_deadline(t, &why);
        if (!is_late && *cancel == 0) continue;
        poller_remove(poller, t->easy);
        transfer_give_up(t, is_late ? why : NET_CANCELLED);
        return is_late ? true : err_set(err, ERR_CANCELLED, "interrupted");
    }
}

bool request_run(struct transfer *transfer, const struct net_request *request,
                 const volatile int *cancel, struct err *err) {
    struct poller poller;
    if (!poller_open(&poller, 1, err)) return false;
    bool ok = transfer_start(transfer, request, err) && run(&poller, transfer, cancel, err);
    poller_close(&poller);
    return ok;
}
