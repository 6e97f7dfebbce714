#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Notes what a process asks of the network in $KGPT2_GUARD, and refuses it; this machine itself may be asked. */

static void note(const char *what, const char *whom) {
    char line[512];
    int length = snprintf(line, sizeof line, "%s %s\n", what, whom ? whom : "");
    int file = open(getenv("KGPT2_GUARD"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0) { if (write(file, line, length) < 0) abort(); close(file); }
}

static int here(const char *name) {
    return !name || !*name || !strcmp(name, "localhost") || !strncmp(name, "127.", 4) || !strcmp(name, "::1")
        || !strcmp(name, "0.0.0.0") || !strcmp(name, "::");
}

static int away(const struct sockaddr *address) {
    char name[INET6_ADDRSTRLEN] = "";
    if (!address) return 0;
    if (address->sa_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)address)->sin_addr, name, sizeof name);
    else if (address->sa_family == AF_INET6) inet_ntop(AF_INET6, &((struct sockaddr_in6 *)address)->sin6_addr, name, sizeof name);
    else return 0;
    if (here(name) || !strncmp(name, "::ffff:127.", 11)) return 0;
    note("connect", name);
    return 1;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (here(name)) return next(name, service, hints, found);
    note("getaddrinfo", name);
    return EAI_FAIL;
}

struct hostent *gethostbyname(const char *name) {
    struct hostent *(*next)(const char *) = dlsym(RTLD_NEXT, "gethostbyname");
    if (here(name)) return next(name);
    note("gethostbyname", name);
    h_errno = NO_RECOVERY;
    return NULL;
}

int connect(int socket, const struct sockaddr *address, socklen_t size) {
    int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    if (!away(address)) return next(socket, address, size);
    errno = ENETUNREACH;
    return -1;
}

ssize_t sendto(int socket, const void *data, size_t length, int flags, const struct sockaddr *address, socklen_t size) {
    ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
    if (!away(address)) return next(socket, data, length, flags, address, size);
    errno = ENETUNREACH;
    return -1;
}
