/* host.h - the embedded Lua: one call from main. */
#ifndef WOOLLY_HOST_H
#define WOOLLY_HOST_H

/* Runs `woolly-lua ARGS...` and returns the exit status (DESIGN "Gates, verdicts, exit status"). */
int host_main(int argc, char **argv);

#endif
