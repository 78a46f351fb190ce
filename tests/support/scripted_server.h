/* scripted_server.h - an HTTP server for tests that does what the first part of the path names:
 *
 *   /NAME/...         a row of scripted_behaviours(): fixed bytes, then an ending
 *   /timed-A-B-N/...  N tokens: the first after A ms, the others every B ms; the text of each is the
 *                     time of its sending (CLOCK_MONOTONIC_RAW, ns)
 *   /told-A-B-N/...   the same; timings at the end say when the first was really sent (queue_ms) and the
 *                     longest time between two sendings (prefill_ms)
 *   /stall-A-B/...    as timed-1-1-2, but nothing is answered from A ms after the first request to any
 *                     /stall until B ms later
 *   /count-N-M/...    N pieces of text at once, usage says M tokens
 *   /grow-N/...       as timed-1-0-4, and N bytes are kept for good: a leak
 *
 * One thread per connection; connections are kept alive where the behaviour allows it. */
#ifndef WOOLLY_TESTS_SCRIPTED_SERVER_H
#define WOOLLY_TESTS_SCRIPTED_SERVER_H

#include <stddef.h>

enum scripted_ending {
    END_CLOSE,
    END_RESET,   /* RST */
    END_SILENCE, /* nothing more until the client leaves */
    END_REPEAT,  /* the last part again and again, as fast as it goes */
    END_DRIP,    /* one byte 'x' every 20 ms */
};

struct scripted_behaviour {
    const char *name;
    const char *expected; /* class of the failure, "ok" for what is unusual and right */
    const char *script;   /* parts are parted by PAUSE: 5 ms, and a segment of their own */
    size_t size;          /* bytes of script (it may hold NUL) */
    enum scripted_ending ending;
};

/* All of them; name NULL ends the list. */
const struct scripted_behaviour *scripted_behaviours(void);

/* Listens on 127.0.0.1; returns the port (0: it could not). Runs until the process ends. */
int scripted_server_start(void);

#endif
