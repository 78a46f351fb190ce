/* request.h - one request, waited for. */
#ifndef WOOLLY_NET_REQUEST_H
#define WOOLLY_NET_REQUEST_H

#include "net/transfer.h"

/* Runs a transfer made by transfer_init to its end. False only when it could not be started (its
 * record says nothing then) or *cancel was raised; what the network and the server do wrong is in
 * record.failure. */
bool request_run(struct transfer *transfer, const struct net_request *request,
                 const volatile int *cancel, struct err *err);

#endif
