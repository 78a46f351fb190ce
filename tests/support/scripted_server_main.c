/* scripted_server_main.c - the scripted server as a program: prints its URL, ends with its input.
 */
#include "support/scripted_server.h"

#include <stdio.h>
#include <unistd.h>

int main(void) {
    int port = scripted_server_start();
    if (port == 0) {
        perror("scripted_server");
        return 4;
    }
    printf("http://127.0.0.1:%d\n", port);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        continue;
    return 0;
}
